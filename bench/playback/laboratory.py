"""A whole laboratory on one machine: server, display before an X server, console and seats."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from django.conf import settings
from django.contrib.auth.models import User
from django.db import Error as DatabaseError
from django.db import connection
from django.test import Client
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, Playwright, expect, sync_playwright

from bench.playback.elsewhere import move_elsewhere
from qa_portal.management.commands.display import find_browser
from sessions_app.models import Session, Showing

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60_000
LOOK_EVERY = 0.2


@contextmanager
def server() -> Iterator[Server]:
    """`manage.py serve` on the data folder of this process."""
    port = _free_port()
    command = [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", ""]
    process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    move_elsewhere(process)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address + "/join/", process)
        running = Server(address, process)
        move_elsewhere(running.database())
        yield running
    finally:
        process.terminate()
        process.wait(30)


@dataclass
class Server:
    address: str
    process: psutil.Popen

    def kill_web(self) -> None:
        """The process that speaks with the browsers; `serve` starts another."""
        for child in self.process.children():
            if "web" in child.cmdline():
                child.kill()

    def database(self) -> psutil.Process:
        told = Path(settings.DATA_DIR) / "postgres" / "postmaster.pid"
        return psutil.Process(int(told.read_text().split()[0]))

    def kill_database(self) -> None:
        self.database().kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, process: psutil.Popen) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("The server did not start.")
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server does not answer.")


class DisplayBrowser:
    """`manage.py display`, which starts a Chromium."""

    def __init__(self, display: str, url: str, profile: Path) -> None:
        self.debugging_port = _free_port()
        debugging = f"--flag=--remote-debugging-port={self.debugging_port}"
        self.command = [
            sys.executable, "manage.py", "display", url, f"--profile={profile}", debugging
        ]  # fmt: skip
        self.environment = os.environ | {"DISPLAY": display}

    def __enter__(self) -> DisplayBrowser:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        self.process = psutil.Popen(
            self.command, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL
        )

    def renderers(self) -> list[psutil.Process]:
        children = self.process.children(recursive=True)
        return [child for child in children if "--type=renderer" in child.cmdline()]

    def kill(self) -> None:
        for one in [*self.process.children(recursive=True), self.process]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()


@dataclass
class People:
    """Coordinator and viewers, each before a browser of their own."""

    server: Server
    session: Session
    console: Page
    seats: dict[str, Page]  # by the viewer's code
    playwright: Playwright
    # By viewer, cell and box: the score that was given while the vote was open.
    given: dict[tuple[str, int, str], int] = field(default_factory=dict)

    def start(self) -> None:
        """As soon as the display has checked itself; checks that failed are accepted."""
        begin = self.console.get_by_role("button", name="Start", exact=True)
        anyway = self.console.get_by_role("button", name="Start anyway…")
        try:
            expect(begin.and_(self.console.locator(":enabled")).or_(anyway)).to_be_visible(
                timeout=PATIENCE
            )
        except AssertionError:
            self.session.refresh_from_db()
            raise SystemExit(f"Not ready: {self.session.display_report}") from None
        if anyway.is_visible():
            anyway.click()
            self.console.get_by_label("Reason").fill("to measure what is lost")
            self.console.get_by_role("button", name="Accept the failed checks").click()
        begin.click()

    def vote(self, number: int) -> None:
        """As soon as a seat asks for it."""
        for code, seat in self.seats.items():
            heading = seat.get_by_role("heading", name=f"Vote {number}", exact=True)
            expect(heading).to_be_visible(timeout=5000)
            for slot in "AB":
                score = (3 * number + len(self.given)) % 11
                seat.get_by_role("radio", name=f"{slot}: {score},").check(force=True)
                self.given[code, number, slot] = score


@contextmanager
def people(server: Server, session: Session, owner: User, voting: bool) -> Iterator[People]:
    """With a browser for each viewer only if they vote."""
    address = server.address
    with sync_playwright() as playwright:
        for child in psutil.Process().children():
            if "playwright" in " ".join(child.cmdline()):  # its browsers will be children of it
                move_elsewhere(child)
        browser = playwright.chromium.launch(
            executable_path=find_browser(None), args=["--no-sandbox"]
        )
        coordinator = browser.new_context()
        _log_in(coordinator, address, owner)
        console = coordinator.new_page()
        console.goto(address + reverse("sessions:console", args=[session.pk]))
        seats = {}
        for seat in session.seats.select_related("viewer") if voting else ():
            page = browser.new_context(viewport={"width": 390, "height": 780}).new_page()
            page.goto(address + reverse("sessions:seat", args=[seat.token]))
            seats[seat.viewer.code] = page
        yield People(server, session, console, seats, playwright)
        browser.close()


def _log_in(context: BrowserContext, address: str, user: User) -> None:
    client = Client()
    client.force_login(user)
    cookie = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": address}])


OnPhase = Callable[[Showing], None]


def run_session(staff: People, limit: float, on_phase: OnPhase) -> None:
    """From the start to the end; viewers at seats vote in every cell."""
    give_up = time.monotonic() + limit
    seen: tuple[object, str] = (None, "")
    with _scheduled(os.SCHED_IDLE):  # this, too, is done elsewhere
        staff.start()
        if not staff.seats:
            staff.console.close()  # nobody needs it
        while not staff.session.is_over:
            if time.monotonic() > give_up:
                raise SystemExit(f"The session was not over after {limit:.0f} s.")
            showing = _look(staff.session)
            if showing and (showing.pk, showing.phase) != seen:
                seen = (showing.pk, showing.phase)
                with _scheduled(os.SCHED_OTHER):
                    on_phase(showing)
                if staff.seats and showing.phase == "vote":
                    staff.vote(showing.cell.position)
            time.sleep(LOOK_EVERY)


@contextmanager
def _scheduled(policy: int) -> Iterator[None]:
    """This thread, and what it starts."""
    before = os.sched_getscheduler(0)
    os.sched_setscheduler(0, policy, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, before, os.sched_param(0))


def _look(session: Session) -> Showing | None:
    """What is on; None while the database does not answer."""
    try:
        session.refresh_from_db()
        showings = Showing.objects.filter(cell__session=session).select_related("cell")
        return showings.order_by("started_at").last()
    except DatabaseError:
        connection.close()
        return None
