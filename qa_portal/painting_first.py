"""Lets a browser paint before it decodes, on Linux; elsewhere it does nothing.

A frame is decoded long before its time, but painted within a refresh. Where few processors have
both to do, each of the threads through which a picture goes may find a decoder's before it, and no
page can say what comes first. Whoever started the browser can.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

EVERY = 0.25  # seconds: each cell has decoders of its own
PAGES_EVERY = 2.0
# As Linux knows the threads of a page. Those of a pool and those of its decoders have one name.
WORKER, POOL = "DedicatedWorker", "ThreadPoolForeg"
YOUNG = 2.0  # seconds, within which a decoder is known by being busy
BUSY = 0.06  # of a processor


@dataclass
class Page:
    """A process that shows pages."""

    tasks: Path
    workers: int = 0
    # Threads, and since when they are watched; None: no more has to be found out.
    seen: dict[int, float | None] = field(default_factory=dict)

    def look(self, now: float) -> None:
        with suppress(OSError):  # it may have ended
            for task in self.tasks.iterdir():
                with suppress(OSError):
                    self._look_at(task, now)

    def _look_at(self, task: Path, now: float) -> None:
        thread = int(task.name)
        if thread not in self.seen:
            name = (task / "comm").read_text().strip()
            if name == WORKER:
                self.workers += 1
                _let_wait(thread)
            # The first worker proves the clips, and the pool helps it: its threads, of which one
            # will paint, are not to be taken for decoders.
            self.seen[thread] = now if name == POOL and self.workers > 1 else None
        elif (since := self.seen[thread]) is not None:
            computed = int((task / "schedstat").read_text().split()[0]) / 1e9
            busy = computed > BUSY * (now - since + EVERY)
            if busy:
                _let_wait(thread)
            if busy or now - since >= YOUNG:
                self.seen[thread] = None


def _let_wait(thread: int) -> None:
    """It gets what all others leave over, and is interrupted as soon as one of them is ready."""
    os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


class PaintingFirst:
    def __init__(self, browser: int) -> None:
        self.browser = browser
        self.pages: dict[int, Page] = {}
        self.counted = -PAGES_EVERY

    def look(self) -> None:
        if sys.platform != "linux":
            return
        now = time.monotonic()
        if now - self.counted >= PAGES_EVERY:
            self.counted = now
            found = _pages(self.browser)
            self.pages = {pid: self.pages.get(pid) or Page(path) for pid, path in found.items()}
        for page in self.pages.values():
            page.look(now)


def _pages(browser: int) -> dict[int, Path]:
    found = {}
    with suppress(psutil.Error):
        for process in psutil.Process(browser).children(recursive=True):
            with suppress(psutil.Error):
                if "--type=renderer" in process.cmdline():
                    found[process.pid] = Path(f"/proc/{process.pid}/task")
    return found
