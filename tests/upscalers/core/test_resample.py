"""The kernels against a plain float64 calculation that shares no code with them, and ffmpeg."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor

import numpy as np
import pytest
import torch
from PIL import Image

from tests.upscalers.core.clips import noise, real_clip, small_format
from upscalers.core.clip import PIXEL_FORMATS, ClipFormat, Cut, Planes
from upscalers.core.colour import to_frames, to_tensors
from upscalers.core.errors import MethodError
from upscalers.core.resample import KERNELS, filter_bank, resample_axis, resample_picture
from upscalers.core.video import FFMPEG, probe, read_frames
from upscalers.methods import all_methods

CPU = torch.device("cpu")


def cubic(a: float) -> Callable[[float], float]:
    """Keys 1981, equation 4, with its free parameter a."""

    def weight(x: float) -> float:
        x = abs(x)
        if x < 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0

    return weight


def lanczos(n: int) -> Callable[[float], float]:
    def weight(x: float) -> float:
        if x == 0:
            return 1.0
        return n * np.sin(np.pi * x) * np.sin(np.pi * x / n) / (np.pi * x) ** 2 * (abs(x) < n)

    return weight


def nearest(x: float) -> float:
    return 1.0 if -0.5 <= x < 0.5 else 0.0


def bilinear(x: float) -> float:
    return max(0.0, 1 - abs(x))


def spline36(x: float) -> float:
    """The coefficients of AviSynth's Spline36Resize."""
    x = abs(x)
    if x < 1:
        return ((13 / 11 * x - 453 / 209) * x - 3 / 209) * x + 1
    if x < 2:
        return ((-6 / 11 * (x - 1) + 270 / 209) * (x - 1) - 156 / 209) * (x - 1)
    return ((1 / 11 * (x - 2) - 45 / 209) * (x - 2) + 26 / 209) * (x - 2) if x < 3 else 0.0


REFERENCE: dict[str, tuple[Callable[[float], float], int]] = {
    "nearest": (nearest, 1), "bilinear": (bilinear, 1), "bicubic": (cubic(-0.5), 2),
    "bicubic-075": (cubic(-0.75), 2), "lanczos2": (lanczos(2), 2), "lanczos3": (lanczos(3), 3),
    "lanczos4": (lanczos(4), 4), "spline36": (spline36, 3),
}  # fmt: skip


@lru_cache
def reference_matrix(
    inputs: int, outputs: int, kernel: str, scale: Fraction, left_sited: bool
) -> np.ndarray:
    """One row for each output sample: what it takes of each input sample."""
    half, stretch = Fraction(1, 2), max(1.0, 1 / float(scale))
    weight, support = REFERENCE[kernel]
    reach = ceil(support * stretch) + 1
    matrix = np.zeros((outputs, inputs))
    for i in range(outputs):
        # Left-sited chroma i lies on luma column 2i; that place in the source, halved again.
        centre = ((2 * i + half) / scale - half) / 2 if left_sited else (i + half) / scale - half
        for k in range(floor(centre) - reach, floor(centre) + reach + 2):
            matrix[i, min(max(k, 0), inputs - 1)] += weight(float(centre - k) / stretch)
    return matrix / matrix.sum(1, keepdims=True)


def reference_plane(
    plane: np.ndarray, shape: tuple[int, int], kernel: str, scale: Fraction, left_sited: bool
) -> np.ndarray:
    down = reference_matrix(plane.shape[0], shape[0], kernel, scale, False)
    along = reference_matrix(plane.shape[1], shape[1], kernel, scale, left_sited)
    return down @ plane @ along.T


def worst_difference(kernel: str, scale: Fraction, fmt: ClipFormat, made: ClipFormat) -> float:
    """Of our codes against the reference, which is not rounded, in codes."""
    frame = noise(fmt)[0]
    planes = resample_picture(
        to_tensors([frame], CPU), fmt.chroma, kernel, scale, made.plane_shapes
    )
    worst = 0.0
    for index, (plane, ours) in enumerate(zip(frame, to_frames(planes, made)[0], strict=True)):
        sited = index > 0 and fmt.chroma != "444"
        shape = made.plane_shapes[index]
        wanted = reference_plane(plane.astype(float), shape, kernel, scale, sited)
        wanted = wanted.clip(0, (1 << fmt.bit_depth) - 1)
        worst = max(worst, np.abs(ours - wanted).max())
    return worst


# Half a code is what rounding takes; float32 sums are off by less than 0.002 of a 10-bit code.
ROUNDING = 0.502


