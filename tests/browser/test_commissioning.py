"""A display is commissioned in a real Chromium: the clip made, played, logged and judged."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, expect

from sessions_app.models import Commissioning
from sessions_app.services import commissioning
from tests.live_server import LiveServer
from tests.sessions_app.running.material import make_session
from tests.waiting import wait_for
from tests.working import do_job
from upscalers.models import Job

pytestmark = pytest.mark.browser


def test_a_run_is_played_logged_and_stored(
    server: LiveServer,
    open_context: Callable[..., BrowserContext],
    log_in: Callable[[BrowserContext, User], None],
    owner: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commissioning, "SIZES", ((160, 90),))
    monkeypatch.setattr(commissioning, "SECONDS", (1,))
    context = open_context(viewport={"width": 1000, "height": 700})
    log_in(context, owner)
    page = context.new_page()
    page.goto(f"{server.url}/commissioning/")
    page.get_by_label("Name of this display").fill(" Room  2 ")
    rate = page.get_by_label("Frames a second")
    expect(rate).to_have_value("60", timeout=10_000)  # 25 and 50 do not divide 60 Hz
    rate.select_option("30")
    page.get_by_role("button", name="Load the clip").click()
    wait_for(Job.objects.exists, what="the order of a clip")
    do_job(Job.objects.get().pk)
    play = page.get_by_role("button", name="Play in full screen")
    expect(play).to_be_enabled(timeout=20_000)
    expect(page.get_by_role("status")).to_contain_text("30 frames proved")
    play.click()
    page.get_by_role("heading", name="What the log says").wait_for(timeout=30_000)
    run = Commissioning.objects.get()
    assert (run.display, run.by, run.clip.rate) == ("Room 2", owner, 30)
    frames = [each.frame for each in run.told.painted]
    assert frames == sorted(set(frames)) and len(frames) == run.phase["frames_shown"]
    assert run.phase["frames_arrived"] == len(run.told.stood_ms)
    assert run.told.ends_ms is not None
    assert run.told.duration_ms == pytest.approx(1000, abs=250)

    page.get_by_label("Instrument").fill("counted by eye")
    page.get_by_label("Frames missing").fill(str(len(run.told.missing)))
    page.get_by_label("Frames held too long").fill(str(len(run.told.repeated)))
    page.get_by_label("Duration of the clip").fill(str(run.told.duration_ms))
    page.get_by_role("button", name="Compare with the log").click()
    expect(page.get_by_text("agrees with the log")).to_be_visible()
    page.goto(f"{server.url}/commissioning/")
    expect(page.get_by_label("Name of this display")).to_have_value("Room 2")
    expect(page.get_by_role("link", name="Room 2")).to_be_visible()

    session = make_session(owner)
    page.goto(f"{server.url}/show/{session.token}/")
    known = page.get_by_text("“Room 2” was commissioned")
    expect(known).to_contain_text("light agreed with the log", timeout=20_000)
