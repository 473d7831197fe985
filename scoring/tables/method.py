"""By which rules, constants and versions the tables were made, and what their columns mean."""

from __future__ import annotations

from scoring.rules import stamp
from scoring.tables.declaring import Column, Table

METHOD = Table(
    "method",
    "By which rules, constants and versions all this was made.",
    lambda results: stamp(results.study),
    (
        Column("name", "text", "What is stated."),
        Column("value", "text", "The statement."),
    ),
)

TABLES = (METHOD,)
