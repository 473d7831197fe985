"""One Excel workbook with a sheet per table, or several where a table is longer than a sheet.

Texts are written as texts, so nothing is ever run as a formula or turned into a link; times are
texts in ISO 8601, since Excel's own know neither a zone nor microseconds.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

from xlsxwriter import Workbook

from scoring.formats.content import Content, Format, Opener
from scoring.tables.declaring import Column, Kind

ROWS_PER_SHEET = 1_048_576  # header included
LONGEST_TEXT = 32_767  # in a cell, in UTF-16 units


def write(contents: Iterable[Content], open_file: Opener) -> None:
    """Rows wait in temporary files; the workbook is put together at the end."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile(dir=folder) as whole:
        with Workbook(whole, {"constant_memory": True, "tmpdir": folder}) as workbook:
            workbook.use_zip64()
            for content in contents:
                _write_table(content, workbook)
        whole.seek(0)
        with open_file(XLSX.file_of("")) as file:
            shutil.copyfileobj(whole, file)


def _write_table(content: Content, workbook: Workbook) -> None:
    sheet = _new_sheet(workbook, content, number=1)
    number, row = 1, 1
    for part in content.parts:
        written = [
            _spell(column.kind, values)
            for column, values in zip(content.columns, part.columns, strict=True)
        ]
        for cells in zip(*written, strict=True):
            if row == ROWS_PER_SHEET:
                number += 1
                sheet, row = _new_sheet(workbook, content, number), 1
            _write_row(sheet, row, content.columns, cells)
            row += 1


def _new_sheet(workbook: Workbook, content: Content, number: int) -> Any:
    sheet = workbook.add_worksheet(content.id if number == 1 else f"{content.id} {number}")
    bold = workbook.formats[1] if len(workbook.formats) > 1 else workbook.add_format({"bold": True})
    for place, column in enumerate(content.columns):
        sheet.set_column(place, place, max(9, min(len(column.id) + 2, 40)))
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(content.columns):
        sheet.write_string(0, place, column.id, bold)
    return sheet


def _write_row(sheet: Any, row: int, columns: Sequence[Column], cells: Sequence[Any]) -> None:
    for place, value in enumerate(cells):
        if value is None:
            continue
        kind = columns[place].kind
        if kind in ("integer", "number"):
            sheet.write_number(row, place, value)
        elif kind == "boolean":
            sheet.write_boolean(row, place, value)
        else:
            sheet.write_string(row, place, value)


def _spell(kind: Kind, values: list[Any]) -> list[Any]:
    if kind == "text":
        different = {value: _fitting(value) for value in set(values)}
        return [different[value] for value in values]
    if kind == "object":
        return [
            None if value is None else _fitting(json.dumps(value, ensure_ascii=False))
            for value in values
        ]
    if kind == "time":
        return [None if value is None else value.isoformat() for value in values]
    return values


def _fitting(text: str | None) -> str | None:
    if not text:
        return None
    if len(text) <= LONGEST_TEXT // 2 or len(text.encode("utf-16-le")) // 2 <= LONGEST_TEXT:
        return text
    return (
        f"This text of {len(text)} characters is longer than a cell of Excel; "
        "csv, json and parquet have it."
    )


XLSX = Format("xlsx", "xlsx", one_file=True, write=write)
