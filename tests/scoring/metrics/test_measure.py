"""Metrics against independent calculations and published numbers, and against mismatched clips."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest

from scoring.metrics import MetricValues, all_metrics, measure
from tests.upscalers.core.clips import ffmpeg, hlg_clip, noise, real_clip, small_format, write
from upscalers.core.clip import ClipFormat, Cut, Planes
from upscalers.core.errors import Cancelled, ClipError
from upscalers.core.video import make_master, read_frames


def by_slug(found: list[MetricValues]) -> dict[str, MetricValues]:
    return {one.slug: one for one in found}


def textured(fmt: ClipFormat) -> list[Planes]:
    """Slow waves with a little noise: something that a metric can sensibly judge."""
    random = np.random.default_rng(5)
    unit = 1 << (fmt.bit_depth - 8)
    frames = []
    for number in range(fmt.frames):
        planes = []
        for rows, columns in fmt.plane_shapes:
            y, x = np.mgrid[:rows, :columns]
            waves = 120 + 60 * np.sin(x / 5 + number / 3) * np.cos(y / 7)
            codes = (waves + random.normal(0, 3, waves.shape)) * unit
            planes.append(np.clip(np.round(codes), 0, 256 * unit - 1).astype(fmt.dtype))
        frames.append(tuple(planes))
    return frames


def disturbed(frames: list[Planes], fmt: ClipFormat) -> list[Planes]:
    random = np.random.default_rng(6)
    unit = 1 << (fmt.bit_depth - 8)
    top = 256 * unit - 1
    return [
        tuple(
            np.clip(np.round(p + random.normal(0, 4 * unit, p.shape)), 0, top).astype(fmt.dtype)
            for p in planes
        )
        for planes in frames
    ]


@pytest.mark.parametrize("range_", ["tv", "pc"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_psnr_and_ssim_equal_numpy_and_scikit_image(
    tmp_path: Path, pix_fmt: str, range_: str
) -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is the reference")
    fmt = small_format(pix_fmt, width=96, height=64, range=range_)
    source = textured(fmt)
    pvs = disturbed(source, fmt)
    write(tmp_path / "a.mkv", fmt, source)
    write(tmp_path / "b.mkv", fmt, pvs)
    found = by_slug(measure(tmp_path / "a.mkv", tmp_path / "b.mkv", fmt))
    peak = 2**fmt.bit_depth - 1
    lumas = [(a[0].astype(float), b[0].astype(float)) for a, b in zip(source, pvs, strict=True)]
    psnr = [10 * np.log10(peak**2 / np.mean((a - b) ** 2)) for a, b in lumas]
    assert found["psnr_y"].values == pytest.approx(psnr, abs=1e-5)
    assert found["psnr_y"].mean == pytest.approx(np.mean(psnr), abs=1e-5)
    ssim = [
        metrics.structural_similarity(
            a, b, data_range=peak, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in lumas
    ]
    assert found["ssim"].values == pytest.approx(ssim, abs=2e-4)


@pytest.mark.slow
def test_a_real_clip_has_the_numbers_measured_elsewhere(tmp_path: Path) -> None:
    """Big Buck Bunny at x264 CRF 36, all 132 frames: numbers by another program's ffmpeg call."""
    clip = real_clip("bigbuckbunny.mp4")
    ffmpeg("-i", clip, "-an", "-c:v", "libx264", "-crf", 36, tmp_path / "crf36.mp4")
    fmt, _ = make_master(clip, tmp_path / "a.mkv")
    make_master(tmp_path / "crf36.mp4", tmp_path / "b.mkv")
    found = by_slug(measure(tmp_path / "a.mkv", tmp_path / "b.mkv", fmt))
    assert found["psnr_y"].mean == pytest.approx(34.845, abs=0.002)
    assert found["vmaf"].mean == pytest.approx(70.440, abs=0.01)
    assert len(found["vmaf"].values) == 132


def test_equal_clips_have_no_psnr_and_the_log_says_why(tmp_path: Path) -> None:
    fmt, _ = make_master(real_clip("bikes.mp4"), tmp_path / "a.mkv", Cut(0, 3))
    found = by_slug(measure(tmp_path / "a.mkv", tmp_path / "a.mkv", fmt))
    assert found["psnr_y"].values == [None] * 3 and found["psnr_y"].mean is None
    assert "all frames equal the source" in found["psnr_y"].note
    assert found["ssim"].mean == 1.0
    json.dumps([vars(one) for one in found.values()], allow_nan=False)


