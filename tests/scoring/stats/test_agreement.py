"""ICC, alpha, SOS and split halves against pingouin, krippendorff and the published formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.stats.agreement import (
    agreement,
    between_viewers,
    icc,
    krippendorff_alpha,
    sos_parameter,
    split_half,
)

from . import published

# Six stimuli by four viewers; numbers by pingouin and krippendorff 0.9.0.
WORKED = np.array(
    [[9, 8, 7, 9], [6, 7, 5, 8], [4, 4, 2, 6], [8, 7, 7, 7], [2, 3, 1, 4], [5, 6, 4, 4]],
    dtype=float,
)


def test_the_worked_panel_gives_the_numbers_of_pingouin_and_krippendorff():
    found = icc(WORKED)
    assert found.single == pytest.approx(0.7695961995, abs=1e-10)
    assert found.mean == pytest.approx(0.9303661163, abs=1e-10)
    assert krippendorff_alpha(WORKED) == pytest.approx(0.7373130814, abs=1e-10)
    assert krippendorff_alpha(WORKED, ordinal=True) == pytest.approx(0.7670569636, abs=1e-10)
    assert sos_parameter(WORKED) == pytest.approx(0.0651882162, abs=1e-10)


def test_alpha_takes_missing_votes():
    missing = WORKED.copy()
    missing[1, 2] = missing[4, 0] = math.nan
    assert krippendorff_alpha(missing) == pytest.approx(0.7347560976, abs=1e-10)


def test_published_ratings_give_the_reference_numbers():
    expected = published.load("nflx_public/reference_numpy.json")
    scores, _ = published.matrix("nflx_public")
    found = agreement(scores, lowest=1, highest=5)
    assert found.icc_single == pytest.approx(expected["icc"]["ICC21"], abs=1e-9)
    assert found.icc_mean == pytest.approx(expected["icc"]["ICC2k"], abs=1e-9)
    assert found.alpha_interval == pytest.approx(expected["kripp_alpha_interval"], abs=1e-9)
    assert found.sos_a == pytest.approx(expected["sos_a"], abs=1e-9)
    assert found.split_half > 0.95
    assert found.reason == ""


def test_the_icc_uses_the_stimuli_that_everybody_scored_and_says_how_many():
    missing = np.vstack([WORKED, [5, math.nan, 5, 5]])
    with_absent = np.hstack([missing, np.full((7, 1), math.nan)])
    found = icc(with_absent)
    assert found == icc(WORKED)
    assert found.stimuli == 6


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        (WORKED[:, :1], "two viewers, not 1"),
        (WORKED[:1], "two stimuli, not 1"),
        (np.array([[1, math.nan, 3, 2], [math.nan, 2, 1, 1]]), "0 stimuli were scored by all"),
        (np.empty((0, 0)), "two viewers, not 0"),
    ],
)
def test_what_cannot_be_computed_is_said(scores, why):
    found = agreement(scores)
    assert math.isnan(found.icc_single)
    assert why in found.reason


def test_equal_scores_everywhere_have_no_agreement_to_speak_of():
    found = agreement(np.full((6, 4), 5.0))
    assert np.isnan([found.icc_single, found.alpha_interval, found.split_half]).all()
    assert found.sos_a == 0


def test_halves_of_a_panel_in_full_agreement_correlate_by_one():
    assert split_half(np.tile(np.arange(8.0)[:, None], (1, 6))) == pytest.approx(1)


def test_a_seed_repeats_the_split_halves():
    scores = np.random.default_rng(1).integers(0, 11, (30, 9)).astype(float)
    assert split_half(scores, seed=4) == split_half(scores, seed=4)
    assert split_half(scores, seed=4) != split_half(scores, seed=5)


panels = arrays(
    float,
    st.tuples(st.integers(2, 8), st.integers(2, 6)),
    elements=st.one_of(st.integers(0, 5).map(float), st.just(math.nan)),
)


@given(panels, st.booleans())
def test_alpha_agrees_with_its_definition_over_pairs(scores, ordinal):
    units = [row[~np.isnan(row)] for row in scores]
    units = [unit for unit in units if len(unit) >= 2]
    everything = np.concatenate(units) if units else np.array([])
    frequency = {v: int((everything == v).sum()) for v in everything}

    def distance(a: float, b: float) -> float:
        if not ordinal:
            return (a - b) ** 2
        low, high = min(a, b), max(a, b)
        between = sum(f for v, f in frequency.items() if low <= v <= high)
        return (between - (frequency[a] + frequency[b]) / 2) ** 2 if a != b else 0.0

    found = krippendorff_alpha(scores, ordinal=ordinal)
    if len(set(everything)) < 2:
        assert math.isnan(found)
        return
    observed = sum(sum(distance(a, b) for a in u for b in u) / (len(u) - 1) for u in units)
    n = len(everything)
    expected = sum(distance(a, b) for a in everything for b in everything) / (n - 1)
    assert found == pytest.approx(1 - observed / expected, abs=1e-9)


def test_correlation_between_viewers_is_over_what_both_scored():
    scores = np.random.default_rng(2).integers(0, 11, (12, 5)).astype(float)
    np.testing.assert_allclose(between_viewers(scores), np.corrcoef(scores.T), atol=1e-12)
    scores[:4, 0] = scores[2:7, 1] = np.nan
    shared = slice(7, 12)
    expected = np.corrcoef(scores[shared, 0], scores[shared, 1])[0, 1]
    found = between_viewers(scores)
    assert found[0, 1] == pytest.approx(expected, abs=1e-12)
    assert found[1, 0] == found[0, 1]


def test_viewers_without_spread_or_common_stimuli_have_no_correlation():
    scores = np.random.default_rng(2).integers(0, 11, (6, 4)).astype(float)
    scores[:, 0] = 5
    scores[:4, 1] = np.nan
    found = between_viewers(scores)
    assert np.isnan(found[0]).all()
    assert np.isnan(found[1, 2])
    assert not np.isnan(found[2, 3])
    assert between_viewers(np.full((3, 2), np.nan)).shape == (2, 2)
