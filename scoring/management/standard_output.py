"""Ending well when standard output takes no more: its reader has seen enough, or a disk is full."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError


@contextmanager
def to_standard_output() -> Iterator[None]:
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        close_stdout()
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        close_stdout()
        raise CommandError(f"Cannot write to standard output: {error.strerror}.") from error


def close_stdout() -> None:
    """So that Python does not complain once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
