"""Files on their way to a browser, piece by piece, whole or in the part that is missing.

Django's own FileResponse is not used: under ASGI it reads a file whole into memory first.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

PIECE = 1 << 20
BYTES = "application/octet-stream"


def send_stored(
    request: HttpRequest, path: Path, size: int, digest: str, headers: dict[str, str] | None = None
) -> HttpResponseBase:
    """A file of the store, which never changes: what is there already is not sent again."""
    tag = f'"{digest}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", **(headers or {})}
    if request.headers.get("If-None-Match") == tag:
        return HttpResponse(status=304, headers=headers)
    first, last, status = 0, size - 1, 200
    if request.headers.get("If-Range", tag) == tag and "Range" in request.headers:
        wanted = _byte_range(request.headers["Range"], size)
        if wanted is None:
            headers["Content-Range"] = f"bytes */{size}"
            return HttpResponse(status=416, headers=headers)
        first, last, status = *wanted, 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    headers["Content-Length"] = str(last - first + 1)
    pieces = _pieces_of(path, first, last) if request.method != "HEAD" else _nothing()
    headers.setdefault("Content-Type", BYTES)
    return StreamingHttpResponse(pieces, status=status, headers=headers)


def send_once(file: BinaryIO, size: int, name: str, content_type: str) -> HttpResponseBase:
    """An open file from where it stands, to be kept under `name`; closed when it is sent."""
    headers = {"Content-Length": str(size), **as_attachment(name), "Content-Type": content_type}
    return StreamingHttpResponse(_pieces(file, size), headers=headers)


def as_attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": content_disposition_header(True, name) or "attachment"}


def _byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range; None where it cannot be had."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip())
    if not match or match.groups() == ("", ""):
        return None
    start, end = match.groups()
    if not start:
        first, last = max(0, size - int(end)), size - 1
    else:
        first, last = int(start), min(int(end), size - 1) if end else size - 1
    return (first, last) if first <= last else None


async def _pieces_of(path: Path, first: int, last: int) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    await asyncio.to_thread(file.seek, first)
    async with aclosing(_pieces(file, last - first + 1)) as pieces:
        async for piece in pieces:
            yield piece


async def _pieces(file: BinaryIO, left: int) -> AsyncGenerator[bytes, None]:
    try:
        while left:
            piece = await asyncio.to_thread(file.read, min(PIECE, left))
            if not piece:
                return
            left -= len(piece)
            yield piece
    finally:
        file.close()


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for piece in nothing:
        yield piece
