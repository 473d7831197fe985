"""The whole mission as people do it, in one go: from a file to an exported MOS.

A coordinator ingests, upscales, plans and runs; two viewers vote on phones; an analyst exports.
The exported numbers are checked against a calculation of their own from the votes cast.
"""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from playwright.sync_api import BrowserContext, Page, expect
from scipy import stats

from sessions_app.core.evidence import TRIAL
from sessions_app.models import CellKind, Session, Study, Vote
from sessions_app.services import running
from tests.factories import make_user
from tests.live_server import LiveServer
from tests.waiting import wait_for
from upscalers.models import Job, JobState, Source

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSWORD = "grey-in-grey"
OpenContext = Callable[..., BrowserContext]


def sign_in(context: BrowserContext, server: LiveServer, name: str) -> Page:
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    return page


def do_jobs(run_jobs: Callable[[], None]) -> None:
    wait_for(lambda: Job.objects.filter(state=JobState.WAITING).exists(), what="a job")
    run_jobs()
    assert not Job.objects.filter(state=JobState.FAILED).exists()


def ingest(page: Page, file: Path, run_jobs: Callable[[], None]) -> None:
    page.get_by_role("button", name="Add a source").click()
    page.get_by_label("Video files").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    do_jobs(run_jobs)
    expect(page.get_by_role("link", name=file.stem)).to_be_visible(timeout=15_000)


def design(page: Page) -> None:
    page.get_by_role("navigation").get_by_role("link", name="Studies").click()
    page.get_by_role("link", name="New study").click()
    page.get_by_label("Name").fill("Harbour lights")
    for label in ("alley", "bay"):
        page.get_by_label(label, exact=True).check()
    page.get_by_label("Anchor").select_option("lanczos3")
    for label in ("Bicubic", "SPAN x2"):
        page.get_by_label(label, exact=True).check()
    page.get_by_label("Seconds to vote").fill("2.5")
    page.get_by_label("Viewers in each panel").fill("2")
    page.get_by_label("anna", exact=True).check()
    page.get_by_role("button", name="Create the study").click()
    expect(page.get_by_role("heading", name="Harbour lights")).to_be_visible()


def start(console: Page, display: Page) -> None:
    """A headless window fails checks that a calibrated display passes: overruled, with a reason."""
    expect(display.locator("#progress-text")).to_contain_text("proved", timeout=60_000)
    anyway = console.get_by_role("button", name="Start anyway…")
    started = console.get_by_role("button", name="Start", exact=True)
    wait_for(lambda: anyway.is_visible() or started.is_enabled(), what="the display's checks")
    if anyway.is_visible():
        anyway.click()
        console.get_by_label("Reason").fill("rehearsal without a calibrated display")
        console.get_by_role("button", name="Accept the failed checks").click()
    expect(started).to_be_enabled(timeout=15_000)
    started.click()


def vote_in_every_cell(session: Session, seats: list[Page]) -> None:
    """Two viewers of one mind but not of one scale: their scores depend on what is shown."""
    voted: set[int] = set()

    def cells_left() -> bool:
        session.refresh_from_db()
        if session.is_over:
            return True
        for number, seat in enumerate(seats):
            title = seat.locator("#title").inner_text()
            if not title.startswith("Vote ") or not seat.locator("#box-A").is_enabled():
                continue
            place = int(title.split()[1])
            key = place * 10 + number
            if key in voted:
                continue
            cell = session.cells.get(position=place)
            for slot, pvs in (("A", cell.a), ("B", cell.b)):
                grade = {"lanczos3": 4, "bicubic": 3, "span-x2": 8}[pvs.method] + number
                grade += pvs.source.name == "bay"
                seat.locator(f"#box-{slot} label").nth(grade).tap()
            voted.add(key)
        return False

    wait_for(cells_left, seconds=240, what="the end of the session")


def independent_mos(study: Study) -> dict[tuple[str, str], tuple[float, float, int]]:
    """MOS and half-width of the 95 % t interval, from the votes themselves."""
    per_viewer: dict[Any, list[int]] = defaultdict(list)
    for vote in Vote.objects.filter(
        showing__cell__kind=CellKind.TEST, showing__valid=True, seat__session__study=study
    ).select_related("showing__cell", "seat__viewer"):
        pvs = vote.showing.cell.a if vote.slot == "A" else vote.showing.cell.b
        per_viewer[pvs.source.name, pvs.method, vote.seat.viewer.code].append(vote.score)
    means: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (source, method, _), scores in per_viewer.items():
        means[source, method].append(float(np.mean(scores)))
    found = {}
    for key, scores in means.items():
        n = len(scores)
        sem = np.std(scores, ddof=1) / np.sqrt(n)
        found[key] = (float(np.mean(scores)), float(stats.t.ppf(0.975, n - 1) * sem), n)
    return found