@pytest.mark.parametrize("pix_fmt", PIXEL_FORMATS)
@pytest.mark.parametrize("kernel", REFERENCE)
@pytest.mark.parametrize("scale", [Fraction(n) for n in ("2", "3", "4", "3/2", "4/3", "8/5")])
def test_enlarging_to_an_odd_size_gives_the_nearest_code_to_the_reference(
    kernel: str, scale: Fraction, pix_fmt: str
) -> None:
    large = small_format(pix_fmt, width=37, height=27, frames=1)
    fmt = small_format(pix_fmt, width=ceil(37 / scale), height=ceil(27 / scale), frames=1)
    assert worst_difference(kernel, scale, fmt, large) <= ROUNDING


@pytest.mark.parametrize("pix_fmt", PIXEL_FORMATS)
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "lanczos3"])
@pytest.mark.parametrize("scale", [Fraction(1, n) for n in (2, 3, 4, 8)] + [Fraction(2, 3)])
def test_shrinking_an_odd_size_gives_the_nearest_code_to_the_reference(
    kernel: str, scale: Fraction, pix_fmt: str
) -> None:
    fmt = small_format(pix_fmt, width=45, height=35, frames=1)
    small = small_format(pix_fmt, width=ceil(45 * scale), height=ceil(35 * scale), frames=1)
    assert worst_difference(kernel, scale, fmt, small) <= ROUNDING


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 1), (3, 2)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_the_smallest_pictures_are_enlarged_like_any_other(
    size: tuple[int, int], pix_fmt: str
) -> None:
    width, height = size
    fmt = small_format(pix_fmt, width=width, height=height, frames=1)
    large = small_format(pix_fmt, width=4 * width, height=4 * height, frames=1)
    assert worst_difference("lanczos3", Fraction(4), fmt, large) <= ROUNDING


def test_area_takes_of_each_sample_what_lies_within() -> None:
    """Three samples become two, each of which is one whole and half of the middle one."""
    each = torch.eye(3)[None]
    made = resample_axis(each, 2, "area", Fraction(2, 3), 2, Fraction(0))
    wanted = torch.tensor([[2 / 3, 0], [1 / 3, 1 / 3], [0, 2 / 3]])
    assert torch.allclose(made[0], wanted)


def test_every_classical_method_is_a_kernel_that_was_compared() -> None:
    classical = {m.slug for m in all_methods().values() if m.family == "classical"}
    assert classical == set(REFERENCE) == set(KERNELS) - {"area", "gaussian"}


# How ffmpeg's two scalers are asked for the same: chroma left, no dither, the same parameters.
ZSCALE = {
    "nearest": "point", "bilinear": "bilinear", "bicubic": "bicubic:param_a=0:param_b=0.5",
    "bicubic-075": "bicubic:param_a=0:param_b=0.75", "lanczos2": "lanczos:param_a=2",
    "lanczos3": "lanczos:param_a=3", "lanczos4": "lanczos:param_a=4", "spline36": "spline36",
}  # fmt: skip
SWSCALE = {
    "nearest": "neighbor", "bilinear": "bilinear", "bicubic": "bicubic:param0=0:param1=0.5",
    "bicubic-075": "bicubic:param0=0:param1=0.75", "lanczos2": "lanczos:param0=2",
    "lanczos3": "lanczos:param0=3", "lanczos4": "lanczos:param0=4",
}  # fmt: skip
ACCURATE = "+accurate_rnd+full_chroma_int+full_chroma_inp"


@lru_cache
def real_window() -> tuple[ClipFormat, Planes]:
    """320x180 of a frame of Big Buck Bunny."""
    path = real_clip("bigbuckbunny.mp4")
    whole, cut = probe(path), Cut(60, 1, (320, 180, 480, 260))
    frame = next(read_frames(path, whole, 60, 1))
    return cut.of(whole), cut.crop_planes(frame, whole)


def scaled_by_ffmpeg(video_filter: str, fmt: ClipFormat, planes: Planes, out: ClipFormat) -> Planes:
    command = [
        FFMPEG, "-v", "error", "-f", "rawvideo", "-pixel_format", fmt.pix_fmt,
        "-video_size", f"{fmt.width}x{fmt.height}", "-i", "pipe:0",
        "-vf", f"setparams=range=tv:colorspace=bt709:chroma_location=left,{video_filter}",
        "-f", "rawvideo", "pipe:1",
    ]  # fmt: skip
    data = b"".join(plane.tobytes() for plane in planes)
    result = subprocess.run(command, input=data, capture_output=True, check=True)
    samples, made = np.frombuffer(result.stdout, fmt.dtype), []
    for rows, columns in out.plane_shapes:
        made.append(samples[: rows * columns].reshape(rows, columns))
        samples = samples[rows * columns :]
    return tuple(made)


