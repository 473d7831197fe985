"""Where clips lie against their reference, told for real clips moved by known amounts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage

from tests.upscalers.core.clips import draw, noise, real_clip, small_format, write
from upscalers.core.align import (
    align,
    check_pvs,
    check_recording,
    measured_shift,
    offset_by_timecode,
    recorded_scale,
    refuse_other_format,
)
from upscalers.core.clip import ClipFormat, Cut, Planes
from upscalers.core.degrade import make_low_resolution
from upscalers.core.errors import Cancelled, ClipError
from upscalers.core.video import make_master, read_frames, timecode_of

FRAMES = 16
WINDOW = (384, 240, 128, 16)
Clip = tuple[Path, ClipFormat]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """A window of 16 frames of bikes."""
    return cut_of("bikes.mp4", tmp_path_factory.mktemp("align") / "source.mkv", 100, FRAMES)


def cut_of(name: str, out: Path, start: int, frames: int) -> Clip:
    fmt, _ = make_master(real_clip(name), out, Cut(start, frames, WINDOW))
    return out, fmt


def changed(clip: Clip, out: Path, change: Callable[[np.ndarray], np.ndarray]) -> Clip:
    """A copy with another luma."""
    path, fmt = clip

    def frame(planes: Planes) -> Planes:
        luma = np.clip(np.round(change(planes[0].astype(float))), 0, 255).astype(np.uint8)
        return (luma, *planes[1:])

    write(out, fmt, map(frame, read_frames(path, fmt)))
    return out, fmt


def test_a_clip_lies_upon_itself(source: Clip) -> None:
    found = check_pvs(*source, *source)
    assert found.can_tell and found.frame_offset == 0 and found.shift == (0, 0)
    assert found.correlation == found.content == found.gain == 1 and found.level == 0
    assert found.runner_up < 0.5 and found.verdict == "frame on frame; in place"
    assert json.loads(json.dumps(found.as_json())) == found.as_json()


@pytest.mark.parametrize(("start", "message"), [(102, "2 frames late"), (99, "1 frame early")])
def test_a_pvs_of_other_frames_is_refused_with_how_many(
    source: Clip, tmp_path: Path, start: int, message: str
) -> None:
    other = cut_of("bikes.mp4", tmp_path / "b.mkv", start, FRAMES)
    with pytest.raises(ClipError, match=rf"b.mkv starts {message}: .* Export it again"):
        check_pvs(*source, *other)
    assert align(*source, *other).frame_offset == 100 - start


def test_a_pvs_of_another_clip_is_refused(source: Clip, tmp_path: Path) -> None:
    other = changed(source, tmp_path / "b.mkv", lambda luma: luma[::-1, ::-1])
    with pytest.raises(ClipError, match="shows something else than its source"):
        check_pvs(*source, *other)


@pytest.mark.parametrize(
    ("right", "down"), [(1.0, 0.0), (0.5, 0.5), (-0.25, 0.4), (0.0, -1.5), (3.3, 7.8)]
)
def test_a_shifted_picture_is_measured_to_a_part_of_a_sample(
    source: Clip, tmp_path: Path, right: float, down: float
) -> None:
    def moved(luma: np.ndarray) -> np.ndarray:
        return scipy.ndimage.shift(luma, (down, right), order=5, mode="nearest")

    other = changed(source, tmp_path / "b.mkv", moved)
    found = align(*source, *other)
    assert found.shift == pytest.approx((right, down), abs=0.06)
    if max(abs(right), abs(down)) > 0.55:
        with pytest.raises(ClipError, match=r"lies .* samples (right|above|below).* centres"):
            check_pvs(*source, *other)


@pytest.mark.parametrize(("scale", "degradation"), [(2, "bicubic"), (4, "real-world-3")])
def test_a_smaller_version_is_found_in_place(
    source: Clip, tmp_path: Path, scale: int, degradation: str
) -> None:
    low, _, _ = make_low_resolution(*source, tmp_path / "b.mkv", scale, degradation)
    factor, found = check_recording(*source, tmp_path / "b.mkv", low)
    assert factor == scale and found.can_tell and found.frame_offset == 0
    assert max(map(abs, found.shift)) < 0.1 * scale


def test_a_recording_with_more_frames_says_where_the_source_begins(
    source: Clip, tmp_path: Path
) -> None:
    longer = cut_of("bikes.mp4", tmp_path / "longer.mkv", 93, 30)
    low, _, _ = make_low_resolution(*longer, tmp_path / "b.mkv", Fraction(3, 2), "gaussian")
    factor, found = check_recording(*source, tmp_path / "b.mkv", low)
    assert factor == Fraction(3, 2) and found.frame_offset == 7
    assert found.verdict == "starts 7 frames earlier; in place"


def test_a_recording_that_misses_frames_says_which_it_has(source: Clip, tmp_path: Path) -> None:
    late = cut_of("bikes.mp4", tmp_path / "late.mkv", 104, 20)
    low, _, _ = make_low_resolution(*late, tmp_path / "b.mkv", 2)
    with pytest.raises(ClipError, match="shows frames 4 to 15 of its source only"):
        check_recording(*source, tmp_path / "b.mkv", low)


def test_a_still_clip_says_that_its_start_cannot_be_told(source: Clip, tmp_path: Path) -> None:
    path, fmt = source
    frame = next(read_frames(path, fmt, 0, 1))
    write(tmp_path / "still.mkv", fmt, [frame] * FRAMES)
    still = (tmp_path / "still.mkv", fmt)
    found = check_pvs(*still, *still)
    assert not found.can_tell and found.content == 1 and found.shift == (0, 0)
    assert found.verdict.startswith("when it starts cannot be told")


def test_two_recordings_of_a_still_scene_share_no_noise(source: Clip, tmp_path: Path) -> None:
    path, fmt = source
    frame = next(read_frames(path, fmt, 0, 1))
    random = np.random.default_rng(5)
    for name in ("a.mkv", "b.mkv"):
        noisy = [
            (np.clip(frame[0] + random.normal(0, 4, frame[0].shape), 0, 255).astype(np.uint8),
             *frame[1:]) for _ in range(FRAMES)
        ]  # fmt: skip
        write(tmp_path / name, fmt, noisy)
    found = align(tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", fmt)
    assert not found.can_tell and found.frame_offset == 0 and found.content > 0.99


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_clips_are_judged_by_their_pictures(tmp_path: Path, frames: int) -> None:
    clip = cut_of("bikes.mp4", tmp_path / "a.mkv", 100, frames)
    other = changed(clip, tmp_path / "b.mkv", lambda luma: np.roll(luma, 1, axis=1))
    with pytest.raises(ClipError, match=r"lies 1\.\d\d samples right|lies 0\.9\d samples right"):
        check_pvs(*clip, *other)
    assert not check_pvs(*clip, *clip).can_tell


def test_a_clip_of_one_colour_is_no_error(tmp_path: Path) -> None:
    fmt = small_format(width=64, height=48)
    flat = tuple(np.full(shape, 100, np.uint8) for shape in fmt.plane_shapes)
    write(tmp_path / "a.mkv", fmt, [flat] * fmt.frames)
    found = check_pvs(tmp_path / "a.mkv", fmt, tmp_path / "a.mkv", fmt)
    assert not found.can_tell and found.shift == (0, 0)


def test_limited_range_stretched_to_full_is_remarked(source: Clip, tmp_path: Path) -> None:
    other = changed(source, tmp_path / "b.mkv", lambda luma: (luma - 16) * 255 / 219)
    found = check_pvs(*source, *other)
    assert found.gain == pytest.approx(255 / 219, abs=0.02)
    assert found.verdict.endswith("check limited and full range")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": 240}, "has 240 frames, its source has 250: trim it or export it again"),
        ({"width": 638}, "is 638x272, its source is 640x272"),
        ({"rate": Fraction(30000, 1001)}, "has 29.97 frames per second, its source has 25"),
        ({"pix_fmt": "yuv420p10le"}, "has yuv420p10le samples, its source has yuv420p"),
        ({"range": "pc"}, "is marked with the colour range pc, its source with tv"),
        ({"matrix": "bt2020nc"}, "is marked with the colour matrix bt2020nc"),
        ({"transfer": "smpte2084"}, "is marked with the colour transfer smpte2084"),
        ({"primaries": "bt2020"}, "is marked with the colour primaries bt2020"),
    ],
)
def test_another_format_is_refused_with_what_differs(
    changes: dict[str, object], message: str
) -> None:
    fmt = small_format(width=640, height=272, frames=250)
    with pytest.raises(ClipError, match=f"^pvs.mov {message}"):
        refuse_other_format(fmt, replace(fmt, **changes), "pvs.mov")


@pytest.mark.parametrize(
    ("size", "scale"), [((1920, 1080), 2), ((1280, 720), 3), ((2560, 1440), Fraction(3, 2))]
)
def test_the_scale_of_a_recording_follows_from_its_size(
    size: tuple[int, int], scale: Fraction | int
) -> None:
    fmt = small_format(width=3840, height=2160)
    low = replace(fmt, width=size[0], height=size[1])
    assert recorded_scale(fmt, low, "low.mov") == scale


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 1920, "height": 800}, "is not 3840x2160 made smaller by one factor"),
        ({"width": 3840, "height": 2160}, "is not smaller than its source"),
        ({"width": 384, "height": 216}, "by one factor of at most 8"),
        ({"rate": Fraction(50), "width": 1920, "height": 1080}, "has 50 frames per second"),
    ],
)
def test_what_is_no_pair_of_a_source_is_refused(changes: dict[str, object], message: str) -> None:
    fmt = small_format(width=3840, height=2160)
    with pytest.raises(ClipError, match=f"^low.mov .*{message}"):
        recorded_scale(fmt, replace(fmt, **changes), "low.mov")


@pytest.mark.parametrize(
    ("reference", "clip", "rate", "offset"),
    [
        ("10:00:00:00", "09:59:58:20", Fraction(25), 30),
        ("10:00:00:00", "10:00:00:03", Fraction(50), -3),
        # SMPTE 12M: after 00:00:59;29 comes 00:01:00;02, but 00:10:00;00 is counted
        ("00:01:00;02", "00:00:59;29", Fraction(30000, 1001), 1),
        ("00:10:00;00", "00:09:59;29", Fraction(30000, 1001), 1),
        ("00:01:00;04", "00:00:59;59", Fraction(60000, 1001), 1),
        ("10:00:00:00", "", Fraction(25), None),
    ],
)
def test_timecodes_say_where_a_recording_starts(
    reference: str, clip: str, rate: Fraction, offset: int | None
) -> None:
    assert offset_by_timecode(reference, clip, rate) == offset


@pytest.mark.parametrize("name", ["a.mov", "a.mkv"])
def test_a_timecode_is_read_from_a_file(tmp_path: Path, name: str) -> None:
    path = draw(tmp_path / name, "-timecode", "10:11:12:13")
    assert timecode_of(path) == "10:11:12:13"
    assert timecode_of(draw(tmp_path / "none.mkv")) == ""


def test_noise_alone_has_a_shift_too() -> None:
    """The measure by itself: a roll by whole samples, of pictures that share every frequency."""
    planes = noise(small_format("yuv444p", width=96, height=80, frames=2))
    ours = np.stack([frame[0].astype(float) for frame in planes])
    theirs = np.roll(ours, (2, -3), axis=(1, 2))
    assert measured_shift(ours, theirs) == pytest.approx((-3, 2), abs=0.1)


def test_comparing_can_be_watched_and_stopped(source: Clip) -> None:
    seen: list[tuple[int, int]] = []
    align(*source, *source, lambda done, total: seen.append((done, total)))
    assert seen == [(done, 2 * FRAMES) for done in range(1, 2 * FRAMES + 1)]
    with pytest.raises(Cancelled):
        align(*source, *source, should_stop=lambda: True)
