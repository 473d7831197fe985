"""When the machine itself stood still: python -m bench.playback.standstill

On each processor a process that nothing may keep waiting looks at the clock every two milliseconds.
Where it could not, nobody could: a virtual machine was not run, or its memory not there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVERY = 0.002
LONG = 0.005  # a quarter of a refresh
PRIORITY = 90

Standstill = tuple[float, float]  # from when to when


def watch(processor: int, out: Path) -> None:
    """Until the standard input is closed."""
    found: list[Standstill] = []
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    os.sched_setaffinity(0, {processor})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))  # only the mighty may
    before = time.time()
    while not stop.is_set():
        time.sleep(EVERY)
        now = time.time()
        if now - before > EVERY + LONG:
            found.append((before, now))
        before = now
    out.write_text(json.dumps(found))


@contextmanager
def watching(out: Path) -> Iterator[None]:
    with ExitStack() as stack:
        for processor in os.sched_getaffinity(0):
            command = [sys.executable, "-m", __name__, str(processor), f"{out}-{processor}.json"]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
            )
            stack.enter_context(process)  # closes its input and waits
        yield


def read_standstills(out: Path) -> list[Standstill] | None:
    """Of all processors; None where it may not be watched."""
    told = list(out.parent.glob(f"{out.name}-*.json"))
    return [(a, b) for path in told for a, b in json.loads(path.read_text())] if told else None


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]))
