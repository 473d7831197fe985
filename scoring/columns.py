"""Every column of every exported table, declared once.

CSV, JSON and the data dictionary all come from these lists, so the description of a column cannot
drift from its content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from scoring.models import Measurement
from scoring.results import Answer, Results, Stimulus, cells_of
from scoring.rules import RULES, stamp
from scoring.stats.correlation import Correlation
from scoring.stats.mos import MosTable
from scoring.stats.screening import ViewerScreening
from sessions_app.models import Cell, Note, Showing
from upscalers.models import PVS

Kind = Literal["text", "integer", "number", "boolean", "time", "object"]


@dataclass(frozen=True)
class Column:
    id: str
    kind: Kind
    description: str
    extractor: Callable[[Any], Any] | str = ""  # of a row; a text is an attribute's dotted name

    def of(self, row: Any) -> Any:
        if callable(self.extractor):
            return self.extractor(row)
        return attrgetter(self.extractor or self.id)(row)


@dataclass(frozen=True)
class Table:
    id: str
    description: str
    rows: Callable[[Results], Iterable[Any]]
    columns: tuple[Column, ...]


# ---- rows ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MosRow:
    answer: Answer
    what: Stimulus
    table: MosTable
    place: int


@dataclass(frozen=True)
class ViewerRow:
    rule: str
    viewer: str
    found: ViewerScreening


@dataclass(frozen=True)
class MetricRow:
    what: Stimulus
    measured: Measurement


@dataclass(frozen=True)
class MakingRow:
    what: Stimulus
    pvs: PVS


@dataclass(frozen=True)
class CorrelationRow:
    selection: str
    metric: str
    found: Correlation


@dataclass(frozen=True)
class CellRow:
    cell: Cell
    showing: Showing | None


def _mos_rows(results: Results) -> Iterator[MosRow]:
    for answer in results.answers.values():
        for place, stimulus in enumerate(results.stimuli):
            yield MosRow(answer, stimulus, answer.mos, place)


def _condition_rows(results: Results) -> Iterator[MosRow]:
    example = {stimulus.condition: stimulus for stimulus in results.stimuli}
    for answer in results.answers.values():
        for place, condition in enumerate(results.conditions):
            yield MosRow(answer, example[condition], answer.by_condition, place)


def _viewer_rows(results: Results) -> Iterator[ViewerRow]:
    for rule, screening in results.screenings.items():
        for viewer, found in zip(results.viewers, screening.viewers, strict=True):
            yield ViewerRow(rule, viewer, found)


def _notes(results: Results) -> Iterable[Note]:
    found = Note.objects.filter(session__study=results.study)
    return found.select_related("session", "showing__cell")


def _metric_rows(results: Results) -> Iterator[MetricRow]:
    by_pvs = {stimulus.pvs: stimulus for stimulus in results.stimuli}
    for (pvs, _), measured in sorted(results.measurements.items()):
        yield MetricRow(by_pvs[pvs], measured)


def _making_rows(results: Results) -> Iterator[MakingRow]:
    wanted = [stimulus.pvs for stimulus in results.stimuli]
    made = PVS.objects.select_related("clip", "low_resolution__clip").in_bulk(wanted)
    for stimulus in results.stimuli:
        yield MakingRow(stimulus, made[stimulus.pvs])


def _correlation_rows(results: Results) -> Iterator[CorrelationRow]:
    for selection, answer in results.answers.items():
        for metric, found in answer.correlations.items():
            yield CorrelationRow(selection, metric, found)


def _cell_rows(results: Results) -> Iterator[CellRow]:
    for cell in cells_of(results.study):
        showings: list[Showing | None] = [*cell.showings.all()]
        for showing in showings or [None]:
            yield CellRow(cell, showing)


def _ratings_rows(results: Results) -> Iterator[Any]:
    yield from results.ratings.itertuples(index=False)


def _place(name: str) -> Callable[[MosRow], Any]:
    return lambda row: getattr(row.table, name)[row.place]


def _of_showing(name: str) -> Callable[[CellRow], Any]:
    return lambda row: None if row.showing is None else getattr(row.showing, name)


# ---- columns ---------------------------------------------------------------------------------


def _condition_columns(prefix: str = "") -> tuple[Column, ...]:
    return (
        Column("method", "text", "Method of upscaling.", f"{prefix}method"),
        Column("scale", "number", "Factor of upscaling.", f"{prefix}scale"),
        Column("degradation", "text", "How the source was made small.", f"{prefix}degradation"),
        Column(
            "weights_sha256",
            "text",
            "SHA-256 of the network's weights; empty for classical methods.",
            f"{prefix}weights_sha256",
        ),
    )


def _stimulus_columns(prefix: str = "") -> tuple[Column, ...]:
    return (
        Column("pvs", "integer", "Number of the PVS in this installation.", f"{prefix}pvs"),
        Column("source", "text", "Source (SRC) of the PVS.", f"{prefix}source"),
        *_condition_columns(prefix),
    )


_SELECTION = "Whose votes are used. " + " ".join(
    f"{name}: {RULES[name]}" for name in ("all", "single-pass", "iterative")
)
_MOS_COLUMNS = (
    Column("viewers", "integer", "Viewers with a counted vote here (N).", _place("votes")),
    Column("mos", "number", RULES["mos"], _place("mos")),
    Column("sd", "number", RULES["sd"], _place("sd")),
    Column("ci95_t", "number", RULES["ci95_t"], _place("ci_t")),
    Column("ci95_z", "number", RULES["ci95_z"], _place("ci_z")),
)

TABLES = (
    Table(
        "ratings",
        "One row per vote, counted or not.",
        _ratings_rows,
        (
            Column("vote", "integer", "Number of the vote in this installation."),
            Column("panel", "integer", "Panel of viewers."),
            Column("session", "integer", "Session within the panel."),
            Column("cell", "integer", "Position of the test cell in the session."),
            Column("kind", "text", "Kind of cell: test, stabilisation or training."),
            Column("showing", "text", "Which showing of the cell was voted on."),
            Column("viewer", "text", "Code of the viewer within the study."),
            Column("slot", "text", "Box of the vote: A was shown first, B second."),
            *_stimulus_columns(),
            Column("score", "integer", "Score as voted, 0 to 10."),
            Column("cast_at", "time", "When the viewer tapped, by the clock of the seat's device."),
            Column("received_at", "time", "When the vote was stored."),
            Column("changes", "integer", "How often the viewer changed this score."),
            Column(
                "voted_on",
                "text",
                "device, keypad (the display's keyboard) or paper: then the times are those of the "
                "vote phase and of typing it in.",
            ),
            Column("shown_properly", "boolean", "Verdict on the showing; empty: none (yet)."),
            Column("counted", "boolean", RULES["counted"]),
            Column("not_counted_because", "text", "Why the vote does not count, if it does not."),
        ),
    ),
    Table(
        "mos",
        "MOS of each PVS, by each selection of viewers.",
        _mos_rows,
        (
            Column("selection", "text", _SELECTION, "answer.selection"),
            *_stimulus_columns("what."),
            *_MOS_COLUMNS,
        ),
    ),
    Table(
        "mos_by_method",
        f"MOS of each method over the sources. {RULES['by_method']}",
        _condition_rows,
        (
            Column("selection", "text", _SELECTION, "answer.selection"),
            *_condition_columns("what."),
            *_MOS_COLUMNS,
        ),
    ),
    Table(
        "screening",
        "What each rule of screening found about each viewer.",
        _viewer_rows,
        (
            Column("rule", "text", "single-pass (published) or iterative."),
            Column("viewer", "text", "Code of the viewer."),
            Column("stimuli", "integer", "PVSs the viewer scored.", "found.stimuli"),
            Column("statistic", "number", RULES["statistic"], "found.statistic"),
            Column("threshold", "number", RULES["threshold"], "found.threshold"),
            Column(
                "verdict",
                "text",
                "accepted, rejected, 'failed, kept' or 'not assessed'.",
                lambda row: row.found.verdict.value,
            ),
            Column("order", "integer", "Order of removal, iterative rule only.", "found.order"),
            Column("reason", "text", "The verdict in a sentence.", "found.reason"),
        ),
    ),
    Table(
        "metrics",
        "Objective metrics of each PVS.",
        _metric_rows,
        (
            *_stimulus_columns("what."),
            Column("metric", "text", "Metric.", "measured.metric"),
            Column(
                "mean",
                "number",
                "Pooled value; empty where there is none, and the note says why. PSNR has none "
                "where the PVS equals its source.",
                "measured.mean",
            ),
            Column("frames", "integer", "Frames measured.", lambda row: len(row.measured.values)),
            Column("note", "text", "What the metric had to say.", "measured.note"),
        ),
    ),
    Table(
        "pvs",
        "How each PVS was made and what that cost. Empty costs were not measured, as of clips made "
        "elsewhere.",
        _making_rows,
        (
            *_stimulus_columns("what."),
            Column("width", "integer", "Columns of the PVS.", "pvs.clip.width"),
            Column("height", "integer", "Rows of the PVS.", "pvs.clip.height"),
            Column("frames", "integer", "Frames of the PVS.", "pvs.clip.frames"),
            Column("frames_sha256", "text", "SHA-256 of all samples.", "pvs.clip.frames_sha256"),
            Column(
                "low_frames_sha256",
                "text",
                "SHA-256 of all samples of the low-resolution version.",
                lambda row: row.pvs.low_resolution.clip.frames_sha256,
            ),
            Column(
                "recipe",
                "object",
                "How the low-resolution version was made or recorded, JSON.",
                "pvs.low_resolution.recipe",
            ),
            Column(
                "resampler", "text", "What followed a network of another scale.", "pvs.resampler"
            ),
            Column("file", "text", "File of a PVS made elsewhere.", "pvs.file_name"),
            Column("device", "text", "What computed it.", "pvs.device"),
            Column(
                "wall_seconds",
                "number",
                "Seconds of work, summed over its parts.",
                "pvs.wall_seconds",
            ),
            Column(
                "device_seconds",
                "number",
                "Seconds of these in the method itself.",
                "pvs.device_seconds",
            ),
            Column("fps", "number", "Frames made per second of work.", "pvs.frames_per_second"),
            Column("joules", "number", "Energy of the card, where it counts it.", "pvs.joules"),
            Column(
                "gflop_per_frame",
                "number",
                "Operations of the network for a frame, in billions.",
                "pvs.gflop_per_frame",
            ),
            Column("parameters", "integer", "Parameters of the network.", "pvs.parameters"),
            Column(
                "peak_memory_bytes",
                "integer",
                "Most memory a part took: of the card, else of the process.",
                "pvs.peak_memory_bytes",
            ),
            Column("versions", "object", "What it was made with, JSON.", "pvs.versions"),
        ),
    ),
    Table(
        "correlation",
        "How well each metric follows the MOS, by each selection of viewers.",
        _correlation_rows,
        (
            Column("selection", "text", _SELECTION),
            Column("metric", "text", "Metric."),
            Column("n", "integer", "PVSs used.", "found.n"),
            Column(
                "missing", "integer", "PVSs left out: no MOS or no metric value.", "found.missing"
            ),
            Column("pearson", "number", RULES["pearson"], "found.pearson"),
            Column("pearson_low", "number", "Lower end of Pearson's 95 % interval.", "found.low"),
            Column("pearson_high", "number", "Upper end of Pearson's 95 % interval.", "found.high"),
            Column("spearman", "number", RULES["spearman"], "found.spearman"),
            Column("reason", "text", "Why a coefficient is missing.", "found.reason"),
            Column(
                "interval_reason", "text", "Why the interval is missing.", "found.interval_reason"
            ),
        ),
    ),
    Table(
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
            Column(
                "evidence", "object", "What the display measured, JSON.", _of_showing("evidence")
            ),
        ),
    ),
    Table(
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
    ),
    Table(
        "method",
        "By which rules, constants and versions all this was made.",
        lambda results: stamp(results.study),
        (
            Column("name", "text", "What is stated."),
            Column("value", "text", "The statement."),
        ),
    ),
)