@pytest.mark.parametrize(
    ("scaler", "kernel"),
    [("zscale", kernel) for kernel in ZSCALE] + [("swscale", kernel) for kernel in SWSCALE],
)
def test_ffmpeg_makes_the_same_of_a_real_picture_but_for_its_rounding(
    scaler: str, kernel: str
) -> None:
    """Away from the edges, which zscale mirrors, no code differs by more than one.

    Both compute with rounded integer weights: zscale turns ties of bilinear the other way (4 %
    of samples), swscale's Lanczos has weights of 14 bits.
    """
    fmt, planes = real_window()
    large = fmt.scaled(2)
    size = f"w={large.width}:h={large.height}"
    if scaler == "zscale":
        video_filter = f"zscale={size}:filter={ZSCALE[kernel]}:dither=none:chromal=left"
    else:
        flags = SWSCALE[kernel].replace(":", ACCURATE + ":", 1)
        flags += "" if ACCURATE in flags else ACCURATE
        sited = "in_h_chr_pos=0:out_h_chr_pos=0:in_v_chr_pos=128:out_v_chr_pos=128"
        video_filter = f"scale={size}:flags={flags}:{sited}"
    theirs = scaled_by_ffmpeg(video_filter, fmt, planes, large)
    made = resample_picture(
        to_tensors([planes], CPU), fmt.chroma, kernel, Fraction(2), large.plane_shapes
    )
    for ours, other in zip(to_frames(made, large)[0], theirs, strict=True):
        apart = np.abs(ours.astype(int) - other)[12:-12, 12:-12]
        assert apart.max() <= 1 and (apart > 0).mean() < 0.06


def test_bicubic_agrees_with_pillow_inside_the_picture() -> None:
    """Pillow's bicubic is antialiased with a = -0.5; only its edges differ."""
    plane = np.random.default_rng(3).random((96, 64), np.float32) * 255
    wanted = np.asarray(Image.fromarray(plane).resize((16, 24), Image.Resampling.BICUBIC))
    shrunk = resample_axis(torch.from_numpy(plane)[None], 1, "bicubic", Fraction(1, 4), 24,
                           Fraction(0))  # fmt: skip
    shrunk = resample_axis(shrunk, 2, "bicubic", Fraction(1, 4), 16, Fraction(0))
    assert np.abs(shrunk[0].numpy() - wanted)[3:-3, 3:-3].max() < 1e-3


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_flat_picture_stays_flat(kernel: str) -> None:
    plane = torch.full((1, 9, 9), 235.0)
    made = resample_axis(plane, 1, kernel, Fraction(4), 36, Fraction(3, 16))
    assert torch.allclose(made, torch.tensor(235.0), atol=1e-3)


def test_chroma_stays_on_its_luma_column() -> None:
    """A ramp drawn in luma and in left-sited chroma is the same ramp after scaling."""
    columns = np.arange(64, dtype=np.float32)
    luma = torch.from_numpy(np.tile(2 * columns + 40, (4, 1)))[None]
    chroma = luma[:, ::2, ::2]
    y, u, _ = resample_picture(
        (luma, chroma, chroma), "420", "bicubic", Fraction(2), ((8, 128), (4, 64), (4, 64))
    )
    inside = slice(8, -8)
    assert torch.allclose(u[0, 0, inside], y[0, 0, ::2][inside], atol=1e-3)


@pytest.mark.parametrize("kernel", ["nearest", "lanczos3"])
def test_frames_of_a_batch_do_not_touch_each_other(kernel: str) -> None:
    fmt = small_format(frames=3)
    large = small_format(width=48, height=36, frames=3)
    planes = to_tensors(noise(fmt), CPU)
    batch = resample_picture(planes, "420", kernel, Fraction(3, 2), large.plane_shapes)
    for n in range(3):
        alone = resample_picture(
            tuple(plane[n : n + 1] for plane in planes), "420", kernel, Fraction(3, 2),
            large.plane_shapes,
        )  # fmt: skip
        assert all(torch.equal(b[n : n + 1], a) for b, a in zip(batch, alone, strict=True))


def test_weights_lie_on_the_device_from_the_first_frame_on() -> None:
    plane = torch.rand(2, 9, 9)
    resample_axis(plane, 1, "bicubic", Fraction(7, 5), 12, Fraction(0))
    before = filter_bank.cache_info()
    resample_axis(plane, 1, "bicubic", Fraction(7, 5), 12, Fraction(0))
    after = filter_bank.cache_info()
    assert (after.hits, after.misses) == (before.hits + 1, before.misses)
    weights, _ = filter_bank("bicubic", Fraction(7, 5), Fraction(0), CPU, torch.float32)
    assert weights.dtype == torch.float32 and after.maxsize is not None


@pytest.mark.parametrize(
    ("scale", "simple"), [(Fraction(13333, 10000), "4/3"), (Fraction(10001, 2000), "5")]
)
def test_a_fraction_that_would_fill_the_memory_is_refused(scale: Fraction, simple: str) -> None:
    with pytest.raises(MethodError, match=f"by {scale}: take a fraction such as {simple}$"):
        resample_axis(torch.rand(1, 9, 9), 1, "lanczos3", scale, 12, Fraction(0))
