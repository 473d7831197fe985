"""A study's results as files: the tables of `tables` in a format of `formats`, streamed.

Computes nothing of its own. However many votes there are, a few thousand rows are held at a time.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from scoring.formats import FORMATS, Content, FormatUnavailable, Opener
from scoring.results import Results
from scoring.tables import DICTIONARY, TABLES, Table
from scoring.tables.declaring import Part, in_parts

TABLE_NAMES = tuple(table.id for table in (*TABLES, DICTIONARY))
SAY_EVERY = 5.0  # seconds
Tell = Callable[[str], None]


class ExportError(Exception):
    """An export that cannot be written; the message says what to do."""


def write_folder(
    results: Results,
    file_format: str,
    folder: Path,
    force: bool = False,
    only: Sequence[str] = (),
    tell: Tell | None = None,
) -> None:
    form = FORMATS[file_format]
    names = dict.fromkeys(form.file_of(table.id) for table in _chosen(only))
    with whole_or_not_at_all(folder, names, force) as open_file:
        _write(file_format, contents(results, only, tell), open_file)


@contextmanager
def whole_or_not_at_all(folder: Path, names: Iterable[str], force: bool) -> Iterator[Opener]:
    """Files are finished in a folder of their own on the same disk, then moved in."""
    folder = folder.absolute()
    _refuse_taken(folder, names, force)
    beside = folder if folder.exists() else folder.parent  # which may be nobody's to write to
    beside.mkdir(parents=True, exist_ok=True)
    unfinished = beside / f".{folder.name}.{uuid.uuid4().hex}"
    unfinished.mkdir()
    try:
        yield writing_into(unfinished)
        _refuse_taken(folder, names, force)  # somebody may have been faster
        _move_in(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def writing_into(folder: Path) -> Opener:
    @contextmanager
    def open_file(name: str) -> Iterator[IO[bytes]]:
        with (folder / name).open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    return open_file


def writing_to(stream: IO[bytes]) -> Opener:
    """Whatever the file's name; the stream stays open."""

    @contextmanager
    def open_file(name: str) -> Iterator[IO[bytes]]:
        yield stream
        stream.flush()

    return open_file


def write_zip(
    results: Results, file_format: str, file: IO[bytes], tell: Tell | None = None
) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:

        @contextmanager
        def open_file(name: str) -> Iterator[IO[bytes]]:
            with archive.open(f"{results.study.slug}/{name}", "w", force_zip64=True) as entry:
                yield entry

        _write(file_format, contents(results, tell=tell), open_file)


def write_stream(
    results: Results,
    file_format: str,
    stream: IO[bytes],
    only: Sequence[str] = (),
    tell: Tell | None = None,
) -> None:
    """Where all goes into one file."""
    if not FORMATS[file_format].one_file and len(_chosen(only)) != 1:
        raise ExportError(
            f"{file_format} has a file per table, and there is one output: choose a table with "
            "--table NAME, or a folder with -o DIR."
        )

    _write(file_format, contents(results, only, tell), writing_to(stream))


def contents(
    results: Results, only: Sequence[str] = (), tell: Tell | None = None
) -> Iterator[Content]:
    for table in _chosen(only):
        columns = table.columns_of(results)
        parts = in_parts(columns, table.rows(results))
        if tell:
            parts = _told(parts, table, results, tell)
        yield Content(table.id, table.description, columns, parts)


def _told(parts: Iterator[Part], table: Table, results: Results, tell: Tell) -> Iterator[Part]:
    rows, said, of = 0, time.monotonic(), ""
    for part in parts:
        yield part
        rows += part.rows
        if time.monotonic() - said >= SAY_EVERY:
            said = time.monotonic()
            of = of or (f" of {table.length(results):,}" if table.length else "")
            tell(f"{table.id}: {rows:,}{of} rows")


def _chosen(only: Sequence[str]) -> list[Table]:
    known = {table.id: table for table in (*TABLES, DICTIONARY)}
    wrong = [name for name in only if name not in known]
    if wrong:
        raise ExportError(f"There is no table {wrong[0]!r}. There are: {', '.join(known)}.")
    return [table for name, table in known.items() if name in (only or known)]


def _write(file_format: str, found: Iterable[Content], open_file: Opener) -> None:
    try:
        FORMATS[file_format].write(found, open_file)
    except FormatUnavailable as error:
        raise ExportError(str(error)) from error


def _refuse_taken(folder: Path, names: Iterable[str], force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is a file; give a folder.")
    taken = [name for name in names if (folder / name).exists()]
    if taken and not force:
        raise ExportError(
            f"{folder} already has {', '.join(taken)}. Choose another folder, or replace them "
            "with --force."
        )


def _move_in(finished: Path, folder: Path) -> None:
    if not folder.exists():
        finished.rename(folder)
        return
    for path in sorted(finished.iterdir()):
        path.replace(folder / path.name)
