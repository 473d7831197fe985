"""BT.500's rule: the worked panel, published ratings, and the faults other programs have."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.stats.matrix import presentations
from scoring.stats.mos import mean_opinion_scores
from scoring.stats.screening import Bt500, Peculiarity, Verdict, screen_bt500
from scoring.stats.screening.bt500 import far_out
from scoring.stats.screening.verdicts import MINIMUM_STIMULI

from . import published

# Twelve viewers by ten stimuli; numbers worked apart with numpy, rejection also by sureal.
WORKED = np.array(
    [
        [9, 7, 5, 5, 5, 6, 5, 6, 6, 7, 7, 5],
        [3, 7, 7, 7, 5, 7, 5, 6, 7, 7, 5, 5],
        [8, 5, 6, 4, 4, 4, 5, 4, 4, 6, 6, 6],
        [7, 4, 6, 5, 6, 5, 4, 5, 5, 5, 5, 4],
        [7, 8, 8, 7, 6, 7, 7, 7, 6, 6, 8, 6],
        [7, 5, 4, 6, 6, 6, 6, 6, 6, 4, 6, 6],
        [9, 8, 8, 8, 8, 7, 8, 8, 6, 6, 6, 6],
        [9, 6, 6, 6, 8, 6, 8, 6, 8, 7, 6, 6],
        [1, 4, 3, 3, 3, 5, 3, 3, 4, 3, 4, 5],
        [2, 5, 5, 6, 5, 5, 4, 5, 4, 4, 6, 5],
    ],
    dtype=float,
)
AS_SUREAL = Bt500(ddof=0, skip_unanimous=False, of_own_votes=False)


def details(screening, name):
    return [viewer.details[name] for viewer in screening.viewers]


def test_the_worked_panel_rejects_its_first_viewer_for_being_erratic():
    screening = screen_bt500(WORKED)
    first = screening.viewers[0]
    assert (first.details["above"], first.details["below"]) == (3, 2)
    assert (first.statistic, first.details["imbalance"]) == (0.5, 0.2)
    assert first.verdict is Verdict.REJECTED
    assert first.reason == (
        "Far above the others in 3 cases and far below in 2: 50.000 % of the scores, more than "
        "5 %, on both sides alike (imbalance 0.200, below 0.3): erratic."
    )
    assert screening.kept.sum() == 11
    after = mean_opinion_scores(WORKED[:, screening.kept]).mos
    np.testing.assert_allclose(
        after[:3], [5.8181818182, 6.1818181818, 4.9090909091], rtol=0, atol=1e-10
    )


def test_the_worked_panels_mos_after_is_that_of_the_reference():
    expected = published.load("worked_examples.json")["bt500"]
    assert expected["matrix_stimuli_x_subjects"] == WORKED.tolist()
    kept = screen_bt500(WORKED).kept
    for panel, name in ((WORKED, "mos_before"), (WORKED[:, kept], "mos_after")):
        np.testing.assert_allclose(mean_opinion_scores(panel).mos, expected[name], atol=1e-12)


def test_published_ratings_reject_nobody_when_s_divides_by_n_minus_1():
    expected = published.load("nflx_public/reference_numpy.json")["bt500_ddof1"]
    scores, _ = published.matrix("nflx_public")
    screening = screen_bt500(scores)
    assert details(screening, "above") == expected["P"]
    assert details(screening, "below") == expected["Q"]
    shares = [viewer.statistic for viewer in screening.viewers]
    np.testing.assert_allclose(shares, expected["stat1"], atol=1e-12)
    np.testing.assert_allclose(
        details(screening, "imbalance"), np.array(expected["stat2"], dtype=float), atol=1e-12
    )
    assert screening.kept.all()
    assert expected["rejected"] == []


def test_with_the_constants_of_sureal_its_verdicts_come_out():
    ours = published.load("nflx_public/reference_numpy.json")["bt500_ddof0_sureal_like"]
    theirs = published.load("nflx_public/reference_sureal.json")["models"]["BT500_SR_MOS"]
    scores, viewers = published.matrix("nflx_public")
    screening = screen_bt500(scores, AS_SUREAL)
    assert details(screening, "above") == ours["P"]
    assert details(screening, "below") == ours["Q"]
    np.testing.assert_allclose(
        [viewer.statistic for viewer in screening.viewers],
        theirs["observer_rejected_1st_stats"],
        atol=1e-12,
    )
    assert [not kept for kept in screening.kept] == theirs["observer_rejected"]
    assert [viewers[i] for i in np.flatnonzero(~screening.kept)] == ours["rejected"] == ["S03"]
    np.testing.assert_allclose(
        mean_opinion_scores(scores[:, screening.kept]).mos, theirs["quality_scores"], atol=1e-9
    )


@pytest.mark.parametrize(
    ("criterion", "key"),
    [(Bt500(), "bt500_ddof1_rejected"), (AS_SUREAL, "bt500_ddof0_rejected")],
)
def test_ratings_with_shuffled_viewers_reject_those_of_the_reference(criterion, key):
    expected = published.load("p910_demo_sample/reference.json")
    scores, viewers = published.matrix("p910_demo_sample")
    kept = screen_bt500(scores, criterion).kept
    assert [viewers[i] for i in np.flatnonzero(~kept)] == expected[key]


def test_a_stimulus_all_scored_alike_counts_against_nobody():
    # sureal gives every viewer a P and a Q for each such stimulus.
    alike = np.full((4, 12), 7.0)
    scores = np.vstack([WORKED, alike])
    above, below = far_out(scores, Bt500())
    np.testing.assert_array_equal(above, far_out(WORKED, Bt500())[0])
    np.testing.assert_array_equal(below, far_out(WORKED, Bt500())[1])
    assert (far_out(alike, AS_SUREAL)[0] == 4).all()


def test_a_stimulus_with_one_vote_counts_against_nobody():
    lonely = np.full((1, 12), math.nan)
    lonely[0, 3] = 2
    above, below = far_out(lonely, Bt500())
    assert not above.any()
    assert not below.any()


def test_a_score_exactly_two_s_from_the_mean_is_far_out():
    # Mean 5, S exactly 2, kurtosis 2.46: the 9 lies at the mean plus 2 S.
    row = np.array([[9.0, 4, 4, 5, 3, 7, 4, 6, 3]])
    for factor, offset in ((1, 0), (0.1, 0.3), (7, 1 / 3)):  # whatever the rounding
        above, below = far_out(row * factor + offset, Bt500())
        assert above.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
        assert not below.any()


def test_every_repetition_is_a_presentation_of_its_own():
    votes = np.stack([WORKED, WORKED], axis=2)
    one, two = screen_bt500(WORKED), screen_bt500(votes)
    assert [viewer.statistic for viewer in one.viewers] == [v.statistic for v in two.viewers]
    assert details(two, "above")[0] == 6
    assert presentations(votes).shape == (20, 12)


def test_the_share_is_of_the_votes_cast_so_that_absence_is_no_licence():
    scores = np.vstack([WORKED, WORKED, WORKED])
    scores[10:, 0] = math.nan
    assert screen_bt500(scores).viewers[0].statistic == 0.5
    of_all = screen_bt500(scores, Bt500(of_own_votes=False)).viewers[0].statistic
    assert of_all == pytest.approx(5 / 30)


def test_a_viewer_who_is_only_strict_stays_and_is_told_so():
    generator = np.random.default_rng(2)
    scores = generator.integers(4, 9, (40, 24)).astype(float)
    scores[:, 0] = 2
    viewer = screen_bt500(scores).viewers[0]
    assert viewer.verdict is Verdict.ACCEPTED
    assert "strict or lenient, not erratic" in viewer.reason
    assert viewer.peculiarity is Peculiarity.CONSTANT
    assert "same score to everything" in viewer.reason


def test_a_small_panel_is_told_how_little_the_rule_sees():
    # (N - 1) / sqrt(N): 2.667 at nine viewers, 4.364 at 21, 4.477 at 22, over sqrt(20) = 4.472.
    generator = np.random.default_rng(2)

    def note(viewers: int) -> str:
        return screen_bt500(generator.integers(0, 11, (20, viewers)).astype(float)).note

    assert "further than 2.67 S" in note(9)
    assert "sees little" in note(21)
    assert note(22) == ""


@pytest.mark.parametrize(
    "scores",
    [np.full((12, 4), math.nan), np.empty((0, 0)), WORKED[:, :1], WORKED[:2]],
)
def test_a_panel_that_cannot_be_screened_says_so_and_keeps_everybody(scores):
    screening = screen_bt500(scores)
    assert not screening.applicable
    assert screening.warning.startswith("Not screened")
    assert screening.kept.all()


def test_equal_scores_everywhere_reject_nobody():
    screening = screen_bt500(np.full((12, 9), 5.0))
    assert screening.kept.all()
    assert {viewer.statistic for viewer in screening.viewers} == {0}


panels = arrays(
    float,
    st.tuples(st.integers(MINIMUM_STIMULI, 20), st.integers(2, 12)),
    elements=st.one_of(st.integers(0, 10).map(float), st.just(math.nan)),
)


@given(panels)
def test_counts_agree_with_the_rule_written_out(scores):
    above, below = far_out(scores, Bt500())
    expected = np.zeros((2, scores.shape[1]))
    for row in scores:
        votes = row[~np.isnan(row)]
        if len(votes) < 2 or np.ptp(votes) == 0:
            continue
        away = votes - votes.mean()
        kurtosis = (away**4).mean() / (away**2).mean() ** 2
        k = 2 if 2 - 1e-9 <= kurtosis <= 4 + 1e-9 else np.sqrt(20)
        limit = k * votes.std(ddof=1) - 1e-9
        expected[0] += np.nan_to_num(row - votes.mean(), nan=0) >= limit
        expected[1] += np.nan_to_num(row - votes.mean(), nan=0) <= -limit
    np.testing.assert_array_equal([above, below], expected)
