"""The sockets: who gets in, what is refused, and that every page hears of every change."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.db.backends.signals import connection_created
from django.urls import get_resolver
from django.utils import timezone

from sessions_app.models import Seat, Session, Vote
from sessions_app.routing import websocket_urlpatterns
from sessions_app.services import running
from tests.sessions_app.running.conftest import GOOD_CHECK, FakeDisplay, evidence_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True, scope="module")
def all_code_loaded() -> None:
    """Which takes longer than a page waits, where a machine has just started."""
    assert get_resolver().url_patterns


class Page:
    """One end of a socket, that can wait for the message it wants."""

    def __init__(self, communicator: ApplicationCommunicator) -> None:
        self.communicator = communicator

    async def send(self, **message: Any) -> None:
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        await self.communicator.send_input({"type": "websocket.receive", "text": text})

    async def until(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        while True:
            event = await self.communicator.receive_output(timeout=10)
            assert event["type"] == "websocket.send", event
            message = json.loads(event["text"])
            if wanted(message):
                return message

    async def answer(self, **message: Any) -> dict[str, Any]:
        await self.send(n=7, **message)
        return await self.until(lambda m: m.get("n") == 7 or m["type"] == "refused")


@asynccontextmanager
async def open_page(path: str, user: Any = None) -> AsyncIterator[Page]:
    scope = {"type": "websocket", "path": path, "user": user or AnonymousUser(), "headers": []}
    communicator = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)
    await communicator.send_input({"type": "websocket.connect"})
    assert (await communicator.receive_output(timeout=10))["type"] == "websocket.accept"
    try:
        yield Page(communicator)
    finally:
        await communicator.send_input({"type": "websocket.disconnect", "code": 1000})
        await communicator.wait(timeout=10)


def is_state(message: dict[str, Any]) -> bool:
    return message["type"] == "state"


def now() -> float:
    return timezone.now().timestamp() * 1000


@pytest.fixture
def seat(session: Session) -> Seat:
    return session.seats.first()


async def test_a_vote_is_acknowledged_only_once_it_is_committed(
    started: FakeDisplay, seat: Seat
) -> None:
    showing = await sync_to_async(started.show_stimuli)()
    async with open_page(f"/ws/seat/{seat.token}/") as page:
        answer = await page.answer(
            type="vote", showing=str(showing.pk), slot="A", score=4, at=now()
        )
        assert answer == {"type": "ack", "n": 7, "score": 4, "showing": str(showing.pk)}
        assert (await Vote.objects.aget()).score == 4


async def test_an_earlier_tap_that_arrives_late_is_answered_with_the_score_that_counts(
    started: FakeDisplay, seat: Seat
) -> None:
    showing = await sync_to_async(started.show_stimuli)()
    vote = {"type": "vote", "showing": str(showing.pk), "slot": "A"}
    at = now()
    async with open_page(f"/ws/seat/{seat.token}/") as page:
        await page.answer(**vote, score=4, at=at)
        assert (await page.answer(**vote, score=9, at=at))["score"] == 4
        assert (await page.answer(**vote, score=9, at=at + 1))["score"] == 9
    assert (await Vote.objects.aget()).score == 9


async def test_a_seat_that_was_cut_off_learns_for_which_showing_its_vote_counts(
    started: FakeDisplay, seat: Seat
) -> None:
    showing = await sync_to_async(started.show_stimuli)()
    async with open_page(f"/ws/seat/{seat.token}/") as page:
        answer = await page.answer(type="vote", showing=None, slot="B", score=0, at=now())
        assert (answer["showing"], answer["score"]) == (str(showing.pk), 0)
    assert (await Vote.objects.aget()).showing_id == showing.pk


async def test_what_the_database_cannot_keep_is_refused_and_the_socket_lives(
    started: FakeDisplay,
) -> None:
    showing = await sync_to_async(started.showing)()
    report = await sync_to_async(evidence_for)(showing)
    async with open_page(f"/ws/show/{started.session.token}/") as display:
        await display.send(type="hello", display=str(started.id), showing=str(showing.pk))
        for wrong in ({"note": "\x00"}, {"events": [{"phase": "a", "what": "\x00"}]}):
            answer = await display.answer(
                type="evidence", showing=str(showing.pk), evidence={**report, **wrong}
            )
            assert answer["type"] == "error" and answer["reason"]
    await showing.arefresh_from_db()
    assert showing.valid is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"slot": "C"}, {"score": "4"}, {"score": 4.5}, {"score": 99}, {"score": None}, {"at": "x"},
        {"at": 12}, {"showing": "nothing"}, {"showing": 7}, {"type": "start"}, {"type": "hello"},
    ],
)  # fmt: skip
async def test_bad_input_gets_a_reason_and_changes_nothing(
    started: FakeDisplay, seat: Seat, wrong: dict[str, Any]
) -> None:
    showing = await sync_to_async(started.show_stimuli)()
    vote = {"type": "vote", "showing": str(showing.pk), "slot": "A", "score": 4, "at": now()}
    async with open_page(f"/ws/seat/{seat.token}/") as page:
        answer = await page.answer(**{**vote, **wrong})
        assert answer["type"] == "error" and answer["reason"]
    assert not await Vote.objects.aexists()


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", '"vote"', "[" * 100_000])
async def test_what_is_no_message_is_refused(seat: Seat, text: str) -> None:
    async with open_page(f"/ws/seat/{seat.token}/") as page:
        await page.send_text(text)
        answer = await page.until(lambda m: m["type"] == "error")
        assert "JSON object" in answer["reason"]


@pytest.mark.parametrize("path", ["/ws/seat/guessed/", "/ws/show/guessed/"])
async def test_a_guessed_link_gets_nothing(session: Session, path: str) -> None:
    async with open_page(path) as page:
        await page.send(type="hello", display=str(uuid4()), showing=None)  # as a page does at once
        assert (await page.until(lambda m: True))["type"] == "refused"


async def test_only_who_may_run_the_session_gets_the_console(
    session: Session, owner: User, stranger: User, colleague: User
) -> None:
    await session.study.members.aadd(colleague)
    for user, wanted in ((owner, "state"), (stranger, "refused"), (colleague, "refused"),
                         (None, "refused")):  # fmt: skip
        async with open_page(f"/ws/console/{session.pk}/", user) as page:
            assert (await page.until(lambda m: True))["type"] == wanted


@pytest.mark.parametrize("lost", ["membership", "role", "account"])
@pytest.mark.parametrize("message", [{"type": "end"}, {"type": "ping", "t": 1}])
async def test_a_console_ends_with_the_right_to_run_the_session(
    session: Session, owner: User, colleague: User, lost: str, message: dict[str, Any]
) -> None:
    await session.study.members.aadd(colleague)
    await colleague.groups.aset(await sync_to_async(list)(owner.groups.all()))
    async with open_page(f"/ws/console/{session.pk}/", colleague) as page:
        await page.until(is_state)
        if lost == "membership":
            await session.study.members.aremove(colleague)
        elif lost == "role":
            await colleague.groups.aclear()
        else:
            await User.objects.filter(pk=colleague.pk).aupdate(is_active=False)
        await page.send(n=7, **message)
        answer = await page.until(lambda m: m["type"] in ("ack", "error", "refused", "state"))
        assert "no longer" in answer["reason"]
    await session.arefresh_from_db()
    assert not session.is_over


async def test_the_console_sees_ticks_and_no_scores(
    started: FakeDisplay, owner: User, seat: Seat
) -> None:
    showing = await sync_to_async(started.show_stimuli)()
    async with open_page(f"/ws/console/{started.session.pk}/", owner) as console:
        await console.until(is_state)
        await sync_to_async(running.cast_vote)(seat.pk, showing.pk, "A", 3, started.now)
        state = await console.until(lambda m: is_state(m) and m["seats"][0]["slots"])
    assert state["seats"][0]["slots"] == ["A"]
    assert "score" not in json.dumps(state)


async def test_several_consoles_hear_of_a_change_made_in_one(session: Session, owner: User) -> None:
    path = f"/ws/console/{session.pk}/"
    async with open_page(path, owner) as first, open_page(path, owner) as second:
        answer = await first.answer(type="add-seat", viewer="V77", kind="device")
        assert answer["type"] == "ack"
        state = await second.until(lambda m: is_state(m) and len(m["seats"]) == 3)
    assert state["seats"][2]["viewer"] == "V77"


async def test_a_display_is_led_through_a_cell(session: Session, owner: User) -> None:
    async with AsyncExitStack() as stack:
        console = await stack.enter_async_context(open_page(f"/ws/console/{session.pk}/", owner))
        display = await stack.enter_async_context(open_page(f"/ws/show/{session.token}/"))
        await display.send(type="hello", display=str(uuid4()), showing=None)
        await display.until(is_state)
        await display.answer(type="report", checks=[GOOD_CHECK], loaded=True, progress="all")
        assert (await console.answer(type="start"))["type"] == "ack"
        state = await display.until(lambda m: is_state(m) and m["showing"])
        order = state["showing"]
        assert [phase["name"] for phase in order["phases"]] == [
            "grey", "reference", "announce-a", "a", "announce-b", "b", "vote"
        ]  # fmt: skip
        assert order["phases"][-1]["message"] == "Vote 1"
        refused = await display.answer(type="ended", showing=order["id"], at=now())
        assert "evidence" in refused["reason"]


async def test_the_first_display_is_told_that_another_took_over(session: Session) -> None:
    path = f"/ws/show/{session.token}/"
    async with open_page(path) as first, open_page(path) as second:
        await first.send(type="hello", display=str(uuid4()), showing=None)
        await first.until(is_state)
        await second.send(type="hello", display=str(uuid4()), showing=None)
        refusal = await second.until(lambda m: m["type"] == "refused")
        assert refusal["can_take_over"]
        async with open_page(path) as third:
            await third.send(type="hello", display=str(uuid4()), showing=None, take_over=True)
            await third.until(is_state)
            told = await first.until(lambda m: m["type"] == "refused")
            assert "taken over" in told["reason"]


async def test_a_display_says_hello_first(session: Session) -> None:
    async with open_page(f"/ws/show/{session.token}/") as display:
        answer = await display.answer(type="report", checks=[], loaded=True, progress="")
        assert "hello first" in answer["reason"]


async def test_a_closed_seat_is_told_so_at_once(session: Session, seat: Seat, owner: User) -> None:
    async with open_page(f"/ws/seat/{seat.token}/") as page:
        await page.until(is_state)
        await sync_to_async(running.revoke_seat)(session.pk, seat.pk, owner)
        assert "closed" in (await page.until(lambda m: m["type"] == "refused"))["reason"]


async def test_a_ping_heals_a_lost_notification(session: Session, seat: Seat) -> None:
    async with open_page(f"/ws/seat/{seat.token}/") as page:
        await page.until(is_state)
        await Session.objects.filter(pk=session.pk).aupdate(state="aborted")  # nobody announced it
        await page.send(type="ping", t=1)
        assert (await page.until(is_state))["state"] == "aborted"


async def test_pages_share_a_connection_until_the_last_has_gone(
    session: Session, seat: Seat
) -> None:
    opened: list[Any] = []

    def count(**_: Any) -> None:
        opened.append(1)

    async with open_page(f"/ws/seat/{seat.token}/") as one:
        await one.until(is_state)
        connection_created.connect(count)
        async with open_page(f"/ws/seat/{seat.token}/") as other:
            for page in (one, other, one, other):
                await page.send(type="ping", t=1)
                await page.answer(type="nonsense")  # once the ping has asked all it wanted
        assert await backend()
    connection_created.disconnect(count)
    assert not opened
    assert not await backend()


async def test_pages_find_a_database_that_was_started_again(session: Session, seat: Seat) -> None:
    async with open_page(f"/ws/seat/{seat.token}/") as page:
        await page.until(is_state)
        await Session.objects.filter(pk=session.pk).aupdate(state="aborted")  # nobody announced it
        await sync_to_async(end_backend, thread_sensitive=False)(await backend())
        await page.send(type="ping", t=1)
        assert (await page.until(is_state))["state"] == "aborted"


async def test_a_page_that_breaks_holds_nothing(
    seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> None:
        raise LookupError

    monkeypatch.setattr("sessions_app.consumers.SeatConsumer.snapshot", broken)
    with pytest.raises(LookupError):
        async with open_page(f"/ws/seat/{seat.token}/"):
            pass
    assert not await backend()


@sync_to_async
def backend() -> int | None:
    """The number of the database's process that serves the pages."""
    return connection.connection.info.backend_pid if connection.connection else None


def end_backend(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    connection.close()
