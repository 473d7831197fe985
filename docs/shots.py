"""Pictures of every page of the running demo, at phone, laptop and 4K size, into shots/.

Signs in with the demo's own accounts; changes nothing. Run by `make shots` beside `make demo`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"phone": (360, 760), "laptop": (1366, 768), "4k": (3840, 2160)}
PAGES = {  # name: address, or the page and the link on it that leads there
    "sources": "/sources/",
    "source": ("/sources/", "main a[href^='/sources/']:not([href$='/sources/'])"),
    "pvs": ("/sources/", "main a[href^='/sources/']", "main a[href^='/pvs/']"),
    "methods": "/methods/",
    "jobs": "/jobs/",
    "studies": "/studies/",
    "new-study": "/studies/new/",
    "study": ("/studies/", "main a[href^='/studies/']:not([href$='/new/'])"),
    "sessions": "/sessions/",
    "commissioning": "/commissioning/",
    "console": ("/sessions/", "main a[href^='/sessions/']"),
    "results": "/results/",
    "result": ("/results/", "main a[href^='/results/']"),
    "password": "/password/",
    "join": "/join/",
}
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path, default=ROOT / "shots")
    parser.add_argument("--only", nargs="*", choices=[*PAGES, "login"], help="some pages")
    options = parser.parse_args()
    username, password = demo_account()
    options.out.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, CHROMIUMS)), None),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        try:
            for size in SIZES:
                take(browser, size, options, username, password)
        except Error as error:
            sys.exit(f"{error.message}\nIs the demo running at {options.address}? Try make demo.")
        browser.close()


def demo_account() -> tuple[str, str]:
    folder = Path(os.environ.get("MIDGREY_DATA_DIR") or ROOT / "data")
    try:
        passwords = json.loads((folder / "demo_passwords.json").read_text())
        return "demo-coordinator", passwords["demo-coordinator"]
    except FileNotFoundError:
        sys.exit("There is no demo yet: run 'make demo' and leave it running.")
    except KeyError:
        sys.exit("The password of demo-coordinator was changed: 'make demo' says what to do.")


def take(browser: Browser, size: str, options: argparse.Namespace, name: str, word: str) -> None:
    width, height = SIZES[size]
    page = browser.new_page(
        base_url=options.address, viewport={"width": width, "height": height}
    )  # fmt: skip
    page.goto("/login/")
    save(page, "login", size, options)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(word)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)
    for title, way in PAGES.items():
        if options.only and title not in options.only:
            continue
        if follow(page, (way,) if isinstance(way, str) else way):
            save(page, title, size, options)
        else:
            print(f"  (no {title} yet)")
    page.close()


def follow(page: Page, way: tuple[str, ...]) -> bool:
    """Goes to the first address, then along links; False where one is missing."""
    answer = page.goto(way[0])
    for link in way[1:]:
        target = page.locator(link)
        if not target.count():
            return False
        answer = page.goto(target.first.get_attribute("href") or "/")
    return answer is not None and answer.ok


def save(page: Page, title: str, size: str, options: argparse.Namespace) -> None:
    if options.only and title not in options.only:
        return
    page.wait_for_load_state("networkidle")  # what htmx and sockets bring is there
    path = options.out / f"{title}-{size}.png"
    page.screenshot(path=path, full_page=size != "4k")
    print(path)


if __name__ == "__main__":
    main()
