"""Pages of a session that is run: display with its clips, seat, joining, console, QR codes.

They only hand out what the links allow; what happens in a session goes through the sockets.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import segno
from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from sessions_app import snapshots
from sessions_app.access import session_for_running
from sessions_app.models import CODE_LENGTH, Seat, Session
from sessions_app.services import running
from sessions_app.services.running import Refused
from upscalers.access import coordinator_required
from upscalers.models import Rendition

PIECE = 1 << 20

# A code is one of 887 million; whoever guesses is stopped long before finding one.
WRONG_CODES_ALLOWED = 10
WRONG_CODES_SECONDS = 300


# ---- display ------------------------------------------------------------------------------------


@require_safe
@never_cache
def display(request: HttpRequest, token: str) -> HttpResponse:
    session = get_object_or_404(Session.objects.select_related("study"), token=token)
    return render(request, "sessions_app/display.html", {"session": session})


@require_safe
@never_cache
def display_clips(request: HttpRequest, token: str) -> HttpResponse:
    session = get_object_or_404(Session.objects.select_related("study"), token=token)
    try:
        return JsonResponse(snapshots.clips_for_display(session))
    except Refused as reason:
        return JsonResponse({"reason": str(reason)}, status=409)


@require_safe
@vary_on_headers("Range")
async def display_clip(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """A playback file, piece by piece: Django's own FileResponse would read it whole under ASGI."""
    rendition = await sync_to_async(_rendition)(token, name)
    size, tag = rendition.size_bytes, f'"{name}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",  # the display keeps its own, checked copy
    }
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
    pieces = _pieces(rendition.path, first, last) if request.method == "GET" else _nothing()
    return StreamingHttpResponse(
        pieces, status=status, headers=headers, content_type="application/octet-stream"
    )


def _rendition(token: str, name: str) -> Rendition:
    session = get_object_or_404(Session.objects.select_related("study"), token=token)
    try:
        rendition = running.renditions(session).get(name)
    except Refused:
        rendition = None
    if rendition is None:
        raise Http404("This session has no such clip.")
    return rendition


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


async def _pieces(path: Path, first: int, last: int) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        await asyncio.to_thread(file.seek, first)
        left = last - first + 1
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


# ---- seat ---------------------------------------------------------------------------------------


@require_safe
@never_cache
def seat(request: HttpRequest, token: str) -> HttpResponse:
    found = Seat.objects.select_related("session__study", "viewer").filter(token=token).first()
    if found is None or found.revoked_at:
        return render(request, "sessions_app/seat_closed.html", status=404)
    scale = found.session.study.protocol.scale
    grades = [
        {"score": score, "label": scale.labels[score]}
        for score in range(scale.highest, scale.lowest - 1, -1)
    ]
    context = {"seat": found, "grades": grades, "lowest_first": grades[::-1]}
    return render(request, "sessions_app/seat.html", context)


@never_cache
def join(request: HttpRequest) -> HttpResponse:
    """From a code on a slip of paper to the seat's own link."""
    if request.method != "POST":
        return render(request, "sessions_app/join.html", {"length": CODE_LENGTH})
    given = re.sub(r"[\s-]", "", request.POST.get("code", ""))[: CODE_LENGTH + 1].upper()
    wrong = f"wrong-codes-{request.META.get('REMOTE_ADDR', '')}"
    if cache.get(wrong, 0) >= WRONG_CODES_ALLOWED:
        minutes = WRONG_CODES_SECONDS // 60
        return _join_again(
            request,
            given,
            f"Too many wrong codes. Wait {minutes} minutes, or scan the QR code.",
            429,
        )
    found = Seat.objects.filter(code=given, revoked_at=None).first()
    if found is None:
        cache.add(wrong, 0, WRONG_CODES_SECONDS)
        cache.incr(wrong)
        return _join_again(
            request,
            given,
            "No seat has this code. Compare it with the one the coordinator gave you.",
            404,
        )
    return redirect("sessions:seat", found.token)


def _join_again(request: HttpRequest, given: str, error: str, status: int) -> HttpResponse:
    context = {"given": given, "error": error, "length": CODE_LENGTH}
    return render(request, "sessions_app/join.html", context, status=status)


# ---- console ------------------------------------------------------------------------------------


@coordinator_required
@require_safe
@never_cache
def console(request: HttpRequest, pk: int) -> HttpResponse:
    session = session_for_running(request.user, pk)
    context = {
        "session": session,
        "join_url": request.build_absolute_uri(reverse("sessions:join")),
        "only_here": request.get_host().split(":")[0] in ("127.0.0.1", "localhost", "[::1]"),
    }
    return render(request, "sessions_app/console.html", context)


@coordinator_required
@require_safe
@never_cache
def seat_qr(request: HttpRequest, pk: int, seat_pk: int) -> HttpResponse:
    session = session_for_running(request.user, pk)
    found = get_object_or_404(session.seats, pk=seat_pk, revoked_at=None)
    link = request.build_absolute_uri(reverse("sessions:seat", args=[found.token]))
    picture = BytesIO()
    code = segno.make(link, error="m", micro=False)
    code.save(picture, kind="svg", scale=8, border=3, dark="#000", light="#ddd")
    return HttpResponse(picture.getvalue(), content_type="image/svg+xml")
