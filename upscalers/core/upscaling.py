"""What a method does to a batch of frames, on one device: a kernel on planes, a network on RGB.

Whole batches in, whole batches out; files, threads and lack of memory are the engine's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import torch
from torch import Tensor, nn

from upscalers.core import colour
from upscalers.core.accelerate import Runner, precision, prepared
from upscalers.core.clip import ClipFormat
from upscalers.core.resample import resample_axis, resample_picture, single_threaded

Tensors = tuple[Tensor, ...]

# What takes a network's picture from the network's own scale to the one that is wanted.
RESAMPLER = "lanczos3"
LARGE_PICTURE = 1280 * 720


@dataclass
class Portion:
    """What is worked on at once: so many frames, and of each a tile with sides of that length."""

    frames: int = 1
    tile: int | None = None


class Upscaler(Protocol):
    can_tile: bool

    def __call__(
        self, planes: Tensors, fmt: ClipFormat, large: ClipFormat, scale: Fraction, tile: int | None
    ) -> Tensors:
        """Scale float planes of the clip's codes by `scale`, cut off to the size of `large`."""

    def portion(self, fmt: ClipFormat, frames: int) -> Portion:
        """What to begin with: `frames` unless it knows better. The caller's changes are kept."""

    def overflowed(self) -> bool:
        """Whether something came out since the last call that is no number."""

    def use_single_precision(self) -> bool:
        """Whether that may help: False if it computes in single precision already."""


def resampler_after(own: int, scale: Fraction) -> str:
    """How the result of a network of scale `own` is brought to `scale`: "" if it is that."""
    return "" if own == scale else f"{RESAMPLER} {scale / own}"


class KernelUpscaler:
    can_tile = False

    def __init__(self, kernel: str) -> None:
        self.kernel = kernel

    def __call__(
        self, planes: Tensors, fmt: ClipFormat, large: ClipFormat, scale: Fraction, tile: int | None
    ) -> Tensors:
        with single_threaded():  # threads only get in each other's way on work this small
            return resample_picture(planes, fmt.chroma, self.kernel, scale, large.plane_shapes)

    def portion(self, fmt: ClipFormat, frames: int) -> Portion:
        return Portion(frames)

    def overflowed(self) -> bool:
        return False  # weighted means of finite codes

    def use_single_precision(self) -> bool:
        return False


class NetworkUpscaler:
    """A network on RGB, between the conversions; `fitted` brings its picture to size."""

    tile: int | None = None  # what larger pictures are cut into even if memory is not short

    def __init__(
        self,
        network: nn.Module,
        scale: int,
        halo: int | None,  # None: tiles would show
        device: torch.device,
        half_ok: bool = True,
    ) -> None:
        self.scale, self.halo, self.can_tile = scale, halo or 0, halo is not None
        self._device = device
        self._portions: dict[tuple[int, int], Portion] = {}
        self._prepare(network, half_ok)

    def _prepare(self, network: nn.Module, half_ok: bool) -> None:
        self.dtype = precision(self._device, half_ok)
        self.network = prepared(network, self._device, half_ok)
        self._runner = Runner(self.network, self._device)
        self._sum = torch.zeros((), device=self._device)

    def __call__(
        self, planes: Tensors, fmt: ClipFormat, large: ClipFormat, scale: Fraction, tile: int | None
    ) -> Tensors:
        # Networks are trained on 0..1; codes beyond black and white would be strange to them.
        rgb = colour.to_rgb(planes, fmt).clamp_(0, 1)
        rgb = rgb.to(self.dtype, memory_format=torch.channels_last)
        made = (self.run(rgb) if tile is None else self.run_tiled(rgb, tile)).float()
        self._sum = self._sum + made.mean()  # looked at in the end: looking makes a GPU wait
        return colour.from_rgb(fitted(made, self.scale, scale, large), large)

    def portion(self, fmt: ClipFormat, frames: int) -> Portion:
        pixels = fmt.width * fmt.height
        if (fmt.width, fmt.height) not in self._portions:
            tile = self.tile if pixels > LARGE_PICTURE else None
            arrange: Callable[[int], int] | None = getattr(self.network, "arrange", None)
            frames = arrange(tile**2 if tile else pixels) if arrange else frames
            self._portions[fmt.width, fmt.height] = Portion(frames, tile)
        return self._portions[fmt.width, fmt.height]

    def overflowed(self) -> bool:
        finite = bool(self._sum.isfinite())
        self._sum = torch.zeros_like(self._sum)
        return not finite

    def use_single_precision(self) -> bool:
        if self.dtype == torch.float32:
            return False
        self._prepare(self.network.float(), half_ok=False)
        return True

    def run(self, rgb: Tensor) -> Tensor:
        return self._runner(rgb)

    @property
    def execution(self) -> str:
        return self._runner.execution

    def run_tiled(self, rgb: Tensor, tile: int) -> Tensor:
        """The same result from tiles that see as far around as the network does."""
        count, _, rows, columns = rgb.shape
        scale = self.scale
        result = rgb.new_empty((count, 3, rows * scale, columns * scale))
        for top in range(0, rows, tile):
            for left in range(0, columns, tile):
                bottom, right = min(top + tile, rows), min(left + tile, columns)
                y, x = max(0, top - self.halo), max(0, left - self.halo)
                seen = rgb[:, :, y : bottom + self.halo, x : right + self.halo]
                made = self.run(seen.contiguous(memory_format=torch.channels_last))
                result[:, :, top * scale : bottom * scale, left * scale : right * scale] = made[
                    :,
                    :,
                    (top - y) * scale : (bottom - y) * scale,
                    (left - x) * scale : (right - x) * scale,
                ]
        return result


def fitted(rgb: Tensor, own: int, scale: Fraction, large: ClipFormat) -> Tensor:
    """A picture made at a network's own scale, resampled where need be and cut off to size."""
    rows, columns = large.height, large.width
    if own != scale:
        rest, count = scale / own, len(rgb)
        flat = rgb.flatten(0, 1)  # resampling takes planes
        flat = resample_axis(flat, 1, RESAMPLER, rest, rows, Fraction(0))
        flat = resample_axis(flat, 2, RESAMPLER, rest, columns, Fraction(0))
        rgb = flat.reshape(count, 3, rows, columns)
    return rgb[:, :, :rows, :columns].clamp(0, 1)
