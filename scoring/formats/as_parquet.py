"""Parquet, a file per table: typed columns that carry their description; objects as JSON texts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from scoring.formats.content import Content, Format, FormatUnavailable, Opener
from scoring.tables.declaring import Column

ROWS_PER_GROUP = 1 << 16


def write(contents: Iterable[Content], open_file: Opener) -> None:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise FormatUnavailable(
            "Parquet is written by pyarrow, which is not installed: pip install '.[parquet]' in "
            "Midgrey's folder, or take another format."
        ) from error
    usual = pyarrow.default_memory_pool()
    pyarrow.set_memory_pool(_frugal_pool())
    try:
        for content in contents:
            schema = _schema(content)
            with (
                open_file(PARQUET.file_of(content.id)) as file,
                pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer,
            ):
                _write_table(content, schema, writer)
    finally:
        pyarrow.set_memory_pool(usual)


def _frugal_pool() -> Any:
    """Over 10 million rows the usual pool keeps 20 MB more, and the system's grows by 40 MB."""
    import pyarrow

    try:
        return pyarrow.jemalloc_memory_pool()
    except NotImplementedError:  # not in every build of pyarrow
        return pyarrow.system_memory_pool()


def _write_table(content: Content, schema: Any, writer: Any) -> None:
    import pyarrow

    waiting: list[Any] = []
    rows = 0
    for part in content.parts:
        arrays = [
            pyarrow.array(_spell(column, values), field.type)
            for column, values, field in zip(content.columns, part.columns, schema, strict=True)
        ]
        waiting.append(pyarrow.RecordBatch.from_arrays(arrays, schema=schema))
        rows += part.rows
        if rows >= ROWS_PER_GROUP:
            writer.write_table(pyarrow.Table.from_batches(waiting), row_group_size=rows)
            waiting, rows = [], 0
    if waiting:
        writer.write_table(pyarrow.Table.from_batches(waiting), row_group_size=rows)


def _schema(content: Content) -> Any:
    import pyarrow

    types = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "boolean": pyarrow.bool_(),
        "time": pyarrow.timestamp("us", tz="UTC"),
        "object": pyarrow.string(),
    }
    return pyarrow.schema(
        [
            pyarrow.field(one.id, types[one.kind], metadata={"description": one.description})
            for one in content.columns
        ],
        metadata={"description": content.description},
    )


def _spell(column: Column, values: list[Any]) -> list[Any]:
    if column.kind != "object":
        return values
    return [None if one is None else json.dumps(one, ensure_ascii=False) for one in values]


PARQUET = Format("parquet", "parquet", one_file=False, write=write)
