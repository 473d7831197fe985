"""Colours on the screen itself, read by another program than the browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import mss
import numpy as np
import pytest
from playwright.sync_api import Page, Playwright

from bench.playback.screen import screen
from tests.browser.conftest import CHROMIUM, CHROMIUM_FLAGS
from tests.browser.test_player import PAINT, PAINTERS, PLAIN_FILE, to_rgb
from tests.live_server import LiveServer
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not shutil.which("Xvfb"), reason="needs Xvfb, an X server without a screen"),
]

WIDTH, HEIGHT = 320, 180
FLAGS = [
    "--kiosk", "--window-position=0,0", "--force-color-profile=srgb",
    "--force-device-scale-factor=1",
]  # fmt: skip


@pytest.fixture
def display() -> Iterator[str]:
    with screen(1280, 720, managed=False) as name:
        yield name


@pytest.fixture
def page(
    server: LiveServer, playwright: Playwright, display: str, tmp_path: Path
) -> Iterator[Page]:
    """In full screen, on a screen of its own."""
    context = playwright.chromium.launch_persistent_context(
        tmp_path, executable_path=CHROMIUM, headless=False, no_viewport=True,
        args=[*CHROMIUM_FLAGS, *FLAGS], env=os.environ | {"DISPLAY": display},
    )  # fmt: skip
    page = context.pages[0]
    page.goto(server.url + PLAIN_FILE)
    yield page
    context.close()


@pytest.mark.parametrize("painter", PAINTERS)
def test_colours_on_the_screen_are_those_of_the_definition(
    page: Page, display: str, painter: str
) -> None:
    generator = np.random.default_rng(2)
    shapes = ((HEIGHT, WIDTH), (HEIGHT // 2, WIDTH // 2), (HEIGHT // 2, WIDTH // 2))
    planes = [generator.integers(0, 256, shape, np.uint8) for shape in shapes]
    frame = np.concatenate([plane.ravel() for plane in planes]).tolist()
    picture = {"width": WIDTH, "height": HEIGHT, "matrix": "bt709", "range": "tv"}
    page.evaluate(PAINT, {"painter": painter, "frame": frame, "picture": picture})
    wanted = to_rgb(planes, "bt709", limited=True, depth=8)
    with mss.MSS(display=display) as source:
        region = {"left": 0, "top": 0, "width": WIDTH, "height": HEIGHT}

        def largest_error() -> float:
            bgra = np.frombuffer(source.grab(region).raw, np.uint8).reshape(HEIGHT, WIDTH, 4)
            return float(np.abs(bgra[..., 2::-1] - wanted).max())

        # Rounding to the nearest code, in every pixel.
        wait_for(lambda: largest_error() < 0.502, what="the picture on the screen")
