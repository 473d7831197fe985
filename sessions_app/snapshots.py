"""What each of the three live pages may know, read from the database in one piece.

Nothing for a display or a seat names a study, a source, a method or a file: viewers are blind.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.urls import reverse
from django.utils import timezone

from sessions_app.models import (
    Cell,
    Seat,
    SeatKind,
    Session,
    SessionState,
    Showing,
    ShowingState,
    Vote,
)
from sessions_app.services import commissioning, running


def milliseconds(at: datetime | None) -> float | None:
    return None if at is None else round(at.timestamp() * 1000, 1)


def _now() -> float | None:
    return milliseconds(timezone.now())


def _title(session: Session) -> str:
    return f"Panel {session.panel}, {session.title}"


# ---- display ------------------------------------------------------------------------------------


def for_display(session: Session) -> dict[str, Any]:
    showing = running.current_showing(session)
    upcoming = running.next_cell(session) if showing is None else _after(showing)
    return {
        "type": "state",
        "now": _now(),
        "state": session.state,
        "display": str(session.display_id),
        "ready": session.display_ready,
        "showing": _show_order(showing) if showing else None,
        # What most likely comes next, so that it can be decoded ahead.
        "upcoming": _phases(upcoming) if upcoming and session.display_ready else None,
        "overruled": session.display_report.get("overruled", []),
        "keypad": _keypad(session),
        "instructions": session.instructions_shown,
        "commissioning": commissioning.standing(running.label_of(session)).text,
    }


def _keypad(session: Session) -> list[dict[str, Any]]:
    """Who votes at the display's keyboard, and for which boxes of the latest cell they have."""
    latest = running.latest_showing(session)
    return [
        {
            "seat": seat.pk,
            "label": seat.viewer.code,
            "showing": str(latest.pk) if latest else None,
            "given": sorted(seat.votes.filter(showing=latest).values_list("slot", flat=True)),
        }
        for seat in session.seats.filter(kind=SeatKind.KEYPAD, revoked_at=None).select_related(
            "viewer"
        )
    ]


def _after(showing: Showing) -> Cell | None:
    later = showing.cell.session.cells.filter(position__gt=showing.cell.position, skipped=False)
    return later.first()


def _show_order(showing: Showing) -> dict[str, Any]:
    return {"id": str(showing.pk), "phases": _phases(showing.cell)}


def _phases(cell: Cell) -> list[dict[str, Any]]:
    session = cell.session
    return [
        {
            "name": phase.name,
            "seconds": phase.seconds,
            "message": phase.message.format(number=cell.position),
            "votes": phase.votes,
            "clip": running.clip_id(session, running.rendition_of(cell, phase.stimulus))
            if phase.stimulus
            else None,
        }
        for phase in session.study.protocol.phases
    ]


def clips_for_display(session: Session) -> dict[str, Any]:
    """All clips of a session, sorted by names that tell nothing."""
    return {
        "session": running.opaque(session, "session"),
        "clips": [
            {
                "id": name,
                "url": reverse("sessions:display-clip", args=[session.token, name]),
                "bytes": rendition.size_bytes,
                "sha256": rendition.sha256,
                "manifest": played(rendition.manifest),
            }
            for name, rendition in running.renditions(session).items()
        ],
    }


