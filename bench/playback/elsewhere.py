"""One machine for a whole laboratory: its display comes first, and what other machines would do
gets what it leaves over. On Linux only, and where one is allowed to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import psutil

from qa_portal.awake import awake

WEIGHT = Path("/proc/self/autogroup")
GROUP = "midgrey-bench-elsewhere"


@contextmanager
def display_first(keep_awake: bool) -> Iterator[None]:
    """This process and those it starts come before others and the kernel's housekeeping."""
    before = None
    with suppress(OSError, IndexError):  # not every Linux weighs sessions, nor every one of them
        before = WEIGHT.read_text().split()[-1]
        WEIGHT.write_text("-10")
    try:
        with awake() if keep_awake else nullcontext():
            yield
    finally:
        if before is not None:
            with suppress(OSError):
                WEIGHT.write_text(before)
        for group in _groups():
            with suppress(OSError):
                group.rmdir()


def move_elsewhere(parent: psutil.Process) -> None:
    """With all that it has started and will start."""
    for process in [parent, *parent.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
            if not _grouped(process.pid):
                for thread in process.threads():
                    os.sched_setscheduler(thread.id, os.SCHED_IDLE, os.sched_param(0))


def _grouped(pid: int) -> bool:
    """In an idle group. Idle threads alone come after others of their session only: Linux weighs
    sessions first, and the database's processes and browsers begin sessions of their own."""
    for group in _groups():
        with suppress(OSError):  # only the mighty may, and not on every Linux
            group.mkdir(exist_ok=True)
            (group / "cpu.idle").write_text("1")
            (group / "cgroup.procs").write_text(str(pid))
            return True
    return False


def _groups() -> Iterator[Path]:
    """Where such a group may be."""
    if sys.platform != "linux":
        return
    for line in Path("/proc/mounts").read_text().splitlines():
        _, folder, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(",")):
            yield Path(folder) / GROUP
