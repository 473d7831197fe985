"""From votes in the database to the answer, checked against plain calculations on the votes."""

import statistics
from collections import defaultdict

import numpy as np
import pytest
import scipy.stats

from scoring.answer import Selection
from scoring.models import Measurement
from scoring.results import Results
from sessions_app.models import CellKind, Pair, SessionState, Vote
from tests.factories import make_panel


def scores_by_hand(study):
    """PVS -> viewer -> mean of that viewer's counted scores, by loops over the votes."""
    scores = defaultdict(lambda: defaultdict(list))
    votes = Vote.objects.filter(
        showing__cell__session__study=study, showing__cell__kind="test", showing__valid=True
    ).select_related("showing__cell", "seat__viewer")
    for vote in votes:
        cell = vote.showing.cell
        pvs = cell.a_id if vote.slot == "A" else cell.b_id
        scores[pvs][vote.seat.viewer.code].append(vote.score)
    return {
        pvs: {viewer: statistics.fmean(own) for viewer, own in by_viewer.items()}
        for pvs, by_viewer in scores.items()
    }


def test_mos_and_interval_equal_a_calculation_by_hand(study):
    results, by_hand = Results(study), scores_by_hand(study)
    mos = results.answers["all"].mos
    assert len(results.stimuli) == 12
    for j, stimulus in enumerate(results.stimuli):
        own = list(by_hand[stimulus.pvs].values())
        assert mos.votes[j] == len(own) == 11
        assert mos.mos[j] == pytest.approx(statistics.fmean(own))
        assert mos.sd[j] == pytest.approx(statistics.stdev(own))
        low, high = scipy.stats.t.interval(
            0.95, len(own) - 1, statistics.fmean(own), scipy.stats.sem(own)
        )
        assert mos.ci_t[j] == pytest.approx((high - low) / 2)


def test_the_anchor_counts_each_viewer_once_though_shown_in_several_cells(study):
    results = Results(study)
    anchor = next(j for j, one in enumerate(results.stimuli) if one.method == "lanczos3")
    shown = results.counted[results.counted["pvs"] == results.stimuli[anchor].pvs]
    assert len(shown) == 3 * 11
    assert results.answers["all"].mos.votes[anchor] == 11


def test_screening_rejects_the_random_and_the_reversed_viewer(study):
    results = Results(study)
    for rule in ("pearson", "pearson_iterative"):
        kept = results.screenings[rule].kept
        rejected = [
            viewer for viewer, stays in zip(results.viewers, kept, strict=True) if not stays
        ]
        assert rejected == ["V10", "V11"]
    assert results.answers["all"].viewers == 11
    assert results.answers["pearson"].viewers == 9


def test_screened_mos_is_that_of_the_viewers_kept(study):
    results, by_hand = Results(study), scores_by_hand(study)
    mos = results.answers["pearson"].mos
    for j, stimulus in enumerate(results.stimuli):
        kept = [s for v, s in by_hand[stimulus.pvs].items() if v not in ("V10", "V11")]
        assert mos.mos[j] == pytest.approx(statistics.fmean(kept))


def test_mos_of_a_method_takes_each_viewers_mean_over_sources_first(study):
    results, by_hand = Results(study), scores_by_hand(study)
    for place, condition in enumerate(results.conditions):
        own = defaultdict(list)
        for stimulus in results.stimuli:
            if stimulus.condition == condition:
                for viewer, score in by_hand[stimulus.pvs].items():
                    own[viewer].append(score)
        means = [statistics.fmean(scores) for scores in own.values()]
        found = results.answers["all"].by_condition
        assert found.mos[place] == pytest.approx(statistics.fmean(means))
        assert found.sd[place] == pytest.approx(statistics.stdev(means))


def test_methods_come_in_the_order_of_the_study(study):
    assert [condition[0] for condition in Results(study).conditions] == study.methods


def test_correlation_uses_the_mos_of_the_selection_and_leaves_out_what_has_no_value(study):
    lost = Measurement.objects.filter(metric="psnr_y").first()
    lost.mean = None
    lost.save()
    results = Results(study)
    for selection in ("all", "pearson"):
        found = results.answers[selection].correlations["psnr_y"]
        psnr, mos = results.metric_means["psnr_y"], results.answers[selection].mos.mos
        usable = np.isfinite(psnr)
        assert (found.n, found.missing) == (11, 1)
        assert found.pearson == pytest.approx(
            scipy.stats.pearsonr(psnr[usable], mos[usable]).statistic
        )


def test_a_full_panel_has_nothing_to_warn_of(empty_factory):
    empty_factory.run_session(make_panel(9))
    assert Results(empty_factory.study).warnings(Selection("pearson")) == []


def test_fewer_than_nine_viewers_are_never_a_silent_success(empty_factory):
    empty_factory.run_session(make_panel(8))
    warnings = Results(empty_factory.study).warnings(Selection("all"))
    assert any("8 viewers gave counted votes" in text for text in warnings)


