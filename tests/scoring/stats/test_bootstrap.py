"""Intervals by resampling viewers, against scipy and against Efron's formulas written out."""

import math

import numpy as np
import pytest
import scipy.stats

from scoring.stats.bootstrap import Kind, bootstrap_mos, draw_viewers
from scoring.stats.matrix import group_rows

NINE = np.array([[7.0, 8, 6, 7, 9, 7, 8, 6, 7], [1.0, 2, 1, 1, 1, 3, 1, 9, 1]])
METHOD = {Kind.PERCENTILE: "percentile", Kind.BCA: "BCa"}


@pytest.mark.parametrize("kind", Kind)
def test_the_interval_is_that_of_scipy_with_as_many_resamples(kind):
    found = bootstrap_mos(NINE, kind, resamples=60_000, seed=3)
    for row, low, high in zip(NINE, found.low, found.high, strict=True):
        theirs = scipy.stats.bootstrap(
            (row,),
            np.mean,
            n_resamples=60_000,
            method=METHOD[kind],
            vectorized=True,
            rng=np.random.default_rng(5),
        ).confidence_interval
        # Means of nine whole numbers come in steps of 1/9; a seed may move an end by one.
        assert low == pytest.approx(theirs.low, abs=1 / 9 + 1e-9)
        assert high == pytest.approx(theirs.high, abs=1 / 9 + 1e-9)


def test_bca_is_efrons_formula_on_the_same_resamples():
    drawn = draw_viewers(9, 999, 11)
    found = bootstrap_mos(NINE, Kind.BCA, resamples=999, seed=11)
    for row, low, high in zip(NINE, found.low, found.high, strict=True):
        means = [float(row @ counts) / 9 for counts in drawn.T]
        below = sum((m < row.mean() - 1e-12) * 1 + (m <= row.mean() + 1e-12) for m in means)
        z0 = scipy.stats.norm.ppf(below / 2 / len(means))
        jackknife = np.array([np.delete(row, i).mean() for i in range(9)])
        away = jackknife.mean() - jackknife
        a = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
        for end, p in ((low, 0.025), (high, 0.975)):
            z = z0 + scipy.stats.norm.ppf(p)
            share = scipy.stats.norm.cdf(z0 + z / (1 - a * z))
            assert end == pytest.approx(np.quantile(means, share), abs=1e-9)


def test_a_seed_repeats_the_interval_and_another_moves_it():
    one, same, other = (bootstrap_mos(NINE, seed=seed, resamples=200) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.low, same.low)
    assert (one.low != other.low).any() or (one.high != other.high).any()
    assert (one.kind, one.resamples, one.seed) == (Kind.BCA, 200, 1)


@pytest.mark.parametrize("kind", Kind)
def test_equal_votes_have_an_interval_of_no_width_and_one_vote_has_none(kind):
    scores = np.array([[4.0, 4, 4], [4, math.nan, math.nan], [math.nan] * 3])
    found = bootstrap_mos(scores, kind, resamples=100)
    assert (found.low[0], found.high[0]) == (4, 4)
    assert np.isnan(found.low[1:]).all()
    assert np.isnan(found.high[1:]).all()


def test_missing_votes_are_left_out_of_a_resample():
    scores = np.array([[2.0, 4, 6, 8, math.nan, math.nan, math.nan, math.nan]])
    found = bootstrap_mos(scores, Kind.PERCENTILE, resamples=500)
    assert 2 <= found.low[0] < 5 < found.high[0] <= 8


def test_a_panel_without_anybody_has_no_interval():
    assert np.isnan(bootstrap_mos(np.empty((3, 0)), resamples=10).low).all()


def test_an_interval_of_a_method_resamples_viewers_not_votes():
    # Two viewers who disagree by a constant: more contents do not make the mean surer.
    scores = np.tile([[2.0, 6.0, 2.0, 6.0]], (50, 1))
    by_method = group_rows(scores, np.zeros(50, dtype=np.intp), 1)
    found = bootstrap_mos(by_method, Kind.PERCENTILE, resamples=500)
    assert (found.low[0], found.high[0]) == (2, 6)
