"""Votes typed at the display, votes from paper, waiting for votes, and cells left out."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from sessions_app import snapshots
from sessions_app.models import Seat, SeatKind, Session, SessionState, Vote
from sessions_app.services import running
from sessions_app.services.running import Refused
from tests.sessions_app.running.conftest import FakeDisplay


def seat_of(session: Session, kind: str, code: str = "V09") -> Seat:
    return running.add_seat(session.pk, code, session.study.owner, kind)


def all_vote(display: FakeDisplay, showing: UUID) -> None:
    for seat in display.session.seats.filter(kind=SeatKind.DEVICE):
        for slot in "AB":
            running.cast_vote(seat.pk, showing, slot, 5, display.now)


# ---- at the display's keyboard ------------------------------------------------------------------


def test_a_viewer_votes_at_the_displays_keyboard(started: FakeDisplay) -> None:
    seat = seat_of(started.session, SeatKind.KEYPAD)
    showing = started.show_stimuli()
    told = snapshots.for_display(started.session)["keypad"]
    assert told == [
        {"seat": seat.pk, "label": "V09", "showing": str(showing.pk), "given": []}
    ]  # no score ever
    args = (started.session.pk, started.id, seat.pk, showing.pk)
    running.cast_at_display(*args, "A", 7, started.now)
    assert snapshots.for_display(started.session)["keypad"][0]["given"] == ["A"]
    assert Vote.objects.get().score == 7


def test_the_display_votes_for_nobody_who_has_a_device(started: FakeDisplay) -> None:
    showing = started.show_stimuli()
    seat = started.session.seats.get(viewer__code="V01")
    with pytest.raises(Refused, match="Nobody of that seat votes at the display"):
        running.cast_at_display(
            started.session.pk, started.id, seat.pk, showing.pk, "A", 7, started.now
        )
    own = seat_of(started.session, SeatKind.KEYPAD)
    with pytest.raises(Refused, match="Another window"):
        running.cast_at_display(
            started.session.pk, uuid4(), own.pk, showing.pk, "A", 7, started.now
        )
    assert not Vote.objects.exists()


def test_no_more_than_three_vote_at_one_keyboard(session: Session) -> None:
    for number in range(3):
        seat_of(session, SeatKind.KEYPAD, f"K{number}")
    with pytest.raises(Refused, match="At most 3"):
        seat_of(session, SeatKind.KEYPAD, "K4")
    with pytest.raises(Refused, match="on a device"):
        seat_of(session, "telepathy", "K5")


# ---- paper --------------------------------------------------------------------------------------


@pytest.fixture
def on_paper(started: FakeDisplay) -> Seat:
    started.show_cell()
    return seat_of(started.session, SeatKind.PAPER)


def sheet(seat: Seat, a: str, b: str) -> dict[str, str]:
    (showing,) = running.voted_showings(seat.session)
    return {
        "seat": str(seat.pk), f"score-{showing.pk}-A": a, f"score-{showing.pk}-B": b
    }  # fmt: skip


def address(seat: Seat) -> str:
    return reverse("sessions:paper", args=[seat.session_id])


def test_what_was_written_on_paper_is_typed_in_changed_and_removed(
    client: Client, owner: User, on_paper: Seat
) -> None:
    client.force_login(owner)
    answer = client.post(address(on_paper), sheet(on_paper, "3", "10"), follow=True)
    assert "2 votes are kept for V09" in answer.content.decode()
    found = {vote.slot: vote for vote in on_paper.votes.all()}
    assert (found["A"].score, found["B"].score) == (3, 10)
    assert found["A"].entered_by == owner
    assert found["A"].cast_at == found["A"].showing.vote_opened_at
    client.post(address(on_paper), sheet(on_paper, "4", ""))
    assert [(vote.slot, vote.score, vote.changes) for vote in on_paper.votes.all()] == [("A", 4, 1)]


@pytest.mark.parametrize("wrong", ["11", "-1", "3.5", "seven", "٣", "999999"])
def test_one_wrong_score_refuses_the_sheet_and_shows_what_was_typed(
    client: Client, owner: User, on_paper: Seat, wrong: str
) -> None:
    client.force_login(owner)
    answer = client.post(address(on_paper), sheet(on_paper, "3", wrong))
    assert answer.status_code == 422
    html = answer.content.decode()
    assert "a whole number from 0 to 10" in html and f'value="{wrong}"' in html
    assert not Vote.objects.exists()


def test_a_sheet_for_another_seat_or_cell_is_refused(owner: User, on_paper: Seat) -> None:
    session = on_paper.session
    (showing,) = running.voted_showings(session)
    device = session.seats.get(viewer__code="V01")
    for seat, scores in (
        (device.pk, {(showing.pk, "A"): 3}),
        (on_paper.pk, {(uuid4(), "A"): 3}),
        (on_paper.pk, {(showing.pk, "C"): 3}),
        (on_paper.pk, {(showing.pk, "A"): 3, (showing.pk, "B"): 11}),
    ):
        with pytest.raises(Refused):
            running.enter_from_paper(session.pk, seat, scores, owner)
    assert not Vote.objects.exists()


def test_only_who_runs_the_session_types_votes_in(
    client: Client, stranger: User, colleague: User, on_paper: Seat
) -> None:
    body = sheet(on_paper, "3", "4")
    assert client.post(address(on_paper), body).status_code == 302
    client.force_login(stranger)
    assert client.post(address(on_paper), body).status_code == 404
    on_paper.session.study.members.add(colleague)
    client.force_login(colleague)
    assert client.post(address(on_paper), body).status_code == 403
    assert not Vote.objects.exists()


# ---- waiting ------------------------------------------------------------------------------------


@pytest.fixture
def waiting(started: FakeDisplay) -> FakeDisplay:
    started.session.study.wait_for_votes = True
    started.session.study.save()
    return started


def test_the_next_cell_waits_for_every_seat_but_paper(waiting: FakeDisplay) -> None:
    seat_of(waiting.session, SeatKind.PAPER)
    first = waiting.show_cell()
    assert waiting.showing() is None
    assert snapshots.for_console(waiting.session)["awaited"] == ["V01", "V02"]
    all_vote(waiting, first.pk)
    after = waiting.showing()
    assert after is not None and after.cell != first.cell


def test_the_session_is_over_only_with_the_last_vote(waiting: FakeDisplay) -> None:
    all_vote(waiting, waiting.show_cell().pk)
    last = waiting.show_cell()
    waiting.session.refresh_from_db()
    assert waiting.session.state == SessionState.RUNNING
    all_vote(waiting, last.pk)
    waiting.session.refresh_from_db()
    assert waiting.session.state == SessionState.FINISHED


def test_the_coordinator_need_not_wait(waiting: FakeDisplay, owner: User) -> None:
    with pytest.raises(Refused, match="No vote is awaited"):
        running.go_on(waiting.session.pk, owner)  # a cell is on
    first = waiting.show_cell()
    running.go_on(waiting.session.pk, owner)
    after = waiting.showing()
    assert after is not None and after.cell != first.cell


def test_nothing_is_waited_for_unless_the_study_says_so(started: FakeDisplay, owner: User) -> None:
    first = started.show_cell()
    after = started.showing()
    assert after is not None and after.cell != first.cell
    with pytest.raises(Refused, match="No vote is awaited"):
        running.go_on(started.session.pk, owner)


# ---- leaving out --------------------------------------------------------------------------------


def test_a_cell_that_is_on_is_skipped_and_the_next_begins(
    started: FakeDisplay, owner: User
) -> None:
    playing = started.showing()
    assert playing is not None
    running.skip_cell(started.session.pk, playing.cell_id, owner)
    playing.refresh_from_db()
    assert playing.verdict == "skipped on the coordinator's wish"
    after = started.showing()
    assert after is not None and after.cell_id != playing.cell_id
    with pytest.raises(Refused, match="shown or skipped already"):
        running.skip_cell(started.session.pk, playing.cell_id, owner)


def test_skipping_the_last_cell_ends_the_session(started: FakeDisplay, owner: User) -> None:
    started.show_cell()
    last = started.showing()
    assert last is not None
    running.skip_cell(started.session.pk, last.cell_id, owner)
    started.session.refresh_from_db()
    assert started.session.state == SessionState.FINISHED


def test_a_cell_that_was_shown_cannot_be_skipped(started: FakeDisplay, owner: User) -> None:
    shown = started.show_cell()
    with pytest.raises(Refused, match="shown or skipped already"):
        running.skip_cell(started.session.pk, shown.cell_id, owner)
