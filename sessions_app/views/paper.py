"""Votes that viewers wrote on paper, typed in by the coordinator."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from sessions_app.access import session_for_running
from sessions_app.models import Seat, SeatKind, Session, Slot
from sessions_app.services import running
from sessions_app.services.running import Refused
from upscalers.access import coordinator_required


@coordinator_required
@require_http_methods(["GET", "POST"])
@never_cache
def paper(request: HttpRequest, pk: int) -> HttpResponseBase:
    session = session_for_running(request.user, pk)
    seats = list(session.seats.filter(kind=SeatKind.PAPER).select_related("viewer"))
    asked = request.POST.get("seat") or request.GET.get("seat")
    seat = get_object_or_404(session.seats, pk=asked, kind=SeatKind.PAPER) if asked else None
    seat = seat or (seats[0] if seats else None)
    if request.method == "POST" and seat:
        return _save(request, session, seat, seats)
    rows = _rows(session, seat, {}) if seat else []
    return _page(request, session, seats, seat, rows)


def _save(
    request: HttpRequest, session: Session, seat: Seat, seats: list[Seat]
) -> HttpResponseBase:
    typed = {name: str(value) for name, value in request.POST.items() if name.startswith("score-")}
    rows = _rows(session, seat, typed)
    if any(box["error"] for row in rows for box in row["boxes"]):
        return _page(request, session, seats, seat, rows, status=422)
    scores = {
        (row["showing"].pk, box["slot"]): box["score"]
        for row in rows
        for box in row["boxes"]
        if box["name"] in typed
    }
    try:
        changed = running.enter_from_paper(session.pk, seat.pk, scores, request.user)
    except Refused as reason:
        messages.error(request, str(reason))
        return _page(request, session, seats, seat, rows, status=409)
    if changed:
        votes = "1 vote is" if changed == 1 else f"{changed} votes are"
        messages.success(request, f"{votes} kept for {seat.viewer.code}.")
    else:
        messages.info(request, "Nothing was changed.")
    return redirect(f"{reverse('sessions:paper', args=[session.pk])}?seat={seat.pk}")


def _page(
    request: HttpRequest, session: Session, seats: list[Seat], seat: Seat | None,
    rows: list[dict[str, Any]], status: int = 200,
) -> HttpResponse:  # fmt: skip
    scale = session.study.protocol.scale
    context = {"session": session, "seats": seats, "seat": seat, "rows": rows, "scale": scale}
    return render(request, "sessions_app/paper.html", context, status=status)


def _rows(session: Session, seat: Seat, typed: dict[str, str]) -> list[dict[str, Any]]:
    """What is kept, or what was typed over it with what is wrong with that."""
    kept: dict[tuple[UUID, str], int] = {
        (vote.showing_id, vote.slot): vote.score for vote in seat.votes.all()
    }
    return [
        {
            "showing": showing,
            "boxes": [
                _box(session, showing.pk, slot, kept.get((showing.pk, slot)), typed)
                for slot in Slot.values
            ],
        }
        for showing in running.voted_showings(session)
    ]


def _box(
    session: Session, showing: UUID, slot: str, kept: int | None, typed: dict[str, str]
) -> dict[str, Any]:
    scale = session.study.protocol.scale
    name = f"score-{showing}-{slot}"
    text = typed.get(name, "" if kept is None else str(kept)).strip()
    score = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else None
    wrong = bool(text) and not scale.accepts(score)
    error = f"a whole number from {scale.lowest} to {scale.highest}" if wrong else ""
    return {"name": name, "slot": slot, "text": text, "score": score, "error": error}
