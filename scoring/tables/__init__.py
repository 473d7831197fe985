"""The tables of the export, by subject."""

from __future__ import annotations

from dataclasses import dataclass

from scoring.results import Results
from scoring.tables import answers, compared, material, method, metrics, sessions, viewers, votes
from scoring.tables.declaring import Column, Table

__all__ = ["DICTIONARY", "TABLES", "Column", "Table"]

TABLES = (
    *votes.TABLES,
    *answers.TABLES,
    *viewers.TABLES,
    *compared.TABLES,
    *metrics.TABLES,
    *material.TABLES,
    *sessions.TABLES,
    *method.TABLES,
)


@dataclass(frozen=True)
class Entry:
    table: str
    column: Column


def _entries(results: Results) -> list[Entry]:
    return [Entry(table.id, column) for table in TABLES for column in table.columns_of(results)]


DICTIONARY = Table(
    "data_dictionary",
    "Every column of every table.",
    _entries,
    (
        Column("table", "text", "Table."),
        Column("column", "text", "Column.", "column.id"),
        Column("kind", "text", "Kind of content.", "column.kind"),
        Column("description", "text", "Meaning.", "column.description"),
    ),
)
