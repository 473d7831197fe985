"""Low-resolution versions of a source: shrunk by a kernel, or sent through the "real world" chain.

The low-resolution grid is exactly `scale` times coarser than the source's, its first sample
centred on the first `scale` samples; what is left at the right and bottom becomes a whole sample.
Planes are filtered at their own bit depth in the clip's own transfer; chroma keeps its place.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from upscalers.core.clip import ClipFormat, OnProgress, ShouldStop, ticker
from upscalers.core.errors import ClipError
from upscalers.core.video import ClipWriter, read_frames

MAX_SCALE = 8
FINEST = 64  # greatest denominator of a scale
KERNELS = {
    "bicubic": ("Bicubic", "bicubic with a = -0.5, widened against aliasing"),
    "lanczos3": ("Lanczos", "Lanczos with three lobes, widened against aliasing"),
    "area": ("Area average", "the average of the source's samples within each sample"),
    "gaussian": ("Gaussian blur", "Gaussian blur of 0.4 low-resolution samples, then subsampled"),
}
REAL_WORLD = re.compile(r"real-world-(0|[1-9]\d{0,8})")


def exact_scale(scale: Fraction | float) -> Fraction:
    """The simple fraction that is meant: 1.3333 is 4/3."""
    exact = Fraction(scale).limit_denominator(FINEST)
    if not 1 < exact <= MAX_SCALE:
        raise ClipError(
            f"a low-resolution version is more than 1 and at most {MAX_SCALE} times smaller, "
            f"not {float(scale):g}"
        )
    return exact


def low_format(fmt: ClipFormat, scale: Fraction | float) -> ClipFormat:
    """The format of the low-resolution version: what is part of a sample becomes a whole one."""
    exact = exact_scale(scale)
    return replace(fmt, width=ceil(fmt.width / exact), height=ceil(fmt.height / exact))


def parse_degradation(slug: str) -> int | None:
    """The seed of a real-world chain, None for a kernel; refuses anything else."""
    if slug in KERNELS:
        return None
    match = REAL_WORLD.fullmatch(slug)
    if match is None:
        raise ClipError(
            f"a low-resolution version is made by {', '.join(KERNELS)} or real-world-SEED, where "
            f"SEED is a number such as 7, not by {slug!r}"
        )
    return int(match[1])


def degradation_name(slug: str) -> str:
    """For people."""
    if slug == "recorded":
        return "Recorded"
    seed = parse_degradation(slug)
    return KERNELS[slug][0] if seed is None else f"Real world, seed {seed}"


def make_low_resolution(
    path: Path,
    fmt: ClipFormat,
    out: Path,
    scale: Fraction | float,
    degradation: str = "bicubic",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[ClipFormat, str, dict[str, Any]]:
    """Make a clip small. Returns the format and the digest of the result and how it was made."""
    small, factor = low_format(fmt, scale), 1 / exact_scale(scale)
    seed = parse_degradation(degradation)
    recipe = {
        "degradation": degradation,
        "scale": str(1 / factor),
        "size": f"{small.width}x{small.height}",
    }
    if seed is None:
        tick = ticker(fmt.frames, on_progress, should_stop)
        digest = _shrink(path, fmt, Path(out), small, degradation, factor, tick)
        return small, digest, {**recipe, "steps": [KERNELS[degradation][1]]}

    from upscalers.core import real_world

    chain = real_world.draw(seed, 1 / factor)
    tick = ticker((len(chain.orders) + 1) * fmt.frames, on_progress, should_stop)
    with tempfile.TemporaryDirectory(prefix=".real-world-", dir=Path(out).parent) as folder:
        worn, worn_format, scaled = real_world.degraded(path, fmt, Path(folder), chain, tick)
        digest = _shrink(
            worn, worn_format, Path(out), small, chain.last_resize, factor / scaled, tick
        )
    return small, digest, {**recipe, **chain.recipe(), "versions": _versions()}


def _shrink(
    path: Path,
    fmt: ClipFormat,
    out: Path,
    small: ClipFormat,
    kernel: str,
    factor: Fraction,
    tick: Callable[[], None],
) -> str:
    import torch

    from upscalers.core import colour
    from upscalers.core.resample import resample_picture, single_threaded

    with (
        single_threaded(),
        torch.inference_mode(),
        closing(read_frames(path, fmt)) as frames,
        ClipWriter(out, small) as writer,
    ):
        for planes in frames:
            tensors = colour.to_tensors([planes], torch.device("cpu"))
            shrunk = resample_picture(tensors, fmt.chroma, kernel, factor, small.plane_shapes)
            writer.write(colour.to_frames(shrunk, small)[0])
            tick()
    return writer.frames_sha256


def _versions() -> dict[str, str]:
    """What a real-world chain depends on besides its seed."""
    from upscalers.core.engine import versions

    known = versions()
    return {name: known[name] for name in ("numpy", "torch", "ffmpeg")}
