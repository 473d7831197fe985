"""What was shown when, how the display showed it, and what happened meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from scoring.results import Results
from scoring.tables.declaring import Column, Table
from sessions_app.models import Cell, Commissioning, Note, Session, Showing

AT_A_TIME = 200  # cells: what the display measured may be long


@dataclass(frozen=True)
class CellRow:
    cell: Cell
    showing: Showing | None


def _cell_rows(results: Results) -> Iterator[CellRow]:
    cells = (
        Cell.objects.filter(session__study=results.study)
        .select_related("session", "a__low_resolution__source", "b", "repeats")
        .prefetch_related("showings")
        .order_by("session__panel", "session__number", "position")
    )
    for cell in cells.iterator(chunk_size=AT_A_TIME):
        showings: list[Showing | None] = [*cell.showings.all()]
        for showing in showings or [None]:
            yield CellRow(cell, showing)


def _notes(results: Results) -> Iterable[Note]:
    found = Note.objects.filter(session__study=results.study)
    return found.select_related("session", "showing__cell")


def _commissioning_rows(results: Results) -> Iterable[Commissioning]:
    shown = Showing.objects.filter(cell__session__study=results.study)
    ready = Session.objects.filter(study=results.study)
    labels = {
        *shown.values_list("evidence__display", flat=True).distinct(),
        *ready.values_list("display_report__label", flat=True).distinct(),
    }
    runs = Commissioning.objects.filter(display__in=labels - {None, ""})
    return runs.select_related("clip").order_by("display", "at")


def _of_showing(name: str) -> Callable[[CellRow], Any]:
    return lambda row: None if row.showing is None else getattr(row.showing, name)


CELLS = Table(
    "cells",
    "Every scheduled cell with each of its showings and what the display measured.",
    _cell_rows,
    (
        Column("panel", "integer", "Panel of viewers.", "cell.session.panel"),
        Column("session", "integer", "Session within the panel.", "cell.session.number"),
        Column("cell", "integer", "Position in the session.", "cell.position"),
        Column("kind", "text", "Kind of cell.", "cell.kind"),
        Column("source", "text", "Source shown.", lambda row: row.cell.source.name),
        Column("method_a", "text", "Method of box A.", "cell.a.method"),
        Column("method_b", "text", "Method of box B.", "cell.b.method"),
        Column("pvs_a", "integer", "PVS of box A.", "cell.a_id"),
        Column("pvs_b", "integer", "PVS of box B.", "cell.b_id"),
        Column(
            "repeats_cell",
            "integer",
            "Position of the cell that is shown again here.",
            lambda row: row.cell.repeats and row.cell.repeats.position,
        ),
        Column(
            "showing",
            "text",
            "Identifies the showing; empty: not shown yet.",
            lambda row: row.showing and str(row.showing.pk),
        ),
        Column("state", "text", "How the showing ended.", _of_showing("state")),
        Column("started_at", "time", "Begin of the showing.", _of_showing("started_at")),
        Column("ended_at", "time", "End of the showing.", _of_showing("ended_at")),
        Column("shown_properly", "boolean", "Verdict of the evidence.", _of_showing("valid")),
        Column("verdict", "text", "The verdict in words.", _of_showing("verdict")),
        Column("evidence", "object", "What the display measured, JSON.", _of_showing("evidence")),
    ),
)

NOTES = Table(
    "notes",
    "What coordinators noted during the sessions.",
    _notes,
    (
        Column("panel", "integer", "Panel of viewers.", "session.panel"),
        Column("session", "integer", "Session within the panel.", "session.number"),
        Column("at", "time", "When it was noted."),
        Column(
            "cell",
            "integer",
            "Position of the cell that was on.",
            lambda note: note.showing and note.showing.cell.position,
        ),
        Column(
            "showing",
            "text",
            "Identifies the showing that was on.",
            lambda note: note.showing_id and str(note.showing_id),
        ),
        Column("text", "text", "The note."),
    ),
)

COMMISSIONING = Table(
    "commissioning",
    "Every run of the counter clip on the displays of these sessions, and whether their light "
    "was seen to follow the log. The display that showed a cell is named in its evidence.",
    _commissioning_rows,
    (
        Column("display", "text", "What the laboratory calls the display."),
        Column("at", "time", "When the clip was played."),
        Column(
            "clip", "text", "Size, frame rate and length of the clip.", lambda run: str(run.clip)
        ),
        Column("browser", "text", "The browser that played it, as it names itself."),
        Column("screen", "text", "Pixels of the screen."),
        Column("window", "text", "Pixels of the window."),
        Column("refresh_hz", "number", "Refreshes per second, measured."),
        Column("frames", "integer", "Frames of the clip.", "clip.frames"),
        Column("frames_painted", "integer", "By the log.", lambda run: run.phase["frames_shown"]),
        Column("frames_late", "integer", "By the log.", lambda run: run.phase["frames_late"]),
        Column(
            "missed_refreshes",
            "integer",
            "While the clip was on, by the log.",
            lambda run: run.phase["missed_refreshes"],
        ),
        Column("measured_at", "time", "When the measurement was entered; empty: never measured."),
        Column("instrument", "text", "What measured the light."),
        Column("measured", "object", "What the instrument saw, JSON."),
        Column("delay_ms", "number", "From painting to light, where it was measured."),
        Column("agrees", "boolean", "Whether light agreed with the log; empty: not measured."),
        Column("verdict", "text", "What did not agree."),
        Column("remark", "text", "Remark of the coordinator."),
    ),
)

TABLES = (CELLS, NOTES, COMMISSIONING)
