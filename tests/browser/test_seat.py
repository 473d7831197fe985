"""What a seat and a display make of a server's answers, with sockets that say what a test wants."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, Locator, Page, expect

from sessions_app.models import Session
from tests.browser.test_player import FAKE_SOCKETS
from tests.live_server import LiveServer
from tests.sessions_app.running.material import make_session

pytestmark = pytest.mark.browser

SHOWING = "5f0c6b52-1111-4222-8333-444455556666"


@pytest.fixture
def session(owner: User, transactional_db: None) -> Session:
    return make_session(owner)


def open_page(server: LiveServer, context: BrowserContext, path: str) -> Page:
    page = context.new_page()
    page.add_init_script(FAKE_SOCKETS)
    page.goto(server.url + path)
    page.wait_for_function("window.sockets.length")
    return page


@pytest.fixture
def seat(server: LiveServer, open_context: Callable[..., BrowserContext], session: Session) -> Page:
    """In an open vote, with a 4 for A in the database that was tapped a minute from now."""
    page = open_page(server, open_context(), f"/seat/{session.seats.first().token}/")
    page.evaluate(
        """(showing) => {
            sockets[0].open();
            const now = Date.now();
            sockets[0].hear({type: "state", now, state: "running", cells: 2, display_online: true,
                cell: {showing, number: 1, vote_seconds: 5, begun: true, planned_at: now - 1000,
                    opened_at: now - 1000, closed_at: null,
                    votes: {A: {score: 4, at: now + 60000}}}});
        }""",
        SHOWING,
    )
    expect(seat_status(page)).to_have_text("saved")
    page.get_by_role("radio", name="A: 9,").check(force=True)
    expect(seat_status(page)).to_have_text("sending…")
    return page


def seat_status(page: Page) -> Locator:
    return page.locator("#status-A")


def last_vote(page: Page) -> dict[str, float]:
    vote: dict[str, float] = page.evaluate("sockets[0].sent.findLast(({type}) => type === 'vote')")
    return vote


def answer(page: Page, **message: object) -> None:
    page.evaluate("(message) => sockets[0].hear(message)", {**message, "n": last_vote(page)["n"]})


def test_a_change_is_later_than_what_it_changes_whatever_the_clock_says(seat: Page) -> None:
    first = last_vote(seat)["at"]
    assert first > seat.evaluate("Date.now()") + 50_000
    seat.get_by_role("radio", name="A: 2,").check(force=True)
    assert last_vote(seat)["score"] == 2
    assert last_vote(seat)["at"] == first + 1


def test_the_seat_shows_the_score_that_the_server_kept(seat: Page) -> None:
    answer(seat, type="ack", score=4)
    expect(seat_status(seat)).to_have_text("saved")
    expect(seat.get_by_role("radio", name="A: 4,")).to_be_checked()


def test_a_refused_change_says_that_the_earlier_vote_counts(seat: Page) -> None:
    answer(seat, type="error", reason="Voting for cell 1 is closed.")
    expect(seat_status(seat)).to_have_text("your earlier vote, 4, counts; the change came too late")
    expect(seat.get_by_role("radio", name="A: 4,")).to_be_checked()


def test_a_display_begins_no_cell_before_it_is_ready_and_fails_one_that_cannot_end(
    server: LiveServer, open_context: Callable[..., BrowserContext], session: Session
) -> None:
    page = open_page(server, open_context(), f"/show/{session.token}/")
    played, kept = page.evaluate(
        """(showing) => {
            const display = midgreyDisplay, played = [];
            display.loaded = true;
            display.play = () => played.push(display.state.ready);
            const state = {state: "running", showing: {id: showing, phases: []}, overruled: []};
            display.follow({...state, ready: false});
            display.follow({...state, ready: true});
            display.answered({type: "phase", showing}, "no");
            display.answered({type: "evidence", showing}, "this is no evidence");
            return [played, display.outbox.kept.map(({message}) => message)];
        }""",
        SHOWING,
    )
    assert played == [True]
    assert kept == [{"type": "failed", "showing": SHOWING, "reason": "this is no evidence"}]
