"""Decoders' threads get what others leave over; those that may paint do not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qa_portal.painting_first import POOL, WORKER, YOUNG, Page
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="by Linux's scheduler only")

# Makes a thread of each name that it is told, idle or busy, and says its number.
PROCESS = """
import sys, threading, time
def live(name, busy):
    number = threading.get_native_id()
    with open(f"/proc/self/task/{number}/comm", "w") as comm:
        comm.write(name)
    print(number, flush=True)
    while True:
        if not busy:
            time.sleep(9)
for line in sys.stdin:
    name, busy = line.split()
    threading.Thread(target=live, args=(name, busy == "busy"), daemon=True).start()
"""


class Threads:
    """Of a process like one that shows a page."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.page = Page(Path(f"/proc/{process.pid}/task"))

    def start(self, name: str, kind: str = "idle") -> int:
        assert self.process.stdin and self.process.stdout
        print(name, kind, file=self.process.stdin, flush=True)
        number = int(self.process.stdout.readline())
        self.look()
        return number

    def look(self) -> None:
        self.page.look(time.monotonic())


@pytest.fixture
def threads() -> Iterator[Threads]:
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Threads(process)
        process.kill()


def policy(thread: int) -> int:
    return os.sched_getscheduler(thread)


def test_workers_and_what_is_busy_from_its_birth_wait_for_all_others(threads: Threads) -> None:
    proving = threads.start(WORKER), threads.start(POOL, "busy")
    playing, painting = threads.start(WORKER), threads.start(POOL)
    decoder, other = threads.start(POOL, "busy"), threads.start("Compositor", "busy")
    wait_for(lambda: threads.look() or policy(decoder) == os.SCHED_IDLE, what="the decoder")
    started = (*proving, playing, painting, decoder, other)
    waiting = {thread for thread in started if policy(thread) == os.SCHED_IDLE}
    assert waiting == {proving[0], playing, decoder}
    assert policy(threads.process.pid) == os.SCHED_OTHER


def test_what_begins_to_compute_later_is_no_decoder(threads: Threads) -> None:
    for _ in range(2):
        threads.start(WORKER)
    painting = threads.start(POOL)
    threads.page.look(time.monotonic() + YOUNG)
    assert threads.page.seen[painting] is None
    assert policy(painting) == os.SCHED_OTHER


def test_a_page_that_was_closed_meanwhile_is_no_error(threads: Threads) -> None:
    threads.process.kill()
    threads.process.wait()
    threads.look()
