"""Tells every open page that a session changed, whichever process changed it.

Services announce inside their transaction through PostgreSQL's NOTIFY, so news goes out on commit
and never before. Each web process listens once and passes it on to its own sockets. News carries
no content: whoever hears it reads the database again, so that a lost one only costs time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import connection

from sessions_app.models import Session

log = logging.getLogger("midgrey.live")

CHANNEL = "midgrey_session"
EVERYBODY = "sessions"  # the group that hears when news may have been lost
SECONDS_BETWEEN_TRIES = 1.0
# An idle connection that died without a word is noticed by asking.
SECONDS_BETWEEN_CHECKS = 15.0
# Options of Django's own that the database driver does not know.
DJANGO_OPTIONS = ("assume_role", "isolation_level", "pool", "server_side_binding")

P = ParamSpec("P")
R = TypeVar("R")


def group(session_pk: int) -> str:
    return f"session-{session_pk}"


def announce(session: Session) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(session.pk)])


@dataclass
class _Bridge:
    task: asyncio.Task[None]
    users: int = 0


_bridges: WeakKeyDictionary[asyncio.AbstractEventLoop, _Bridge] = WeakKeyDictionary()


@asynccontextmanager
async def listening() -> AsyncIterator[None]:
    """Keeps this process's one listener running for as long as somebody needs it."""
    loop = asyncio.get_running_loop()
    bridge = _bridges.get(loop)
    if bridge is None:
        bridge = _bridges[loop] = _Bridge(loop.create_task(_listen_for_ever()))
    bridge.users += 1
    try:
        yield
    finally:
        bridge.users -= 1
        if not bridge.users:
            del _bridges[loop]
            bridge.task.cancel()
            await sync_to_async(_hang_up)()


def in_database(function: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """Runs it in the one thread that all pages of this process share, on a connection that stays
    open until the last of them has gone. To open one keeps the processors busy for longer than
    what a page asks of it, and all pages ask at once when a phase begins."""

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        connection.ensure_connection()
        connection.close_at = None  # Channels closes what is old, after each message
        return function(*args, **kwargs)

    return sync_to_async(run)


def _hang_up() -> None:
    connection.close()  # that of the thread which runs this


def _connection_parameters() -> dict[str, Any]:
    given = connection.settings_dict
    named = {
        "dbname": given["NAME"],
        "user": given["USER"],
        "password": given["PASSWORD"],
        "host": given["HOST"],
        "port": given["PORT"],
    }
    options = {k: v for k, v in given.get("OPTIONS", {}).items() if k not in DJANGO_OPTIONS}
    return {**options, **{name: value for name, value in named.items() if value}}


async def _listen_for_ever() -> None:
    while True:
        try:
            await _listen()
        except (psycopg.Error, OSError) as error:
            log.warning("live updates lost the database (%s); trying again", error)
        await asyncio.sleep(SECONDS_BETWEEN_TRIES)


async def _listen() -> None:
    async with await psycopg.AsyncConnection.connect(
        **_connection_parameters(), autocommit=True
    ) as database:
        await database.execute(f"LISTEN {CHANNEL}")
        await _tell(EVERYBODY)
        while True:
            async for notice in database.notifies(timeout=SECONDS_BETWEEN_CHECKS):
                await _tell(group(int(notice.payload)))
            await database.execute("SELECT 1")


async def _tell(name: str) -> None:
    await get_channel_layer().group_send(name, {"type": "session.changed"})
