"""Numbers about cost, as people read them; nothing where a number is not known."""

from __future__ import annotations

from django import template

from upscalers import costs
from upscalers.models import PVS

register = template.Library()


@register.filter
def digits(value: float | str | None) -> str:
    """Three of them: 0.0437, 4.37, 437, 4370. Templates give "" for what is not there."""
    if value is None or isinstance(value, str):
        return ""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:#.3g}".rstrip(".")


@register.filter
def count(value: int | None) -> str:
    """Of parameters: 410.7 k, 16.7 M."""
    if not value:
        return ""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return str(value)


@register.filter
def memory(value: float | None) -> str:
    """564 MB, 3.21 GB."""
    if not value:
        return ""
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


@register.filter
def joules_per_frame(pvs: PVS) -> float | None:
    return costs.joules_per_frame(pvs)
