"""A seat's page while the server is away: it opens, votes are kept, and delivered afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from sessions_app.models import Seat, Vote
from sessions_app.services import running
from sessions_app.views import running as views
from tests.live_server import LiveServer
from tests.sessions_app.running.conftest import FakeDisplay
from tests.sessions_app.running.material import make_session
from tests.waiting import wait_for

pytestmark = pytest.mark.browser

PATIENCE = 15_000
KEPT = "async () => Boolean(await caches.match(location.pathname))"
WORKERS = "async () => (await navigator.serviceWorker.getRegistrations()).length"


@pytest.fixture
def voting(owner: User, transactional_db: None) -> FakeDisplay:
    """In the vote phase of the first cell, for a minute."""
    display = FakeDisplay(make_session(owner, vote_seconds=60.0)).ready()
    running.start(display.session.pk, owner)
    display.now = timezone.now() - timedelta(seconds=3)
    display.show_stimuli()
    return display


def open_seat(server: LiveServer, context: BrowserContext, seat: Seat) -> Page:
    page = context.new_page()
    page.goto(f"{server.url}/seat/{seat.token}/")
    expect(page.get_by_role("heading", name="Vote 1")).to_be_visible(timeout=PATIENCE)
    page.wait_for_function(KEPT, timeout=PATIENCE)
    return page


def tap(page: Page, slot: str, score: int) -> None:
    page.get_by_role("radio", name=f"{slot}: {score},").check(force=True)


def votes() -> dict[str, int]:
    return dict(Vote.objects.values_list("slot", "score"))


@pytest.mark.parametrize("hashed", [False, True])
def test_a_seat_opened_without_the_server_votes_and_delivers_when_it_is_back(
    server: LiveServer,
    open_context: Callable[..., BrowserContext],
    voting: FakeDisplay,
    monkeypatch: pytest.MonkeyPatch,
    hashed: bool,
) -> None:
    if hashed:  # as where names of files carry their content's hash, and never change
        monkeypatch.setattr(views, "names_are_fixed", lambda urls: True)
    seat = voting.session.seats.get(viewer__code="V01")
    page = open_seat(server, open_context(), seat)
    tap(page, "A", 7)
    expect(page.locator("#status-A")).to_have_text("saved")
    server.stop()
    page.reload()
    expect(page.get_by_text("offline, trying again")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("heading", name="Vote 1")).to_be_visible()
    expect(page.get_by_role("radio", name="A: 7,")).to_be_checked()
    tap(page, "B", 3)
    expect(page.locator("#status-B")).to_have_text("kept on this device, sent when connected")
    assert votes() == {"A": 7}
    page.reload()
    expect(page.get_by_role("radio", name="B: 3,")).to_be_checked()
    server.start()
    expect(page.locator("#status-B")).to_have_text("saved", timeout=PATIENCE)
    assert votes() == {"A": 7, "B": 3}


def test_a_seat_that_is_cut_off_votes_in_cells_it_never_heard_of(
    server: LiveServer, open_context: Callable[..., BrowserContext], owner: User,
    transactional_db: None,
) -> None:  # fmt: skip
    """Its own link alone is broken: the session goes on."""
    display = FakeDisplay(make_session(owner, vote_seconds=1.0)).ready()
    running.start(display.session.pk, owner)
    display.now = timezone.now() - timedelta(seconds=3)
    first = display.show_stimuli()
    context = open_context()
    page = open_seat(server, context, display.session.seats.get(viewer__code="V01"))
    tap(page, "A", 7)
    expect(page.locator("#status-A")).to_have_text("saved")
    server.stop()
    expect(page.get_by_role("heading", name="Offline")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("radio", name="A: 7,")).not_to_be_checked()
    tap(page, "B", 10)  # the window of the first cell, though, is still open
    display.finish_vote(first)
    display.now = timezone.now()
    second = display.showing()
    assert second is not None
    running.phase_began(display.session.pk, display.id, second.pk, "reference", display.now)
    beyond_tolerance = timedelta(seconds=0.6)
    wait_for(lambda: timezone.now() > display.now + beyond_tolerance, what="the window's end")
    tap(page, "A", 0)  # too early
    tapped = timezone.now()
    wait_for(lambda: timezone.now() > tapped + beyond_tolerance, what="the next window")
    display.now = timezone.now()
    running.phase_began(display.session.pk, display.id, second.pk, "vote", display.now)
    expect(page.get_by_role("radio", name="B: 10,")).not_to_be_checked(timeout=PATIENCE)
    tap(page, "B", 2)
    expect(page.locator("#status-B")).to_have_text("kept on this device, sent when connected")
    page.reload()
    expect(page.get_by_role("radio", name="B: 2,")).to_be_checked()
    server.start()
    expect(page.locator("#status-B")).to_have_text("saved", timeout=PATIENCE)
    expect(page.get_by_role("heading", name="2")).to_be_visible()
    expect(
        page.get_by_text("A tap while offline was not counted: Voting for cell 1 is closed.")
    ).to_be_visible()
    kept = Vote.objects.order_by("showing__started_at", "slot").values_list(
        "showing__cell__position", "slot", "score"
    )
    assert list(kept) == [(1, "A", 7), (1, "B", 10), (2, "B", 2)]


def test_with_a_server_that_answers_no_page_is_an_old_one_and_none_is_left_when_all_is_over(
    server: LiveServer,
    open_context: Callable[..., BrowserContext],
    voting: FakeDisplay,
    owner: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "GRACE", timedelta(0))
    context = open_context()
    first, second = voting.session.seats.all()
    page, other = (open_seat(server, context, seat) for seat in (first, second))
    running.revoke_seat(voting.session.pk, second.pk, owner)
    expect(other.get_by_role("heading", name="Seat closed")).to_be_visible(timeout=PATIENCE)
    other.reload()
    expect(other.get_by_role("heading", name="This link is not valid")).to_be_visible()
    assert page.evaluate(WORKERS) == 1
    running.end(voting.session.pk, owner)
    expect(page.get_by_text("The session is over")).to_be_visible(timeout=PATIENCE)
    page.wait_for_function(f"async () => !(await ({WORKERS})())", timeout=PATIENCE)
    left = "async () => [await caches.keys(), Object.keys(localStorage)]"
    assert page.evaluate(left) == [[], []]


def test_a_device_that_may_go_to_sleep_says_so(
    server: LiveServer, open_context: Callable[..., BrowserContext], voting: FakeDisplay
) -> None:
    page = open_context().new_page()
    page.add_init_script("delete Navigator.prototype.wakeLock;")  # as over plain http
    page.goto(f"{server.url}/seat/{voting.session.seats.first().token}/")
    expect(page.get_by_text("may go to sleep")).to_be_visible(timeout=PATIENCE)


def test_the_worker_keeps_all_that_the_page_loads(client: Client, voting: FakeDisplay) -> None:
    seat = voting.session.seats.first()
    assert seat is not None
    page = client.get(f"/seat/{seat.token}/").content.decode()
    worker = client.get("/seat/worker.js")
    assert worker["Content-Type"].startswith("text/javascript")
    assert worker["Cache-Control"] == "no-cache"
    source = worker.content.decode()
    loaded = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(loaded) == 4 and all(url in source for url in loaded)
    assert re.match(r'const VERSION = "[0-9a-f]{12}";', source)
