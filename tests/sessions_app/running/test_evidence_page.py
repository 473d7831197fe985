"""What was noted and measured during a session, and who may read it."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from sessions_app import snapshots
from sessions_app.models import Note, Session
from sessions_app.services import running
from sessions_app.services.running import Refused
from tests.sessions_app.running.conftest import FakeDisplay


def page(client: Client, session: Session, status: int = 200) -> str:
    response = client.get(reverse("sessions:evidence", args=[session.pk]))
    assert response.status_code == status
    return re.sub(r"\s+", " ", response.content.decode())


def test_each_showing_is_listed_with_what_the_display_measured(
    client: Client, owner: User, started: FakeDisplay
) -> None:
    started.show_cell()
    started.show_cell(frames_shown=7, frames_late=2, measured_ms=480.0)
    client.force_login(owner)
    html = page(client, started.session)
    assert html.count("<summary>") == 2
    assert '<td class="num is-fault">27 / 30</td> <td class="num wide-only is-fault">2</td>' in html
    assert '<td class="num">400</td><td class="num">480</td><td class="num">7 / 10</td>' in html
    assert "does not count" in html and "0 of 1 showings of test cells count" in html
    assert re.search(r'class="is-invalid"><title>cell \d: 80 ms</title>', html)
    assert re.search(r'class="is-invalid"><title>cell \d: 5 frames</title>', html)


def test_a_session_that_showed_nothing_says_so(
    client: Client, owner: User, session: Session
) -> None:
    client.force_login(owner)
    assert "Nothing was measured yet" in page(client, session)


def test_a_note_keeps_its_time_its_author_and_the_cell_that_was_on(
    client: Client, owner: User, started: FakeDisplay
) -> None:
    showing = started.show_stimuli()
    note = running.add_note(started.session.pk, "  lamp \n fell over ", owner)
    assert (note.text, note.showing, note.author) == ("lamp fell over", showing, owner)
    told = snapshots.for_console(started.session)["notes"]
    assert [(each["text"], each["cell"]) for each in told] == [
        ("lamp fell over", showing.cell.position)
    ]
    client.force_login(owner)
    assert "lamp fell over" in page(client, started.session)


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 501])
def test_a_note_without_words_or_with_too_many_is_refused(
    session: Session, owner: User, text: str
) -> None:
    with pytest.raises(Refused):
        running.add_note(session.pk, text, owner)
    assert not Note.objects.exists()


def test_notes_never_reach_display_or_seat(started: FakeDisplay, owner: User) -> None:
    running.add_note(started.session.pk, "nudged the tripod", owner)
    seat = started.session.seats.first()
    assert seat is not None
    for told in (snapshots.for_display(started.session), snapshots.for_seat(seat)):
        assert "nudged" not in str(told)


def test_members_read_the_evidence_and_strangers_do_not_find_it(
    client: Client, stranger: User, colleague: User, session: Session
) -> None:
    page(client, session, status=302)
    client.force_login(stranger)
    page(client, session, status=404)
    session.study.members.add(colleague)
    client.force_login(colleague)
    page(client, session)
