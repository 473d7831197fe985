"""The content-addressed store: a file is known by the SHA-256 of its bytes.

It never trusts a name; two equal files are one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings


def root() -> Path:
    return Path(settings.MEDIA_ROOT)


def path_of(sha256: str, suffix: str) -> Path:
    return root() / "clips" / sha256[:2] / f"{sha256}{suffix}"


def incoming_folder() -> Path:
    folder = root() / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def joint_sha256(paths: Iterable[Path]) -> str:
    """One digest over many files, in their order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for unfinished files, on the store's own disk so that adopting is a rename."""
    base = root() / "work"
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_abandoned_workspaces(older_than_seconds: float) -> int:
    """Removes what killed workers left; anything younger may be somebody's work in progress."""
    oldest = time.time() - older_than_seconds
    abandoned = [folder for folder in (root() / "work").glob("*") if _last_written(folder) < oldest]
    for folder in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    return len(abandoned)


def parts_folder() -> Path:
    return root() / "chunks"


def clear_parts(wanted: set[Path], older_than_seconds: float) -> None:
    """Removes files of parts that nobody knows."""
    oldest = time.time() - older_than_seconds
    for path in set(parts_folder().glob("*")) - wanted:
        if _last_written(path) < oldest:
            path.unlink(missing_ok=True)


def _last_written(folder: Path) -> float:
    """Infinite when it vanishes meanwhile: then its owner is alive."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:
        return float("inf")


@dataclass(frozen=True)
class Sealed:
    """A finished file: safe on the disk, and known by its digest."""

    path: Path
    suffix: str
    sha256: str
    size: int

    def keep(self) -> None:
        """Moves it into the store; quick, so that a transaction may do it."""
        put(self.path, path_of(self.sha256, self.suffix))


def seal(path: Path) -> Sealed:
    """Takes as long as reading the file once: not for the inside of a transaction."""
    flush(path)
    return Sealed(path, path.suffix, file_sha256(path), path.stat().st_size)


def put(path: Path, target: Path) -> None:
    """Moves a file to its place on the same disk, where it appears whole and stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    flush(path)
    path.replace(target)
    try:
        flush(target.parent)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # as some network file systems say
            raise


def flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, would survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
