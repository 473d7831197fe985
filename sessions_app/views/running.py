"""Pages of a session that is run: display with its clips, seat, joining, console, QR codes.

They only hand out what the links allow; what happens in a session goes through the sockets.
"""

from __future__ import annotations

import hashlib
import json
import re
from io import BytesIO
from typing import Any

import segno
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache import cache
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from sessions_app import snapshots
from sessions_app.access import session_for_running
from sessions_app.models import CODE_LENGTH, Seat, Session
from sessions_app.services import running
from sessions_app.services.running import Refused
from upscalers.access import coordinator_required
from upscalers.models import Rendition
from upscalers.streaming import send_stored

# A code is one of 887 million; whoever guesses is stopped long before finding one.
WRONG_CODES_ALLOWED = 10
WRONG_CODES_SECONDS = 300


# ---- display ------------------------------------------------------------------------------------


@require_safe
@never_cache
def display(request: HttpRequest, token: str) -> HttpResponse:
    session = get_object_or_404(Session.objects.select_related("study"), token=token)
    context = {"session": session, "grades": _grades(session)}
    return render(request, "sessions_app/display.html", context)


def _grades(session: Session) -> list[dict[str, Any]]:
    """The best first."""
    scale = session.study.protocol.scale
    return [
        {"score": score, "label": scale.labels[score]}
        for score in range(scale.highest, scale.lowest - 1, -1)
    ]


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
    rendition = await sync_to_async(_rendition)(token, name)
    headers = {"Cache-Control": "private, no-store"}  # the display keeps its own, checked copy
    return send_stored(request, rendition.path, rendition.size_bytes, name, headers)


def _rendition(token: str, name: str) -> Rendition:
    session = get_object_or_404(Session.objects.select_related("study"), token=token)
    try:
        rendition = running.renditions(session).get(name)
    except Refused:
        rendition = None
    if rendition is None:
        raise Http404("This session has no such clip.")
    return rendition


# ---- seat ---------------------------------------------------------------------------------------


@require_safe
@never_cache
def seat(request: HttpRequest, token: str) -> HttpResponse:
    found = Seat.objects.select_related("session__study", "viewer").filter(token=token).first()
    if found is None or found.revoked_at:
        return render(request, "sessions_app/seat_closed.html", status=404)
    grades = _grades(found.session)
    context = {"seat": found, "grades": grades, "lowest_first": grades[::-1]}
    return render(request, "sessions_app/seat.html", context)


# All that a seat's page is made of, beside itself.
SEAT_FILES = (
    "css/midgrey.css", "css/seat.css", "img/mark.svg", "live/socket.js", "seat/seat.js",
)  # fmt: skip


@require_safe
def seat_worker(request: HttpRequest) -> HttpResponse:
    """The service worker of seats. Its address says what it may look after: /seat/ and below."""
    shell = [static(name) for name in SEAT_FILES]
    context = {"shell": json.dumps(shell), "fixed": names_are_fixed(shell)}
    source = render_to_string("sessions_app/seat_worker.js", context)
    version = hashlib.sha256(source.encode()).hexdigest()[:12]
    return HttpResponse(
        f'const VERSION = "{version}";\n{source}',
        content_type="text/javascript; charset=utf-8",
        headers={"Cache-Control": "no-cache"},
    )


def names_are_fixed(urls: list[str]) -> bool:
    """Whether they carry their content's hash, so that what they name never changes."""
    return not any(url.endswith(name) for url, name in zip(urls, SEAT_FILES, strict=True))


@csrf_exempt  # it changes nothing, and over plain http there is no cookie to compare with
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


def _for_viewers(request: HttpRequest, path: str) -> str:
    """The address by which their devices reach a page: not always the coordinator's own."""
    return f"{settings.SEATS_AT}{path}" if settings.SEATS_AT else request.build_absolute_uri(path)


# ---- console ------------------------------------------------------------------------------------


@coordinator_required
@require_safe
@never_cache
def console(request: HttpRequest, pk: int) -> HttpResponse:
    session = session_for_running(request.user, pk)
    context = {
        "session": session,
        "join_url": _for_viewers(request, reverse("sessions:join")),
        "only_here": not settings.SEATS_AT
        and request.get_host().split(":")[0] in ("127.0.0.1", "localhost", "[::1]"),
    }
    return render(request, "sessions_app/console.html", context)


@coordinator_required
@require_safe
@never_cache
def seat_qr(request: HttpRequest, pk: int, seat_pk: int) -> HttpResponse:
    session = session_for_running(request.user, pk)
    found = get_object_or_404(session.seats, pk=seat_pk, revoked_at=None)
    link = _for_viewers(request, reverse("sessions:seat", args=[found.token]))
    picture = BytesIO()
    code = segno.make(link, error="m", micro=False)
    code.save(picture, kind="svg", scale=8, border=3, dark="#000", light="#ddd")
    return HttpResponse(picture.getvalue(), content_type="image/svg+xml")
