"""The "real world" degradation: blur, resize, noise and compression, twice over, as in BSRGAN and
Real-ESRGAN, for clips. What is drawn from the seed holds for all frames; only noise is new in each.

Steps and ranges are told in docs/methods.md. Knows nothing of other degradations.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from math import ceil, cos, pi, sin
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from upscalers.core import colour
from upscalers.core.clip import SUBSAMPLING, ClipFormat, Planes
from upscalers.core.errors import ClipError
from upscalers.core.process import Ffmpeg, file_url
from upscalers.core.resample import resample_picture, single_threaded
from upscalers.core.video import read_frames

ORDERS = 2
BLUR_RADIUS = 10  # luma samples
SMALLEST = 64  # one block of HEVC: x265 is unsafe with less
RESIZERS = ("area", "bilinear", "bicubic")
ENCODERS = {
    # One thread, no choice by processor: the same frames make the same file on every machine.
    "H.264": ("libx264", "x264-params", "threads=1:cpu-independent=1"),
    "HEVC": (
        "libx265", "x265-params", "pools=none:frame-threads=1:lookahead-slices=0:log-level=error",
    ),
}  # fmt: skip
PRESET = "fast"


@dataclass(frozen=True)
class Blur:
    """exp(-(d^2)^beta / 2), d being the distance in sigmas along the two axes."""

    shape: str
    sigma: tuple[float, float]  # luma samples
    angle: float  # degrees
    beta: float  # 1: Gaussian

    def __str__(self) -> str:
        if self.sigma[0] == self.sigma[1]:
            form = f"sigma {self.sigma[0]}"
        else:
            form = f"sigma {self.sigma[0]} and {self.sigma[1]}, turned by {self.angle} degrees"
        return f"blur, {self.shape}, {form}" + (f", beta {self.beta}" if self.beta != 1 else "")


@dataclass(frozen=True)
class Noise:
    kind: str
    grey: bool
    strength: float  # standard deviation at white, in codes of 255

    def __str__(self) -> str:
        return f"{self.kind} noise, {'grey' if self.grey else 'colour'}, {self.strength} of 255"


@dataclass(frozen=True)
class Order:
    """One round. `scale` is what the picture measures after it, the source being 1."""

    blur: Blur | None
    resize: str
    scale: Fraction
    noise: Noise
    codec: str
    crf: int

    def steps(self) -> list[str]:
        return [
            *([str(self.blur)] if self.blur else []),
            f"resize to {self.scale} of the source, {self.resize}",
            str(self.noise),
            f"{self.codec}, CRF {self.crf}, preset {PRESET}",
        ]


@dataclass(frozen=True)
class Chain:
    seed: int
    orders: tuple[Order, ...]
    last_resize: str

    def recipe(self) -> dict[str, Any]:
        steps = [step for order in self.orders for step in order.steps()]
        drawn = json.loads(json.dumps(asdict(self), default=str))
        steps.append(f"resize to the final size, {self.last_resize}")
        return {"seed": self.seed, "steps": steps, "drawn": drawn}


def draw(seed: int, scale: Fraction) -> Chain:
    """The chain of a seed for a low-resolution version `scale` times smaller."""
    random = np.random.default_rng(seed)
    first = Order(
        blur=_draw_blur(random, min(3.0, 0.75 * float(scale))),
        resize=str(random.choice(RESIZERS)),
        scale=_draw_first_scale(random, scale),
        noise=_draw_noise(random, 15),
        codec="H.264",
        crf=int(random.integers(18, 33)),
    )
    second = Order(
        blur=_draw_blur(random, 1.5) if random.random() < 0.8 else None,
        resize=str(random.choice(RESIZERS)),
        scale=_draw_second_scale(random, scale),
        noise=_draw_noise(random, 10),
        codec="HEVC",
        crf=int(random.integers(20, 35)),
    )
    return Chain(seed, (first, second), str(random.choice(RESIZERS)))


def _draw_blur(random: np.random.Generator, most: float) -> Blur:
    shape = random.choice(["isotropic", "anisotropic", "generalised"], p=[0.5, 0.35, 0.15])
    one, other = (round(float(random.uniform(0.2, most)), 2) for _ in range(2))
    angle = round(float(random.uniform(0, 180)), 1)
    beta = round(float(random.uniform(0.5, 4)), 2)
    return Blur(
        str(shape), (one, one if shape == "isotropic" else other),
        0.0 if shape == "isotropic" else angle, beta if shape == "generalised" else 1.0,
    )  # fmt: skip


def _draw_first_scale(random: np.random.Generator, scale: Fraction) -> Fraction:
    """Sixteenths of the source: seldom larger, mostly smaller, never below the final size."""
    way = random.choice(["up", "down", "keep"], p=[0.2, 0.7, 0.1])
    up, down = int(random.integers(17, 21)), int(random.integers(ceil(16 / scale), 17))
    return Fraction({"up": up, "down": down, "keep": 16}[str(way)], 16)


def _draw_second_scale(random: np.random.Generator, scale: Fraction) -> Fraction:
    """Sixteenths of the final size."""
    way = random.choice(["up", "down", "keep"], p=[0.3, 0.4, 0.3])
    up, down = int(random.integers(17, 20)), int(random.integers(10, 16))
    return Fraction({"up": up, "down": down, "keep": 16}[str(way)], 16) / scale


def _draw_noise(random: np.random.Generator, most: float) -> Noise:
    return Noise(
        str(random.choice(["Gaussian", "Poisson"])),
        bool(random.random() < 0.4),
        round(float(random.uniform(1, most)), 1),
    )


def degraded(
    path: Path, fmt: ClipFormat, folder: Path, chain: Chain, tick: Callable[[], None]
) -> tuple[Path, ClipFormat, Fraction]:
    """The clip after both rounds: a compressed file in `folder`, its format, its scale."""
    seen, seen_format, seen_scale = path, fmt, Fraction(1)
    for number, order in enumerate(chain.orders):
        file = folder / f"{number}.mkv"
        made_format = _format_of(fmt, order.scale)
        apply = _Round(order, seen_format, made_format, order.scale / seen_scale)
        with (
            single_threaded(),
            torch.inference_mode(),
            closing(read_frames(seen, seen_format)) as frames,
            Ffmpeg(_encoding(file, made_format, order), stdin=True) as encoder,
        ):
            for index, planes in enumerate(frames):
                random = np.random.default_rng([chain.seed, number, index])
                for plane in apply(planes, random):
                    encoder.write(np.ascontiguousarray(plane).data.cast("B"))
                tick()
            if encoder.finish():
                raise ClipError(f"{order.codec} compression failed: {encoder.messages}")
        if number:
            seen.unlink()
        seen, seen_format, seen_scale = file, made_format, order.scale
    return seen, seen_format, seen_scale


def _format_of(fmt: ClipFormat, scale: Fraction) -> ClipFormat:
    """Rounded up to what encoders take; what is too much continues the edge, the grid is exact."""
    across, down = SUBSAMPLING[fmt.chroma]

    def side(length: int, shift: int) -> int:
        return max(SMALLEST, -(-ceil(length * scale) >> shift) << shift)

    return replace(fmt, width=side(fmt.width, across), height=side(fmt.height, down))


class _Round:
    """What one order does to a frame before its compression."""

    def __init__(self, order: Order, fmt: ClipFormat, made: ClipFormat, ratio: Fraction) -> None:
        self._order, self._fmt, self._made, self._ratio = order, fmt, made, ratio
        self._black = colour.from_rgb(torch.zeros(1, 3, made.height, made.width), made)

    def __call__(self, planes: Planes, random: np.random.Generator) -> Planes:
        tensors = colour.to_tensors([planes], torch.device("cpu"))
        if self._order.blur:
            across, down = SUBSAMPLING[self._fmt.chroma]
            kernels = (blur_kernel(self._order.blur, *step) for step in ((0, 0), (across, down)))
            luma, chroma = kernels
            tensors = tuple(
                _blurred(plane, chroma if index else luma) for index, plane in enumerate(tensors)
            )
        tensors = resample_picture(
            tensors, self._fmt.chroma, self._order.resize, self._ratio, self._made.plane_shapes
        )
        added = self._noise(tensors, random)
        noisy = tuple(t + n for t, n in zip(tensors, added, strict=True))
        return colour.to_frames(noisy, self._made)[0]

    def _noise(self, planes: tuple[Tensor, ...], random: np.random.Generator) -> tuple[Tensor, ...]:
        """What is added to the planes: noise is drawn in RGB, as a camera makes it."""
        noise, made = self._order.noise, self._made
        shape = (1, 1 if noise.grey else 3, made.height, made.width)
        drawn = torch.from_numpy(random.standard_normal(shape, dtype=np.float32))
        drawn *= noise.strength / 255
        if noise.kind == "Poisson":  # its variance grows with the signal
            signal = colour.to_rgb(planes, made)
            drawn *= (signal.mean(1, keepdim=True) if noise.grey else signal).clamp(0, 1).sqrt()
        codes = colour.from_rgb(drawn.expand(1, 3, -1, -1), made)
        return tuple(code - black for code, black in zip(codes, self._black, strict=True))


def blur_kernel(blur: Blur, across: int, down: int) -> Tensor:
    """Its weights on a plane that is 2^across, 2^down times coarser than luma."""
    columns, rows = (
        torch.arange(-(BLUR_RADIUS >> shift), (BLUR_RADIUS >> shift) + 1, dtype=torch.float64)
        * (1 << shift)
        for shift in (across, down)
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    turn = blur.angle * pi / 180
    along, aside = x * cos(turn) + y * sin(turn), y * cos(turn) - x * sin(turn)
    squared = (along / blur.sigma[0]) ** 2 + (aside / blur.sigma[1]) ** 2
    weights = torch.exp(-0.5 * squared**blur.beta)
    return (weights / weights.sum()).float()


def _blurred(plane: Tensor, kernel: Tensor) -> Tensor:
    """By Fourier transform, which is faster than 441 taps. Kernels are the same turned around."""
    rows, columns = kernel.shape
    padded = F.pad(
        plane[:, None], (columns // 2, columns // 2, rows // 2, rows // 2), mode="replicate"
    )
    size = padded.shape[-2:]
    product = torch.fft.rfft2(padded) * torch.fft.rfft2(kernel, s=size)
    filtered: Tensor = torch.fft.irfft2(product, s=size)
    return filtered[:, 0, rows - 1 :, columns - 1 :]


def _encoding(path: Path, fmt: ClipFormat, order: Order) -> Any:
    encoder, option, parameters = ENCODERS[order.codec]
    source = ffmpeg.input(
        "pipe:0", f="rawvideo", pixel_format=fmt.pix_fmt, framerate=str(fmt.rate),
        video_size=(fmt.width, fmt.height),
    )  # fmt: skip
    # As for masters: calling every clip limited keeps ffmpeg from converting full-range samples.
    video = source.video.filter(
        "setparams", range="tv", colorspace=fmt.matrix,
        color_primaries=fmt.primaries, color_trc=fmt.transfer,
    )  # fmt: skip
    return ffmpeg.output(
        video, file_url(path), format="matroska", fps_mode="passthrough",
        **{"c:v": encoder, "crf": order.crf, "preset": PRESET, option: parameters},
    )  # fmt: skip
