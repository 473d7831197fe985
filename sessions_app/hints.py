"""Where the planner's quality hints come from: an app above offers them, none needs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from upscalers.models import PVS

_provider: Callable[[Iterable[PVS]], dict[int, float]] | None = None


def provide(provider: Callable[[Iterable[PVS]], dict[int, float]]) -> None:
    """`provider` gives a number per PVS id, higher is better, for those it knows."""
    global _provider
    _provider = provider


def quality_of(pvss: Iterable[PVS]) -> dict[int, float]:
    return _provider(pvss) if _provider else {}
