"""A against B: the worked panel, scipy, and the corrections for many questions."""

import math
from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.stats.comparison import compare_methods, paired, wilson
from scoring.stats.multiplicity import benjamini_hochberg, holm
from scoring.stats.ranking import best_of_contents, groups_alike, rank_methods
from scoring.stats.signed import sign_test, wilcoxon

from . import published

# Nine viewers by four contents, B - A; numbers of scipy.stats (ttest_rel, binomtest).
A = np.array(
    [[5, 5, 5, 7], [7, 6, 4, 6], [7, 8, 5, 6], [5, 8, 5, 5], [6, 5, 4, 7],
     [5, 7, 5, 6], [6, 7, 3, 7], [5, 6, 4, 7], [6, 6, 4, 7]], dtype=float,
).T  # fmt: skip
B = np.array(
    [[6, 4, 6, 6], [10, 7, 3, 6], [7, 8, 6, 4], [6, 8, 7, 4], [8, 4, 5, 6],
     [8, 8, 9, 7], [8, 8, 3, 7], [8, 6, 5, 7], [8, 6, 5, 7]], dtype=float,
).T  # fmt: skip
P_T = [0.0006649127711, 0.6810571608719, 0.0403506528216, 0.1690202030192]


def test_the_worked_panel_gives_the_worked_numbers():
    found = paired(B - A)
    np.testing.assert_allclose(found.mean, [17 / 9, 1 / 9, 10 / 9, -4 / 9], atol=1e-12)
    np.testing.assert_allclose(found.t, [5.3758720223, 0.4264014327, 2.4433888871, -1.5118578920])
    np.testing.assert_allclose(found.p_t, P_T, atol=1e-12)
    np.testing.assert_allclose(
        found.p_t_holm, [0.002659651, 0.681057161, 0.121051958, 0.338040406], atol=1e-9
    )
    np.testing.assert_allclose(found.p_sign, [0.0078125, 1, 0.0703125, 0.375], atol=1e-12)
    assert found.positive.tolist() == [8, 3, 7, 1]
    assert found.negative.tolist() == [0, 2, 1, 4]
    assert found.ties.tolist() == [1, 4, 1, 4]
    assert found.wilcoxon.tolist() == [0, 6, 3.5, 2.5]


def test_all_numbers_of_the_reference_come_out():
    expected = published.load("worked_examples.json")["paired"]
    found = paired(B - A)
    assert expected["A"] == A.T.tolist()
    for ours, theirs in [
        (found.mean, "mean_diff"),
        (found.p_t, "p_t"),
        (found.p_t_holm, "holm"),
        (found.p_t_bh, "bh"),
        (found.wilcoxon, "wilcoxon_stat"),
        (found.p_sign, "p_sign"),
    ]:
        np.testing.assert_allclose(ours, expected[theirs], rtol=0, atol=1e-12)
    # The reference has the normal approximation; ours is exact for these ranks with their ties.
    approximate = [wilcoxon(row, exact_up_to=0).p for row in B - A]
    np.testing.assert_allclose(approximate, expected["p_w"], rtol=0, atol=1e-12)
    assert found.p_wilcoxon[0] == pytest.approx(2 / 2**8)


def test_the_interval_of_a_difference_is_that_of_scipy():
    found = paired(B - A)
    theirs = scipy.stats.ttest_rel(B[0], A[0]).confidence_interval()
    assert found.mean[0] - found.ci[0] == pytest.approx(theirs.low)
    assert found.mean[0] + found.ci[0] == pytest.approx(theirs.high)


differences = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=11).map(np.array)


@settings(max_examples=60)
@given(differences)
def test_wilcoxons_p_is_the_share_of_all_choices_of_signs(sample):
    found = wilcoxon(sample)
    differing = sample[sample != 0]
    if len(differing) == 0:
        assert math.isnan(found.p)
        return
    ranks = scipy.stats.rankdata(np.abs(differing))
    signs = np.array(list(product((0, 1), repeat=len(ranks))))
    sums = signs @ ranks
    share = (np.minimum(sums, ranks.sum() - sums) <= found.statistic + 1e-9).mean()
    assert found.p == pytest.approx(min(1.0, share), abs=1e-12)


