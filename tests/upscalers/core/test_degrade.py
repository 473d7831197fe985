"""Low-resolution versions: which there are, and that they are made as described."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.upscalers.core.clips import hlg_clip, noise, sha256_of, small_format, write
from upscalers.core.colour import to_frames, to_tensors
from upscalers.core.degrade import low_format, make_low_resolution
from upscalers.core.errors import Cancelled, ClipError
from upscalers.core.resample import resample_picture
from upscalers.core.video import make_master, probe, read_frames


@pytest.mark.parametrize("scale", [2, 4])
def test_every_frame_is_shrunk_at_its_own_depth(tmp_path: Path, scale: int) -> None:
    fmt = small_format("yuv422p10le")
    frames = noise(fmt)
    write(tmp_path / "a.mkv", fmt, frames)
    small, digest, _ = make_low_resolution(tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", scale)
    assert (small.width, small.height) == (32 // scale, 24 // scale)
    assert small.pix_fmt == fmt.pix_fmt and probe(tmp_path / "b.mkv") == small
    tensors = to_tensors(frames, torch.device("cpu"))
    wanted = resample_picture(tensors, "422", "bicubic", Fraction(1, scale), small.plane_shapes)
    assert digest == sha256_of(to_frames(wanted, small))
    assert digest == sha256_of(read_frames(tmp_path / "b.mkv", small))


def test_shrinking_does_not_alias(tmp_path: Path) -> None:
    """Columns of black and white, too fine for the small picture, become even grey."""
    fmt = small_format(frames=1)
    luma = np.tile(np.array([16, 236], np.uint8), (24, 16))
    chroma = np.full((12, 16), 128, np.uint8)
    write(tmp_path / "a.mkv", fmt, [(luma, chroma, chroma)])
    small, _, _ = make_low_resolution(tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", 4)
    made = next(read_frames(tmp_path / "b.mkv", small))[0]
    assert np.abs(made[:, 2:-2].astype(int) - 126).max() <= 1


def test_a_real_10_bit_clip_is_shrunk(tmp_path: Path) -> None:
    fmt, _ = make_master(hlg_clip(), tmp_path / "a.mkv")
    small, _, _ = make_low_resolution(tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", 2)
    assert (small.width, small.height, small.transfer) == (960, 540, "arib-std-b67")


@pytest.mark.parametrize(
    ("scale", "size"), [(2, (321, 137)), (Fraction(3, 2), (428, 183)), (4 / 3, (481, 206))]
)
def test_what_is_part_of_a_sample_becomes_a_whole_one(
    scale: Fraction | float, size: tuple[int, int]
) -> None:
    small = low_format(small_format(width=641, height=274), scale)
    assert (small.width, small.height) == size


def test_other_scales_and_degradations_are_refused(tmp_path: Path) -> None:
    for scale in (1, 9, 0.5):
        with pytest.raises(ClipError, match="1 to 8 times smaller"):
            low_format(small_format(), scale)
    with pytest.raises(ClipError, match="not 'nearest'"):
        make_low_resolution(tmp_path / "a", small_format(), tmp_path / "b.mkv", 2, "nearest")


def test_a_cancelled_one_leaves_nothing(tmp_path: Path) -> None:
    fmt = small_format()
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    with pytest.raises(Cancelled):
        make_low_resolution(
            tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", 2, should_stop=lambda: True
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
