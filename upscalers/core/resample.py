"""Separable resampling kernels for planes, from nearest to spline36, in torch.

Sample positions are those of video: pixel centres, 4:2:0 and 4:2:2 chroma sited left. Edges are
continued with their last sample. Shrinking widens the kernel, so that it does not alias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from math import ceil, floor

import torch
import torch.nn.functional as F
from torch import Tensor

from upscalers.core.clip import SUBSAMPLING
from upscalers.core.errors import MethodError


@dataclass(frozen=True)
class Kernel:
    """A shape of weights over the distance, which counts in samples of the coarser grid.

    `weight` also takes how many samples of the input that is; only `area` asks.
    """

    name: str
    support: float
    weight: Callable[[Tensor, float], Tensor]


def _nearest(x: Tensor, stretch: float) -> Tensor:
    return ((x >= -0.5) & (x < 0.5)).double()


def _bilinear(x: Tensor, stretch: float) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _bicubic(x: Tensor, stretch: float, a: float) -> Tensor:
    """Keys' cubic convolution; a = -0.5 is the one that reproduces quadratics."""
    x = x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _lanczos(x: Tensor, stretch: float, lobes: int) -> Tensor:
    inside = torch.sinc(x) * torch.sinc(x / lobes)
    return torch.where(x.abs() < lobes, inside, torch.zeros_like(x))


def _spline36(x: Tensor, stretch: float) -> Tensor:
    """Dersch's cubic spline over six samples."""
    x = x.abs()
    near = ((13 / 11 * x - 453 / 209) * x - 3 / 209) * x + 1
    y = x - 1
    middle = ((-6 / 11 * y + 270 / 209) * y - 156 / 209) * y
    z = x - 2
    far = ((1 / 11 * z - 45 / 209) * z + 26 / 209) * z
    outer = torch.where(x < 2, middle, torch.where(x < 3, far, torch.zeros_like(x)))
    return torch.where(x < 1, near, outer)


def _area(x: Tensor, stretch: float) -> Tensor:
    """How much of an input sample lies within the output sample."""
    return ((0.5 - x.abs()) * stretch + 0.5).clamp(0, 1)


GAUSSIAN_SIGMA = 0.4
MOST_WEIGHTS = 1 << 24  # of a filter bank; scales that are used need thousands


def _gaussian(x: Tensor, stretch: float) -> Tensor:
    return torch.exp(-0.5 * (x / GAUSSIAN_SIGMA) ** 2)


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel("nearest", 0.5, _nearest),
        Kernel("bilinear", 1.0, _bilinear),
        Kernel("bicubic", 2.0, partial(_bicubic, a=-0.5)),
        Kernel("bicubic-075", 2.0, partial(_bicubic, a=-0.75)),
        Kernel("lanczos2", 2.0, partial(_lanczos, lobes=2)),
        Kernel("lanczos3", 3.0, partial(_lanczos, lobes=3)),
        Kernel("lanczos4", 4.0, partial(_lanczos, lobes=4)),
        Kernel("spline36", 3.0, _spline36),
        Kernel("area", 1.0, _area),  # for shrinking
        Kernel("gaussian", 4 * GAUSSIAN_SIGMA, _gaussian),  # for shrinking
    )
}


@contextmanager
def single_threaded() -> Iterator[None]:
    """Small planes are not worth more threads, which stall each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=32)  # on the device, for which each copy would be a wait
def filter_bank(
    kernel: str, scale: Fraction, shift: Fraction, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, int]:
    """One row of weights per phase, and the input sample that the first weight applies to.

    Output sample i lies at input position (i + 1/2) / scale - 1/2 + shift. With scale p/q there
    are p phases; each next group of p outputs starts q inputs further on.
    """
    shape = KERNELS[kernel]
    if scale.numerator * scale.denominator > MOST_WEIGHTS:
        simple = scale.limit_denominator(64)
        raise MethodError(
            f"a picture cannot be scaled by {scale}: take a fraction such as {simple}"
        )
    stretch = max(Fraction(1), 1 / scale)
    reach = Fraction(shape.support) * stretch
    centres = [
        (phase + Fraction(1, 2)) / scale - Fraction(1, 2) + shift
        for phase in range(scale.numerator)
    ]
    first = ceil(min(centres) - reach)
    last = floor(max(centres) + reach)
    taps = torch.arange(first, last + 1, dtype=torch.float64)
    distances = torch.tensor([float(c) for c in centres], dtype=torch.float64)[:, None] - taps
    weights = shape.weight(distances / float(stretch), float(stretch))
    used = weights.abs().amax(0).nonzero().flatten()
    weights = weights[:, used[0] : used[-1] + 1]
    weights /= weights.sum(1, keepdim=True)
    return weights.to(device, dtype), first + int(used[0])


def resample_axis(
    planes: Tensor, axis: int, kernel: str, scale: Fraction, size: int, shift: Fraction
) -> Tensor:
    """Resample (n, rows, columns) floats along axis 1 or 2 to `size` samples."""
    if scale == 1 and shift == 0 and size == planes.shape[axis]:
        return planes
    if axis == 1:
        return _resample_rows(planes, kernel, scale, size, shift)
    turned = planes.transpose(1, 2).contiguous()  # so that whole rows are weighed at once
    return _resample_rows(turned, kernel, scale, size, shift).transpose(1, 2).contiguous()


def _resample_rows(
    planes: Tensor, kernel: str, scale: Fraction, size: int, shift: Fraction
) -> Tensor:
    weights, first = filter_bank(kernel, scale, shift, planes.device, planes.dtype)
    phases, taps = weights.shape
    step = scale.denominator
    groups = -(-size // phases)
    after = step * (groups - 1) + first + taps - planes.shape[1]
    if taps == 1 and step == 1 and first == 0 and after <= 0:  # nearest: nothing to weigh
        return planes.repeat_interleave(phases, 1)[:, :size]
    # A negative pad cuts samples off that no output needs.
    padded = F.pad(planes[:, None], (0, 0, -first, after), mode="replicate")[:, 0].contiguous()
    columns = planes.shape[2]
    made = planes.new_empty((len(planes), groups, phases, columns))
    bank = weights.expand(groups, -1, -1)
    for plane, result in zip(padded, made, strict=True):
        # Each group of outputs takes its own few rows; they overlap, and are not copied.
        windows = plane.as_strided((groups, taps, columns), (step * columns, columns, 1))
        torch.bmm(bank, windows, out=result)
    return made.reshape(len(planes), -1, columns)[:, :size]


def left_siting(scale: Fraction) -> Fraction:
    """How far left-sited chroma moves against pixel centres when a picture is scaled.

    Chroma sample i lies on luma column 2i, a quarter chroma sample left of the middle.
    """
    return Fraction(1, 4) * (1 - 1 / scale)


def resample_picture(
    planes: tuple[Tensor, ...],
    chroma: str,
    kernel: str,
    scale: Fraction,
    shapes: tuple[tuple[int, int], ...],
) -> tuple[Tensor, ...]:
    """Scale Y, U and V (each n, rows, columns; floats) to `shapes`, chroma staying in place."""
    across, _ = SUBSAMPLING[chroma]
    result = []
    for index, (plane, (rows, columns)) in enumerate(zip(planes, shapes, strict=True)):
        shift = left_siting(scale) if index and across else Fraction(0)
        sides = [(1, rows, Fraction(0)), (2, columns, shift)]
        for axis, size, moved in sides if scale < 1 else sides[::-1]:  # the cheaper way round
            plane = resample_axis(plane, axis, kernel, scale, size, moved)
        result.append(plane)
    return tuple(result)
