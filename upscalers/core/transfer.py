"""Frames between host and device. On a GPU copies run beside the computing; a CPU needs none.

Knows samples and streams; what is computed between the two ways it does not know.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from upscalers.core import colour
from upscalers.core.clip import ClipFormat, Planes

Tensors = tuple[Tensor, ...]
Finish = Callable[[], list[Planes]]


class Transfer:
    """For a CPU, and the interface of the other."""

    in_flight = 0  # batches whose results need not have been fetched when the next one starts

    def up(self, frames: list[Planes]) -> Tensors:
        """The frames' codes, stacked, on the device; called in the thread that reads them."""
        return colour.stacked(frames)

    def taken(self, codes: Tensors) -> Tensors:
        """Call this in the computing thread before the codes are used there."""
        return codes

    def down(self, codes: Tensors, fmt: ClipFormat) -> Finish:
        """Begin to fetch codes; the outcome waits for them and gives the frames."""
        return lambda: colour.unstacked(codes, fmt)

    def mark(self) -> Any:
        """A moment of the device's work, for `seconds`."""
        return time.perf_counter()

    def seconds(self, began: Any, ended: Any) -> float:
        """Between two marks; on a GPU once the frames in between have been fetched."""
        return float(ended - began)


class CudaTransfer(Transfer):
    """A stream for each direction, and page-locked memory, which torch keeps for reuse."""

    in_flight = 1

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._up = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._down = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def up(self, frames: list[Planes]) -> Tensors:
        with torch.cuda.stream(self._up):
            locked = [codes.pin_memory() for codes in colour.stacked(frames)]
            codes = tuple(each.to(self._device, non_blocking=True) for each in locked)
        self._up.synchronize()  # only the reading thread waits
        return codes

    def taken(self, codes: Tensors) -> Tensors:
        for each in codes:  # else their memory could be given to the next batch too early
            each.record_stream(torch.cuda.current_stream(self._device))
        return codes

    def down(self, codes: Tensors, fmt: ClipFormat) -> Finish:
        self._down.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._down):
            locked = tuple(
                torch.empty(each.shape, dtype=each.dtype, pin_memory=True) for each in codes
            )
            for host, each in zip(locked, codes, strict=True):
                host.copy_(each, non_blocking=True)
                each.record_stream(self._down)
            fetched = self._down.record_event()

        def finish() -> list[Planes]:
            fetched.synchronize()
            return colour.unstacked(locked, fmt)

        return finish

    def mark(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event

    def seconds(self, began: Any, ended: Any) -> float:
        return float(began.elapsed_time(ended)) / 1000


def transfer_for(device: torch.device) -> Transfer:
    return CudaTransfer(device) if device.type == "cuda" else Transfer()
