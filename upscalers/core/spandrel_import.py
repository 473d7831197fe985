"""Imports spandrel where torchvision is missing, of which its super-resolution uses nothing.

Two of its architectures (for inpainting and for faces) import torchvision; they get a stand-in for
as long as the import lasts, which fails with words if it is ever called.
"""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType
from typing import Any

from upscalers.core.errors import MethodError


@cache
def spandrel() -> Any:
    """The module."""
    try:
        import torchvision.transforms.functional  # noqa: F401

        return _imported()
    except (ImportError, RuntimeError):  # RuntimeError: it is built for another torch
        pass
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_torchvision(name)}
    sys.modules.update(_stand_ins())
    try:
        return _imported()
    finally:
        for name in _stand_ins():
            del sys.modules[name]
        sys.modules.update(hidden)


def _is_torchvision(name: str) -> bool:
    return name.split(".")[0] == "torchvision"


def _imported() -> Any:
    try:
        import spandrel as module
    except ImportError as error:
        raise MethodError(
            f"spandrel, which knows most networks, cannot be loaded ({error}); install it with: "
            "pip install --no-deps spandrel==0.4.2 einops==0.8.2"
        ) from None
    return module


def _stand_ins() -> dict[str, ModuleType]:
    package, transforms, functional = (
        ModuleType(f"torchvision{end}") for end in ("", ".transforms", ".transforms.functional")
    )
    package.__path__ = transforms.__path__ = []
    for name in ("normalize", "rotate", "InterpolationMode"):
        setattr(functional, name, _Absent(name))
    package.transforms, transforms.functional = transforms, functional  # type: ignore[attr-defined]
    return {module.__name__: module for module in (package, transforms, functional)}


class _Absent:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, part: str) -> _Absent:
        return _Absent(f"{self._name}.{part}")

    def __call__(self, *_: object, **__: object) -> None:
        raise MethodError(f"this network needs {self._name} of torchvision, which is not installed")
