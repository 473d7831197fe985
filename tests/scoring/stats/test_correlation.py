"""Metric against MOS: coefficients, their interval, and what is said where there is none."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from scoring.stats.correlation import correlate

from . import published

MOS = np.array([1.2, 2.1, 2.9, 3.8, 4.4, 5.1, 5.9, 6.4, 7.2, 7.9, 8.6, 9.3])
PSNR = np.array([24.1, 27.9, 26.2, 30.4, 33.0, 29.1, 35.2, 31.7, 37.5, 34.0, 41.2, 39.0])


def test_twelve_points_give_the_worked_numbers():
    # Worked with numpy, scipy.stats.spearmanr and the published Fisher formula.
    found = correlate(PSNR, MOS)
    assert found.n == 12
    assert found.pearson == pytest.approx(0.9117717929, abs=1e-10)
    assert found.low == pytest.approx(0.7087144048, abs=1e-10)
    assert found.high == pytest.approx(0.9753208089, abs=1e-10)
    assert found.spearman == pytest.approx(0.9090909091, abs=1e-10)


@pytest.mark.parametrize("metric", ["vmaf", "psnr"])
def test_the_reference_examples_come_out_to_the_last_digit(metric):
    example = published.load("worked_examples.json")["p1401"]
    reference = example["metrics"][metric]
    found = correlate(np.array(reference["x"]), np.array(example["mos"]))
    assert found.pearson == pytest.approx(reference["plcc_raw"], abs=1e-12)
    assert found.spearman == pytest.approx(reference["srocc"], abs=1e-12)
    assert found.low == pytest.approx(reference["linear"]["plcc_lo"], abs=1e-12)
    assert found.high == pytest.approx(reference["linear"]["plcc_hi"], abs=1e-12)


def test_missing_and_infinite_values_are_counted_and_never_used():
    metric = np.append(PSNR, [math.inf, math.nan, 30.0])
    mos = np.append(MOS, [9.9, 5.0, math.nan])
    found = correlate(metric, mos)
    assert (found.n, found.missing) == (12, 3)
    assert found.pearson == correlate(PSNR, MOS).pearson


@pytest.mark.parametrize(
    ("metric", "mos", "reason"),
    [
        ([], [], "0 usable points"),
        ([30.0, 31.0], [4.0, 5.0], "2 usable points"),
        ([30.0, 30.0, 30.0], [4.0, 5.0, 6.0], "The metric has the same value"),
        ([30.0, 31.0, 32.0], [4.0, 4.0, 4.0], "The MOS is the same"),
        ([math.inf] * 4, [4.0, 5.0, 6.0, 7.0], "0 usable points"),
    ],
)
def test_an_undefined_coefficient_is_none_with_a_reason(metric, mos, reason):
    found = correlate(np.array(metric, dtype=float), np.array(mos, dtype=float))
    assert found.pearson is None
    assert found.spearman is None
    assert reason in found.reason


def test_three_points_have_a_coefficient_without_an_interval():
    found = correlate(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 4.0]))
    assert found.pearson is not None
    assert found.low is None
    assert "at least 4 points" in found.interval_reason


def test_points_on_a_line_have_no_interval():
    found = correlate(np.arange(6.0), np.arange(6.0) * 2 + 1)
    assert found.pearson == 1
    assert found.low is None
    assert "on a line" in found.interval_reason


def test_a_metric_where_less_is_better_keeps_its_sign():
    assert correlate(-PSNR, MOS).pearson == pytest.approx(-0.9117717929, abs=1e-10)


pairs = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(0, 10)), min_size=3, max_size=30
).filter(lambda xs: len({x for x, _ in xs}) > 1 and len({y for _, y in xs}) > 1)


@given(pairs)
def test_coefficients_agree_with_scipy(points):
    x, y = (np.array(axis, dtype=float) for axis in zip(*points, strict=True))
    found = correlate(x, y)
    assert found.pearson == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-9)
    assert found.spearman == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)
    if found.low is not None and found.high is not None:
        assert -1 <= found.low <= found.pearson <= found.high <= 1
