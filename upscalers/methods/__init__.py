"""The registry of methods. Each module of this package is one family and lists its `METHODS`.

A new method is a new module here; nothing else knows a method by name. Modules import nothing
heavy at the top, so that pages can list methods without loading torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from upscalers.core.errors import MethodError

if TYPE_CHECKING:
    import torch

    from upscalers.core.upscaling import Upscaler


@dataclass(frozen=True)
class Method:
    """One way of upscaling. `build` makes it ready to run on a device."""

    slug: str
    name: str
    family: str  # "classical" or "network"
    description: str
    licence: str
    citation: str
    build: Callable[[torch.device], Upscaler]
    scales: tuple[int, ...] | None = None  # None: any whole number
    weights_sha256: str = ""  # of the file the weights come in; "" for classical methods
    batch: int = 1  # frames at a time on a GPU

    def check_scale(self, scale: int) -> None:
        if scale < 2 or (self.scales is not None and scale not in self.scales):
            able = "any whole number from 2" if self.scales is None else _listed(self.scales)
            raise MethodError(f"{self.name} does not upscale by {scale}; it does by {able}")


def _listed(scales: tuple[int, ...]) -> str:
    return " and ".join(str(scale) for scale in scales)


@cache
def all_methods() -> dict[str, Method]:
    """Every method by its slug, classical ones first."""
    found: dict[str, Method] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for method in importlib.import_module(f"{__name__}.{module}").METHODS:
            if method.slug in found:
                raise RuntimeError(f"two methods are called {method.slug}")
            found[method.slug] = method
    return dict(sorted(found.items(), key=lambda item: item[1].family != "classical"))


def get_method(slug: str) -> Method:
    try:
        return all_methods()[slug]
    except KeyError:
        known = ", ".join(all_methods())
        raise MethodError(f"there is no method {slug!r}; there are {known}") from None