def test_without_ties_and_for_many_differences_wilcoxon_is_that_of_scipy():
    sample = np.random.default_rng(1).normal(0.3, 1, 30)
    assert wilcoxon(sample).p == pytest.approx(scipy.stats.wilcoxon(sample).pvalue)
    many = np.random.default_rng(1).integers(-4, 6, 200).astype(float)
    theirs = scipy.stats.wilcoxon(many, zero_method="wilcox", method="approx")
    assert wilcoxon(many).p == pytest.approx(theirs.pvalue)
    assert not wilcoxon(many).exact


@given(differences)
def test_the_sign_test_is_that_of_scipy(sample):
    found = sign_test(sample)
    if found.positive + found.negative:
        theirs = scipy.stats.binomtest(found.positive, found.positive + found.negative)
        assert found.p == pytest.approx(theirs.pvalue, abs=1e-12)
    else:
        assert found.p == 1
    assert found.positive + found.negative + found.ties == len(sample)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12).map(np.array))
def test_corrections_agree_with_their_definitions(p):
    np.testing.assert_allclose(benjamini_hochberg(p), scipy.stats.false_discovery_control(p))
    order, adjusted, most = np.argsort(p, kind="stable"), np.empty(len(p)), 0.0
    for place, k in enumerate(order):
        most = max(most, p[k] * (len(p) - place))
        adjusted[k] = min(1.0, most)
    np.testing.assert_allclose(holm(p), adjusted)


def test_what_was_not_tested_is_not_corrected_for():
    p = np.array([0.01, math.nan, 0.04])
    np.testing.assert_allclose(holm(p), [0.02, math.nan, 0.04])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, math.nan, 0.04])
    assert len(holm(np.array([]))) == 0


def test_a_share_of_preference_has_wilsons_interval():
    low, high = wilson(np.array([8, 0]), np.array([9, 9]))
    theirs = scipy.stats.binomtest(8, 9).proportion_ci(method="wilson")
    assert low[0] == pytest.approx(theirs.low, abs=1e-4)
    assert high[0] == pytest.approx(theirs.high, abs=1e-4)
    assert low[1] == 0
    found = paired(np.array([[1.0, 2, -1, 0, math.nan]]))
    assert found.preference[0] == pytest.approx(2 / 3)
    assert found.viewers[0] == 4


def test_means_that_are_equal_but_for_the_last_bit_are_ties():
    dust = np.array([[0.1 + 0.2 - 0.3, 0.3 - 0.2 - 0.1, 0.0, 1.0]])
    found = paired(dust)
    assert (found.positive[0], found.negative[0], found.ties[0]) == (1, 0, 3)


def test_rows_with_too_few_viewers_have_no_test_and_no_error():
    found = paired(np.array([[math.nan, math.nan], [1.0, math.nan], [2.0, 2.0]]))
    assert np.isnan(found.p_t[:2]).all()
    assert np.isnan(found.mean[0])
    assert np.isnan(found.p_sign[0])
    assert found.t[2] == math.inf
    assert found.p_t[2] == 0


# ---- methods ---------------------------------------------------------------------------------

CONTENT = np.array([0, 0, 1, 1, 2])
METHOD = np.array([0, 1, 0, 1, 0])


def test_methods_are_compared_over_the_contents_that_both_have():
    scores = np.array([[7.0, 8, 9], [5, 5, 6], [6, 6, math.nan], [5, 4, 3], [1, 1, 1]])
    found = compare_methods(scores, CONTENT, METHOD, 0, 1)
    assert found.contents.tolist() == [0, 1]
    np.testing.assert_allclose(found.per_content.mean, [8 / 3, 1.5])
    # Each viewer's mean over contents: 1.5, 2.5 and 3.
    assert found.overall.mean[0] == pytest.approx(7 / 3)
    assert found.overall.viewers[0] == 3


def test_several_stimuli_of_a_content_and_method_count_as_their_mean():
    scores = np.array([[7.0, 8], [5, math.nan], [4, 4]])
    found = compare_methods(scores, np.array([0, 0, 0]), np.array([0, 0, 1]), 0, 1)
    assert found.per_content.mean.tolist() == [3]  # 6 - 4 and 8 - 4


def test_methods_without_a_common_content_are_not_compared():
    found = compare_methods(np.ones((2, 3)), np.array([0, 1]), np.array([0, 1]), 0, 1)
    assert len(found.contents) == 0
    assert np.isnan(found.overall.mean[0])


