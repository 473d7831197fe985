"""The state machine of a session: who may bring it where, and what a broken cell leads to."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from sessions_app.core.protocol import EXPERT_VIEWING, PROTOCOLS
from sessions_app.models import CellKind, Seat, Session, SessionState, ShowingState
from sessions_app.services import running
from sessions_app.services.running import Refused
from tests.sessions_app.running.conftest import BAD_CHECK, GOOD_CHECK, FakeDisplay, evidence_for
from tests.sessions_app.running.material import FRAMES, make_session


def state(session: Session) -> str:
    session.refresh_from_db()
    return session.state


def test_it_is_ready_when_the_display_has_loaded_and_checked(
    session: Session, display: FakeDisplay
) -> None:
    display.hello()
    display.report(GOOD_CHECK, loaded=False)
    assert state(session) == SessionState.PLANNED
    display.report(GOOD_CHECK)
    assert state(session) == SessionState.READY


def test_it_does_not_start_without_a_display(session: Session, owner: User) -> None:
    with pytest.raises(Refused, match="open the display page"):
        running.start(session.pk, owner)


def test_it_does_not_start_while_a_check_fails(
    session: Session, display: FakeDisplay, owner: User
) -> None:
    display.hello()
    display.report(BAD_CHECK)
    with pytest.raises(Refused, match="start anyway: Refresh rate"):
        running.start(session.pk, owner)


def test_a_failed_check_is_overruled_with_a_reason_that_reaches_the_evidence(
    session: Session, display: FakeDisplay, owner: User
) -> None:
    display.hello()
    display.report(BAD_CHECK)
    with pytest.raises(Refused, match="Write down why"):
        running.overrule(session.pk, "  ", owner)
    running.overrule(session.pk, "only a laptop here", owner)
    running.start(session.pk, owner)
    showing = display.show_cell(frames_shown=9, frames_late=3)
    showing.refresh_from_db()
    assert showing.evidence["overrule_reason"] == "only a laptop here"
    assert showing.evidence["overruled"] == ["refresh"]
    assert (showing.valid, showing.evidence["rule"]) == (True, "trial")


def test_another_check_that_fails_later_stops_the_session_again(
    session: Session, display: FakeDisplay, owner: User
) -> None:
    display.hello()
    display.report(BAD_CHECK)
    running.overrule(session.pk, "only a laptop here", owner)
    display.report(BAD_CHECK, {**GOOD_CHECK, "ok": False})
    with pytest.raises(Refused, match="Full screen"):
        running.start(session.pk, owner)


def test_cells_are_shown_in_order_and_then_it_is_finished(started: FakeDisplay) -> None:
    positions = [started.show_cell().cell.position for _ in range(2)]
    assert positions == [1, 2]
    assert state(started.session) == SessionState.FINISHED


def test_a_pause_takes_effect_between_cells(started: FakeDisplay, owner: User) -> None:
    showing = started.show_stimuli()
    running.pause(started.session.pk, owner)
    started.finish_vote(showing)
    assert started.showing() is None
    running.resume(started.session.pk, owner)
    assert started.showing().cell.position == 2


@pytest.mark.parametrize(
    "fault", [{"frames_shown": 9}, {"frames_late": 1}, {"missed_refreshes": 1}]
)
def test_a_cell_that_was_not_shown_exactly_is_shown_again_at_the_end_once(
    started: FakeDisplay, fault: dict[str, int]
) -> None:
    started.show_cell()
    bad = started.show_cell(**fault)
    bad.refresh_from_db()
    assert bad.valid is False
    again = started.showing()
    assert (again.cell.position, again.cell.repeats) == (3, bad.cell)
    assert (again.cell.a, again.cell.b) == (bad.cell.a, bad.cell.b)
    started.show_cell(**fault)
    assert started.session.cells.count() == 3
    assert state(started.session) == SessionState.FINISHED


def test_another_clip_than_the_planned_one_does_not_count(started: FakeDisplay) -> None:
    showing = started.showing()
    report = evidence_for(showing)
    report["clips"]["a"] = report["clips"]["b"]
    running.evidence_arrived(started.session.pk, started.id, showing.pk, report)
    showing.refresh_from_db()
    assert showing.valid is False
    assert "another clip" in showing.verdict


@pytest.mark.parametrize("event", ["page hidden", "frame 25 was not decoded exactly"])
def test_what_happens_during_a_clip_makes_it_not_count(started: FakeDisplay, event: str) -> None:
    showing = started.showing()
    report = evidence_for(showing)
    report["events"] = [{"phase": "a", "at_ms": 1.0, "what": event}]
    running.evidence_arrived(started.session.pk, started.id, showing.pk, report)
    showing.refresh_from_db()
    assert showing.verdict == f"a: {event}"


@pytest.mark.parametrize("event", ["page hidden", "fullscreen left", "window resized to 8 × 6"])
def test_what_happens_between_two_clips_spoils_neither(started: FakeDisplay, event: str) -> None:
    showing = started.showing()
    report = evidence_for(showing)
    report["events"] = [{"phase": "announce-b", "at_ms": 1.0, "what": event}]
    running.evidence_arrived(started.session.pk, started.id, showing.pk, report)
    showing.refresh_from_db()
    assert showing.valid is True


@pytest.mark.parametrize("overruled, counts", [("refresh", False), ("fullscreen", True)])
def test_a_trial_is_shown_in_a_window_only_where_that_was_overruled(
    session: Session, display: FakeDisplay, owner: User, overruled: str, counts: bool
) -> None:
    display.hello()
    display.report({**GOOD_CHECK, "id": overruled, "ok": False})
    running.overrule(session.pk, "only a laptop here", owner)
    running.start(session.pk, owner)
    showing = display.showing()
    report = evidence_for(showing)
    report["events"] = [{"phase": "a", "at_ms": 1.0, "what": "window is 800 × 600 × 1"}]
    running.evidence_arrived(session.pk, display.id, showing.pk, report)
    showing.refresh_from_db()
    assert showing.valid is counts


@pytest.mark.parametrize("measured", [200.0, 370.0, 430.0, None])
def test_a_clip_that_lasted_shorter_or_longer_than_planned_does_not_count(
    started: FakeDisplay, measured: float | None
) -> None:
    """A display faster than its checks found shows every frame in order, and too fast."""
    showing = started.show_cell(measured_ms=measured)
    showing.refresh_from_db()
    assert showing.valid is False
    assert showing.verdict.startswith("b: ")


@pytest.mark.parametrize("measured", [382.0, 418.0])
def test_a_clip_may_end_within_a_refresh_of_its_plan(started: FakeDisplay, measured: float) -> None:
    showing = started.show_cell(measured_ms=measured)
    showing.refresh_from_db()
    assert showing.valid is True


@pytest.mark.parametrize("measured, counts", [(370.0, True), (200.0, False)])
def test_a_trial_may_be_a_tenth_off_its_speed(
    session: Session, display: FakeDisplay, owner: User, measured: float, counts: bool
) -> None:
    display.hello()
    display.report(BAD_CHECK)
    running.overrule(session.pk, "only a laptop here", owner)
    running.start(session.pk, owner)
    showing = display.show_cell(measured_ms=measured)
    showing.refresh_from_db()
    assert showing.valid is counts


def test_evidence_told_twice_is_judged_once(started: FakeDisplay) -> None:
    started.show_cell()
    showing = started.show_stimuli(frames_shown=9)
    running.evidence_arrived(started.session.pk, started.id, showing.pk, evidence_for(showing))
    showing.refresh_from_db()
    assert showing.valid is False
    assert started.session.cells.count() == 3


def test_a_cell_cannot_end_without_evidence(started: FakeDisplay) -> None:
    with pytest.raises(Refused, match="evidence"):
        running.showing_ended(started.session.pk, started.id, started.showing().pk, started.now)


def test_a_reloaded_display_shows_the_interrupted_cell_again(started: FakeDisplay) -> None:
    first = started.showing()
    started.hello(showing=None)
    first.refresh_from_db()
    assert first.state == ShowingState.INTERRUPTED
    assert started.showing() is None, "not before the page has checked itself again"
    started.report()
    second = started.showing()
    assert second.cell == first.cell and second != first


def test_a_display_that_lost_only_its_connection_goes_on(started: FakeDisplay) -> None:
    first = started.showing()
    started.hello(showing=first.pk)
    assert started.showing() == first


def test_a_display_reloaded_in_the_vote_phase_has_shown_the_cell(started: FakeDisplay) -> None:
    showing = started.show_stimuli()
    started.hello(showing=None)
    started.report()
    showing.refresh_from_db()
    assert (showing.state, showing.valid) == (ShowingState.SHOWN, True)
    assert started.showing().cell.position == 2


def test_a_page_that_is_fresh_gets_no_cell_before_it_has_checked_itself(
    started: FakeDisplay,
) -> None:
    """Reloaded with the evidence of the cell before still to be delivered."""
    showing = started.showing()
    started.hello(showing=showing.pk, fresh=True)
    assert started.showing() == showing, "what it still has to tell is heard"
    started.show_cell()
    assert started.showing() is None
    started.report()
    assert started.showing().cell.position == 2


def test_a_second_display_is_refused_but_may_take_over(started: FakeDisplay) -> None:
    other = FakeDisplay(started.session)
    with pytest.raises(Refused, match="Another window"):
        other.hello()
    other.hello(take_over=True)
    with pytest.raises(Refused, match="taken over"):
        started.report()
    other.report()
    assert other.showing().cell.position == 1


def test_a_display_that_went_away_can_be_replaced(started: FakeDisplay) -> None:
    running.display_left(started.session.pk, started.id)
    FakeDisplay(started.session).ready()
    assert state(started.session) == SessionState.RUNNING


def test_a_display_that_fails_pauses_the_session(started: FakeDisplay, owner: User) -> None:
    first = started.showing()
    running.showing_failed(started.session.pk, started.id, first.pk, "decoder error")
    assert state(started.session) == SessionState.PAUSED
    running.resume(started.session.pk, owner)
    assert started.showing().cell == first.cell


def test_the_coordinator_discards_a_cell_and_shows_it_again(
    started: FakeDisplay, owner: User
) -> None:
    shown = started.show_cell()
    running.repeat_cell(started.session.pk, shown.cell_id, owner)
    shown.refresh_from_db()
    assert shown.valid is False
    assert started.session.cells.last().repeats == shown.cell
    with pytest.raises(Refused, match="already"):
        running.repeat_cell(started.session.pk, shown.cell_id, owner)
    with pytest.raises(Refused, match="not been shown"):
        running.repeat_cell(started.session.pk, started.session.cells.last().pk, owner)


def test_a_stabilisation_cell_is_not_shown_again_since_it_never_counts(
    started: FakeDisplay,
) -> None:
    bad = started.show_cell(frames_shown=3)
    bad.refresh_from_db()
    assert (bad.cell.kind, bad.valid) == (CellKind.STABILISATION, False)
    assert not bad.cell.repeated_by.exists()


@pytest.fixture
def five_cells(owner: User) -> FakeDisplay:
    """Two sources, q z q q z, and the first cell has been shown."""
    session = make_session(owner, cells=5)
    third, fourth, last = session.cells.filter(position__gte=3)
    for cell, like in ((last, fourth), (fourth, third)):
        cell.pair, cell.a, cell.b = like.pair, like.a, like.b
        cell.save()
    display = FakeDisplay(session).ready()
    running.start(session.pk, owner)
    display.show_cell()
    return display


def test_a_repeat_keeps_a_source_from_following_itself(five_cells: FakeDisplay) -> None:
    bad = five_cells.show_stimuli(frames_shown=3)
    cells = list(five_cells.session.cells.all())
    assert [cell.position for cell in cells] == [1, 2, 3, 4, 5, 6]
    assert [cell.repeats_id for cell in cells] == [None, None, None, bad.cell_id, None, None]
    assert all(a.source != b.source for a, b in pairwise(cells[1:]))
    bad.refresh_from_db()
    assert bad.verdict == "b: 3 of 10 frames shown"


def test_a_repeat_that_must_follow_its_own_source_says_so(started: FakeDisplay) -> None:
    started.show_cell()
    bad = started.show_cell(frames_shown=3)
    bad.refresh_from_db()
    assert bad.verdict.endswith("; shown again directly after the same source")
    assert started.showing().cell.repeats == bad.cell


def test_no_repeat_makes_a_session_longer_than_allowed(
    started: FakeDisplay, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 2 * (1.5 + 3 * FRAMES / 25 + started.session.study.vote_seconds)
    short = replace(EXPERT_VIEWING, longest_session_seconds=seconds)
    monkeypatch.setitem(PROTOCOLS, EXPERT_VIEWING.slug, short)
    started.show_cell()
    bad = started.show_stimuli(frames_shown=3)
    bad.refresh_from_db()
    assert "not shown again, since the session would last longer" in bad.verdict
    with pytest.raises(Refused, match="last longer"):
        running.repeat_cell(started.session.pk, bad.cell_id, owner)
    assert started.session.cells.count() == 2


def test_ending_early_interrupts_the_cell_that_is_on(started: FakeDisplay, owner: User) -> None:
    first = started.showing()
    running.end(started.session.pk, owner)
    first.refresh_from_db()
    assert (state(started.session), first.state) == (
        SessionState.ABORTED,
        ShowingState.INTERRUPTED,
    )
    with pytest.raises(Refused, match="over"):
        running.end(started.session.pk, owner)


def test_a_session_ended_in_a_vote_keeps_the_cell_that_was_shown(
    started: FakeDisplay, owner: User
) -> None:
    showing = started.show_stimuli()
    running.end(started.session.pk, owner)
    showing.refresh_from_db()
    assert (showing.state, showing.valid) == (ShowingState.SHOWN, True)
    assert state(started.session) == SessionState.ABORTED


def test_a_session_ended_in_its_last_vote_is_finished(started: FakeDisplay, owner: User) -> None:
    started.show_cell()
    last = started.show_stimuli()
    running.end(started.session.pk, owner)
    last.refresh_from_db()
    assert (last.state, last.verdict) == (ShowingState.SHOWN, "shown exactly")
    assert state(started.session) == SessionState.FINISHED


def test_a_display_that_fails_in_a_vote_has_shown_the_cell(started: FakeDisplay) -> None:
    showing = started.show_stimuli()
    running.showing_failed(started.session.pk, started.id, showing.pk, "graphics lost")
    showing.refresh_from_db()
    assert (showing.state, showing.valid) == (ShowingState.SHOWN, True)
    assert state(started.session) == SessionState.PAUSED


@pytest.mark.parametrize("wish", [running.pause, running.resume])
def test_wishes_that_do_not_fit_the_state_are_refused(
    session: Session, owner: User, wish: object
) -> None:
    with pytest.raises(Refused, match="cannot"):
        wish(session.pk, owner)  # type: ignore[operator]


def test_messages_about_a_foreign_showing_are_refused(started: FakeDisplay) -> None:
    with pytest.raises(Refused, match="no such showing"):
        running.showing_ended(started.session.pk, started.id, uuid4(), started.now)


def test_a_closed_seat_gets_a_new_link_when_it_is_added_again(
    session: Session, owner: User
) -> None:
    seat = session.seats.get(viewer__code="V01")
    with pytest.raises(Refused, match="has a seat"):
        running.add_seat(session.pk, "V01", owner)
    running.revoke_seat(session.pk, seat.pk, owner)
    again = running.add_seat(session.pk, "V01", owner)
    assert (again.pk, again.revoked_at) == (seat.pk, None)
    assert again.token != seat.token


def test_clip_names_differ_between_sessions_and_are_sorted(session: Session) -> None:
    names = list(running.renditions(session))
    assert names == sorted(names) and len(names) == 6
    other = Session.objects.create(study=session.study, number=2)
    rendition = running.rendition_of(session.cells.first(), "a")
    assert running.clip_id(other, rendition) not in names


def test_adding_a_new_viewer_makes_a_seat(session: Session, owner: User) -> None:
    seat = running.add_seat(session.pk, " V09 ", owner)
    assert Seat.objects.get(pk=seat.pk).viewer.code == "V09"
