"""What a format is given to write, and what it is written to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO

from scoring.tables.declaring import Columns, Part

Opener = Callable[[str], AbstractContextManager[IO[bytes]]]  # by the file's name; not seekable


class FormatUnavailable(Exception):
    """This installation cannot write the format; the message says what to install."""


@dataclass(frozen=True)
class Content:
    """A table on its way to a file; its parts can be gone through once."""

    id: str
    description: str
    columns: Columns
    parts: Iterable[Part]


@dataclass(frozen=True)
class Format:
    id: str
    suffix: str
    one_file: bool  # all tables in one, else each in its own
    write: Callable[[Iterable[Content], Opener], None]

    def file_of(self, table: str) -> str:
        return f"{'results' if self.one_file else table}.{self.suffix}"
