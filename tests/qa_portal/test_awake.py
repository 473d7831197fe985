"""A process naps on each processor, behind all others, and no longer than somebody wants it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="by Linux's scheduler only")

WANTING = """
from qa_portal.awake import awake
with awake():
    print("begun", flush=True)
    input()
"""


@pytest.fixture
def wanting() -> Iterator[subprocess.Popen[str]]:
    """A process that wants it until it is told a line."""
    with subprocess.Popen(
        [sys.executable, "-c", WANTING], cwd=settings.BASE_DIR, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def napping(parent: int) -> list[int]:
    """Once there is one behind all others on each processor."""
    family = [child.pid for child in psutil.Process(parent).children(recursive=True)]
    behind = [pid for pid in family if os.sched_getscheduler(pid) == os.SCHED_IDLE]
    places = sorted(tuple(os.sched_getaffinity(pid)) for pid in behind)
    return behind if places == [(one,) for one in sorted(os.sched_getaffinity(0))] else []


def alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.parametrize("end", ["told", signal.SIGINT, signal.SIGKILL])
def test_no_processor_sleeps_as_long_as_somebody_wants_it(
    wanting: subprocess.Popen[str], end: str | signal.Signals
) -> None:
    family = wait_for(lambda: napping(wanting.pid), what="one on each processor")
    if end == "told":
        wanting.communicate("\n")
    else:
        wanting.send_signal(end)
    wait_for(lambda: not any(map(alive, family)), what="their end")


def test_another_system_says_that_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CommandError, match="on Linux only"):
        call_command("display", "http://127.0.0.1:9/", keep_awake=True)