def played(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a display needs of a manifest: all but the digest by which the clip is known."""
    return {name: value for name, value in manifest.items() if name != "frames_sha256"}


# ---- seat ---------------------------------------------------------------------------------------


def for_seat(seat: Seat) -> dict[str, Any]:
    session = seat.session
    showing = running.latest_showing(session)
    return {
        "type": "state",
        "now": _now(),
        "state": session.state,
        "cells": session.cells.count(),
        "display_online": running.display_is_alive(session),
        "cell": _cell_for_seat(seat, showing) if showing else None,
        "training": session.training,
        "next": _next_seat(seat) if session.is_over else None,
    }


def _next_seat(seat: Seat) -> str | None:
    """Where this viewer goes on, if another session of the panel is still to come."""
    coming = Seat.objects.filter(
        viewer=seat.viewer, revoked_at=None, session__number__gt=seat.session.number,
        session__panel=seat.session.panel, session__study=seat.session.study,
    ).exclude(session__state__in=[SessionState.FINISHED, SessionState.ABORTED])  # fmt: skip
    found = coming.order_by("session__number").first()
    return reverse("sessions:seat", args=[found.token]) if found else None


def _cell_for_seat(seat: Seat, showing: Showing) -> dict[str, Any]:
    votes = {
        vote.slot: {"score": vote.score, "at": milliseconds(vote.cast_at)}
        for vote in seat.votes.filter(showing=showing)
    }
    phases = seat.session.study.protocol.phases
    return {
        "showing": str(showing.pk),
        "number": showing.cell.position,
        "vote_seconds": sum(phase.seconds or 0.0 for phase in phases if phase.votes),
        "begun": bool(showing.phase),
        "planned_at": milliseconds(running.planned_vote_opening(showing)),
        "opened_at": milliseconds(showing.vote_opened_at),
        "closed_at": milliseconds(showing.vote_closed_at),
        "votes": votes,
    }


# ---- console ------------------------------------------------------------------------------------


def for_console(session: Session) -> dict[str, Any]:
    planned = session.cells.select_related("a__low_resolution__source__clip", "repeats")
    cells = list(planned.prefetch_related("showings"))
    showing = running.current_showing(session)
    latest = running.latest_showing(session)
    return {
        "type": "state",
        "now": _now(),
        "state": session.state,
        "state_label": session.get_state_display(),
        "instructions": session.instructions_shown,
        "title": _title(session),
        "started_at": milliseconds(session.started_at),
        "finished_at": milliseconds(session.finished_at),
        "seconds_left": _seconds_left(session, cells, showing),
        "cells": [_cell_for_console(cell) for cell in cells],
        "showing": _showing_for_console(showing) if showing else None,
        "latest_cell": latest.cell_id if latest else None,
        "seats": _seats_for_console(session, latest),
        "notes": _notes(session),
        "awaited": [seat.viewer.code for seat in running.awaited_seats(session)]
        if showing is None
        else [],
        "display": _display_for_console(session),
    }


def _cell_for_console(cell: Cell) -> dict[str, Any]:
    showings = list(cell.showings.all())
    last = showings[-1] if showings else None
    return {
        "id": cell.pk,
        "number": cell.position,
        "kind": cell.kind,
        "repeats": cell.repeats.position if cell.repeats else None,
        "showings": len(showings),
        "state": last.state if last else "",
        "valid": last.valid if last else None,
        "verdict": last.verdict if last else "",
        "skipped": cell.skipped,
    }


def _showing_for_console(showing: Showing) -> dict[str, Any]:
    cell = showing.cell
    phases = [
        {
            **{k: v for k, v in asdict(phase).items() if k in ("name", "votes")},
            "seconds": running.clip_of(cell, phase.stimulus).seconds
            if phase.stimulus
            else phase.seconds,
        }
        for phase in cell.session.study.protocol.phases
    ]
    return {
        "id": str(showing.pk),
        "cell": cell.pk,
        "number": cell.position,
        "phase": showing.phase,
        "phase_started_at": milliseconds(showing.phase_started_at),
        "phases": phases,
    }


def _seconds_left(session: Session, cells: list[Cell], showing: Showing | None) -> float:
    if session.is_over:
        return 0.0
    protocol = session.study.protocol
    shown = Showing.objects.filter(cell__session=session, state=ShowingState.SHOWN)
    done = set(shown.values_list("cell_id", flat=True))
    left = sum(
        protocol.cell_seconds(cell.source.clip.seconds)
        for cell in cells
        if cell.pk not in done and not cell.skipped
    )
    if showing and showing.phase:
        left -= max(0.0, (timezone.now() - showing.started_at).total_seconds())
    return max(0.0, round(left, 1))


def _notes(session: Session) -> list[dict[str, Any]]:
    """The latest first."""
    found = session.notes.select_related("author", "showing__cell").order_by("-at")
    return [
        {
            "id": note.pk,
            "at": milliseconds(note.at),
            "text": note.text,
            "author": note.author.get_username() if note.author else "",
            "cell": note.showing.cell.position if note.showing else None,
        }
        for note in found
    ]


def _seats_for_console(session: Session, latest: Showing | None) -> list[dict[str, Any]]:
    """Ticks, not scores: a coordinator who saw them could sway the panel."""
    given = dict(
        Vote.objects.filter(seat__session=session).values_list("seat").annotate(votes=Count("pk"))
    )
    now_given: dict[int, list[str]] = {}
    if latest:
        for seat, slot in Vote.objects.filter(showing=latest).values_list("seat", "slot"):
            now_given.setdefault(seat, []).append(slot)
    return [
        {
            "id": seat.pk,
            "viewer": seat.viewer.code,
            "kind": seat.kind,
            "code": seat.code,
            "url": reverse("sessions:seat", args=[seat.token]),
            "qr": reverse("sessions:seat-qr", args=[session.pk, seat.pk]),
            "revoked": seat.revoked_at is not None,
            "online": running.seat_is_alive(seat),
            "votes": given.get(seat.pk, 0),
            "slots": sorted(now_given.get(seat.pk, [])),
        }
        for seat in session.seats.select_related("viewer")
    ]


def _display_for_console(session: Session) -> dict[str, Any]:
    report = session.display_report
    known = commissioning.standing(running.label_of(session))
    return {
        "url": reverse("sessions:display", args=[session.token]),
        "online": running.display_is_alive(session),
        "ready": session.display_ready,
        "loaded": report.get("loaded", False),
        "progress": report.get("progress", ""),
        "checks": report.get("checks", []),
        "overruled": report.get("overruled", []),
        "reason": session.overrule_reason,
        "failed": [check["id"] for check in running.failed_checks(session)],
        "commissioning": {
            "state": known.state,
            "text": known.text,
            "url": known.run.get_absolute_url() if known.run else reverse("sessions:commission"),
        },
    }
