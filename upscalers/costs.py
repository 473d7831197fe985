"""What methods cost in this lab: medians over its PVSs, of one setting so that they compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.db.models import Aggregate, Count, F, FloatField, Max
from django.db.models.functions import Cast

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
    measured: dict[Setting, dict[str, MethodCost]] = defaultdict(dict)
    for method, cost in _measured():
        measured[cost.setting][method] = cost
    if not measured:
        return LabCosts(None, {})

    def by_methods(setting: Setting) -> tuple[int, int, int]:
        made = measured[setting].values()
        return len(made), setting.width * setting.height, sum(cost.pvss for cost in made)

    common = max(measured, key=by_methods)
    costs: dict[str, MethodCost] = {}
    for method in {method for made in measured.values() for method in made}:
        own = [made[method] for made in measured.values() if method in made]
        cost = measured[common].get(method) or max(own, key=lambda cost: cost.pvss)
        costs[method] = replace(cost, apart=cost.setting.apart_from(common))
    return LabCosts(common, costs)


class Median(Aggregate):
    function = "percentile_cont"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def _measured() -> Iterator[tuple[str, MethodCost]]:
    """Each method in each setting, summed up by the database: a lab has very many PVSs."""
    frames = Cast("clip__frames", FloatField())
    measured = PVS.objects.filter(clip__isnull=False, wall_seconds__gt=0).order_by()
    groups = measured.values_list(
        "method", "clip__width", "clip__height", "low_resolution__scale", "device"
    ).annotate(
        Count("pk"), fps=Median(frames / F("wall_seconds")), gflop=Median("gflop_per_frame"),
        joules_per_frame=Median(F("joules") / frames), peak=Max("peak_memory_bytes"),
    )  # fmt: skip
    for method, width, height, scale, device, pvss, fps, gflop, joules, peak in groups:
        setting = Setting(width, height, scale, device)
        yield method, MethodCost(setting, pvss, fps, gflop, joules, peak or None)


def joules_per_frame(pvs: PVS) -> float | None:
    return None if pvs.joules is None or pvs.clip is None else pvs.joules / pvs.clip.frames
