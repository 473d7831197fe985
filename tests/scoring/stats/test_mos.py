"""MOS, standard deviation and intervals against hand-sized numbers, published sets and scipy."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from scoring.stats.matrix import (
    group_rows,
    mean_of_repetitions,
    presentations,
    repetitions_as_viewers,
    score_matrix,
    smallest_step,
    vote_array,
)
from scoring.stats.mos import before_and_after, grouped_mos, mean_opinion_scores

from . import published

scores_with_gaps = arrays(
    float,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.one_of(st.integers(0, 10).map(float), st.just(math.nan)),
)


def test_nine_votes_give_the_worked_numbers():
    # Worked by scipy 1.17 (sem, t.interval).
    table = mean_opinion_scores(np.array([[7.0, 8, 6, 7, 9, 7, 8, 6, 7]]))
    assert table.votes[0] == 9
    assert table.mos[0] == pytest.approx(7.2222222222, abs=1e-10)
    assert table.sd[0] == pytest.approx(0.9718253158, abs=1e-10)
    assert table.ci_z[0] == pytest.approx(0.6349258730, abs=1e-10)
    assert table.ci_t[0] == pytest.approx(0.7470110656, abs=1e-10)


def test_two_viewers_get_the_very_wide_interval_they_deserve():
    table = mean_opinion_scores(np.array([[4.0, 6.0]]))
    # t(0.975, 1) = 12.7062 in any table; the standard error of 4 and 6 is 1.
    assert table.ci_t[0] == pytest.approx(12.7062047362, abs=1e-9)


def test_one_vote_has_a_mos_and_no_interval():
    table = mean_opinion_scores(np.array([[4.0, math.nan]]))
    assert table.mos[0] == 4
    assert np.isnan([table.sd[0], table.ci_t[0], table.ci_z[0]]).all()


def test_a_stimulus_without_votes_has_no_mos():
    table = mean_opinion_scores(np.array([[math.nan, math.nan]]))
    assert table.votes[0] == 0
    assert np.isnan(table.mos[0])


@pytest.mark.parametrize("name", ["nflx_public", "p910_demo_sample"])
def test_published_ratings_give_the_reference_numbers(name):
    # Computed apart from this project with numpy and scipy from the sets of Netflix/sureal.
    if name == "nflx_public":
        expected = published.load("nflx_public/reference_numpy.json")
    else:
        expected = published.load("p910_demo_sample/reference.json")["mos"]
    scores, _ = published.matrix(name)
    table = mean_opinion_scores(scores)
    for ours, theirs in [
        (table.votes, "n"),
        (table.mos, "mos"),
        (table.sd, "sd"),
        (table.ci_z, "ci95_z"),
        (table.ci_t, "ci95_t"),
    ]:
        np.testing.assert_allclose(ours, expected[theirs], rtol=0, atol=1e-12)


def test_repetitions_taken_as_votes_give_the_reference_numbers():
    expected = published.load("bt500_demo_repetitions/reference.json")["mos"]
    scores, _ = published.matrix("bt500_demo_repetitions", ["subject", "repetition"])
    table = mean_opinion_scores(scores)
    np.testing.assert_allclose(table.mos, expected["mos"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(table.ci_t, expected["ci95_t"], rtol=0, atol=1e-12)


def test_a_viewer_who_scored_a_stimulus_twice_counts_once_with_the_mean():
    scores = score_matrix(
        np.array([0, 0, 0]), np.array([0, 0, 1]), np.array([4.0, 8.0, 1.0]), (2, 2)
    )
    np.testing.assert_array_equal(scores, [[6, 1], [math.nan, math.nan]])
    assert mean_opinion_scores(scores).mos[0] == 3.5


def test_rows_are_grouped_over_what_each_viewer_scored():
    scores = np.array([[2.0, math.nan], [4.0, 6.0], [9.0, math.nan]])
    grouped = group_rows(scores, np.array([0, 0, 1]), 2)
    np.testing.assert_array_equal(grouped, [[3, 6], [9, math.nan]])


@given(scores_with_gaps)
def test_numbers_agree_with_numpy_and_scipy_on_any_matrix(scores):
    table = mean_opinion_scores(scores)
    for row, votes, mos, sd, ci_t in zip(
        scores, table.votes, table.mos, table.sd, table.ci_t, strict=True
    ):
        present = row[~np.isnan(row)]
        assert votes == len(present)
        if len(present) >= 1:
            assert mos == pytest.approx(np.mean(present))
        if len(present) >= 2:
            assert sd == pytest.approx(np.std(present, ddof=1))
            t = scipy.stats.t.ppf(0.975, len(present) - 1)
            assert ci_t == pytest.approx(t * scipy.stats.sem(present), abs=1e-12)


@given(scores_with_gaps, st.randoms(use_true_random=False))
def test_the_order_of_viewers_changes_nothing(scores, random):
    order = list(range(scores.shape[1]))
    random.shuffle(order)
    one, other = mean_opinion_scores(scores), mean_opinion_scores(scores[:, order])
    np.testing.assert_allclose(one.mos, other.mos, atol=1e-12)
    np.testing.assert_allclose(one.ci_t, other.ci_t, atol=1e-9)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 10)), max_size=40))
def test_the_matrix_holds_each_viewers_mean_score(votes):
    stimulus = np.array([v[0] for v in votes], dtype=np.intp)
    viewer = np.array([v[1] for v in votes], dtype=np.intp)
    score = np.array([v[2] for v in votes], dtype=float)
    scores = score_matrix(stimulus, viewer, score, (4, 3))
    for j in range(4):
        for i in range(3):
            own = [s for a, b, s in votes if (a, b) == (j, i)]
            if own:
                assert scores[j, i] == pytest.approx(sum(own) / len(own))
            else:
                assert np.isnan(scores[j, i])


def test_repetitions_can_be_averaged_kept_apart_or_taken_for_viewers():
    votes = vote_array(
        np.array([0, 0, 0, 1]),
        np.array([0, 0, 1, 1]),
        np.array([0, 1, 0, 1]),
        np.array([4.0, 8.0, 1.0, 3.0]),
        (2, 2, 2),
    )
    nan = math.nan
    np.testing.assert_array_equal(mean_of_repetitions(votes), [[6, 1], [nan, 3]])
    np.testing.assert_array_equal(presentations(votes), [[4, 1], [8, nan], [nan, nan], [nan, 3]])
    np.testing.assert_array_equal(
        repetitions_as_viewers(votes), [[4, 8, 1, nan], [nan, nan, nan, 3]]
    )


def test_the_mos_of_a_method_has_an_interval_over_viewers():
    scores = np.array([[2.0, 4.0], [4.0, 8.0], [1.0, 1.0]])
    table = grouped_mos(scores, np.array([0, 0, 1]), 2)
    np.testing.assert_array_equal(table.mos, [4.5, 1])
    np.testing.assert_array_equal(table.votes, [2, 2])
    assert table.sd[0] == pytest.approx(np.std([3, 6], ddof=1))


def test_the_mos_of_a_cell_has_a_row_per_box():
    # Two cells of one panel; the anchor, in box B of the first and A of the second, stays apart.
    cell, box = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 0, 1, 0, 1])
    viewer, score = np.array([0, 0, 1, 1, 0, 0]), np.array([8.0, 4, 6, 5, 3, 9])
    table = mean_opinion_scores(score_matrix(2 * cell + box, viewer, score, (4, 2)))
    np.testing.assert_array_equal(table.mos, [7, 4.5, 3, 9])
    np.testing.assert_array_equal(table.votes, [2, 2, 1, 1])


def test_before_and_after_says_how_far_the_mos_moves():
    scores = np.array([[2.0, 4.0, 9.0], [1.0, 1.0, 1.0], [math.nan, math.nan, 5.0]])
    found = before_and_after(scores, np.array([True, True, False]))
    np.testing.assert_array_equal(found.change, [-2, 0, math.nan])
    assert found.largest_change == 2


@pytest.mark.parametrize(
    ("votes", "step"), [([[1, 2, 10]], 1), ([[1, 1.5, 3]], 0.5), ([[20, 60, math.nan]], 40)]
)
def test_the_smallest_step_of_a_scale_is_read_from_the_scores(votes, step):
    assert smallest_step(np.array(votes, dtype=float)) == step
