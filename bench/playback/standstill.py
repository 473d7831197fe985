"""When a processor itself stood still or crawled: python -m bench.playback.standstill

On each processor a process that comes before all others does the same small piece of work every two
milliseconds. One that came late waited for the kernel or for another machine on the same processor,
and one that took long for the latter. Whoever was at work there got no further either, and had
to wait, since nobody is moved to another processor in the middle of work.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVERY = 0.002
LONG = 0.005  # a quarter of a refresh
CRAWLS = 4  # times as long as usual
PRIORITY = 90
PIECE = range(1000)  # of work: some hundredths of a millisecond

Standstill = tuple[float, float]  # from when to when
Look = tuple[float, float, float]  # since the one before, until when, of which working


def watch(processor: int, out: Path) -> None:
    """Until the standard input is closed."""
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    os.sched_setaffinity(0, {processor})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        return  # only the mighty may, and others cannot tell
    looks: list[Look] = []
    before = time.time()
    while not stop.is_set():
        time.sleep(EVERY)
        began = time.time()
        sum(PIECE)
        now = time.time()
        looks.append((before, now, now - began))
        before = now
    out.write_text(json.dumps(slow_spells(looks)))


def slow_spells(looks: list[Look]) -> list[Standstill]:
    """In which less was done than a quarter of what the processor usually does, for long."""
    if not looks:
        return []
    usual = statistics.median(took for *_, took in looks)
    spells: list[Standstill] = []
    for before, now, took in looks:
        if took < CRAWLS * usual and now - before - took < EVERY + LONG:
            continue
        if spells and spells[-1][1] == before:
            before = spells.pop()[0]
        spells.append((before, now))
    return [(begin, end) for begin, end in spells if end - begin > EVERY + LONG]


@contextmanager
def watching(out: Path) -> Iterator[None]:
    command = [sys.executable, "-m", __name__]
    processes = [
        subprocess.Popen([*command, str(one), _told(out, one)], stdin=subprocess.PIPE, cwd=ROOT)
        for one in _processors()
    ]
    try:
        yield
    finally:
        for process in processes:
            process.communicate()  # closes its input
    if any(process.returncode for process in processes):
        raise SystemExit("Nobody watched whether the machine stands still.")


def read_standstills(out: Path) -> list[Standstill] | None:
    """Of any processor; None where it may not be watched."""
    told = [Path(_told(out, processor)) for processor in _processors()]
    if not all(path.exists() for path in told):
        return None
    return sorted((begin, end) for path in told for begin, end in json.loads(path.read_text()))


def _processors() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def _told(out: Path, processor: int) -> str:
    return f"{out}-{processor}.json"


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]))
