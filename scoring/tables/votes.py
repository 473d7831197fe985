"""Every vote as a row, and the counted ones as the matrix that the statistics start from."""

from __future__ import annotations

from collections.abc import Iterator

from scoring.ratings import each_rating, votes_of
from scoring.results import Results
from scoring.rules import RULES
from scoring.stats.matrix import FloatArray
from scoring.study_scores import Stimulus
from scoring.tables.declaring import Column, Columns, Table
from scoring.tables.stimuli import stimulus_columns

RATINGS = Table(
    "ratings",
    "One row per vote, counted or not.",
    lambda results: each_rating(results.study),
    (
        Column("vote", "integer", "Number of the vote in this installation."),
        Column("panel", "integer", "Panel of viewers."),
        Column("session", "integer", "Session within the panel."),
        Column("cell", "integer", "Position of the test cell in the session."),
        Column("kind", "text", "Kind of cell: test, stabilisation or training."),
        Column("showing", "text", "Which showing of the cell was voted on."),
        Column("viewer", "text", "Code of the viewer within the study."),
        Column("slot", "text", "Box of the vote: A was shown first, B second."),
        *stimulus_columns(),
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
    length=lambda results: votes_of(results.study).count(),
)

MatrixRow = tuple[Stimulus, FloatArray]


def _matrix_rows(results: Results) -> Iterator[MatrixRow]:
    return zip(results.stimuli, results.scores, strict=True)


def _matrix_columns(results: Results) -> Columns:
    def of_stimulus(column: Column) -> Column:
        return Column(column.id, column.kind, column.description, lambda row: column.of(row[0]))

    def of_viewer(place: int, code: str) -> Column:
        return Column(
            f"viewer_{code}",
            "number",
            f"Mean of the counted scores of viewer {code}; empty: none.",
            lambda row: row[1][place],
        )

    return (
        *(of_stimulus(column) for column in stimulus_columns()),
        *(of_viewer(place, code) for place, code in enumerate(results.viewers)),
    )


MATRIX = Table(
    "matrix",
    f"A row per PVS and a column per viewer: the scores all statistics start from. "
    f"{RULES['repeats']}",
    _matrix_rows,
    _matrix_columns,
)

TABLES = (RATINGS, MATRIX)
