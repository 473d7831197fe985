"""Keeps the processors awake, on Linux.

A processor without work sleeps until the next interrupt, and the thread that is to carry a picture
on waits until it is awake. On most computers that is nothing; in a virtual machine somebody else
may have been given the processor meanwhile. So on each one a process naps again and again, too
briefly for that, and does nothing between.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

NAP = 0.00002  # seconds; Linux makes somewhat more of it


@contextmanager
def awake() -> Iterator[None]:
    """Meanwhile. If whoever wanted it is killed, it ends, too."""
    process = subprocess.Popen([sys.executable, "-I", __file__, str(os.getpid())])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def nap(parent: int) -> None:
    """One process for each processor, as long as `parent` lives."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # never in another's way
    leader = os.getpid()
    mine, *others = sorted(os.sched_getaffinity(0))
    for processor in others:
        if os.fork() == 0:
            parent, mine = leader, processor
            break
    os.sched_setaffinity(0, {mine})
    while os.getppid() == parent:
        time.sleep(NAP)


if __name__ == "__main__":
    nap(int(sys.argv[1]))
