"""What was on the screen, seen from outside the browser: python -m bench.playback.recorder

Another process reads a few pixels of the X display some hundred times a second. Each frame of a
clip carries its number there.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from upscalers.core.counter_clip import BITS, read_counter

ROOT = Path(__file__).resolve().parents[2]
SQUARE = 16  # pixels of a bit, also in the smallest clips
FRAME_BITS = 12  # the lower bits tell the frame, the upper ones the clip
SAMPLES_PER_SECOND = 300
WELL_SEEN = 0.5  # of a refresh between two looks


def record(display: str, left: int, top: int, out: Path) -> None:
    """Until the standard input is closed: each change, between which two looks it fell."""
    import mss

    with suppress(OSError):
        os.nice(-10)  # only the mighty may; a busy machine must not blind the recorder
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    changes: list[tuple[float, float, int | None]] = []
    looks, before, number_before = 0, time.time(), -1
    with mss.MSS(display=display) as source:
        region = {"left": left, "top": top, "width": BITS * SQUARE, "height": 2 * SQUARE}
        while not stop.is_set():
            began = time.time()
            raw = np.frombuffer(source.grab(region).raw, np.uint8)
            number = read_counter(raw.reshape(2 * SQUARE, BITS * SQUARE, 4)[..., 1], SQUARE)
            now = time.time()
            looks += 1
            if number != number_before:
                changes.append((before, now, number))
            number_before, before = number, now
            time.sleep(max(0.0, 1 / SAMPLES_PER_SECOND - (time.time() - began)))
    out.write_text(json.dumps({"looks": looks, "changes": changes, "end": before}))


@contextmanager
def recording(display: str, left: int, top: int, out: Path) -> Iterator[None]:
    command = [sys.executable, "-m", __name__, display, str(left), str(top), str(out)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT)
    try:
        yield
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(30)


@dataclass(frozen=True)
class Look:
    """A frame that appeared between two looks at the screen."""

    frame: int
    before: float
    after: float

    @property
    def at(self) -> float:
        return (self.before + self.after) / 2


@dataclass(frozen=True)
class Stay:
    """Of a frame on the screen."""

    frame: int
    until: float
    over: float  # for how many refreshes too long


@dataclass
class Seen:
    """One showing of a clip as it was on the screen."""

    clip: int
    looks: list[Look] = field(default_factory=list)
    end: float = float("nan")

    @property
    def start(self) -> float:
        return self.looks[0].at

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def unseen(self, expected: int, hz: float) -> tuple[int, int]:
        """Frames that were not on the screen, or for less than half a refresh; and those that fell
        between two looks too far apart to tell."""
        missing = blind = 0
        next_frame = 0
        for look in [*self.looks, Look(expected, self.end, self.end)]:
            gone = max(0, look.frame - next_frame)
            if (look.after - look.before) * hz > WELL_SEEN:
                blind += gone
            else:
                missing += gone
            next_frame = look.frame + 1
        return missing, blind

    def stays(self, expected: int, hz: float, rate: float) -> list[Stay]:
        """Of the frames whose begin and end were seen well."""
        looks = [*self.looks, Look(expected, self.end, self.end)]
        return [
            Stay(one.frame, after.at, ((after.at - one.at) - (after.frame - one.frame) / rate) * hz)
            for one, after in pairwise(looks)
            if all((look.after - look.before) * hz < WELL_SEEN for look in (one, after))
        ]


def read_recording(path: Path) -> list[Seen]:
    """The clips that were on the screen, one after the other."""
    told = json.loads(path.read_text())
    clips: list[Seen] = []
    current: Seen | None = None
    for before, after, number in told["changes"]:
        clip = number >> FRAME_BITS if number is not None else None
        if current and clip != current.clip:
            current.end = (before + after) / 2
            current = None
        if clip is not None:
            if current is None:
                current = Seen(clip)
                clips.append(current)
            current.looks.append(Look(number & (1 << FRAME_BITS) - 1, before, after))
    if current:
        current.end = told["end"]
    return clips


def resolution(path: Path) -> float:
    """Milliseconds between two looks where something changed, usually."""
    return 1000 * statistics.median(b - a for a, b, _ in json.loads(path.read_text())["changes"])


if __name__ == "__main__":
    record(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
