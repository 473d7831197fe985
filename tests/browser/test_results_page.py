"""The results page in a real browser: plots drawn and saved under the strict content policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.factories import StudyFactory, make_panel
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def page(
    server: LiveServer,
    owner: User,
    open_context: Callable[..., BrowserContext],
    log_in: Callable[[BrowserContext, User], None],
    complaints: list[str],
) -> Page:
    """The results of a study of nine good viewers and one who scored at random."""
    factory = StudyFactory(owner)
    factory.run_session(make_panel(9, V10="random"))
    context = open_context(viewport={"width": 1280, "height": 800})
    log_in(context, owner)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: said.type in ("error", "warning") and complaints.append(said.text),
    )
    page.goto(server.url + reverse("scoring:results", args=[factory.study.slug]))
    expect(page.locator(".plot .main-svg").first).to_be_visible(timeout=30_000)
    return page


def figure(page: Page, name: str) -> Locator:
    return page.locator(f'[data-figure="{name}"]')


def test_every_plot_is_drawn_and_nothing_is_blocked_or_fails(
    page: Page, complaints: list[str]
) -> None:
    for name in ("figure-sources", "figure-methods", "figure-psnr_y", "figure-ssim", "figure-vmaf"):
        expect(figure(page, name).locator(".main-svg").first).to_be_visible()
    expect(figure(page, "figure-sources").locator(".scatterlayer .point")).to_have_count(12)
    expect(figure(page, "figure-vmaf").locator(".scatterlayer .point")).to_have_count(12)
    assert complaints == []


def test_the_plot_follows_the_choice_of_viewers(page: Page) -> None:
    def drawn() -> list[float]:
        return json.loads(page.locator("#figure-sources").text_content())["data"][0]["x"]

    screened = drawn()
    page.get_by_role("link", name="All viewers").click()
    expect(page.get_by_role("link", name="All viewers")).to_have_attribute("aria-current", "page")
    assert drawn() != screened


def test_a_plot_takes_the_colours_of_the_theme(page: Page) -> None:
    def text_colour() -> str:
        label = figure(page, "figure-sources").locator(".xtick text").first
        return label.evaluate("label => getComputedStyle(label).fill")

    before = text_colour()
    page.evaluate(
        "theme => { document.documentElement.dataset.theme = theme;"
        " document.dispatchEvent(new CustomEvent('midgrey:theme')); }",
        "light" if page.evaluate("document.documentElement.dataset.theme") == "dark" else "dark",
    )
    page.wait_for_function(
        "before => getComputedStyle(document.querySelector("
        "'[data-figure=figure-sources] .xtick text')).fill !== before",
        arg=before,
    )


@pytest.mark.parametrize(("button", "begin"), [("SVG", b"<svg"), ("PNG", b"\x89PNG")])
def test_a_plot_is_saved_as_a_file(
    page: Page, complaints: list[str], button: str, begin: bytes, tmp_path: Path
) -> None:
    card = page.locator("figure", has=figure(page, "figure-vmaf"))
    with page.expect_download() as waiting:
        card.get_by_role("button", name=button).click()
    assert waiting.value.suggested_filename == f"vmaf.{button.lower()}"
    saved = tmp_path / "plot"
    waiting.value.save_as(saved)
    assert saved.read_bytes().startswith(begin)
    assert complaints == []


@pytest.mark.parametrize("width", [360, 1280, 3840])
def test_the_page_fits_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_function(
        "document.documentElement.scrollWidth <= innerWidth"
        " && [...document.querySelectorAll('.plot .main-svg')]"
        ".every(svg => svg.getBoundingClientRect().right <= innerWidth)"
    )
