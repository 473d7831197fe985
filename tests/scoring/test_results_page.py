"""The results page in a real browser: plots drawn and saved under the strict content policy."""

import json

import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Page, expect, sync_playwright

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CHROMIUM = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}


@pytest.fixture
def address(live_server, client, people, study):
    client.force_login(people.colleague)
    return live_server.url + reverse("scoring:results", args=[study.slug])


@pytest.fixture
def page(live_server, address, client):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}]
        )
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: said.type in ("error", "warning") and page.complaints.append(said.text),
        )
        page.goto(address)
        expect(page.locator(".plot .main-svg").first).to_be_visible()
        yield page
        browser.close()


def figure(page: Page, name: str):
    return page.locator(f'[data-figure="{name}"]')


def test_every_plot_is_drawn_and_nothing_is_blocked_or_fails(page):
    for name in ("figure-sources", "figure-methods", "figure-psnr_y", "figure-ssim", "figure-vmaf"):
        expect(figure(page, name).locator(".main-svg").first).to_be_visible()
    expect(figure(page, "figure-sources").locator(".scatterlayer .point")).to_have_count(12)
    expect(figure(page, "figure-vmaf").locator(".scatterlayer .point")).to_have_count(12)
    assert page.complaints == []


def test_the_plot_follows_the_choice_of_viewers(page):
    def drawn():
        return json.loads(page.locator("#figure-sources").text_content())["data"][0]["x"]

    screened = drawn()
    page.get_by_role("link", name="All viewers").click()
    expect(page.get_by_role("link", name="All viewers")).to_have_attribute("aria-current", "page")
    assert drawn() != screened


def test_a_plot_takes_the_colours_of_the_theme(page):
    def text_colour():
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
def test_a_plot_is_saved_as_a_file(page, button, begin, tmp_path):
    card = page.locator("figure", has=figure(page, "figure-vmaf"))
    with page.expect_download() as waiting:
        card.get_by_role("button", name=button).click()
    assert waiting.value.suggested_filename == f"vmaf.{button.lower()}"
    saved = tmp_path / "plot"
    waiting.value.save_as(saved)
    assert saved.read_bytes().startswith(begin)
    assert page.complaints == []


@pytest.mark.parametrize("width", [360, 1280, 3840])
def test_the_page_fits_the_screen(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_function(
        "document.documentElement.scrollWidth <= innerWidth"
        " && [...document.querySelectorAll('.plot .main-svg')]"
        ".every(svg => svg.getBoundingClientRect().right <= innerWidth)"
    )
