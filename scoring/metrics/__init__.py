"""The registry of objective metrics. Each module of this package lists its `METRICS`.

A new metric that libvmaf computes is a new module here with a descriptor; nothing else knows a
metric by name. A metric's variant is part of its description, because "SSIM" alone is not one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

Logged = Mapping[str, float | None]  # one frame's line of the log, by libvmaf's names


@dataclass(frozen=True)
class Metric:
    slug: str
    name: str
    unit: str
    higher_is_better: bool
    description: str  # which variant, exactly
    pooled: str  # how the frames' values become the clip's
    value: Callable[[Logged, int], float | None]  # of a frame, given the bit depth
    feature: str = ""  # what libvmaf is asked for
    model: str = ""
    smallest: int = 16  # width and height below which it is not defined, or crashes
    sdr_only: bool = False

    @property
    def direction(self) -> str:
        return "Higher is better." if self.higher_is_better else "Lower is better."


@dataclass(frozen=True)
class MetricValues:
    """A metric of one clip against its reference; None where a frame has no finite value."""

    slug: str
    values: list[float | None]
    mean: float | None
    note: str = ""


@cache
def all_metrics() -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for metric in getattr(importlib.import_module(f"{__name__}.{module}"), "METRICS", ()):
            if metric.slug in found:
                raise RuntimeError(f"two metrics are called {metric.slug}")
            found[metric.slug] = metric
    return found


from scoring.metrics.measure import measure  # noqa: E402  (needs the types above)

__all__ = ["Logged", "Metric", "MetricValues", "all_metrics", "measure"]
