"""Keeps Midgrey's processes running on one machine: web, workers, embedded PostgreSQL.

A child that dies is started again, slower each time. Children never outlive the supervisor.
It runs in the main thread and keeps no state worth saving: killing it loses nothing.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType

from qa_portal.postgres import EmbeddedPostgres, PostgresError

log = logging.getLogger("midgrey.serve")

POLL = 0.25
GRACE = 10.0  # for children to put their work back before they are killed
HEALTHY_AFTER = 30.0
SLOWEST_RESTART = 15.0
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class PortBusy(Exception):
    """The message says what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Taken before anything starts, so that a busy port is known at once. The supervisor keeps
    the socket, so that browsers wait while the web process is started again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((host, port))
        server.listen(512)
    except OSError as error:
        server.close()
        raise PortBusy(
            f"Cannot listen on {host}:{port}: {error.strerror}. If another Midgrey runs there, use"
            f" it or stop it; else choose another port: make demo PORT={port + 1}, or"
            f" manage.py serve --port {port + 1}."
        ) from error
    return server


def _die_with(parent: int) -> None:
    """In a child about to start: Linux ends it when its parent dies, however that died."""
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)  # the supervisor's handlers would swallow it
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # died before that
            os._exit(1)


@dataclass
class Child:
    name: str
    arguments: Sequence[str]
    pass_fds: tuple[int, ...] = ()
    once: bool = False  # ends when its work is done
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float = 0.0
    delay: float = 0.5

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *self.arguments],
            env={**os.environ, "MIDGREY_PROCESS": self.name, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=self.pass_fds,
            start_new_session=True,  # a group of its own, to end its ffmpegs with it
            preexec_fn=partial(_die_with, os.getpid()),
        )
        self.started = time.monotonic()
        log.info("started %s (process %d)", self.name, self.process.pid)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def tell(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill_group(self) -> None:
        """Ends whatever the child left behind; harmless when nothing is left."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def plan_restart(self) -> None:
        """Sooner after a long healthy life, later after each quick death."""
        if time.monotonic() - self.started > HEALTHY_AFTER:
            self.delay = 0.5
        self.start_at = time.monotonic() + self.delay
        self.delay = min(self.delay * 2, SLOWEST_RESTART)


class Supervisor:
    def __init__(self, children: list[Child], postgres: EmbeddedPostgres | None) -> None:
        self.children = children
        self.postgres = postgres
        self.stops = 0  # a second request does not wait

    def run(self, on_started: Callable[[], None] = lambda: None) -> None:
        for number in STOPS:
            signal.signal(number, self._on_signal)
        try:
            for child in self.children:
                child.start()
            on_started()
            while not self.stops:
                self._look_after()
                time.sleep(POLL)
        finally:
            self._stop_children()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stops += 1

    def _look_after(self) -> None:
        if self.postgres:
            try:
                if self.postgres.ensure_running():
                    log.warning("PostgreSQL had died and was started again")
            except (PostgresError, OSError) as error:  # such as a full disk: may pass
                log.error("PostgreSQL cannot be started again: %s", error)
                time.sleep(2)
        for child in self.children:
            if child.alive:
                continue
            if child.process is not None:
                code = child.process.returncode
                child.kill_group()
                child.process = None
                if child.once and code == 0:
                    child.start_at = float("inf")
                    continue
                child.plan_restart()
                log.warning("%s ended (%s); starting it again", child.name, _cause(code))
            elif time.monotonic() >= child.start_at:
                child.start()

    def _stop_children(self) -> None:
        running = [child for child in self.children if child.alive]
        if running:
            log.info("stopping %s", ", ".join(child.name for child in running))
        for child in running:
            child.tell(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while any(child.alive for child in running):
            if time.monotonic() > deadline or self.stops > 1:
                break
            time.sleep(0.05)
        for child in self.children:
            child.kill_group()
            if child.process is not None:
                child.process.wait()


def _cause(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"
