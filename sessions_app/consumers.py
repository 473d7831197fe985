"""The three WebSocket faces of a session: display, seat and console.

They parse a message, call one service and answer; what is true is always in the database. Every
message is a JSON object with a `type`. A page may add `n`, a number of its own: then the answer is
`{"type": "ack", "n"}` once the change is committed, or `{"type": "error", "n", "reason"}` when it
was refused and nothing changed. Times (`at`) are milliseconds since 1970 by the server's clock,
which a page learns from `ping`.

All pages    ->  ping {t}                             <-  pong {t, now}
             <-  state {...}   a snapshot (snapshots.py) on arrival and whenever something changed
             <-  refused {reason, can_take_over}      the socket is of no more use to this page
Display      ->  hello {display, showing, take_over, fresh}  first; `display` names this page, and
                 a fresh one has checked nothing yet
             ->  report {checks, loaded, progress, label}    what the checks measured; the label is
                 what the laboratory calls the display, or empty
             ->  phase {showing, phase, at}
             ->  evidence {showing, evidence}         the stimuli were shown to their end
             ->  ended {showing, at}
             ->  failed {showing, reason}
             ->  vote {seat, showing, slot, score, at}    typed at the display's keyboard
Seat         ->  vote {showing, slot, score, at}      its ack says the `score` that was kept and for
                 which `showing`; a seat that was cut off names none (null), the time tells
Console      ->  start, pause, resume, end, go-on, overrule {reason}, repeat {cell}, skip {cell},
                 add-seat {viewer, kind}, revoke-seat {seat}, note {text}, instructions {shown}
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404
from django.utils import timezone

from sessions_app import live, messages, snapshots
from sessions_app.access import session_for_running
from sessions_app.core.evidence import BadEvidence
from sessions_app.live import in_database
from sessions_app.messages import BadMessage, Message
from sessions_app.models import Seat, Session
from sessions_app.services import running
from sessions_app.services.commissioning import LABEL_LENGTH
from sessions_app.services.running import Refused
from upscalers.access import is_coordinator

log = logging.getLogger("midgrey.live")

# Close codes: a page comes back after CANNOT_NOW and gives up after NOT_YOURS.
NOT_YOURS = 4403
CANNOT_NOW = 4503

Action = Callable[[Any, Message], Any]
DATABASE_GONE = (OperationalError, InterfaceError)


class Face(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """What the three have in common: joining, snapshots, acknowledgements, errors."""

    actions: dict[str, Action] = {}
    session_pk: int

    async def __call__(self, *args: Any) -> None:
        async with AsyncExitStack() as self.stack:  # however it ends
            await super().__call__(*args)

    async def connect(self) -> None:
        self.last = ""
        await self.accept()
        await self.stack.enter_async_context(live.listening())
        try:
            found = await in_database(self.find)()
        except DATABASE_GONE:
            await self.close(CANNOT_NOW)
            return
        if not found:
            await self.refuse("This link is not valid (any more).")
            return
        for group in (live.EVERYBODY, live.group(self.session_pk)):
            await self.channel_layer.group_add(group, self.channel_name)
        await self.arrived()
        await self.send_state()

    async def disconnect(self, code: int) -> None:
        if hasattr(self, "session_pk"):
            for group in (live.EVERYBODY, live.group(self.session_pk)):
                await self.channel_layer.group_discard(group, self.channel_name)
            try:
                await in_database(self.left)()
            except DATABASE_GONE:
                pass  # it is taken for gone anyway when it is not heard of
        raise StopConsumer

    # -- for the subclasses

    def find(self) -> bool:
        """Sets `session_pk` if whoever connects may be here."""
        raise NotImplementedError

    def seen(self) -> None:
        """The page is alive."""

    def left(self) -> None:
        """The page closed."""

    def snapshot(self) -> dict[str, Any]:
        raise NotImplementedError

    async def arrived(self) -> None:
        """Once, before the first snapshot."""

    # -- in and out

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not hasattr(self, "session_pk"):
            return  # sent before this page heard that it is not let in
        number: Any = None
        try:
            message = messages.parse(text_data)
            number = message.get("n")
            if message["type"] == "ping":
                await self.pong(message)
                return
            kept = await self.act(message)
            answer = {"type": "ack", "n": number, **(kept or {})}
        except (BadMessage, BadEvidence, Refused) as error:
            answer = {"type": "error", "n": number, "reason": str(error)}
        except DATABASE_GONE as error:
            # Nothing was kept: the page sends again when it is back.
            log.warning("a message could not be kept: %s", error)
            await self.close(CANNOT_NOW)
            return
        except (DatabaseError, UnicodeEncodeError):
            # Sent again it would fail again.
            log.exception("the database refused a message")
            reason = "The server could not keep this; its log says why."
            answer = {"type": "error", "n": number, "reason": reason}
        if number is not None or answer["type"] == "error":
            await self.tell(answer)

    async def act(self, message: Message) -> dict[str, Any] | None:
        """Does what is asked; the answer may say more than that it was done."""
        action = self.actions.get(message["type"])
        if action is None:
            raise BadMessage(f"There is no message of type {message['type'][:40]!r}.")
        kept: dict[str, Any] | None = await in_database(action)(self, message)
        return kept

    async def pong(self, message: Message) -> None:
        await self.tell({"type": "pong", "t": message.get("t"), "now": _now()})
        await in_database(self.seen)()
        await self.send_state()

    async def session_changed(self, event: dict[str, Any]) -> None:
        await self.send_state()

    async def send_state(self) -> None:
        """Only if something is new since the last one."""
        try:
            state = await in_database(self.snapshot)()
        except DATABASE_GONE:
            await self.close(CANNOT_NOW)
            return
        except Refused as refusal:
            await self.refuse(str(refusal))
            return
        now = state.pop("now")
        text = json.dumps(state)
        if text != self.last:
            self.last = text
            await self.tell({**state, "now": now})

    async def refuse(self, reason: str, can_take_over: bool = False) -> None:
        await self.tell({"type": "refused", "reason": reason, "can_take_over": can_take_over})
        await self.close(NOT_YOURS)

    async def tell(self, message: dict[str, Any]) -> None:
        await self.send(json.dumps(message))


def _now() -> float:
    return timezone.now().timestamp() * 1000


class DisplayConsumer(Face):
    display: UUID | None = None

    def find(self) -> bool:
        token = self.scope["url_route"]["kwargs"]["token"]
        session = Session.objects.filter(token=token).first()
        if session:
            self.session_pk = session.pk
        return session is not None

    async def act(self, message: Message) -> dict[str, Any] | None:
        if message["type"] == "hello":
            await self.hello(message)
            return None
        if self.display is None:
            raise BadMessage("A display says hello first.")
        return await super().act(message)

    async def hello(self, message: Message) -> None:
        display = messages.identity(message, "display")
        showing = messages.identity_or_none(message, "showing")
        take_over = messages.flag(message, "take_over")
        fresh = messages.flag(message, "fresh")
        try:
            await in_database(running.display_hello)(
                self.session_pk, display, showing, take_over, fresh
            )
        except Refused as refusal:
            await self.refuse(str(refusal), can_take_over=True)
            return
        self.display = display
        self.last = ""
        await self.send_state()

    def seen(self) -> None:
        if self.display:
            running.display_seen(self.session_pk, self.display)

    def left(self) -> None:
        if self.display:
            running.display_left(self.session_pk, self.display)

    async def send_state(self) -> None:
        if self.display:
            await super().send_state()

    def snapshot(self) -> dict[str, Any]:
        session = Session.objects.select_related("study").get(pk=self.session_pk)
        if session.display_id != self.display:
            raise Refused("Another window has taken over as this session's display.")
        return snapshots.for_display(session)

    @property
    def here(self) -> tuple[int, UUID]:
        """Which session, and which display of it; `act` has seen to it that both are known."""
        assert self.display is not None
        return self.session_pk, self.display

    def report(self, message: Message) -> None:
        running.display_report(
            *self.here,
            messages.checks(message),
            messages.flag(message, "loaded"),
            messages.text(message, "progress"),
            messages.text_or_empty(message, "label", LABEL_LENGTH),
        )

    def phase(self, message: Message) -> None:
        running.phase_began(
            *self.here,
            messages.identity(message, "showing"),
            messages.text(message, "phase", 24),
            messages.moment(message, "at"),
        )

    def evidence(self, message: Message) -> None:
        running.evidence_arrived(
            *self.here,
            messages.identity(message, "showing"),
            message.get("evidence"),
        )

    def ended(self, message: Message) -> None:
        running.showing_ended(
            *self.here,
            messages.identity(message, "showing"),
            messages.moment(message, "at"),
        )

    def failed(self, message: Message) -> None:
        running.showing_failed(
            *self.here,
            messages.identity(message, "showing"),
            messages.text(message, "reason"),
        )

    def vote(self, message: Message) -> None:
        running.cast_at_display(
            *self.here,
            messages.whole(message, "seat"),
            messages.identity(message, "showing"),
            messages.text(message, "slot", 1),
            messages.whole(message, "score"),
            messages.moment(message, "at"),
        )

    actions = {
        "report": report, "phase": phase, "evidence": evidence, "ended": ended, "failed": failed,
        "vote": vote,
    }  # fmt: skip


class SeatConsumer(Face):
    seat_pk: int

    def find(self) -> bool:
        token = self.scope["url_route"]["kwargs"]["token"]
        seat = Seat.objects.filter(token=token, revoked_at=None).first()
        if seat:
            self.seat_pk, self.session_pk = seat.pk, seat.session_id
        return seat is not None

    async def arrived(self) -> None:
        await in_database(running.seat_joined)(self.seat_pk)

    def seen(self) -> None:
        running.seat_seen(self.seat_pk)

    def left(self) -> None:
        running.seat_left(self.seat_pk)

    def snapshot(self) -> dict[str, Any]:
        seat = Seat.objects.select_related("session__study").get(pk=self.seat_pk)
        if seat.revoked_at:
            raise Refused("This seat was closed by the coordinator.")
        return snapshots.for_seat(seat)

    def vote(self, message: Message) -> dict[str, Any]:
        vote = running.cast_vote(
            self.seat_pk,
            messages.identity_or_none(message, "showing"),
            messages.text(message, "slot", 1),
            messages.whole(message, "score"),
            messages.moment(message, "at"),
        )
        return {"score": vote.score, "showing": str(vote.showing_id)}

    actions = {"vote": vote}


class ConsoleConsumer(Face):
    user: Any

    def find(self) -> bool:
        """Reads the user anew each time: whoever opened the console may have lost the right."""
        found = get_user_model().objects.filter(pk=self.scope["user"].pk).first()
        if found is None or not is_coordinator(found):
            return False
        try:
            session = session_for_running(found, self.scope["url_route"]["kwargs"]["pk"])
        except (Http404, PermissionDenied):
            return False
        self.user, self.session_pk = found, session.pk
        return True

    def require_right(self) -> None:
        if not self.find():
            raise Refused("You may no longer run this session. Ask its owner or an administrator.")

    async def act(self, message: Message) -> dict[str, Any] | None:
        await in_database(self.require_right)()
        return await super().act(message)

    def snapshot(self) -> dict[str, Any]:
        self.require_right()
        session = Session.objects.select_related("study").get(pk=self.session_pk)
        return snapshots.for_console(session)

    def start(self, message: Message) -> None:
        running.start(self.session_pk, self.user)

    def pause(self, message: Message) -> None:
        running.pause(self.session_pk, self.user)

    def resume(self, message: Message) -> None:
        running.resume(self.session_pk, self.user)

    def end(self, message: Message) -> None:
        running.end(self.session_pk, self.user)

    def repeat(self, message: Message) -> None:
        cell = messages.whole(message, "cell")
        running.repeat_cell(self.session_pk, cell, self.user)

    def skip(self, message: Message) -> None:
        running.skip_cell(self.session_pk, messages.whole(message, "cell"), self.user)

    def go_on(self, message: Message) -> None:
        running.go_on(self.session_pk, self.user)

    def instructions(self, message: Message) -> None:
        running.show_instructions(self.session_pk, messages.flag(message, "shown"), self.user)

    def overrule(self, message: Message) -> None:
        running.overrule(self.session_pk, messages.text(message, "reason"), self.user)

    def add_seat(self, message: Message) -> None:
        viewer, kind = messages.text(message, "viewer", 20), messages.text(message, "kind", 8)
        running.add_seat(self.session_pk, viewer, self.user, kind)

    def revoke_seat(self, message: Message) -> None:
        running.revoke_seat(self.session_pk, messages.whole(message, "seat"), self.user)

    def note(self, message: Message) -> None:
        text = messages.text(message, "text", running.LONGEST_NOTE)
        running.add_note(self.session_pk, text, self.user)

    actions = {
        "start": start, "pause": pause, "resume": resume, "end": end, "repeat": repeat,
        "overrule": overrule, "add-seat": add_seat, "revoke-seat": revoke_seat, "note": note,
        "skip": skip, "go-on": go_on, "instructions": instructions,
    }  # fmt: skip
