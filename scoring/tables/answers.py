"""MOS of each PVS, method and source, by each selection of viewers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from scoring.answer import Answer
from scoring.results import Results
from scoring.rules import RULES
from scoring.stats.mos import MosTable
from scoring.study_scores import Stimulus
from scoring.tables.declaring import Column, Table
from scoring.tables.stimuli import SELECTION, condition_columns, stimulus_columns


@dataclass(frozen=True)
class MosRow:
    answer: Answer
    what: Stimulus
    table: MosTable
    place: int


def _mos_rows(results: Results) -> Iterator[MosRow]:
    for answer in results.answers.values():
        for place, stimulus in enumerate(results.stimuli):
            yield MosRow(answer, stimulus, answer.mos, place)


def _condition_rows(results: Results) -> Iterator[MosRow]:
    example = {stimulus.condition: stimulus for stimulus in results.stimuli}
    for answer in results.answers.values():
        for place, condition in enumerate(results.conditions):
            yield MosRow(answer, example[condition], answer.by_condition, place)


def _source_rows(results: Results) -> Iterator[MosRow]:
    sources = list({stimulus.source: stimulus for stimulus in results.stimuli}.values())
    for answer in results.answers.values():
        for place, example in enumerate(sources):
            yield MosRow(answer, example, answer.by_content, place)


def _place(name: str) -> Callable[[MosRow], Any]:
    return lambda row: getattr(row.table, name)[row.place]


MOS_COLUMNS = (
    Column("viewers", "integer", "Viewers with a counted vote here (N).", _place("votes")),
    Column("mos", "number", RULES["mos"], _place("mos")),
    Column("sd", "number", RULES["sd"], _place("sd")),
    Column("ci95_t", "number", RULES["ci95_t"], _place("ci_t")),
    Column("ci95_z", "number", RULES["ci95_z"], _place("ci_z")),
)

MOS = Table(
    "mos",
    "MOS of each PVS, by each selection of viewers.",
    _mos_rows,
    (
        Column("selection", "text", SELECTION, "answer.selection"),
        *stimulus_columns("what."),
        *MOS_COLUMNS,
    ),
)

MOS_BY_METHOD = Table(
    "mos_by_method",
    f"MOS of each method over the sources. {RULES['by_method']}",
    _condition_rows,
    (
        Column("selection", "text", SELECTION, "answer.selection"),
        *condition_columns("what."),
        *MOS_COLUMNS,
    ),
)

MOS_BY_SOURCE = Table(
    "mos_by_source",
    "MOS of each source over the methods: each viewer's mean over them first, then mean and t "
    "interval over viewers.",
    _source_rows,
    (
        Column("selection", "text", SELECTION, "answer.selection"),
        Column("source", "text", "Source (SRC).", "what.source"),
        *MOS_COLUMNS,
    ),
)

TABLES = (MOS, MOS_BY_METHOD, MOS_BY_SOURCE)
