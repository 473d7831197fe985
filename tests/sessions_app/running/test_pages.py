"""Who may open which page of a running session, and what the pages give away."""

from __future__ import annotations

import json
import re

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from sessions_app import snapshots
from sessions_app.models import Cell, Session
from sessions_app.services import running
from tests.sessions_app.running.conftest import FakeDisplay
from tests.sessions_app.running.material import METHODS, SOURCES


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    cache.clear()


def get(client: Client, name: str, *args: object, status: int = 200, **headers: str) -> bytes:
    response = client.get(reverse(f"sessions:{name}", args=args), headers=headers)
    assert response.status_code == status
    return response.content if not response.streaming else b""


def fetch(path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """As the ASGI server does it, streaming."""

    async def go() -> tuple[int, dict[str, str], bytes]:
        response = await AsyncClient().get(path, headers=headers)
        if response.streaming:
            body = b"".join([part async for part in response.streaming_content])
        else:
            body = response.content
        return response.status_code, dict(response.headers), body

    return async_to_sync(go)()


def test_the_owner_opens_the_console(client: Client, owner: User, session: Session) -> None:
    client.force_login(owner)
    assert b"Open display" in get(client, "console", session.pk)


def test_strangers_do_not_find_the_console(
    client: Client, stranger: User, session: Session
) -> None:
    client.force_login(stranger)
    get(client, "console", session.pk, status=404)


def test_an_analyst_of_the_study_may_not_run_it(
    client: Client, colleague: User, session: Session
) -> None:
    session.study.members.add(colleague)
    client.force_login(colleague)
    get(client, "console", session.pk, status=403)


def test_nobody_else_gets_the_seats_qr_codes(
    client: Client, stranger: User, owner: User, session: Session
) -> None:
    seat = session.seats.first()
    client.force_login(stranger)
    get(client, "seat-qr", session.pk, seat.pk, status=404)
    client.force_login(owner)
    assert b"<svg" in get(client, "seat-qr", session.pk, seat.pk)


def test_without_an_account_the_console_is_not_shown(client: Client, session: Session) -> None:
    response = client.get(reverse("sessions:console", args=[session.pk]))
    assert response.headers["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("page", ["display", "display-clips", "seat"])
def test_a_guessed_link_opens_nothing(client: Client, session: Session, page: str) -> None:
    get(client, page, "guessed", status=404)


def test_the_link_of_a_closed_seat_opens_nothing(
    client: Client, session: Session, owner: User
) -> None:
    seat = session.seats.first()
    get(client, "seat", seat.token)
    running.revoke_seat(session.pk, seat.pk, owner)
    assert b"not valid" in get(client, "seat", seat.token, status=404)


def test_a_code_leads_to_its_seat_however_it_is_typed(client: Client, session: Session) -> None:
    seat = session.seats.first()
    typed = f" {seat.code[:3].lower()}-{seat.code[3:]} "
    response = client.post(reverse("sessions:join"), {"code": typed})
    assert response.headers["Location"] == reverse("sessions:seat", args=[seat.token])


def test_guessing_codes_is_stopped(client: Client, session: Session) -> None:
    seat = session.seats.first()
    for _ in range(10):
        assert client.post(reverse("sessions:join"), {"code": "ZZZZZZ"}).status_code == 404
    answer = client.post(reverse("sessions:join"), {"code": seat.code})
    assert answer.status_code == 429
    assert b"Wait 5 minutes" in answer.content


# ---- clips


def clip_urls(session: Session) -> list[str]:
    return [clip["url"] for clip in snapshots.clips_for_display(session)["clips"]]


@pytest.mark.django_db(transaction=True)
def test_a_clip_arrives_whole_or_in_the_part_that_is_missing(session: Session) -> None:
    url = clip_urls(session)[0]
    rendition = next(iter(running.renditions(session).values()))
    whole = rendition.path.read_bytes()
    assert fetch(url)[::2] == (200, whole)
    status, headers, body = fetch(url, range="bytes=100-199")
    assert (status, body) == (206, whole[100:200])
    assert headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert fetch(url, range="bytes=500-")[2] == whole[500:]
    assert fetch(url, range="bytes=-10")[2] == whole[-10:]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "wrong", ["bytes=99999999-", "bytes=-", "bytes=5-2", "lines=1-2", "bytes=-0"]
)
def test_a_range_that_cannot_be_had_is_refused(session: Session, wrong: str) -> None:
    assert fetch(clip_urls(session)[0], range=wrong)[0] == 416


@pytest.mark.django_db(transaction=True)
def test_a_clip_that_is_known_already_is_not_sent_again(session: Session) -> None:
    url = clip_urls(session)[0]
    tag = fetch(url)[1]["ETag"]
    assert fetch(url, **{"if-none-match": tag})[0] == 304


@pytest.mark.django_db(transaction=True)
def test_a_clip_is_not_given_for_another_session(session: Session) -> None:
    other = Session.objects.create(study=session.study, number=2)
    url = clip_urls(session)[0].replace(session.token, other.token)
    assert fetch(url)[0] == 404


def test_the_display_is_told_when_a_playback_file_is_missing(
    client: Client, session: Session
) -> None:
    clip = session.cells.first().a.clip
    clip.rendition.delete()
    answer = json.loads(get(client, "display-clips", session.token, status=409))
    assert "not all made yet" in answer["reason"]


def test_the_display_learns_how_each_clip_is_to_be_decoded(session: Session) -> None:
    clips = snapshots.clips_for_display(session)["clips"]
    assert {clip["manifest"]["depth"] for clip in clips} == {8, 10}
    assert all("frames_sha256" not in clip["manifest"] for clip in clips)


def test_a_long_session_costs_the_console_no_more_queries_than_a_short_one(
    session: Session,
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            snapshots.for_console(Session.objects.get(pk=session.pk))
        return len(made)

    short, first = queries(), session.cells.first()
    for position in range(3, 10):
        Cell.objects.create(
            session=session, position=position, kind=first.kind, pair=first.pair, a=first.a,
            b=first.b, repeats=first,
        )  # fmt: skip
    assert queries() == short


# ---- blindness


def test_nothing_sent_to_display_or_seat_tells_method_or_source(
    client: Client, started: FakeDisplay
) -> None:
    session, seat = started.session, started.session.seats.first()
    sent = get(client, "display", session.token) + get(client, "display-clips", session.token)
    sent += get(client, "seat", seat.token)
    while True:
        for snapshot in (snapshots.for_display(session), snapshots.for_seat(seat)):
            sent += json.dumps(snapshot).encode()
        if started.showing() is None:
            break
        started.show_cell(frames_shown=0 if session.cells.count() == 2 else 10)
        session.refresh_from_db()
    assert session.cells.count() == 3, "a repeat was among what was searched"
    sent = re.sub(rb"</?span", b"", sent.lower())  # the tag, not the method
    words = [*METHODS, *SOURCES, "lanczos", "span", "beat", session.secret]
    words += [word for cell in running.cells_of(session) for word in hidden_words(cell)]
    assert [word for word in words if word.lower().encode() in sent] == []


def hidden_words(cell: Cell) -> list[str]:
    clips = [running.clip_of(cell, name) for name in ("reference", "a", "b")]
    return [clip.sha256 for clip in clips] + [clip.frames_sha256 for clip in clips]


def test_clips_are_listed_in_an_order_that_tells_nothing(session: Session) -> None:
    names = [clip["id"] for clip in snapshots.clips_for_display(session)["clips"]]
    assert names == sorted(names)
