"""Who is rejected, in what order, and what the panel is told."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scoring.stats.mos import mean_opinion_scores
from scoring.stats.screening import (
    Criterion,
    Rule,
    Verdict,
    correlation_with_mos,
    number_beside,
    screen,
)

from . import published

# Five viewers by six stimuli; numbers worked with numpy.corrcoef.
WORKED = np.array(
    [
        [4, 2, 5, 4, 5],
        [9, 10, 7, 7, 0],
        [3, 2, 1, 5, 9],
        [2, 6, 3, 2, 8],
        [1, 2, 2, 1, 7],
        [1, 1, 4, 2, 8],
    ],
    dtype=float,
)
SINGLE = Criterion(Rule.SINGLE_PASS)
SMALL = Criterion(Rule.SINGLE_PASS, minimum_stimuli=3)
SMALL_ITERATIVE = Criterion(Rule.ITERATIVE, minimum_stimuli=3)


def ramp(*columns: list[float]) -> np.ndarray:
    return np.array(columns, dtype=float).T


def verdicts(screening):
    return [viewer.verdict for viewer in screening.viewers]


def rejected(screening):
    return list(np.flatnonzero(~screening.kept))


def test_single_pass_gives_the_worked_numbers():
    screening = screen(WORKED, SMALL)
    np.testing.assert_allclose(
        [viewer.statistic for viewer in screening.viewers],
        [0.9525193489, 0.8935839472, 0.7180323884, 0.8747626673, -0.8086402003],
        atol=1e-10,
    )
    assert rejected(screening) == [2, 4]
    np.testing.assert_allclose(
        mean_opinion_scores(WORKED[:, screening.kept]).mos,
        [3.3333, 8.6667, 3.3333, 3.3333, 1.3333, 1.3333],
        atol=5e-5,
    )


def test_the_iterative_rule_spares_a_good_viewer_whom_a_bad_one_dragged_down():
    screening = screen(WORKED, SMALL_ITERATIVE)
    assert rejected(screening) == [4]
    assert screening.viewers[4].order == 1
    np.testing.assert_allclose(
        [viewer.statistic for viewer in screening.viewers][:4],
        [0.9805602790, 0.8878107570, 0.8073465465, 0.8482986600],
        atol=1e-10,
    )
    np.testing.assert_allclose(
        mean_opinion_scores(WORKED[:, screening.kept]).mos, [3.75, 8.25, 2.75, 3.25, 1.5, 2.0]
    )


def test_published_ratings_of_a_good_panel_reject_nobody():
    reference = published.load("nflx_public/reference_numpy.json")
    scores, _ = published.matrix("nflx_public")
    np.testing.assert_allclose(
        correlation_with_mos(scores), reference["pearson_r_self_included"], atol=1e-12
    )
    assert rejected(screen(scores, SINGLE)) == reference["pearson075_single_pass_rejected"] == []
    assert rejected(screen(scores, Criterion(Rule.ITERATIVE))) == []


def test_published_ratings_with_five_shuffled_viewers_reject_exactly_those():
    reference = published.load("p910_demo_sample/reference.json")
    scores, viewers = published.matrix("p910_demo_sample")
    single, iterative = screen(scores, SINGLE), screen(scores, Criterion(Rule.ITERATIVE))
    np.testing.assert_allclose(
        [viewer.statistic for viewer in single.viewers], reference["r_to_mos"], atol=1e-12
    )
    assert [viewers[i] for i in rejected(single)] == reference["pearson075_single"]
    order = sorted(rejected(iterative), key=lambda i: iterative.viewers[i].order)
    assert [viewers[i] for i in order] == reference["pearson075_iterative"]


def test_a_viewer_who_gave_one_score_to_everything_is_rejected_and_told_why():
    up = list(range(11))
    screening = screen(ramp(up, up, up, [5] * 11), SINGLE)
    assert rejected(screening) == [3]
    assert math.isnan(screening.viewers[3].statistic)
    assert "same score to everything" in screening.viewers[3].reason


def test_a_constant_viewer_is_the_first_the_iterative_rule_removes():
    up = list(range(11))
    screening = screen(ramp(up, up, up, up, [5] * 11, up[::-1]), Criterion(Rule.ITERATIVE))
    assert [viewer.order for viewer in screening.viewers] == [None, None, None, None, 1, 2]


def test_a_reversed_scale_is_rejected_with_that_hint_and_never_taken_for_agreement():
    up = list(range(11))
    screening = screen(ramp(up, up, up, up[::-1]), SINGLE)
    assert rejected(screening) == [3]
    assert "upside down" in screening.viewers[3].reason


@pytest.mark.parametrize(
    ("scores", "why"),
    [
        (ramp(list(range(11))), "one viewer"),
        (ramp([1, 9], [2, 8], [9, 1]), "2 stimuli were scored"),
        (np.full((12, 4), 7.0), "do not vary"),
        (np.full((12, 4), math.nan), "no counted votes"),
        (np.empty((0, 0)), "no counted votes"),
    ],
)
def test_a_panel_that_cannot_be_screened_says_so_and_keeps_everybody(scores, why):
    for rule in Rule:
        screening = screen(scores, Criterion(rule))
        assert not screening.applicable
        assert why in screening.warning
        assert screening.kept.all()
        assert set(verdicts(screening)) <= {Verdict.NOT_ASSESSED}


def test_a_panel_that_disagrees_with_itself_is_kept_whole_with_a_warning():
    # Opposite halves: the MOS they leave follows nobody closely.
    generator = np.random.default_rng(4)
    scores = generator.integers(0, 11, (40, 6)).astype(float)
    screening = screen(scores, SINGLE)
    assert screening.kept.all()
    assert set(verdicts(screening)) == {Verdict.FAILED_BUT_KEPT}
    assert "Every viewer" in screening.warning


def test_the_iterative_rule_stops_at_its_floor_and_says_so():
    generator = np.random.default_rng(4)
    scores = generator.integers(0, 11, (60, 8)).astype(float)
    screening = screen(scores, Criterion(Rule.ITERATIVE, threshold=0.95, floor=4))
    assert screening.kept.sum() == 4
    assert "floor of 4" in screening.warning
    kept = [viewer for viewer, kept in zip(screening.viewers, screening.kept, strict=True) if kept]
    assert Verdict.FAILED_BUT_KEPT in {viewer.verdict for viewer in kept}


def test_exactly_the_threshold_is_accepted():
    scores = WORKED.copy()
    r = screen(scores, SMALL).viewers[2].statistic

    def kept_at(threshold: float) -> bool:
        criterion = Criterion(Rule.SINGLE_PASS, threshold, minimum_stimuli=3)
        return bool(screen(scores, criterion).kept[2])

    assert kept_at(r)
    assert kept_at(r + 5e-13)
    assert not kept_at(r + 1e-9)


def test_a_viewer_is_compared_over_the_stimuli_they_scored():
    up = np.arange(12.0)
    scores = ramp(list(up), list(up), list(up))
    scores[:2, 2] = math.nan
    mos = mean_opinion_scores(scores).mos
    expected = np.corrcoef(scores[2:, 2], mos[2:])[0, 1]
    assert screen(scores, SINGLE).viewers[2].statistic == pytest.approx(expected)
    assert screen(scores, SINGLE).viewers[2].stimuli == 10


def test_a_viewer_who_left_early_is_kept_without_a_verdict():
    up = np.arange(12.0)
    scores = ramp(list(up), list(up), list(up[::-1]))
    scores[:9, 2] = math.nan
    screening = screen(scores, SINGLE)
    assert screening.viewers[2].verdict is Verdict.NOT_ASSESSED
    assert "Scored 3 stimuli" in screening.viewers[2].reason
    assert screening.kept.all()


def test_a_viewer_without_a_vote_changes_nobody_elses_verdict():
    empty = np.full((len(WORKED), 1), math.nan)
    with_empty = screen(np.hstack([WORKED, empty]), SMALL)
    assert verdicts(with_empty)[:5] == verdicts(screen(WORKED, SMALL))
    assert with_empty.viewers[5].reason == "Has no counted vote."


def test_a_printed_number_never_lands_on_the_wrong_side_of_the_threshold():
    assert number_beside(0.7499996, 0.75) == "0.7499996"
    assert number_beside(0.75, 0.75) == "0.750"
    assert number_beside(-0.9, 0.75) == "-0.900"


panels = arrays(
    float,
    st.tuples(st.integers(10, 20), st.integers(2, 8)),
    elements=st.one_of(st.integers(0, 10).map(float), st.just(math.nan)),
)


@given(panels, st.sampled_from(Rule))
def test_whatever_the_panel_somebody_stays_and_everybody_gets_a_reason(scores, rule):
    screening = screen(scores, Criterion(rule))
    assert screening.kept.any()
    assert len(screening.viewers) == scores.shape[1]
    for viewer, kept in zip(screening.viewers, screening.kept, strict=True):
        assert viewer.reason
        assert kept == (viewer.verdict is not Verdict.REJECTED)
        if viewer.verdict is Verdict.ACCEPTED:
            assert viewer.statistic >= viewer.threshold - 1e-12


@given(panels)
def test_correlations_agree_with_numpy(scores):
    mos = mean_opinion_scores(scores).mos
    for own, r in zip(scores.T, correlation_with_mos(scores), strict=True):
        both = ~np.isnan(own)
        # Means over seven or fewer whole numbers: anything nearer than this is equal.
        if both.sum() < 2 or np.ptp(own[both]) < 1e-9 or np.ptp(mos[both]) < 1e-9:
            assert np.isnan(r)
        else:
            assert r == pytest.approx(np.corrcoef(own[both], mos[both])[0, 1], abs=1e-9)


@given(panels, st.integers(1, 5), st.integers(-20, 20))
def test_a_change_of_scale_changes_no_verdict(scores, factor, offset):
    changed = screen(scores * factor + offset, SINGLE)
    assert verdicts(screen(scores, SINGLE)) == verdicts(changed)
