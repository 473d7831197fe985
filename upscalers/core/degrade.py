"""Low-resolution versions of a source: shrunk by a kernel, nothing else. No blur, noise or codec.

Each plane is filtered at its own bit depth by an antialiased kernel; chroma keeps its place.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from upscalers.core.clip import SUBSAMPLING, ClipFormat, OnProgress, ShouldStop, report
from upscalers.core.errors import ClipError
from upscalers.core.video import ClipWriter, read_frames

SCALES = (2, 4)
DEGRADATION_KERNELS = ("bicubic", "lanczos3")


def low_format(fmt: ClipFormat, scale: int) -> ClipFormat:
    """The format of the low-resolution version, or the crop that would give it whole samples."""
    if scale not in SCALES:
        raise ClipError(f"low-resolution versions are made by {SCALES[0]} and {SCALES[1]}")
    across, down = SUBSAMPLING[fmt.chroma]
    width_step, height_step = scale << across, scale << down
    if fmt.width % width_step or fmt.height % height_step:
        width, height = (n - n % s for n, s in ((fmt.width, width_step), (fmt.height, height_step)))
        raise ClipError(
            f"{fmt.width}x{fmt.height} cannot be divided by {scale} into whole luma and chroma "
            f"samples: cut the source to {width}x{height} when you bring it in"
        )
    return replace(fmt, width=fmt.width // scale, height=fmt.height // scale)


def make_low_resolution(
    path: Path,
    fmt: ClipFormat,
    out: Path,
    scale: int,
    kernel: str = "bicubic",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[ClipFormat, str]:
    """Shrink a clip; returns the format and the digest of the result."""
    import torch

    from upscalers.core import colour
    from upscalers.core.resample import resample_picture

    small = low_format(fmt, scale)
    if kernel not in DEGRADATION_KERNELS:
        raise ClipError(f"shrinking is done by {' or '.join(DEGRADATION_KERNELS)}, not {kernel!r}")
    factor, cpu = Fraction(1, scale), torch.device("cpu")
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
    return small, writer.frames_sha256