def test_single_equal_frames_do_not_count(tmp_path: Path) -> None:
    fmt = small_format(width=64, height=48)
    source = textured(fmt)
    pvs = disturbed(source, fmt)
    write(tmp_path / "a.mkv", fmt, source)
    write(tmp_path / "b.mkv", fmt, [pvs[0], source[1], pvs[2]])
    psnr = by_slug(measure(tmp_path / "a.mkv", tmp_path / "b.mkv", fmt))["psnr_y"]
    first, second, third = psnr.values
    assert first is not None and second is None and third is not None
    assert psnr.mean == pytest.approx((first + third) / 2)
    assert psnr.note.startswith("1 of 3 frames equal the source")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 66}, "differ in size"),
        ({"frames": 2}, "differ in frame count"),
        ({"rate": Fraction(50)}, "differ in frame rate"),
        ({"matrix": "smpte170m"}, "differ in colour matrix"),
    ],
)
def test_mismatched_clips_are_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    fmt = small_format(width=64, height=48)
    other = replace(fmt, **change)  # type: ignore[arg-type]
    write(tmp_path / "a.mkv", fmt, noise(fmt))
    write(tmp_path / "b.mkv", other, noise(other))
    with pytest.raises(ClipError, match=words):
        measure(tmp_path / "a.mkv", tmp_path / "b.mkv", other)


def test_a_full_range_copy_is_converted_and_says_so(tmp_path: Path) -> None:
    """The same picture in full range: compared as codes it would be 20 dB off."""
    fmt = small_format(width=64, height=48, frames=2)
    full = replace(fmt, range="pc")
    source = textured(fmt)
    stretched = [
        tuple(
            np.clip(np.round((p.astype(float) - low) * 255 / span + offset), 0, 255).astype("u1")
            for p, low, span, offset in zip(
                planes, (16, 128, 128), (219, 224, 224), (0, 128, 128), strict=True
            )
        )
        for planes in source
    ]
    write(tmp_path / "a.mkv", fmt, source)
    write(tmp_path / "b.mkv", full, stretched)
    psnr = by_slug(measure(tmp_path / "a.mkv", tmp_path / "b.mkv", full))["psnr_y"]
    assert "converted from full to limited range" in psnr.note
    assert psnr.mean is None or psnr.mean > 45


def test_a_damaged_pvs_is_refused(tmp_path: Path) -> None:
    fmt, _ = make_master(real_clip("bikes.mp4"), tmp_path / "a.mkv", Cut(0, 20))
    data = bytearray((tmp_path / "a.mkv").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    (tmp_path / "b.mkv").write_bytes(data)
    with pytest.raises(ClipError):
        measure(tmp_path / "a.mkv", tmp_path / "b.mkv", fmt)


def test_pictures_too_small_for_a_metric_have_no_value(tmp_path: Path) -> None:
    fmt = small_format(width=24, height=24)
    write(tmp_path / "a.mkv", fmt, textured(fmt))
    write(tmp_path / "b.mkv", fmt, disturbed(textured(fmt), fmt))
    found = by_slug(measure(tmp_path / "a.mkv", tmp_path / "b.mkv", fmt))
    assert found["vmaf"].mean is None and "32x32 or more" in found["vmaf"].note
    assert found["psnr_y"].mean is not None


def test_hdr_clips_are_measured_with_a_warning(tmp_path: Path) -> None:
    fmt, _ = make_master(hlg_clip(), tmp_path / "a.mkv", Cut(0, 2, (640, 360, 0, 0)))
    frames = list(read_frames(tmp_path / "a.mkv", fmt))
    write(tmp_path / "b.mkv", fmt, disturbed(frames, fmt))
    found = by_slug(measure(tmp_path / "a.mkv", tmp_path / "b.mkv", fmt))
    assert "made for SDR" in found["vmaf"].note and found["vmaf"].mean is not None
    assert found["psnr_y"].note == ""


def test_progress_ends_at_the_last_frame(tmp_path: Path) -> None:
    fmt, _ = make_master(real_clip("bikes.mp4"), tmp_path / "a.mkv", Cut(0, 6))
    seen: list[tuple[int, int]] = []
    measure(tmp_path / "a.mkv", tmp_path / "a.mkv", fmt, lambda *now: seen.append(now))
    assert seen[-1] == (6, 6)


def test_cancelling_ends_ffmpeg(tmp_path: Path) -> None:
    fmt, _ = make_master(real_clip("bikes.mp4"), tmp_path / "a.mkv", Cut(0, 60))
    with pytest.raises(Cancelled):
        measure(tmp_path / "a.mkv", tmp_path / "a.mkv", fmt, should_stop=lambda: True)
    assert not [p for p in psutil.Process().children() if "ffmpeg" in p.name()]


def test_each_metric_says_which_variant_it_is() -> None:
    assert {"psnr_y", "ssim", "vmaf"} <= set(all_metrics())
    for metric in all_metrics().values():
        assert metric.description and metric.pooled


def test_what_is_called_better_is_better(tmp_path: Path) -> None:
    fmt = small_format(width=64, height=48)
    near = disturbed(textured(fmt), fmt)
    write(tmp_path / "a.mkv", fmt, textured(fmt))
    write(tmp_path / "near.mkv", fmt, near)
    write(tmp_path / "far.mkv", fmt, disturbed(disturbed(near, fmt), fmt))
    better = by_slug(measure(tmp_path / "a.mkv", tmp_path / "near.mkv", fmt))
    worse = by_slug(measure(tmp_path / "a.mkv", tmp_path / "far.mkv", fmt))
    for slug, metric in all_metrics().items():
        high, low = better[slug].mean, worse[slug].mean
        assert high is not None and low is not None
        assert (high > low) == metric.higher_is_better
