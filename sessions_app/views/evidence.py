"""What the display measured during a session, showing by showing, for whoever has to believe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from sessions_app.access import sessions_for
from sessions_app.core.evidence import TRIAL, parse_evidence
from sessions_app.models import CellKind, Showing
from sessions_app.services import commissioning, running
from upscalers.access import member_required

# Of the plots, in units of their own.
WIDTH, HEIGHT = 600, 120


@dataclass(frozen=True)
class Strip:
    """A measured value of each showing, drawn as bars side by side."""

    title: str
    unit: str
    line: float | None  # where the limit is drawn, if there is one
    bars: list[dict[str, Any]]
    top: float


@member_required
@require_safe
def evidence(request: HttpRequest, pk: int) -> HttpResponse:
    session = get_object_or_404(sessions_for(request.user), pk=pk)
    showings = [
        showing
        for showing in Showing.objects.filter(cell__session=session).select_related("cell")
        if showing.evidence
    ]
    rows = [_row(showing) for showing in showings]
    context = {
        "session": session,
        "rows": rows,
        "strips": _strips(rows),
        "counts": _counts(showings),
        "rules": [session.study.rule, TRIAL],
        "checks": session.display_report.get("checks", []),
        "known": commissioning.standing(running.label_of(session), session.finished_at),
        "notes": session.notes.select_related("author", "showing__cell"),
        "width": WIDTH,
        "height": HEIGHT,
    }
    return render(request, "sessions_app/evidence.html", context)


def _counts(showings: list[Showing]) -> dict[str, int]:
    tested = [each for each in showings if each.cell.kind == CellKind.TEST]
    valid = sum(each.valid is True for each in tested)
    return {"tested": len(tested), "valid": valid}


def _row(showing: Showing) -> dict[str, Any]:
    report = showing.evidence
    phases = report.get("phases", [])
    told = parse_evidence(report).phases
    clips = [
        (phase["frames_expected"], seen)
        for phase, seen in zip(phases, told, strict=True)
        if phase.get("frames_expected")
    ]
    delays = [phase["arrival_delay_ms"] for phase in phases if phase.get("arrival_delay_ms")]
    errors = [abs(ms - seen.planned_ms) for seen in told for ms in seen.lengths_ms]
    row = {
        "showing": showing,
        "report": report,
        "phases": phases,
        "expected": sum(expected for expected, _ in clips),
        "shown": sum(seen.shown for _, seen in clips),
        "late": sum(seen.late for _, seen in clips),
        "missed": sum(seen.missed_refreshes for _, seen in clips),
        "tells": any(seen.frames_arrived is not None for seen in told),
        "delay_ms": max(delays, default=None),
        "error_ms": max(errors, default=0.0),
        "gap_ms": report.get("largest_gap_ms", 0.0),
    }
    return row | {"missing": max(0, row["expected"] - row["shown"])}


def _strips(rows: list[dict[str, Any]]) -> list[Strip]:
    if not rows:
        return []
    refresh = 1000 / max(1.0, float(rows[0]["report"].get("refresh_hz", 60.0)))
    faults = [row["missing"] + row["late"] for row in rows]
    errors, gaps = ([row[name] for row in rows] for name in ("error_ms", "gap_ms"))
    return [
        _strip("Frames missing or late", "frames", faults, rows, None),
        _strip("Worst error of a phase's length", "ms", errors, rows, refresh),
        _strip("Longest time without a refresh", "ms", gaps, rows, 1.5 * refresh),
    ]


def _strip(
    title: str, unit: str, values: list[float], rows: list[dict[str, Any]], limit: float | None
) -> Strip:
    top = max([*values, (limit or 0.0) * 1.25, 1.0])
    step = WIDTH / len(values)
    bars = [
        {
            "x": round(step * place + step * 0.1, 2),
            "width": round(step * 0.8, 2),
            "y": round(HEIGHT * (1 - value / top), 2),
            "height": round(max(0.5, HEIGHT * value / top), 2),
            "value": value,
            "showing": row["showing"],
        }
        for place, (value, row) in enumerate(zip(values, rows, strict=True))
    ]
    line = None if limit is None else round(HEIGHT * (1 - limit / top), 2)
    return Strip(title, unit, line, bars, top)
