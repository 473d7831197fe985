"""When a vote counts: by the time of the tap, not by the time of its arrival."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from sessions_app.models import Seat, Session, Vote
from sessions_app.services import running
from sessions_app.services.running import GRACE, Refused
from tests.sessions_app.running.conftest import FakeDisplay

SECOND = timedelta(seconds=1)


@pytest.fixture
def seat(session: Session) -> Seat:
    return session.seats.first()


def test_a_vote_in_the_window_is_kept(started: FakeDisplay, seat: Seat) -> None:
    showing = started.show_stimuli()
    running.cast_vote(seat.pk, showing.pk, "A", 7, started.now + SECOND / 2)
    vote = Vote.objects.get()
    assert (vote.seat, vote.showing, vote.slot, vote.score) == (seat, showing, "A", 7)


def test_a_vote_before_the_window_is_refused(started: FakeDisplay, seat: Seat) -> None:
    showing = started.show_stimuli()
    with pytest.raises(Refused, match="not open yet"):
        running.cast_vote(seat.pk, showing.pk, "A", 7, started.now - SECOND)
    assert not Vote.objects.exists()


def test_the_window_stays_open_until_the_next_stimuli(started: FakeDisplay, seat: Seat) -> None:
    first = started.show_cell()
    running.cast_vote(seat.pk, first.pk, "A", 3, started.now)
    started.show_stimuli()  # begins 0.5 s later with grey, then the reference
    first.refresh_from_db()
    running.cast_vote(seat.pk, first.pk, "A", 4, first.vote_closed_at)
    with pytest.raises(Refused, match="cell 1 is closed"):
        running.cast_vote(seat.pk, first.pk, "A", 5, first.vote_closed_at + SECOND)
    assert Vote.objects.get().score == 4


def test_seats_stay_at_a_cell_until_its_window_closes(started: FakeDisplay) -> None:
    first = started.show_cell()
    second = started.showing()
    running.phase_began(started.session.pk, started.id, second.pk, "grey", started.now)
    assert running.latest_showing(started.session) == first
    running.phase_began(started.session.pk, started.id, second.pk, "reference", started.now)
    assert running.latest_showing(started.session) == second


def test_a_late_delivery_counts_by_its_tap(started: FakeDisplay, seat: Seat) -> None:
    first = started.show_stimuli()
    tapped = started.now + SECOND / 2
    started.finish_vote(first)
    started.show_cell()
    running.cast_vote(seat.pk, first.pk, "B", 9, tapped)
    assert Vote.objects.get().score == 9


def test_a_vote_of_a_seat_that_was_cut_off_counts_for_the_cell_open_at_its_tap(
    started: FakeDisplay, seat: Seat
) -> None:
    first = started.show_stimuli()
    taps = [started.now + SECOND / 2]
    started.finish_vote(first)
    second = started.show_stimuli()
    taps.append(started.now + SECOND / 2)
    started.finish_vote(second)
    for score, tap in enumerate(taps):
        running.cast_vote(seat.pk, None, "A", score, tap)
    running.cast_vote(seat.pk, None, "A", 9, taps[1] + SECOND)
    kept = Vote.objects.order_by("showing__started_at").values_list("showing", "score")
    assert list(kept) == [(first.pk, 0), (second.pk, 9)]


def test_cut_off_a_tap_when_no_vote_was_open_is_refused(started: FakeDisplay, seat: Seat) -> None:
    began = started.now
    first = started.show_cell()
    with pytest.raises(Refused, match="No vote was open"):
        running.cast_vote(seat.pk, None, "A", 5, began)
    started.show_stimuli()
    first.refresh_from_db()
    with pytest.raises(Refused, match="cell 1 is closed"):
        running.cast_vote(seat.pk, None, "A", 5, first.vote_closed_at + 0.6 * SECOND)
    assert not Vote.objects.exists()


def test_cut_off_a_tap_never_counts_for_a_showing_that_was_broken_off(
    started: FakeDisplay, seat: Seat
) -> None:
    broken = started.showing()
    running.phase_began(started.session.pk, started.id, broken.pk, "grey", started.now)
    started.hello(fresh=True)  # the page was reloaded
    started.report()
    started.now += timedelta(minutes=1)
    again = started.show_stimuli()
    running.cast_vote(seat.pk, None, "A", 5, started.now)
    assert Vote.objects.get().showing == again != broken


def test_before_the_display_was_heard_again_the_plan_tells_what_a_tap_is_for(
    started: FakeDisplay, seat: Seat
) -> None:
    showing = started.showing()
    running.phase_began(started.session.pk, started.id, showing.pk, "grey", started.now)
    showing.refresh_from_db()
    due = running.planned_vote_opening(showing)
    with pytest.raises(Refused, match="No vote was open"):
        running.cast_vote(seat.pk, None, "A", 5, due - SECOND)
    assert running.cast_vote(seat.pk, None, "A", 5, due + SECOND).showing == showing


def test_after_the_last_cell_there_is_a_time_of_grace(started: FakeDisplay, seat: Seat) -> None:
    started.show_cell()
    last = started.show_cell()
    started.session.refresh_from_db()
    last.refresh_from_db()
    assert last.vote_closed_at == started.session.finished_at + GRACE
    running.cast_vote(seat.pk, last.pk, "A", 1, started.session.finished_at)
    assert Vote.objects.exists()


def test_the_later_tap_wins_whatever_arrives_first(started: FakeDisplay, seat: Seat) -> None:
    showing = started.show_stimuli()
    later = started.now + SECOND / 2
    running.cast_vote(seat.pk, showing.pk, "A", 8, later)
    running.cast_vote(seat.pk, showing.pk, "A", 2, started.now)
    vote = Vote.objects.get()
    assert (vote.score, vote.changes) == (8, 0)


def test_the_same_tap_sent_twice_is_one_vote(started: FakeDisplay, seat: Seat) -> None:
    showing = started.show_stimuli()
    for _ in range(2):
        running.cast_vote(seat.pk, showing.pk, "A", 8, started.now)
    assert Vote.objects.get().changes == 0


def test_a_vote_may_be_changed(started: FakeDisplay, seat: Seat) -> None:
    showing = started.show_stimuli()
    running.cast_vote(seat.pk, showing.pk, "A", 8, started.now)
    running.cast_vote(seat.pk, showing.pk, "A", 6, started.now + SECOND / 2)
    vote = Vote.objects.get()
    assert (vote.score, vote.changes) == (6, 1)


def test_votes_of_a_cell_that_does_not_count_are_kept(started: FakeDisplay, seat: Seat) -> None:
    showing = started.show_stimuli(frames_shown=3)
    running.cast_vote(seat.pk, showing.pk, "A", 8, started.now)
    assert Vote.objects.filter(showing__valid=False).count() == 1


def test_seats_may_vote_by_plan_when_the_display_is_cut_off(
    started: FakeDisplay, seat: Seat
) -> None:
    showing = started.showing()
    running.phase_began(started.session.pk, started.id, showing.pk, "grey", started.now)
    showing = running.latest_showing(started.session)
    opening = running.planned_vote_opening(showing)
    assert opening - showing.started_at == timedelta(seconds=0.5 * 3 + 0.4 * 3)
    with pytest.raises(Refused, match="not open yet"):
        running.cast_vote(seat.pk, showing.pk, "A", 8, opening - SECOND)
    running.cast_vote(seat.pk, showing.pk, "A", 8, opening + SECOND / 2)
    assert Vote.objects.get().score == 8


@pytest.mark.parametrize("slot, score", [("A", 11), ("A", -1), ("C", 5), ("A", True)])
def test_what_is_not_on_the_scale_is_refused(
    started: FakeDisplay, seat: Seat, slot: str, score: int
) -> None:
    showing = started.show_stimuli()
    with pytest.raises(Refused, match="whole number"):
        running.cast_vote(seat.pk, showing.pk, slot, score, started.now)


def test_an_interrupted_cell_takes_no_votes(started: FakeDisplay, seat: Seat) -> None:
    showing = started.showing()
    started.hello(showing=None)
    with pytest.raises(Refused, match="shown again"):
        running.cast_vote(seat.pk, showing.pk, "A", 5, timezone.now())


def test_a_closed_seat_cannot_vote(started: FakeDisplay, seat: Seat, owner: User) -> None:
    showing = started.show_stimuli()
    running.revoke_seat(started.session.pk, seat.pk, owner)
    with pytest.raises(Refused, match="closed by the coordinator"):
        running.cast_vote(seat.pk, showing.pk, "A", 5, started.now)


def test_a_vote_for_another_session_is_refused(seat: Seat) -> None:
    with pytest.raises(Refused, match="not in this session"):
        running.cast_vote(seat.pk, uuid4(), "A", 5, timezone.now())


@pytest.mark.django_db(transaction=True)
def test_a_vote_does_not_wait_for_changes_of_its_session(started: FakeDisplay, seat: Seat) -> None:
    showing = started.show_stimuli()

    def vote() -> int:
        try:
            return running.cast_vote(seat.pk, showing.pk, "A", 5, started.now).score
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as elsewhere, transaction.atomic():
        Session.objects.select_for_update().get(pk=started.session.pk)
        assert elsewhere.submit(vote).result(timeout=10) == 5


def test_a_tap_from_the_future_counts_as_now(started: FakeDisplay, seat: Seat) -> None:
    showing = started.show_stimuli()
    running.cast_vote(seat.pk, showing.pk, "A", 5, timezone.now() + timedelta(days=1))
    assert Vote.objects.get().cast_at <= timezone.now()
