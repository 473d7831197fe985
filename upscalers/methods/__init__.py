"""The registry of methods. Each module of this package is one family and lists its `METHODS`.

A new method is a new module here; nothing else knows a method by name. Modules import nothing
heavy at the top, so that pages can list methods without loading torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from upscalers.core.clip import Part
from upscalers.core.errors import MethodError

if TYPE_CHECKING:
    import torch

    from upscalers.core.sequence import SequenceUpscaler
    from upscalers.core.upscaling import Upscaler


FAMILIES = ("classical", "network", "video", "external")


# By family: frames that one job makes of a clip (0: all), and how many it looks further. Recurrent
# networks take ten seconds of 60 frames in one go, so that what they remember reaches through them.
CHUNKS = {"classical": (0, 0), "network": (60, 0), "video": (600, 20), "external": (0, 0)}


@dataclass(frozen=True)
class Method:
    """One way of upscaling. `build` makes it ready to run on a device."""

    slug: str
    name: str
    family: str  # one of FAMILIES
    description: str
    licence: str
    citation: str
    build: Callable[[torch.device], Upscaler | SequenceUpscaler]
    scales: tuple[int, ...] | None = None  # its own; None: any
    weights_sha256: str = ""  # of the file the weights come in; "" for classical methods
    batch: int = 1  # frames at a time on a GPU
    parameters: int = 0
    flop_per_pixel: float = 0.0  # of the low-resolution picture; a multiply-add counts as two
    halo: int | None = None  # samples around a tile that its result depends on; None: all of them
    temporal: bool = False  # looks at the frames before and after
    chunk_frames: int | None = None  # how much of a clip is one job, if not as in CHUNKS
    overlap_frames: int | None = None  # computed before and after a chunk and left out, likewise
    runs_here: bool = True  # False: its PVSs are made elsewhere and uploaded

    def own_scale(self, scale: Fraction) -> int | None:
        """What the method itself does on the way to `scale`; a resampler does the rest.

        The least of its scales that reaches it, else its greatest. None for kernels: they need
        no resampler.
        """
        if scale <= 1:
            raise MethodError(f"{self.name} makes pictures larger: x{scale} does not")
        if not self.runs_here:
            raise MethodError(
                f"{self.name} does not run here: make its clips elsewhere and upload them"
            )
        if self.scales is None:
            return None
        return min((own for own in self.scales if own >= scale), default=max(self.scales))

    def __str__(self) -> str:
        return self.slug

    @property
    def overlap(self) -> int:
        return CHUNKS[self.family][1] if self.overlap_frames is None else self.overlap_frames

    def parts(self, frames: int) -> list[Part]:
        """How a clip is cut into jobs: the same for any number of workers."""
        length = CHUNKS[self.family][0] if self.chunk_frames is None else self.chunk_frames
        count = max(1, round(frames / (length or frames)))
        edges = [frames * number // count for number in range(count + 1)]
        return [Part(start, end - start) for start, end in pairwise(edges)]


def all_methods() -> dict[str, Method]:
    """Every method by its slug, classical ones first; those a lab added as they are now."""
    from upscalers.methods import lab

    return _listed(lab.folder(), lab.seen())


@lru_cache(maxsize=1)
def _listed(folder: Path, seen: object) -> dict[str, Method]:
    from upscalers.methods import lab

    found = dict(built_in())
    for method in lab.methods():
        found.setdefault(method.slug, method)  # a later version may have brought one of that name
    return dict(sorted(found.items(), key=lambda item: FAMILIES.index(item[1].family)))


@cache
def built_in() -> dict[str, Method]:
    """The methods that Midgrey itself brings."""
    found: dict[str, Method] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for method in importlib.import_module(f"{__name__}.{module}").METHODS:
            if method.slug in found:
                raise RuntimeError(f"two methods are called {method.slug}")
            found[method.slug] = method
    return found


def name_of(slug: str) -> str:
    """For people. A PVS outlives the method that made it: then its slug has to do."""
    method = all_methods().get(slug)
    return method.name if method else slug


def get_method(slug: str) -> Method:
    try:
        return all_methods()[slug]
    except KeyError:
        known = ", ".join(all_methods())
        raise MethodError(f"there is no method {slug!r}; there are {known}") from None
