"""A training before the test, and instructions on the display."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from scoring.ratings import ratings_of
from scoring.results import Results
from sessions_app import snapshots
from sessions_app.models import CellKind, Seat, Session, SessionState, Study, Vote
from sessions_app.services import planning, running
from sessions_app.services.running import Refused
from tests.sessions_app.running.conftest import FakeDisplay


@pytest.fixture
def training(session: Session, owner: User) -> Session:
    return planning.add_training(session.study, session.panel, owner)


def trained(training: Session, owner: User) -> FakeDisplay:
    """All of it shown, with a vote of V01 for its first cell."""
    display = FakeDisplay(training).ready()
    running.start(training.pk, owner)
    first = display.show_cell()
    seat = training.seats.get(viewer__code="V01")
    running.cast_vote(seat.pk, first.pk, "A", 4, display.now)
    while display.showing():
        display.show_cell(frames_shown=2)  # not shown again: nothing of it counts
    training.refresh_from_db()
    return display


def test_a_training_shows_what_the_session_begins_with_to_the_same_viewers(
    session: Session, training: Session
) -> None:
    assert str(training).endswith("panel 1 · training")
    begins = session.cells.filter(kind=CellKind.STABILISATION)
    assert [(cell.a, cell.b, cell.kind) for cell in training.cells.all()] == [
        (cell.a, cell.b, CellKind.TRAINING) for cell in begins
    ]
    assert [seat.viewer for seat in training.seats.all()] == [
        seat.viewer for seat in session.seats.all()
    ]
    assert not set(training.seats.values_list("token")) & set(session.seats.values_list("token"))


def test_votes_of_a_training_never_count(session: Session, training: Session, owner: User) -> None:
    trained(training, owner)
    assert training.state == SessionState.FINISHED
    table = ratings_of(session.study)
    assert list(table["not_counted_because"]) == ["training cell: never counted"]
    assert Results(session.study).viewers == []
    assert not planning.has_begun(session.study)


def test_a_plan_is_made_anew_after_a_training(
    session: Session, training: Session, owner: User
) -> None:
    trained(training, owner)
    planning.drop_plan(session.study)
    assert not Vote.objects.exists() and not Session.objects.exists()


def test_after_a_training_a_seat_leads_to_the_viewers_next_one(
    session: Session, training: Session, owner: User
) -> None:
    seat = training.seats.get(viewer__code="V01")
    told = snapshots.for_seat(seat)
    assert told["training"] is True and told["next"] is None
    trained(training, owner)
    after = session.seats.get(viewer__code="V01")
    told = snapshots.for_seat(Seat.objects.get(pk=seat.pk))
    assert told["next"] == reverse("sessions:seat", args=[after.token])
    running.revoke_seat(session.pk, after.pk, owner)
    assert snapshots.for_seat(Seat.objects.get(pk=seat.pk))["next"] is None


def test_a_coordinator_adds_one_training_for_each_panel(
    client: Client, owner: User, colleague: User, session: Session
) -> None:
    session.study.planned_at = session.study.created_at
    session.study.save()
    address = reverse("sessions:add-training", args=[session.study.slug, 1])
    session.study.members.add(colleague)
    client.force_login(colleague)
    assert client.post(address).status_code == 403
    client.force_login(owner)
    page = reverse("sessions:study", args=[session.study.slug])
    assert "Add a training" in client.get(page).content.decode()
    html = client.post(address, follow=True).content.decode()
    assert "Training" in html and "Add a training" not in html
    assert "Panel 1 has a training already" in client.post(address, follow=True).content.decode()
    other = reverse("sessions:add-training", args=[session.study.slug, 2])
    assert "Plan the sessions first" in client.post(other, follow=True).content.decode()
    assert Session.objects.filter(training=True).count() == 1


def test_instructions_are_shown_between_cells_and_go_when_the_session_goes_on(
    session: Session, display: FakeDisplay, owner: User
) -> None:
    display.ready()
    running.show_instructions(session.pk, True, owner)
    session.refresh_from_db()
    assert snapshots.for_display(session)["instructions"] is True
    running.start(session.pk, owner)
    session.refresh_from_db()
    assert snapshots.for_display(session)["instructions"] is False
    with pytest.raises(Refused, match="Pause the session first"):
        running.show_instructions(session.pk, True, owner)
    running.pause(session.pk, owner)
    with pytest.raises(Refused, match="until the cell has ended"):
        running.show_instructions(session.pk, True, owner)
    display.show_cell()
    running.show_instructions(session.pk, True, owner)


def test_a_study_without_a_plan_has_no_training(owner: User) -> None:
    study = Study.objects.create(name="Bare", slug="bare", owner=owner)
    with pytest.raises(planning.StudyError, match="Plan the sessions first"):
        planning.add_training(study, 1, owner)
