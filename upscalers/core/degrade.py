"""Low-resolution versions of a source: shrunk by a kernel.

Each plane is filtered at its own bit depth by an antialiased kernel; chroma keeps its place.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from upscalers.core.clip import ClipFormat, OnProgress, ShouldStop, report
from upscalers.core.errors import ClipError
from upscalers.core.video import ClipWriter, read_frames

MAX_SCALE = 8
FINEST = 64  # greatest denominator of a scale
KERNEL_NAMES = {
    "bicubic": "Bicubic",
    "lanczos3": "Lanczos",
    "area": "Area average",
    "gaussian": "Gaussian blur",
}


def exact_scale(scale: Fraction | float) -> Fraction:
    """The simple fraction that is meant: 1.3333 is 4/3."""
    exact = Fraction(scale).limit_denominator(FINEST)
    if not 1 < exact <= MAX_SCALE:
        raise ClipError(f"a low-resolution version is 1 to {MAX_SCALE} times smaller, not {scale}")
    return exact


def low_format(fmt: ClipFormat, scale: Fraction | float) -> ClipFormat:
    """The format of the low-resolution version: what is part of a sample becomes a whole one."""
    exact = exact_scale(scale)
    return replace(fmt, width=ceil(fmt.width / exact), height=ceil(fmt.height / exact))


def parse_degradation(slug: str) -> str:
    if slug not in KERNEL_NAMES:
        raise ClipError(
            f"a low-resolution version is made by {', '.join(KERNEL_NAMES)}, not {slug!r}"
        )
    return slug


def degradation_name(slug: str) -> str:
    """For people."""
    return KERNEL_NAMES.get(slug, slug)


def make_low_resolution(
    path: Path,
    fmt: ClipFormat,
    out: Path,
    scale: Fraction | float,
    degradation: str = "bicubic",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[ClipFormat, str, dict[str, Any]]:
    """Make a clip small; returns the format and the digest of the result and how it was made."""
    import torch

    from upscalers.core import colour
    from upscalers.core.resample import resample_picture

    small = low_format(fmt, scale)
    kernel = parse_degradation(degradation)
    factor, cpu = 1 / exact_scale(scale), torch.device("cpu")
    with (
        torch.inference_mode(),
        closing(read_frames(path, fmt)) as frames,
        ClipWriter(out, small) as writer,
    ):
        for done, planes in enumerate(frames, 1):
            tensors = colour.to_tensors([planes], cpu)
            shrunk = resample_picture(tensors, fmt.chroma, kernel, factor, small.plane_shapes)
            writer.write(colour.to_frames(shrunk, small)[0])
            report(done, fmt.frames, on_progress, should_stop)
    return small, writer.frames_sha256, {"kernel": kernel}
