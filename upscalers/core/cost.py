"""What making a clip costs: time, energy and memory of the process and device that make it."""

from __future__ import annotations

import resource
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from upscalers.core.clip import ClipFormat

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Cost:
    """Joules are None where nothing counts them; memory is the card's, else the process's."""

    frames: int
    wall_s: float
    device_s: float
    joules: float | None
    peak_memory_bytes: int

    @property
    def fps(self) -> float:
        return self.frames / self.wall_s if self.wall_s else 0.0


def gflop_per_frame(flop_per_pixel: float, fmt: ClipFormat) -> float | None:
    """For a low-resolution picture of that format; None where it is not known."""
    return flop_per_pixel * fmt.width * fmt.height / 1e9 or None


class Meter:
    """Begins to measure when it is made."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats(device)
        else:
            _forget_peak()
        self._energy = _millijoules(device)
        self._began = time.perf_counter()

    def read(self, device_s: float, frames: int) -> Cost:
        wall_s = time.perf_counter() - self._began
        before, after = self._energy, _millijoules(self._device)
        known = before is not None and after is not None
        return Cost(
            frames=frames,
            wall_s=wall_s,
            device_s=device_s,
            joules=(after - before) / 1000 if known else None,  # type: ignore[operator]
            peak_memory_bytes=self._peak(),
        )

    def _peak(self) -> int:
        if self._device.type == "cuda":
            import torch

            return torch.cuda.max_memory_allocated(self._device)
        with suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _forget_peak() -> None:
    """Linux then counts the peak of this process from here on; elsewhere it is that of its life."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _millijoules(device: torch.device) -> int | None:
    """The card's own counter of energy since its driver was loaded (NVML), where it has one.

    Of the whole card: what else runs on it counts too.
    """
    if device.type != "cuda":
        return None
    try:
        import pynvml
        import torch

        pynvml.nvmlInit()
        properties = torch.cuda.get_device_properties(device)
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
        return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    except Exception:
        # An old card or driver, or one that does not tell: energy stays unknown.
        return None
