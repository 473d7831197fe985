"""Reads answers that come in pieces, as the ASGI server does."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync


def pieces_of(response: Any) -> list[bytes]:
    assert response.is_async, "Django would read all of it into memory before it sends any"

    async def read() -> list[bytes]:
        return [piece async for piece in response]

    return async_to_sync(read)()