def test_from_a_file_to_an_exported_mos(
    server: LiveServer,
    open_context: OpenContext,
    make_video: Callable[..., Path],
    run_jobs: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A whole laboratory runs in one process here, beside its pages. How well clips of ten frames
    # are then shown is a matter of the machine; what counts as shown has tests of its own.
    lenient = replace(TRIAL, least_shown=0.1, longest_gap_ms=math.inf, off_speed=9.0)
    monkeypatch.setattr(running, "TRIAL", lenient)
    make_user("olga", "coordinator")
    make_user("anna", "analyst")
    page = sign_in(open_context(), server, "olga")

    # Material
    ingest(page, make_video("alley.mkv", "testsrc2"), run_jobs)
    ingest(page, make_video("bay.mkv", "mandelbrot"), run_jobs)
    assert set(Source.objects.values_list("name", flat=True)) == {"alley", "bay"}
    design(page)
    page.get_by_role("button", name="Make what is missing").click()
    do_jobs(run_jobs)
    expect(page.get_by_text("all ready")).to_be_visible(timeout=15_000)

    # Plan
    page.get_by_role("button", name="Plan the sessions").click()
    expect(page.get_by_text("No source is shown twice in a row.")).to_be_visible()
    session = Session.objects.get()
    study = session.study

    # Show and vote
    page.get_by_role("link", name="Open the console").click()
    screen = {"width": 640, "height": 360}
    display = open_context(viewport=screen, screen=screen).new_page()
    display.goto(f"{server.url}/show/{session.token}/")
    seats = []
    for seat in session.seats.all():
        phone = open_context(viewport={"width": 360, "height": 740}, has_touch=True).new_page()
        phone.goto(f"{server.url}/join/")
        phone.get_by_label("code").fill(seat.code)
        phone.get_by_role("button").first.click()
        expect(phone.get_by_text(f"Seat {seat.viewer.code}")).to_be_visible()
        seats.append(phone)
    start(page, display)
    vote_in_every_cell(session, seats)
    assert session.state == "finished"
    test_cells = session.cells.filter(kind=CellKind.TEST, repeats=None).count()
    assert Vote.objects.filter(showing__cell__kind=CellKind.TEST).count() >= test_cells * 4

    # Result, read by the analyst
    expected = independent_mos(study)
    assert set(expected) == {
        (s, m) for s in ("alley", "bay") for m in ("lanczos3", "bicubic", "span-x2")
    }
    reader = sign_in(open_context(), server, "anna")
    reader.get_by_role("navigation").get_by_role("link", name="Results").click()
    reader.get_by_role("link", name="Harbour lights").click()
    mos, _, _ = expected["bay", "span-x2"]
    expect(reader.get_by_role("main")).to_contain_text(f"{mos:.2f}")

    # Export: from the command line and from the browser, the same numbers
    call_command("export_mos", study.slug, format="csv", output=tmp_path / "csv")
    call_command("export_mos", study.slug, format="json", output=tmp_path / "json")
    check_exported(list(csv.DictReader((tmp_path / "csv" / "mos.csv").open())), expected)
    reader.get_by_text("Download", exact=True).click()
    with reader.expect_download() as download:
        reader.get_by_role("link", name="CSV", exact=True).click()
    with zipfile.ZipFile(download.value.path()) as archive:
        name = next(name for name in archive.namelist() if name.endswith("mos.csv"))
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open(name), "utf-8-sig")))
    check_exported(rows, expected)
    [document] = (tmp_path / "json").glob("*.json")
    check_exported(json.loads(document.read_text())["mos"], expected)


def check_exported(
    rows: list[dict[str, Any]], expected: dict[tuple[str, str], tuple[float, float, int]]
) -> None:
    unscreened = [row for row in rows if row["selection"] == "all"]
    assert len(unscreened) == len(expected)
    for row in unscreened:
        mos, half_width, n = expected[row["source"], row["method"]]
        assert float(row["mos"]) == pytest.approx(mos, abs=1e-9)
        assert float(row["ci95_t"]) == pytest.approx(half_width, abs=1e-9)
        assert int(row["viewers"]) == n
