"""The results page in a real browser: plots drawn and saved under the strict content policy."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

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
    for one in page.locator("[data-figure]").all():
        expect(one.locator(".main-svg").first).to_be_visible()
    expect(figure(page, "figure-sources").locator(".scatterlayer .point")).to_have_count(12)
    expect(
        figure(page, "figure-vmaf").locator(".scatterlayer .trace:not(:has(.point))")
    ).to_have_count(1)
    redrawn = page.evaluate(
        """async () => {
            const react = Plotly.react;
            let times = 0;
            Plotly.react = (...given) => { times += 1; return react(...given); };
            document.dispatchEvent(new CustomEvent("htmx:afterSettle"));  // as every poll makes
            await new Promise((resolve) => setTimeout(resolve));
            Plotly.react = react;
            return times;
        }"""
    )
    assert redrawn == 0
    assert complaints == []


def answer(page: Page) -> Locator:
    return page.get_by_role("region", name="Answer")


def drawn(page: Page) -> list[float]:
    return json.loads(page.locator("#figure-sources").text_content() or "")["data"][0]["x"]


def test_another_rule_is_computed_at_once_and_stands_in_the_address(
    page: Page, complaints: list[str]
) -> None:
    screened = drawn(page)
    page.get_by_label("Viewers used", exact=True).select_option("all")
    expect(answer(page).get_by_text("10 of 10 viewers")).to_be_visible()
    assert drawn(page) != screened
    assert page.url.endswith("?rule=all")
    page.reload()
    expect(page.get_by_label("Viewers used", exact=True)).to_have_value("all")
    assert complaints == []


def test_a_viewer_left_out_by_hand_is_gone_from_the_numbers_and_named(
    page: Page, complaints: list[str]
) -> None:
    before = drawn(page)
    page.locator("#per-pvs-folded > summary").click()
    page.get_by_label("Leave out V03 by hand").check()
    expect(answer(page).get_by_text("Left out by hand: V03.")).to_be_visible()
    expect(answer(page).get_by_text("8 of 10 viewers")).to_be_visible()
    assert drawn(page) != before
    assert page.url.endswith("?rule=pearson_iterative&without=V03")
    expect(page.get_by_label("Leave out V03 by hand")).to_be_focused()
    expect(page.locator("#per-pvs-folded")).not_to_have_attribute("open", "")
    expect(figure(page, "figure-vmaf").locator(".main-svg").first).to_be_visible()
    page.reload()
    expect(page.get_by_label("Leave out V03 by hand")).to_be_checked()
    page.get_by_label("Leave out V03 by hand").uncheck()
    expect(answer(page).get_by_text("9 of 10 viewers")).to_be_visible()
    assert drawn(page) == before
    assert complaints == []


def test_a_word_shows_its_rule_to_pointer_key_and_finger(page: Page) -> None:
    word = page.get_by_role("link", name="PLCC", exact=True)
    assert "Fisher" in (word.get_attribute("title") or "")
    word.click()
    expect(page.locator(".rule-note")).to_have_text(word.get_attribute("title") or "")
    page.keyboard.press("Escape")
    expect(page.locator(".rule-note")).to_be_hidden()
    page.keyboard.press("Tab")
    expect(page.locator(".rule-note")).to_contain_text("Spearman")


def test_every_number_shows_its_rule_where_it_is_tapped(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    numbers = page.locator("#results td.num")
    assert numbers.count() > 200
    unruled = page.evaluate(
        """() => [...document.querySelectorAll("#results tbody td.num")].filter((cell) => {
            cell.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
            return !cell.title;
        }).map((cell) => cell.closest("table").innerText.slice(0, 40))"""
    )
    assert unruled == []
    region = page.get_by_role("region", name="All rules side by side")
    rejected = region.get_by_role("button", name="rejected, why").first
    rejected.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".rule-note")).to_contain_text("Scores follow")
    page.keyboard.press("Escape")
    page.locator(".ranking td.num b").first.click()
    expect(page.locator(".rule-note")).to_contain_text("Each viewer's mean over the sources")


def test_while_numbers_are_computed_the_page_says_so(page: Page) -> None:
    held: list[Route] = []
    page.route("**/results/**", lambda route: held.append(route))
    page.get_by_label("Viewers used", exact=True).select_option("all")
    expect(page.get_by_text("Computing…")).to_be_visible()
    held.pop().continue_()
    expect(answer(page).get_by_text("10 of 10 viewers")).to_be_visible()
    expect(page.get_by_text("Computing…")).to_be_hidden()


def test_a_choice_the_server_does_not_answer_is_taken_back(page: Page) -> None:
    page.route("**/results/**", lambda route: route.abort())
    page.get_by_label("Viewers used", exact=True).select_option("all")
    expect(page.get_by_role("alert")).to_contain_text("nothing was computed")
    expect(page.get_by_label("Viewers used", exact=True)).to_have_value("pearson_iterative")
    expect(answer(page).get_by_text("9 of 10 viewers")).to_be_visible()
    expect(page.get_by_text("Computing…")).to_be_hidden()
    page.unroute("**/results/**")
    page.get_by_label("Viewers used", exact=True).select_option("all")
    expect(answer(page).get_by_text("10 of 10 viewers")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_on_paper_plots_are_dark_on_white(page: Page) -> None:
    page.emulate_media(media="print")
    page.wait_for_function(
        "getComputedStyle(document.querySelector('[data-figure=figure-vmaf] .xtick text')).fill"
        " === 'rgb(29, 29, 29)'"
    )
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_data_of_a_plot_are_saved_as_csv(page: Page, tmp_path: Path) -> None:
    for name, header, rows in (
        ("figure-sources", ["series", "MOS", "low", "high", "source"], 12),
        ("figure-votes", ["score", "method"], 12 * 9),
        ("figure-between", ["viewer", "with", "pearson"], 10 * 11),
    ):
        with page.expect_download() as waiting:
            card = page.locator("figure", has=figure(page, name))
            card.get_by_role("button", name="Save the data as CSV").click()
        saved = tmp_path / f"{name}.csv"
        waiting.value.save_as(saved)
        with saved.open(newline="") as file:
            first, *lines = csv.reader(file)
        assert (first, len(lines)) == (header, rows)
    with (tmp_path / "figure-sources.csv").open(newline="") as file:
        found = [float(row["MOS"]) for row in csv.DictReader(file) if row["series"] == "Lanczos"]
    assert found == drawn(page)


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


def test_a_plot_is_saved_as_a_picture(page: Page, complaints: list[str], tmp_path: Path) -> None:
    card = page.locator("figure", has=figure(page, "figure-vmaf"))
    for kind, begin in (("svg", b"<svg"), ("png", b"\x89PNG")):
        with page.expect_download() as waiting:
            card.get_by_role("button", name=kind.upper()).click()
        assert waiting.value.suggested_filename == f"vmaf.{kind}"
        saved = tmp_path / f"plot.{kind}"
        waiting.value.save_as(saved)
        assert saved.read_bytes().startswith(begin)
    assert complaints == []


def test_the_page_fits_every_screen(page: Page) -> None:
    for width in (360, 1280, 3840):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(
            "document.documentElement.scrollWidth <= innerWidth"
            " && [...document.querySelectorAll('.plot .main-svg')]"
            ".every(svg => svg.getBoundingClientRect().right <= innerWidth)"
        )


def test_long_names_leave_room_for_the_plot_and_are_not_clipped(
    server: LiveServer,
    owner: User,
    open_context: Callable[..., BrowserContext],
    log_in: Callable[[BrowserContext, User], None],
) -> None:
    long = [f"<our>-own-method-with-attention-and-temporal-memory-no-{k}" for k in range(1, 4)]
    factory = StudyFactory(owner, methods=long)
    factory.run_session(make_panel(9))
    context = open_context(viewport={"width": 360, "height": 740})
    log_in(context, owner)
    page = context.new_page()
    page.goto(server.url + reverse("scoring:results", args=[factory.study.slug]))
    for name in ("methods", "votes", "differences", "sources"):
        plot = figure(page, f"figure-{name}")
        expect(plot.locator(".main-svg").first).to_be_visible(timeout=30_000)
        clipped, share = plot.evaluate(
            """(plot) => {
                const box = plot.getBoundingClientRect();
                const outside = ({ left, right }) => left < box.left - 1 || right > box.right + 1;
                const texts = [...plot.querySelectorAll(".ytick text, .legendtext, .xtitle")];
                const wide = plot.querySelector(".bglayer rect, .plotbg, .gridlayer");
                return [
                    texts.filter((one) => outside(one.getBoundingClientRect())).length,
                    wide.getBoundingClientRect().width / box.width,
                ];
            }"""
        )
        assert (name, clipped) == (name, 0)
        assert share > 0.45
    assert "<our>-" in (figure(page, "figure-methods").text_content() or "")