def test_fewer_than_nine_after_screening_are_warned_of_too(empty_factory):
    empty_factory.run_session(make_panel(8, V09="random"))
    results = Results(empty_factory.study)
    assert not any("at least 9" in text for text in results.warnings(Selection("all")))
    assert any("8 viewers of 9 remain" in text for text in results.warnings(Selection("pearson")))


def test_sessions_still_to_run_lost_votes_and_gaps_are_warned_of(empty_factory):
    session = empty_factory.run_session(make_panel(9), state=SessionState.RUNNING)
    pair = empty_factory.study.pairs.first()
    cell = empty_factory.add_cell(session, 90, CellKind.TEST, pair)
    late = empty_factory.add_showing(cell, valid=False, verdict="a: 1 frames late")
    empty_factory.add_votes(late, {session.seats.first(): "good"})
    Vote.objects.filter(
        showing__cell__pair=pair, showing__valid=True, seat=session.seats.last()
    ).delete()
    text = " ".join(Results(empty_factory.study).warnings(Selection("all")))
    assert "Sessions over: 0 of 1" in text
    assert "2 votes in 1 showing" in text
    assert "not scored by every viewer" in text


def test_a_session_on_a_display_that_failed_a_check_is_named_a_trial(empty_factory):
    session = empty_factory.run_session(make_panel(9))
    session.overrule_reason = "trying things out"
    session.save()
    assert "trial" in " ".join(Results(empty_factory.study).warnings(Selection("all")))


def test_a_study_without_votes_has_stimuli_and_no_mos(empty_factory):
    results = Results(empty_factory.study)
    assert results.viewers == []
    assert len(results.stimuli) == 12
    assert np.isnan(results.answers["pearson"].mos.mos).all()
    assert results.warnings(Selection("all")) == []


def test_one_viewer_has_a_mos_without_interval_and_is_not_screened(empty_factory):
    empty_factory.run_session(make_panel(1))
    results = Results(empty_factory.study)
    assert np.isfinite(results.answers["all"].mos.mos).all()
    assert np.isnan(results.answers["all"].mos.ci_t).all()
    assert any("one viewer" in text for text in results.warnings(Selection("pearson")))


def test_raw_scores_hold_every_counted_vote_once(study):
    results = Results(study)
    raw = results.raw_scores
    assert raw.subjects == tuple(f"V{number:02}" for number in range(1, 12))
    assert np.isfinite(raw.votes).sum() == len(results.counted) == raw.rows
    assert raw.votes.shape == (12, 11, 3)  # the anchor is in three pairs of its source
    for j, stimulus in enumerate(results.stimuli):
        own = results.counted[results.counted["pvs"] == stimulus.pvs]
        assert np.nansum(raw.votes[j]) == own["score"].sum()
        assert raw.stimuli[j] == f"{stimulus.source}-x2-bicubic-{stimulus.method}"
        assert (raw.content[j], raw.method[j]) == (stimulus.source, stimulus.method)
    assert np.array_equal(raw.metrics["vmaf"], results.metric_means["vmaf"])


def test_a_presentation_is_the_same_for_who_missed_another_one(study):
    anchor = Pair.objects.filter(study=study).order_by("pk").first()
    missed = Vote.objects.filter(
        seat__viewer__code="V01", showing__cell__pair=anchor, showing__cell__kind="test"
    )
    missed.delete()
    raw = Results(study).raw_scores
    j = raw.stimuli.index(f"{anchor.source}-x2-bicubic-lanczos3")
    assert np.isnan(raw.votes[j, 0]).tolist() == [True, False, False]
    assert np.isfinite(raw.votes[j, 1:]).all()


def test_a_cell_shown_again_to_the_same_viewers_is_another_presentation(factory):
    session, pair = factory.study.sessions.first(), factory.study.pairs.first()
    cell = factory.add_cell(session, 90, CellKind.TEST, pair)
    factory.add_votes(factory.add_showing(cell), {session.seats.first(): "good"})
    raw = Results(factory.study).raw_scores
    assert raw.votes.shape[2] == 4
    assert np.isfinite(raw.votes).sum() == raw.rows


def test_the_analysis_has_the_numbers_of_the_results(study):
    results = Results(study)
    data = results.analysis.as_data()
    mos = results.answers["all"].mos
    assert [row["mos"] for row in data["mos"]] == pytest.approx(mos.mos)
    assert [row["ci_t"] for row in data["mos"]] == pytest.approx(mos.ci_t)
    rejected = [
        one["subject"] for one in data["screening"]["pearson"]["viewers"] if one["rejected"]
    ]
    assert rejected == ["V10", "V11"]


def test_a_study_that_allows_faults_says_by_which_rule_its_cells_count(study):
    assert not [text for text in Results(study).warnings(Selection("all")) if "own rule" in text]
    study.missed_allowed = 2
    study.save()
    (text,) = (text for text in Results(study).warnings(Selection("all")) if "own rule" in text)
    assert "at most 2 refreshes missed" in text and "has to state it" in text
