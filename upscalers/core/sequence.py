"""Recurrent networks over a whole clip, in both directions, in memory that does not grow with it.

Frames and the features of the backward pass lie in unnamed files, one record each, which vanish
with the process, however it ends. Where a clip is read from and written to is the engine's.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import prod
from pathlib import Path
from types import TracebackType
from typing import cast

import torch
from torch import Tensor

from upscalers.core import colour
from upscalers.core.accelerate import precision, prepared
from upscalers.core.basicvsr import CLEAN_ENOUGH, CLEANINGS, BasicVSR, Spynet
from upscalers.core.clip import ClipFormat, Planes
from upscalers.core.errors import MethodError
from upscalers.core.upscaling import fitted

# Told after each frame of each pass: how many of how many steps are done. May raise.
OnStep = Callable[[int, int], None]


class Spool:
    """Tensors of one shape in a file on disk, each of which can be replaced."""

    def __init__(
        self, folder: Path, count: int, shape: tuple[int, ...], dtype: torch.dtype
    ) -> None:
        self._shape, self._dtype = shape, dtype
        self._bytes = prod(shape) * dtype.itemsize
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        try:  # now, rather than in an hour
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file.fileno(), 0, count * self._bytes)
        except OSError as error:
            self._file.close()
            raise MethodError(
                f"{count * self._bytes / 1e9:.1f} GB are needed in {folder} while this method "
                f"works ({error.strerror}): free space there, or use a shorter or smaller clip"
            ) from None

    def __setitem__(self, number: int, tensor: Tensor) -> None:
        data = tensor.detach().to("cpu", self._dtype).contiguous().numpy().data.cast("B")
        self._file.seek(number * self._bytes)
        self._file.write(data)

    def __getitem__(self, number: int) -> Tensor:
        buffer = bytearray(self._bytes)
        self._file.seek(number * self._bytes)
        self._file.readinto(buffer)
        return torch.frombuffer(buffer, dtype=self._dtype).view(self._shape)

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


class SequenceUpscaler:
    """What the engine calls for a method that looks at the frames before and after."""

    can_tile = False

    def __init__(self, network: BasicVSR, device: torch.device) -> None:
        self.device, self.scale = device, network.scale
        self.dtype = precision(device)
        flow = network.spynet
        del network.spynet  # it stays in single precision: half is too coarse for places
        self.network = cast(BasicVSR, prepared(network, device))
        self.network.spynet = cast(Spynet, prepared(flow, device, half_ok=False))

    def use_single_precision(self) -> bool:
        """Whether that may help: False if it computes in single precision already."""
        if self.dtype == torch.float32:
            return False
        self.network, self.dtype = self.network.float(), torch.float32
        return True

    @torch.inference_mode()
    def run(
        self,
        frames: Iterator[Planes],
        fmt: ClipFormat,
        large: ClipFormat,
        scale: Fraction,
        folder: Path,
        on_step: OnStep,
        sample: Iterable[Planes] | None = None,
    ) -> Iterator[Planes]:
        """Upscale the `fmt.frames` frames; `folder` holds what would not fit into memory.

        If they are but a part of a clip, `sample` is a few frames of all of it. An OverflowError
        says that half precision does not do.
        """
        count, size = fmt.frames, (fmt.height, fmt.width)
        steps = _Steps(count * (2 + (CLEANINGS if self.network.image_cleaning else 0)), on_step)
        with (
            Spool(folder, count, (3, *size), self.dtype) as pictures,
            Spool(folder, count, (self.network.channels, *size), self.dtype) as features,
        ):
            for number, planes in enumerate(frames):
                pictures[number] = self._rgb(planes, fmt)
                steps.wait()
            if self.network.image_cleaning:
                rounds = None if sample is None else self._rounds(sample, fmt, steps)
                self._clean(pictures, count, rounds, steps)
            self._look_back(pictures, features, count, steps)
            before = ahead = None
            for number in range(count):
                frame = self._on_device(pictures[number])
                ahead = self.network.look_ahead(frame, before, ahead)
                back = self._on_device(features[number])
                yield self._planes(self.network.enlarged(frame, back, ahead), large, scale)
                before = frame
                steps.done()

    def _rounds(self, sample: Iterable[Planes], fmt: ClipFormat, steps: _Steps) -> int:
        """How often to clean, so that all parts of a clip are cleaned alike."""
        frames = [self._on_device(self._rgb(planes, fmt).to(self.dtype)) for planes in sample]
        for round_ in range(1, CLEANINGS):
            changed = 0.0
            for number, frame in enumerate(frames):
                residue = self.network.residue(frame)
                frames[number] = frame + residue
                changed += float(residue.float().abs().mean())
                steps.wait()
            if changed / len(frames) < CLEAN_ENOUGH:
                return round_
        return CLEANINGS

    def _clean(self, pictures: Spool, count: int, rounds: int | None, steps: _Steps) -> None:
        """So many times, or as published: until it changes the frames by little on average."""
        for round_ in range(1, CLEANINGS + 1):
            changed = 0.0
            for number in range(count):
                frame = self._on_device(pictures[number])
                residue = self.network.residue(frame)
                pictures[number] = (frame + residue)[0]
                changed += float(residue.float().abs().mean())
                steps.done()
            if round_ == rounds or (rounds is None and changed / count < CLEAN_ENOUGH):
                steps.skip(count * (CLEANINGS - round_))
                return

    def _look_back(self, pictures: Spool, features: Spool, count: int, steps: _Steps) -> None:
        after = back = None
        for number in reversed(range(count)):
            frame = self._on_device(pictures[number])
            back = self.network.look_back(frame, after, back)
            features[number] = _finite(back)[0]
            after = frame
            steps.done()

    def _rgb(self, planes: Planes, fmt: ClipFormat) -> Tensor:
        rgb = colour.to_rgb(colour.to_tensors([planes], self.device), fmt)
        return rgb[0].clamp_(0, 1)

    def _planes(self, rgb: Tensor, large: ClipFormat, scale: Fraction) -> Planes:
        made = fitted(_finite(rgb).float(), self.scale, scale, large)
        return colour.to_frames(colour.from_rgb(made, large), large)[0]

    def _on_device(self, tensor: Tensor) -> Tensor:
        return tensor[None].to(self.device, memory_format=torch.channels_last)


def _finite(tensor: Tensor) -> Tensor:
    if not tensor.isfinite().all():
        raise OverflowError("the network makes values that are no numbers")
    return tensor


class _Steps:
    """Counts what is done of all passes; cleaning may turn out to need fewer."""

    def __init__(self, total: int, on_step: OnStep) -> None:
        self._total, self._on_step, self._done = total, on_step, 0

    def done(self) -> None:
        self.skip(1)

    def skip(self, count: int) -> None:
        self._done += count
        self.wait()

    def wait(self) -> None:
        """Nothing is done yet, but the work may be asked to stop."""
        self._on_step(self._done, self._total)
