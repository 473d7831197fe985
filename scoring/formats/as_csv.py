"""CSV, a file per table: UTF-8, empty where there is no value, true and false, JSON for objects."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from scoring.formats.content import Content, Format, Opener
from scoring.tables.declaring import Kind

# A spreadsheet takes a text that begins so for a formula and runs it (full-width forms too).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBER = re.compile(r"[+-][0-9]+(\.[0-9]+)?")


def write(contents: Iterable[Content], open_file: Opener) -> None:
    for content in contents:
        with open_file(CSV.file_of(content.id)) as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            _write_table(content, text)
            text.detach()


def _write_table(content: Content, text: io.TextIOWrapper) -> None:
    writer = csv.writer(text)
    writer.writerow(column.id for column in content.columns)
    for part in content.parts:
        written = [
            _spell(column.kind, values)
            for column, values in zip(content.columns, part.columns, strict=True)
        ]
        buffer = io.StringIO(newline="")
        csv.writer(buffer).writerows(zip(*written, strict=True))
        text.write(buffer.getvalue())


def _spell(kind: Kind, values: list[Any]) -> list[Any]:
    """What the csv module spells as wanted: numbers as they are, None as nothing."""
    if kind == "text":
        different = {value: _harmless(value) for value in set(values)}
        return [different[value] for value in values]
    spell = _SPELLINGS.get(kind)
    return [None if value is None else spell(value) for value in values] if spell else values


def _harmless(text: str | None) -> str | None:
    if text and text.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(text):
        return f"'{text}"
    return text


_SPELLINGS: dict[Kind, Callable[[Any], str]] = {
    "boolean": lambda value: "true" if value else "false",
    "time": lambda value: str(value.isoformat()),
    "object": lambda value: json.dumps(value, ensure_ascii=False),
}

CSV = Format("csv", "csv", one_file=False, write=write)
