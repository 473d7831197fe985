"""A whole laboratory on one machine: server, display before an X server, console and seats."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, Playwright, expect, sync_playwright

from qa_portal.management.commands.display import arguments, find_browser
from sessions_app.models import Session, Showing

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60_000
LOOK_EVERY = 0.1


@contextmanager
def server() -> Iterator[str]:
    """`manage.py serve` on the data folder of this process; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", ""]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address + "/join/", process)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("The server did not start.")
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server does not answer.")


@contextmanager
def display_browser(display: str, url: str, profile: Path, *more: str) -> Iterator[psutil.Process]:
    """Chromium as `manage.py display` starts it."""
    shutil.rmtree(profile, ignore_errors=True)
    command = arguments(find_browser(None), url=url, profile=profile, trust=None, windowed=False)
    environment = os.environ | {"DISPLAY": display}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*command[:-1], *more, url], env=environment, **quiet)
    try:
        yield psutil.Process(process.pid)
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            if child.is_running() and child.status() == psutil.STATUS_STOPPED:
                child.resume()
        process.terminate()
        process.wait(30)


@dataclass
class People:
    """Coordinator and viewers, each before a browser of their own."""

    session: Session
    console: Page
    seats: list[Page]
    playwright: Playwright

    def start(self) -> None:
        """As soon as the display is ready."""
        begin = self.console.get_by_role("button", name="Start", exact=True)
        try:
            expect(begin).to_be_enabled(timeout=PATIENCE)
        except AssertionError:
            self.session.refresh_from_db()
            raise SystemExit(f"Not ready: {self.session.display_report}") from None
        begin.click()

    def vote(self, number: int) -> None:
        """As soon as a seat asks for it."""
        for place, seat in enumerate(self.seats):
            heading = seat.get_by_role("heading", name=f"Vote {number}", exact=True)
            expect(heading).to_be_visible(timeout=5000)
            for slot in "AB":
                score = (3 * number + place + (slot == "B")) % 11
                seat.get_by_role("radio", name=f"{slot}: {score},").check(force=True)


@contextmanager
def people(address: str, session: Session, owner: User) -> Iterator[People]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(None), args=["--no-sandbox"]
        )
        coordinator = browser.new_context()
        _log_in(coordinator, address, owner)
        console = coordinator.new_page()
        console.goto(address + reverse("sessions:console", args=[session.pk]))
        seats = []
        for seat in session.seats.all():
            page = browser.new_context(viewport={"width": 390, "height": 780}).new_page()
            page.goto(address + reverse("sessions:seat", args=[seat.token]))
            seats.append(page)
        yield People(session, console, seats, playwright)
        browser.close()


def _log_in(context: BrowserContext, address: str, user: User) -> None:
    client = Client()
    client.force_login(user)
    cookie = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": address}])


OnPhase = Callable[[Showing], None]


def run_session(staff: People, limit: float, on_phase: OnPhase, votes: bool) -> None:
    """From the start to the end; with votes, everybody votes in every cell."""
    session = staff.session
    staff.start()
    seen: tuple[object, str] = (None, "")
    give_up = time.monotonic() + limit
    while not session.is_over:
        if time.monotonic() > give_up:
            raise SystemExit(f"The session was not over after {limit:.0f} s.")
        showing = Showing.objects.filter(cell__session=session).order_by("started_at").last()
        if showing and (showing.pk, showing.phase) != seen:
            seen = (showing.pk, showing.phase)
            on_phase(showing)
            if votes and showing.phase == "vote":
                staff.vote(showing.cell.position)
        time.sleep(LOOK_EVERY)
        session.refresh_from_db()
