"""What is played, and what is done to it."""

from __future__ import annotations

import functools
import http.server
import multiprocessing
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
from django.contrib.auth.models import User
from playwright.sync_api import Playwright

from bench.playback.judging import Judged, judge_screen, judge_session, summary
from bench.playback.laboratory import ROOT, DisplayBrowser, Server, people, run_session
from bench.playback.material import STIMULI, Format, make_clips, make_session
from bench.playback.recorder import FRAME_BITS, SQUARE, read_recording, recording, resolution
from bench.playback.screen import screen
from bench.playback.standstill import read_standstills, watching
from sessions_app.models import Showing
from upscalers.core.counter_clip import BITS
from upscalers.core.video import FFMPEG
from upscalers.models import Clip

STALLS = ("busy processors", "browser stopped", "frame dropped")


@dataclass
class Laboratory:
    """Where sessions are played."""

    server: Server
    owner: User
    folder: Path
    clips: dict[Format, list[Clip]] = field(default_factory=dict)

    def clips_of(self, fmt: Format) -> list[Clip]:
        if fmt not in self.clips:
            self.clips[fmt] = make_clips(fmt, self.folder)
        return self.clips[fmt]


def play(
    lab: Laboratory, fmt: Format, hz: float, cells: int, vote_seconds: float, votes: bool = True,
    stalls: list[str] | None = None,
) -> tuple[list[Judged], dict[str, Any]]:  # fmt: skip
    """One session from its start to its end, watched."""
    name = f"bench-{fmt}-{time.time_ns()}"
    session = make_session(fmt, lab.clips_of(fmt), cells, lab.owner, vote_seconds, name)
    told = lab.folder / f"{name}.json"
    show = f"{lab.server.address}/show/{session.token}/"
    stolen = _stolen()
    limit = 2.5 * cells * (3 * fmt.seconds + 4 + vote_seconds) + 120
    with (
        screen(fmt.width, fmt.height, hz) as display,
        DisplayBrowser(display, show, lab.folder / name) as browser,
        people(lab.server, session, lab.owner, voting=votes) as staff,
        recording(display, 0, 0, told),
        watching(lab.folder / name),
    ):
        began = time.monotonic()
        injector = Injector(stalls or [], browser, staff.playwright)
        run_session(staff, limit, injector.on_phase)
        seconds = time.monotonic() - began
    standstills = read_standstills(lab.folder / name)
    judged = judge_session(session, read_recording(told), fmt, hz, standstills or ())
    for one in judged:
        one.injected = injector.done.get(one.showing, "")
    report = session.display_report
    checks = {check["id"]: check["value"] for check in report.get("checks", [])}
    return judged, summary(judged, fmt, hz, standstills, seconds) | {
        "recorder_ms": round(resolution(told), 1),
        "painting": checks.get("painting", ""), "decoding": checks.get("speed", ""),
        "arrival": checks.get("arrival", ""), "stolen_s": round(_stolen() - stolen, 2),
    }  # fmt: skip


def _stolen() -> float:
    """Seconds of the processors that a virtual machine was kept waiting for, where that is told."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


class Injector:
    """Does something bad in the middle of A, to one showing after the other."""

    def __init__(self, stalls: list[str], browser: DisplayBrowser, playwright: Playwright) -> None:
        self.stalls, self.browser, self.playwright = stalls, browser, playwright
        self.done: dict[str, str] = {}  # by showing

    def on_phase(self, showing: Showing) -> None:
        if showing.phase != "a" or not self.stalls:
            return
        kind = self.stalls.pop(0)
        self.done[str(showing.pk)] = kind
        time.sleep(0.5)
        {STALLS[0]: busy_processors, STALLS[1]: self._stop, STALLS[2]: self._drop}[kind]()

    def _stop(self) -> None:
        """The process that paints sleeps for a moment."""
        pages = self.browser.renderers()
        for one in pages:
            one.suspend()
        time.sleep(0.15)
        for one in pages:
            one.resume()

    def _drop(self) -> None:
        """A decoded frame does not arrive."""
        port = self.browser.debugging_port
        over = self.playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
        over.contexts[0].pages[0].evaluate(
            """() => {
                const { worker } = midgreyDisplay.frames;
                const hear = worker.onmessage;
                worker.onmessage = (event) => {
                    if (!event.data.buffer) return hear(event);
                    worker.onmessage = hear;
                };
            }"""
        )
        over.close()


def busy_processors(seconds: float = 1.5) -> None:
    count = 4 * multiprocessing.cpu_count()
    busy = [multiprocessing.Process(target=_spin, args=(seconds,)) for _ in range(count)]
    for one in busy:
        one.start()
    for one in busy:
        one.join()


def _spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def play_baseline(lab: Laboratory, fmt: Format, hz: float, cells: int) -> dict[str, Any]:
    """The same clips in three `<video>` elements."""
    names = []
    for number, clip in enumerate(lab.clips_of(fmt)):
        names.append(f"{fmt}-{number}.mp4")
        source = ["-framerate", str(fmt.rate), "-i", str(clip.rendition.path), "-c", "copy"]
        subprocess.run(
            [FFMPEG, "-v", "error", "-y", *source, str(lab.folder / names[-1])], check=True
        )
    return _play_page(lab, "video_baseline.html", fmt, hz, cells, clips=",".join(names))


CEILINGS = ("numbers", "pictures", "pictures and marks")


def play_ceiling(lab: Laboratory, fmt: Format, hz: float, cells: int, what: str) -> dict[str, Any]:
    """Nothing but the numbers of the frames, and no decoder: what the machine and its browser lose
    by themselves. Then whole pictures beneath them, and the marks by which a display learns when
    each was on the screen."""
    more = {}
    if "pictures" in what:
        more |= {"width": fmt.width, "height": fmt.height}
    if "marks" in what:
        more["marks"] = 1
    shutil.copy(ROOT / "static/player/arrivals.js", lab.folder)
    return _play_page(
        lab, "counter_ceiling.html", fmt, hz, cells, clips=len(STIMULI), frames=fmt.frames,
        rate=fmt.rate, bits=BITS, frameBits=FRAME_BITS, side=SQUARE, **more,
    )  # fmt: skip


def _play_page(
    lab: Laboratory, page: str, fmt: Format, hz: float, cells: int, **given: Any
) -> dict[str, Any]:
    """A page that shows cells by itself, judged by what was on the screen."""
    (lab.folder / page).write_bytes(Path(__file__).with_name(page).read_bytes())
    told, profile = lab.folder / f"{page}.json", lab.folder / f"{page}-profile"
    stolen = _stolen()
    with _files(lab.folder) as address, screen(fmt.width, fmt.height, hz) as display:
        url = f"{address}/{page}?{urlencode({'cells': cells, 'hz': hz, **given})}"
        with (
            DisplayBrowser(display, url, profile),
            recording(display, 0, 0, told),
            watching(profile),
        ):
            seconds = 12 + cells * (3 * fmt.seconds + 4)
            time.sleep(seconds)
    seen = read_recording(told)
    standstills = read_standstills(profile)
    count = len(STIMULI)
    judged = [
        judge_screen(seen[i : i + count], fmt, hz, standstills=standstills or ())
        for i in range(0, len(seen), count)
    ]
    return summary(judged, fmt, hz, standstills, seconds) | {
        "stolen_s": round(_stolen() - stolen, 2)
    }


@contextmanager
def _files(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            # The browser is killed in the end, with what it was still asking for.
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)

    handler = functools.partial(Quiet, directory=str(folder))
    with Server(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()
