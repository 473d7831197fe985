"""One strict JSON object: under each table's name a list with an object per row, a row per line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from scoring.formats.content import Content, Format, Opener
from scoring.tables.declaring import Column, Kind

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def write(contents: Iterable[Content], open_file: Opener) -> None:
    with open_file(JSON.file_of("")) as file:
        before = "{\n"
        for content in contents:
            file.write(f"{before}{_encode(content.id)}: [".encode())
            between = "\n"
            template = _template(content.columns)
            for part in content.parts:
                rows = _rows(content.columns, part.columns, template)
                file.write((between + rows).encode())
                between = ",\n"
            file.write(b"\n]")
            before = ",\n"
        file.write(b"\n}\n")


def _template(columns: Iterable[Column]) -> str:
    names = (_encode(column.id).replace("%", "%%") for column in columns)
    return "{" + ", ".join(f"{name}: %s" for name in names) + "}"


def _rows(columns: Iterable[Column], values: list[list[Any]], template: str) -> str:
    spelled = [_spell(column.kind, own) for column, own in zip(columns, values, strict=True)]
    return ",\n".join([template % row for row in zip(*spelled, strict=True)])


def _spell(kind: Kind, values: list[Any]) -> list[str]:
    if kind in ("text", "boolean"):  # few different ones
        different = {value: _encode(value) for value in set(values)}
        return [different[value] for value in values]
    if kind == "object":
        return [_encode(value) for value in values]
    spell = {"time": lambda moment: f'"{moment.isoformat()}"'}.get(kind, repr)
    return ["null" if value is None else spell(value) for value in values]


JSON = Format("json", "json", one_file=True, write=write)
