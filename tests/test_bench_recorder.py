"""The recorder by which playback is judged must itself see right, and what disturbs it be told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.playback.judging import judge_screen, met_by_chance
from bench.playback.material import Format
from bench.playback.recorder import FRAME_BITS, read_recording
from bench.playback.standstill import Look, read_standstills, slow_spells, watching

PERIOD = 0.02  # 50 refreshes and frames a second


def recorded(path: Path, frames: dict[int, float], clip: int = 1, blur: float = 0.002) -> Path:
    """As if these frames of a clip had appeared at these times."""
    changes: list[tuple[float, float, int | None]] = [(0.0, 0.01, None)]
    for frame, at in frames.items():
        changes.append((at - blur / 2, at + blur / 2, clip << FRAME_BITS | frame))
    end = max(frames.values()) + PERIOD
    changes.append((end - blur / 2, end + blur / 2, None))
    path.write_text(json.dumps({"looks": 99, "changes": changes, "end": end + 1}))
    return path


def test_frames_that_came_in_time_are_neither_missing_nor_held(tmp_path: Path) -> None:
    [seen] = read_recording(recorded(tmp_path / "a", {n: 1 + n * PERIOD for n in range(50)}))
    assert seen.unseen(50, 50) == (0, 0)
    assert max(stay.over for stay in seen.stays(50, 50, 50)) == pytest.approx(0, abs=1e-6)
    assert seen.seconds == pytest.approx(1)


def test_frames_that_were_never_on_the_screen_are_missing(tmp_path: Path) -> None:
    times = {n: 1 + n * PERIOD for n in range(50) if n not in (0, 20, 21, 49)}
    [seen] = read_recording(recorded(tmp_path / "a", times))
    assert seen.unseen(50, 50) == (4, 0)


def test_the_frame_before_one_that_came_late_was_held(tmp_path: Path) -> None:
    times = {n: 1 + n * PERIOD + (PERIOD if n == 30 else 0) for n in range(0, 50, 2)}
    [seen] = read_recording(recorded(tmp_path / "a", times))
    overs = [stay.over for stay in seen.stays(50, 50, 50)]
    assert [round(over, 3) for over in overs if over > 0.1] == [1.0]


def test_what_the_recorder_slept_through_is_not_called_missing(tmp_path: Path) -> None:
    times = {n: 1 + n * PERIOD for n in range(50) if n != 20}
    path = recorded(tmp_path / "a", times)
    told = json.loads(path.read_text())
    place = next(i for i, one in enumerate(told["changes"]) if one[2] == 1 << FRAME_BITS | 21)
    told["changes"][place][0] -= 1.5 * PERIOD
    path.write_text(json.dumps(told))
    [seen] = read_recording(path)
    assert seen.unseen(50, 50) == (0, 1)
    assert len(seen.stays(50, 50, 50)) == 47


@pytest.mark.parametrize(
    "standstill, told",
    [((1.58, 1.6), 1), ((1.2, 1.22), 0), ((1.5, 1.561), 1), ((1.5, 1.559), 0), ((1.599, 2), 1),
     ((1.601, 2), 0)],
)  # fmt: skip
def test_a_frame_held_while_a_processor_stood_still_is_told(
    tmp_path: Path, standstill: tuple[float, float], told: int
) -> None:
    """Due at 1.6, and painted up to two refreshes before."""
    late = {n: 1 + n * PERIOD + (PERIOD if n >= 30 else 0) for n in range(50)}
    seen = read_recording(recorded(tmp_path / "a", late))
    found = judge_screen(seen, Format(1280, 720, 50, 1), 50, standstills=[standstill])
    assert (found.held, found.stood) == (1, told)
    assert found.uneven == [(1, 29)]


def test_the_standstills_of_all_processors_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3})
    assert read_standstills(tmp_path / "watched") is None
    (tmp_path / "watched-0.json").write_text("[[1, 2], [5, 6], [8, 9]]")
    assert read_standstills(tmp_path / "watched") is None
    (tmp_path / "watched-3.json").write_text("[[1.5, 3], [3, 4], [7.5, 10]]")
    stood = read_standstills(tmp_path / "watched")
    assert stood == [(1, 2), (1.5, 3), (3, 4), (5, 6), (7.5, 10), (8, 9)]
    # From 1 to 4.04, from 5 to 6.04 and from 7.5 to 10.04.
    assert met_by_chance(stood, 50, seconds=20) == pytest.approx((3.04 + 1.04 + 2.54) / 20)


def looked(*spells: tuple[float, float, float]) -> list[Look]:
    """A piece of work of 0.03 ms every 2 ms for a second, but for some spells: from when to when
    it took how long."""
    looks, now = [], 0.0
    while now < 1:
        took = next((took for begin, end, took in spells if begin <= now < end), 0.00003)
        looks.append((now, now + 0.002 + took, took))
        now = looks[-1][1]
    return looks


def test_a_machine_that_crawls_is_told_like_one_that_stands_still() -> None:
    assert slow_spells(looked()) == []
    [(begin, end)] = slow_spells(looked((0.5, 0.55, 0.0005)))
    assert (begin, end) == pytest.approx((0.5, 0.55), abs=0.004)
    asleep = [(0.0, 0.002, 0.00003)] * 9 + [(0.002, 0.02, 0.00003)]
    assert slow_spells(asleep) == [(0.002, 0.02)]


def test_one_slow_look_or_little_slowness_is_no_crawling() -> None:
    assert slow_spells(looked((0.5, 0.502, 0.0005))) == []
    assert slow_spells(looked((0.5, 0.55, 0.0001))) == []


def test_the_machine_is_watched_where_that_may_be(tmp_path: Path) -> None:
    with watching(tmp_path / "watched"):
        time.sleep(0.5)
    ahead = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"
    allowed = not subprocess.run([sys.executable, "-c", ahead], capture_output=True).returncode
    assert (read_standstills(tmp_path / "watched") is not None) == allowed
