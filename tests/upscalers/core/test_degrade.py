"""Low-resolution versions: which there are, and that they are made as described."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.upscalers.core.clips import (
    decoded_by_pyav,
    hlg_clip,
    noise,
    real_clip,
    sha256_of,
    small_format,
    write,
)
from upscalers.core import real_world
from upscalers.core.clip import PIXEL_FORMATS, ClipFormat, Cut, Planes
from upscalers.core.colour import to_frames, to_tensors
from upscalers.core.degrade import (
    degradation_name,
    low_format,
    make_low_resolution,
    parse_degradation,
)
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
        with pytest.raises(ClipError, match="more than 1 and at most 8 times smaller"):
            low_format(small_format(), scale)
    with pytest.raises(ClipError, match="not by 'nearest'"):
        make_low_resolution(tmp_path / "a", small_format(), tmp_path / "b.mkv", 2, "nearest")


def test_a_degradation_has_a_name_for_people_and_a_typo_an_answer() -> None:
    assert degradation_name("gaussian") == "Gaussian blur"
    assert degradation_name("real-world-7") == "Real world, seed 7"
    assert parse_degradation("real-world-7") == 7 and parse_degradation("area") is None
    for typo in ("real-world", "real-world-", "real-world-07", "real-world--1", "Area", "recorded"):
        with pytest.raises(ClipError, match="real-world-SEED, where SEED is a number"):
            parse_degradation(typo)


def test_area_is_the_average_of_each_block(tmp_path: Path) -> None:
    fmt = small_format("yuv444p", frames=1)
    planes = noise(fmt)[0]
    write(tmp_path / "a.mkv", fmt, [planes])
    small, _, _ = make_low_resolution(tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", 4, "area")
    made = next(read_frames(tmp_path / "b.mkv", small))
    for plane, shrunk in zip(planes, made, strict=True):
        wanted = plane.reshape(6, 4, 8, 4).mean((1, 3))
        assert np.abs(shrunk - wanted).max() <= 0.51


def test_gaussian_is_a_blur_of_a_fixed_width_seen_at_the_new_samples(tmp_path: Path) -> None:
    """An impulse becomes exp(-d^2 / 2 sigma^2), sigma = 1.6 for x4 as in the BD degradation."""
    fmt = small_format("yuv444p10le", frames=1, width=64, height=64)
    impulse = np.zeros((64, 64), np.uint16)
    impulse[32, 30] = 1023
    write(tmp_path / "a.mkv", fmt, [(impulse, impulse, impulse)])
    small, _, _ = make_low_resolution(tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", 4, "gaussian")
    made = next(read_frames(tmp_path / "b.mkv", small))[0].astype(float)
    centres = np.arange(16) * 4 + 1.5
    down, across = (np.exp(-((centres - at) ** 2) / (2 * 1.6**2)) for at in (32, 30))
    wanted = 1023 * np.outer(down, across) / (2 * np.pi * 1.6**2)
    assert np.abs(made - wanted).max() <= 1


@pytest.mark.parametrize("degradation", ["bicubic", "real-world-3"])
@pytest.mark.parametrize("pix_fmt", PIXEL_FORMATS)
@pytest.mark.parametrize(("scale", "size"), [(Fraction(3, 2), (25, 19)), (4, (10, 7))])
def test_odd_sizes_and_fractions_of_every_format(
    tmp_path: Path, degradation: str, pix_fmt: str, scale: Fraction | int, size: tuple[int, int]
) -> None:
    fmt = small_format(pix_fmt, width=37, height=28, frames=2, matrix="bt2020nc",
                       primaries="bt2020", transfer="smpte2084")  # fmt: skip
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    out = tmp_path / "b.mkv"
    small, digest, recipe = make_low_resolution(tmp_path / "a.mkv", fmt, out, scale, degradation)
    assert small == replace(fmt, width=size[0], height=size[1]) == probe(out)
    assert digest == sha256_of(read_frames(out, small))
    assert json.loads(json.dumps(recipe)) == recipe and recipe["degradation"] == degradation


def smooth(fmt: ClipFormat) -> list[Planes]:
    """Slopes that blur and compression leave as they are, up to the ends of the range."""
    frames = []
    for number in range(fmt.frames):
        planes = []
        for rows, columns in fmt.plane_shapes:
            down, across = np.linspace(0, 1, rows)[:, None], np.linspace(0, 1, columns)
            top = (1 << fmt.bit_depth) - 1
            planes.append((top * (0.5 * down + 0.5 * across) + number).clip(0, top))
        frames.append(tuple(plane.astype(fmt.dtype) for plane in planes))
    return frames


@pytest.mark.parametrize("range_", ["tv", "pc"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_a_real_world_chain_moves_neither_levels_nor_the_picture(
    tmp_path: Path, pix_fmt: str, range_: str
) -> None:
    fmt = small_format(pix_fmt, width=160, height=96, range=range_)
    write(tmp_path / "a.mkv", fmt, smooth(fmt))
    small, _, _ = make_low_resolution(
        tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", 2, "real-world-3"
    )
    wanted, _, _ = make_low_resolution(tmp_path / "a.mkv", fmt, tmp_path / "c.mkv", 2, "area")
    assert small == wanted
    unit = 1 << (fmt.bit_depth - 8)
    for made, plain in zip(
        decoded_by_pyav(tmp_path / "b.mkv"), decoded_by_pyav(tmp_path / "c.mkv"), strict=True
    ):
        for plane, straight in zip(made, plain, strict=True):
            error = (plane.astype(float) - straight)[4:-4, 4:-4] / unit
            slope = np.diff(straight[4:-4, 4:-4].astype(float), axis=1).mean() / unit
            assert abs(error.mean()) < 0.5 * slope  # less than half a sample, or a changed level


def test_a_seed_gives_the_same_clip_on_one_processor_and_on_all(tmp_path: Path) -> None:
    fmt, _ = make_master(real_clip("bikes.mp4"), tmp_path / "a.mkv", Cut(0, 6))
    allowed = os.sched_getaffinity(0)
    digests = []
    try:
        for processors in (allowed, {min(allowed)}):
            os.sched_setaffinity(0, processors)  # encoders inherit it
            digests.append(
                make_low_resolution(tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", 2, "real-world-3")
            )
    finally:
        os.sched_setaffinity(0, allowed)
    assert digests[0] == digests[1]
    other = make_low_resolution(tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", 2, "real-world-4")
    assert other[1] != digests[0][1]


def test_every_seed_draws_within_the_stated_ranges() -> None:
    for seed in range(300):
        scale = Fraction([2, 3, 4, 8, 1.5][seed % 5])
        first, second = real_world.draw(seed, scale).orders
        assert first.blur and all(0.2 <= s <= min(3, 0.75 * scale) for s in first.blur.sigma)
        assert second.blur is None or all(0.2 <= s <= 1.5 for s in second.blur.sigma)
        assert 1 / scale <= first.scale <= Fraction(5, 4)
        assert Fraction(10, 16) <= second.scale * scale <= Fraction(19, 16)
        assert 1 <= first.noise.strength <= 15 and 1 <= second.noise.strength <= 10
        assert 18 <= first.crf <= 32 and 20 <= second.crf <= 34


def test_a_blur_along_the_columns_spreads_by_its_sigma() -> None:
    along_columns = real_world.Blur("anisotropic", (0.2, 2.0), 0.0, 1.0)
    for across, down in ((0, 0), (1, 1), (1, 0)):
        kernel = real_world.blur_kernel(along_columns, across, down).double().numpy()
        rows = (np.arange(kernel.shape[0]) - kernel.shape[0] // 2) * 2**down
        columns = (np.arange(kernel.shape[1]) - kernel.shape[1] // 2) * 2**across
        assert kernel.sum() == pytest.approx(1)
        assert np.sqrt(kernel.sum(1) @ rows**2) == pytest.approx(2, abs=0.01)
        assert np.sqrt(kernel.sum(0) @ columns**2) < 0.01


def test_progress_only_grows_and_ends_at_its_total(tmp_path: Path) -> None:
    fmt = small_format()
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    seen: list[tuple[int, int]] = []
    make_low_resolution(
        tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", 2, "real-world-1",
        lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(done, 9) for done in range(1, 10)]


@pytest.mark.parametrize("degradation", ["bicubic", "real-world-1"])
@pytest.mark.parametrize("after", [1, 3])
def test_a_cancelled_one_leaves_nothing(tmp_path: Path, degradation: str, after: int) -> None:
    fmt = small_format()
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    asked = iter(range(100))
    with pytest.raises(Cancelled):
        make_low_resolution(
            tmp_path / "a.mkv", fmt, tmp_path / "b.mkv", 2, degradation,
            should_stop=lambda: next(asked) >= after - 1,
        )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_a_damaged_source_leaves_nothing(tmp_path: Path) -> None:
    fmt = small_format()
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    longer = replace(fmt, frames=9)
    with pytest.raises(ClipError, match="damaged: 3 of 9 frames"):
        make_low_resolution(tmp_path / "a.mkv", longer, tmp_path / "b.mkv", 2, "real-world-1")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
