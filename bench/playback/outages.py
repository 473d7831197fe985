"""A session in which everything fails once, and what became of its votes."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from django.db import connection

from bench.playback.laboratory import DisplayBrowser, People, Server, people, run_session
from bench.playback.material import Format, make_session
from bench.playback.scenarios import Laboratory
from bench.playback.screen import screen
from sessions_app.models import Showing, ShowingState, Vote

EVERY = 2  # cells
AFTER = 0.3  # seconds, in the middle of A


class Outages:
    """One after the other, in every second cell."""

    def __init__(self, server: Server, browser: DisplayBrowser, staff: People) -> None:
        self.server, self.browser, self.staff = server, browser, staff
        self.kinds = {
            "web server killed": server.kill_web,
            "display reloaded": self._reload_display,
            "display's browser killed": self._kill_display,
            "a seat's network pulled": self._pull_network,
            "seats and console reloaded": self._reload_others,
            "database killed": server.kill_database,
        }
        self.done: dict[int, str] = {}  # by the position of the cell

    def on_phase(self, showing: Showing) -> None:
        position = showing.cell.position
        if showing.phase != "a" or position in self.done:
            return
        for seat in self.staff.seats.values():
            seat.context.set_offline(False)
        if position % EVERY == 0:
            kinds = list(self.kinds)
            self.done[position] = kinds[len(self.done) % len(kinds)]
            time.sleep(AFTER)
            self.kinds[self.done[position]]()

    def _reload_display(self) -> None:
        over = self.staff.playwright.chromium.connect_over_cdp(
            f"http://127.0.0.1:{self.browser.debugging_port}"
        )
        over.contexts[0].pages[0].reload()
        over.close()

    def _kill_display(self) -> None:
        self.browser.kill()
        self.browser.start()

    def _pull_network(self) -> None:
        next(iter(self.staff.seats.values())).context.set_offline(True)

    def _reload_others(self) -> None:
        for page in (self.staff.console, *self.staff.seats.values()):
            page.reload()


def play_with_outages(lab: Laboratory, fmt: Format, hz: float, cells: int) -> dict[str, Any]:
    session = make_session(fmt, lab.clips_of(fmt), cells, lab.owner, 6, "outages")
    show = f"{lab.server.address}/show/{session.token}/"
    with (
        screen(fmt.width, fmt.height, hz) as display,
        DisplayBrowser(display, show, lab.folder / "outages") as browser,
        people(lab.server, session, lab.owner, voting=True) as staff,
    ):
        outages = Outages(lab.server, browser, staff)
        run_session(staff, 40 * cells, outages.on_phase)
        given = staff.given
    connection.close()  # it may be one that the killed database had given
    kept = {
        (vote.seat.viewer.code, vote.showing.cell.position, vote.slot): vote.score
        for vote in Vote.objects.filter(showing__cell__session=session).select_related(
            "seat__viewer", "showing__cell"
        )
    }
    shown = Showing.objects.filter(cell__session=session, state=ShowingState.SHOWN)
    times = Counter(shown.values_list("cell__position", flat=True))
    return {
        "cells": session.cells.count(),
        "shown_once": sum(count == 1 for count in times.values()),
        "outages": dict(Counter(outages.done.values())),
        "interrupted": Showing.objects.filter(
            cell__session=session, state=ShowingState.INTERRUPTED
        ).count(),
        "votes_given": len(given),
        "votes_lost": len(given.items() - kept.items()),
        "in_order": list(shown.order_by("started_at").values_list("cell__position", flat=True))
        == sorted(times),
        "state": session.state,
    }
