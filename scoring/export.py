"""A study's results as files: CSV per table or one JSON, with their data dictionary.

Says what the tables of `columns` say; computes nothing of its own.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, get_args

import numpy as np
import pandas as pd

from scoring.columns import TABLES, Column, Table
from scoring.results import Results

Format = Literal["csv", "json"]
FORMATS: tuple[str, ...] = get_args(Format)
# A spreadsheet takes a text that begins so for a formula and runs it (full-width forms too).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

_DICTIONARY = Table(
    "data_dictionary",
    "Every column of every table.",
    lambda results: (
        {"table": table.id, "column": column} for table in TABLES for column in table.columns
    ),
    (
        Column("table", "text", "Table.", lambda row: row["table"]),
        Column("column", "text", "Column.", lambda row: row["column"].id),
        Column("kind", "text", "Kind of content.", lambda row: row["column"].kind),
        Column("description", "text", "Meaning.", lambda row: row["column"].description),
    ),
)


class ExportError(Exception):
    """An export that cannot be written; the message says what to do."""


def files_of(results: Results, file_format: str) -> Iterator[tuple[str, str]]:
    """Name and content of each file of an export."""
    if file_format == "json":
        yield "results.json", _as_json(results)
        return
    for table in (*TABLES, _DICTIONARY):
        yield f"{table.id}.csv", _as_csv(table, results)


def write_folder(results: Results, file_format: str, folder: Path, force: bool = False) -> None:
    """Whole files or none: they are finished elsewhere on the same disk, then moved in."""
    folder = folder.absolute()
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file; give a folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
    unfinished.mkdir()
    try:
        for name, content in files_of(results, file_format):
            _write(unfinished / name, content)
        _move_in(unfinished, folder, force)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_zip(results: Results, file_format: str, file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files_of(results, file_format):
            archive.writestr(f"{results.study.slug}/{name}", content)


def _write(path: Path, content: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _move_in(unfinished: Path, folder: Path, force: bool) -> None:
    if not folder.exists():
        unfinished.rename(folder)
        return
    names = sorted(path.name for path in unfinished.iterdir())
    taken = [name for name in names if (folder / name).exists()]
    if taken and not force:
        raise ExportError(
            f"{folder} already has {', '.join(taken)}. Choose another folder, or replace them "
            "with --force."
        )
    for name in names:
        (unfinished / name).replace(folder / name)


def _as_csv(table: Table, results: Results) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(column.id for column in table.columns)
    for row in table.rows(results):
        writer.writerow(_cell(column, row) for column in table.columns)
    return text.getvalue()


def _cell(column: Column, row: Any) -> str:
    value = _plain(column.of(row))
    if value is None:
        return ""
    if column.kind == "object":
        return json.dumps(value, ensure_ascii=False)
    if column.kind == "boolean":
        return "true" if value else "false"
    if column.kind == "text" and str(value).startswith(FORMULA_STARTS):
        return f"'{value}"
    return str(value)


def _as_json(results: Results) -> str:
    document = {
        table.id: [
            {column.id: _plain(column.of(row)) for column in table.columns}
            for row in table.rows(results)
        ]
        for table in (*TABLES, _DICTIONARY)
    }
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    """What both CSV and strict JSON can hold: no NaN, no infinity."""
    if isinstance(value, dict | list):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
