"""Parts of a clip put together: the same frames, the same format, nothing unnoticed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from tests.upscalers.core.clips import noise, sha256_of, write
from upscalers.core.clip import ClipFormat, Planes
from upscalers.core.errors import Cancelled, ClipError
from upscalers.core.join import MadePart, join
from upscalers.core.video import probe, read_frames

SMALL = ClipFormat(48, 32, Fraction(25), 23, "yuv420p")


def cut(folder: Path, fmt: ClipFormat, frames: list[Planes], edges: list[int]) -> list[MadePart]:
    made = []
    for start, end in pairwise(edges):
        path = folder / f"part-{start}.mkv"
        write(path, replace(fmt, frames=end - start), frames[start:end])
        made.append(MadePart(path, end - start, sha256_of(frames[start:end])))
    return made


@pytest.mark.parametrize("rate", ["25", "24000/1001", "60000/1001", "50"])
@pytest.mark.parametrize(
    "changes", [{}, {"pix_fmt": "yuv422p10le", "matrix": "bt2020nc", "primaries": "bt2020",
                     "transfer": "smpte2084"}, {"range": "pc", "pix_fmt": "yuv444p"}]
)  # fmt: skip
def test_joined_parts_are_the_clip(tmp_path: Path, rate: str, changes: dict[str, str]) -> None:
    fmt = replace(SMALL, rate=Fraction(rate), **changes)
    frames = list(noise(fmt))
    parts = cut(tmp_path, fmt, frames, [0, 7, 14, 20, 23])
    out = tmp_path / "out.mkv"
    assert join(parts, fmt, out) == sha256_of(frames)
    assert probe(out) == fmt
    assert sha256_of(read_frames(out, fmt)) == sha256_of(frames)


def test_a_clip_in_one_part_is_checked_as_well(tmp_path: Path) -> None:
    fmt = replace(SMALL, rate=Fraction(30000, 1001))
    frames = list(noise(fmt))
    [part] = cut(tmp_path, fmt, frames, [0, 23])
    assert join([part], fmt, tmp_path / "out.mkv") == sha256_of(frames)
    with pytest.raises(ClipError, match="frames 0 to 22, is not what was written"):
        join([replace(part, frames_sha256="0" * 64)], fmt, tmp_path / "bad.mkv")


def test_many_parts_do_not_drift(tmp_path: Path) -> None:
    """Each part's own clock is rounded to milliseconds; the whole must not add that up."""
    fmt = replace(SMALL, rate=Fraction(30000, 1001), frames=61, width=16, height=16)
    frames = list(noise(fmt))
    parts = cut(tmp_path, fmt, frames, list(range(62)))
    join(parts, fmt, tmp_path / "out.mkv")
    assert probe(tmp_path / "out.mkv") == fmt


def test_parts_in_the_wrong_order_are_noticed(tmp_path: Path) -> None:
    frames = list(noise(SMALL))
    first, second = cut(tmp_path, SMALL, frames, [0, 12, 23])
    lying = [replace(first, path=second.path), replace(second, path=first.path)]
    with pytest.raises(ClipError, match="frames 0 to 11, is not what was written"):
        join(lying, SMALL, tmp_path / "out.mkv")
    assert not (tmp_path / "out.mkv").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_missing_frame_is_noticed(tmp_path: Path) -> None:
    frames = list(noise(SMALL))
    parts = cut(tmp_path, SMALL, frames, [0, 12, 22])
    with pytest.raises(ClipError, match="22"):
        join(parts, SMALL, tmp_path / "out.mkv")
    assert not (tmp_path / "out.mkv").exists()


def test_joining_can_be_stopped(tmp_path: Path) -> None:
    parts = cut(tmp_path, SMALL, list(noise(SMALL)), [0, 12, 23])
    seen: list[int] = []
    with pytest.raises(Cancelled):
        join(
            parts, SMALL, tmp_path / "out.mkv", lambda done, _: seen.append(done),
            lambda: len(seen) == 5,
        )  # fmt: skip
    assert not (tmp_path / "out.mkv").exists()
