"""The content-addressed store: a file is known by the SHA-256 of its bytes.

It never trusts a name; two equal files are one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


def _last_written(folder: Path) -> float:
    """Infinite when it vanishes meanwhile: then its owner is alive."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:
        return float("inf")


def adopt(path: Path, suffix: str) -> tuple[str, int]:
    """Moves a finished file into the store; returns its SHA-256 and size."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    put(path, path_of(sha256, suffix))
    return sha256, size


def put(path: Path, target: Path) -> None:
    """Moves a file to its place on the same disk, where it appears whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
