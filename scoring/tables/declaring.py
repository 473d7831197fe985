"""What a table of the export is: rows from a study's results, and columns declared once.

Files of every format and the data dictionary come from these declarations, so the description of
a column cannot drift from its content.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import cached_property
from itertools import islice
from operator import attrgetter
from typing import Any, Literal

import numpy as np

from scoring.results import Results

Kind = Literal["text", "integer", "number", "boolean", "time", "object"]
BATCH = 8192  # rows made and written at a time


@dataclass(frozen=True)
class Column:
    id: str
    kind: Kind
    description: str
    extractor: Callable[[Any], Any] | str = ""  # of a row; a text is an attribute's dotted name

    @cached_property
    def of(self) -> Callable[[Any], Any]:
        if callable(self.extractor):
            return self.extractor
        return attrgetter(self.extractor or self.id)

    def values(self, rows: Sequence[Any]) -> list[Any]:
        """Plain Python of the column's kind, None for what is not there, not a number or infinite;
        times in UTC; objects as strict JSON has them."""
        values = list(map(self.of, rows))
        if set(map(type, values)) <= _READY.get(self.kind, set()):  # far quicker than one by one
            return values
        plain = _PLAIN[self.kind]
        return [None if value is None else plain(value) for value in values]


Columns = tuple[Column, ...]


@dataclass(frozen=True)
class Table:
    id: str
    description: str
    rows: Callable[[Results], Iterable[Any]]
    columns: Columns | Callable[[Results], Columns]
    length: Callable[[Results], int] | None = None  # of tables that may take long

    def columns_of(self, results: Results) -> Columns:
        return self.columns(results) if callable(self.columns) else self.columns


@dataclass(frozen=True)
class Part:
    """Some rows of a table, column by column."""

    rows: int
    columns: list[list[Any]]


def in_parts(columns: Columns, rows: Iterable[Any]) -> Iterator[Part]:
    waiting = iter(rows)
    while part := list(islice(waiting, BATCH)):
        yield Part(len(part), [column.values(part) for column in columns])


def _number(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _integer(value: Any) -> int | None:
    return None if value != value else int(value)  # NaN alone differs from itself


def _object(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _object(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_object(one) for one in value]
    if isinstance(value, np.generic | np.ndarray):
        return _object(value.tolist())
    return _number(value) if isinstance(value, float) else value


_PLAIN: dict[Kind, Callable[[Any], Any]] = {
    "text": str,
    "integer": _integer,
    "number": _number,
    "boolean": bool,
    "time": lambda moment: moment.astimezone(UTC),
    "object": _object,
}
_READY: dict[Kind, set[type]] = {
    "text": {str, type(None)},
    "integer": {int, type(None)},
    "boolean": {bool, type(None)},
}
