"""What methods cost in this lab: medians over its PVSs, of one setting so that they compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from upscalers.models import PVS


@dataclass(frozen=True)
class Setting:
    """What the cost of a method depends on besides the method."""

    width: int
    height: int
    scale: float
    device: str

    def __str__(self) -> str:
        return f"{self.size} on {self.device}"

    @property
    def size(self) -> str:
        return f"{self.width}×{self.height} x{self.scale:g}"

    def apart_from(self, other: Setting) -> str:
        """What differs, for who compares the two."""
        differs = [] if self.size == other.size else [self.size]
        return " · ".join(differs + ([] if self.device == other.device else [self.device]))


@dataclass(frozen=True)
class MethodCost:
    setting: Setting
    pvss: int
    fps: float
    gflop_per_frame: float | None
    joules_per_frame: float | None
    peak_memory_bytes: int | None
    apart: str = ""  # in what its setting differs from the common one


@dataclass(frozen=True)
class LabCosts:
    setting: Setting | None
    by_method: dict[str, MethodCost]


def lab_costs() -> LabCosts:
    """In the setting that most methods have been run in, of equals the one with most samples.

    A method without a PVS there is given in the one of its own that it was run in most.
    """
    measured = PVS.objects.filter(clip__isnull=False, wall_seconds__gt=0)
    groups: dict[Setting, dict[str, list[PVS]]] = defaultdict(lambda: defaultdict(list))
    for pvs in measured.select_related("clip", "low_resolution"):
        groups[_setting(pvs)][pvs.method].append(pvs)
    if not groups:
        return LabCosts(None, {})

    def by_methods(setting: Setting) -> tuple[int, int, int]:
        made = groups[setting]
        return len(made), setting.width * setting.height, sum(map(len, made.values()))

    common = max(groups, key=by_methods)
    costs: dict[str, MethodCost] = {}
    for method in {method for made in groups.values() for method in made}:
        own = [setting for setting in groups if method in groups[setting]]
        setting = common if common in own else max(own, key=lambda s: len(groups[s][method]))
        costs[method] = _cost(setting, groups[setting][method], common)
    return LabCosts(common, costs)


def _setting(pvs: PVS) -> Setting:
    assert pvs.clip is not None
    return Setting(pvs.clip.width, pvs.clip.height, pvs.low_resolution.scale, pvs.device)


def _cost(setting: Setting, pvss: list[PVS], common: Setting) -> MethodCost:
    return MethodCost(
        setting, len(pvss),
        fps=median(pvs.frames_per_second or 0.0 for pvs in pvss),
        gflop_per_frame=_median(pvs.gflop_per_frame for pvs in pvss),
        joules_per_frame=_median(joules_per_frame(pvs) for pvs in pvss),
        peak_memory_bytes=max(pvs.peak_memory_bytes or 0 for pvs in pvss) or None,
        apart=setting.apart_from(common),
    )  # fmt: skip


def joules_per_frame(pvs: PVS) -> float | None:
    return None if pvs.joules is None or pvs.clip is None else pvs.joules / pvs.clip.frames


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