def ranked(means: list[float], noise: float = 0.3):
    generator = np.random.default_rng(3)
    content, method = (grid.ravel() for grid in np.indices((4, len(means))))
    quality = np.array(means)[method][:, None]
    viewer = generator.normal(0, 1, 9)
    scores = quality + viewer + generator.normal(0, noise, (len(method), 9))
    return rank_methods(scores, content, method)


def test_methods_are_ranked_and_those_that_cannot_be_told_apart_share_a_group():
    found = ranked([3, 7, 7.02, 5])
    assert found.methods.tolist()[2:] == [3, 0]
    assert set(found.methods.tolist()[:2]) == {1, 2}
    assert found.groups == ((0, 1), (2,), (3,))
    assert found.warning == ""
    assert (np.diff(found.mos.mos) <= 0).all()
    assert len(found.p_holm) == 6
    np.testing.assert_allclose(found.p_holm, holm(found.pairs.p_t))


def test_a_method_may_be_in_two_groups():
    different = np.zeros((3, 3), dtype=bool)
    different[0, 2] = different[2, 0] = True
    assert groups_alike(different) == ((0, 1), (1, 2))
    assert groups_alike(np.zeros((3, 3), dtype=bool)) == ((0, 1, 2),)
    assert groups_alike(~np.eye(3, dtype=bool)) == ((0,), (1,), (2,))
    assert groups_alike(np.zeros((0, 0), dtype=bool)) == ()


@given(st.integers(1, 6), st.randoms(use_true_random=False))
def test_groups_hold_all_pairs_that_do_not_differ_and_no_pair_that_does(size, random):
    different = np.zeros((size, size), dtype=bool)
    for a in range(size):
        for b in range(a):
            different[a, b] = different[b, a] = random.random() < 0.5
    groups = groups_alike(different)
    together = {(a, b) for group in groups for a in group for b in group if a < b}
    expected = {(a, b) for a in range(size) for b in range(a + 1, size) if not different[a, b]}
    assert together == expected


def test_an_unbalanced_test_is_warned_of():
    scores = np.random.default_rng(1).integers(0, 11, (5, 9)).astype(float)
    assert "Not every method has every content" in rank_methods(scores, CONTENT, METHOD).warning


def test_a_method_nobody_scored_is_last_and_in_no_group():
    scores = np.array([[np.nan] * 4, [5.0, 6, 5, 7], [5, 5, 6, 6]])
    ranking = rank_methods(scores, np.zeros(3, dtype=np.intp), np.arange(3))
    assert ranking.methods.tolist()[-1] == 0
    assert ranking.groups == ((0, 1),)


def test_one_method_and_none_are_ranked_without_pairs():
    assert len(ranked([5]).p_holm) == 0
    empty = np.array([], dtype=np.intp)
    assert rank_methods(np.empty((0, 3)), empty, empty).groups == ()


def test_the_best_of_a_content_is_compared_with_the_others_of_that_content():
    generator = np.random.default_rng(5)
    quality = np.array([[3, 7, 7.1], [6, 2, 4]])
    content, method = (grid.ravel() for grid in np.indices(quality.shape))
    noise = generator.normal(0, 0.3, (6, 9))
    scores = quality.ravel()[:, None] + generator.normal(0, 1, 9) + noise
    first, second = best_of_contents(scores, content, method)
    assert set(first.alike().tolist()) == {1, 2}
    assert (second.methods.tolist(), second.alike().tolist()) == ([0, 2, 1], [0])
    against = scipy.stats.ttest_rel(scores[3], scores[[5, 4]], axis=1)
    np.testing.assert_allclose(second.less_others.p_t, against.pvalue)
    np.testing.assert_allclose(second.less_others.p_t_holm, holm(against.pvalue))
    np.testing.assert_allclose(second.mos.mos, scores[[3, 5, 4]].mean(axis=1))


def test_methods_nobody_scored_are_not_among_the_best_of_a_content():
    scores = np.array([[5.0, 6], [np.nan, np.nan], [np.nan, np.nan]])
    (found,) = best_of_contents(scores, np.array([0, 0, 1]), np.array([0, 1, 1]))
    assert (found.content, found.methods.tolist(), found.alike().tolist()) == (0, [0], [0])
