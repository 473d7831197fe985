"""Between a clip's Y, U, V samples and RGB, by the matrix, range and depth of its format.

RGB is gamma-coded and full range, 0..1 in float32; it may leave that range by what YUV can hold
beyond it. Primaries and transfer are not touched: no colour is moved to another gamut.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from upscalers.core.clip import SUBSAMPLING, ClipFormat, Planes
from upscalers.core.resample import resample_axis

# weights of red and blue in luma: BT.709, BT.601, BT.2020
LUMA_WEIGHTS = {
    "bt709": (0.2126, 0.0722),
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "bt2020nc": (0.2627, 0.0593),
}
CHROMA_KERNEL = "bicubic"


def stacked(frames: list[Planes]) -> tuple[Tensor, ...]:
    """The codes of frames as one integer tensor (n, rows, columns) for each of Y, U and V."""
    planes = (np.stack([frame[index] for frame in frames]) for index in range(3))
    # 10-bit codes fit into int16, which torch can take; uint16 it mostly cannot.
    return tuple(torch.from_numpy(p if p.dtype == np.uint8 else p.view(np.int16)) for p in planes)


def unstacked(codes: tuple[Tensor, ...], fmt: ClipFormat) -> list[Planes]:
    """Frames of the codes, which must be on the host."""
    typed = [c.numpy() if fmt.bit_depth == 8 else c.numpy().view(fmt.dtype) for c in codes]
    return [tuple(c[n] for c in typed) for n in range(len(typed[0]))]


def rounded(planes: tuple[Tensor, ...], fmt: ClipFormat) -> tuple[Tensor, ...]:
    """Float planes as the clip's codes (half up)."""
    top = (1 << fmt.bit_depth) - 1
    kind = torch.uint8 if fmt.bit_depth == 8 else torch.int16
    return tuple((plane + 0.5).floor_().clamp_(0, top).to(kind) for plane in planes)


def to_tensors(frames: list[Planes], device: torch.device) -> tuple[Tensor, ...]:
    """Stack frames into one float32 tensor (n, rows, columns) for each of Y, U and V."""
    return tuple(codes.to(device).float() for codes in stacked(frames))


def to_frames(planes: tuple[Tensor, ...], fmt: ClipFormat) -> list[Planes]:
    """Round to the clip's codes and hand the frames back as planes."""
    return unstacked(tuple(codes.cpu() for codes in rounded(planes, fmt)), fmt)


def _levels(fmt: ClipFormat) -> tuple[float, float, float, float]:
    """Codes of black, of the luma span, of grey chroma and of the chroma span."""
    unit = 1 << (fmt.bit_depth - 8)
    if fmt.range == "tv":
        return 16.0 * unit, 219.0 * unit, 128.0 * unit, 224.0 * unit
    span = float((1 << fmt.bit_depth) - 1)
    return 0.0, span, 128.0 * unit, span


def to_rgb(planes: tuple[Tensor, ...], fmt: ClipFormat) -> Tensor:
    """(n, 3, rows, columns) from float planes of the clip's codes."""
    black, span, grey, chroma_span = _levels(fmt)
    red, blue = LUMA_WEIGHTS[fmt.matrix]
    green = 1 - red - blue
    luma = (planes[0] - black) / span
    cb, cr = (_chroma_up((p - grey) / chroma_span, fmt) for p in planes[1:])
    r = luma + (2 * (1 - red)) * cr
    b = luma + (2 * (1 - blue)) * cb
    return torch.stack((r, (luma - red * r - blue * b) / green, b), dim=1)


def from_rgb(rgb: Tensor, fmt: ClipFormat) -> tuple[Tensor, ...]:
    """Float planes of the clip's codes, not yet rounded."""
    black, span, grey, chroma_span = _levels(fmt)
    red, blue = LUMA_WEIGHTS[fmt.matrix]
    r, g, b = rgb.unbind(1)
    luma = red * r + (1 - red - blue) * g + blue * b
    cb = (b - luma) / (2 * (1 - blue))
    cr = (r - luma) / (2 * (1 - red))
    small = (_chroma_down(c, fmt) * chroma_span + grey for c in (cb, cr))
    return (luma * span + black, *small)


def _chroma_up(plane: Tensor, fmt: ClipFormat) -> Tensor:
    across, down = SUBSAMPLING[fmt.chroma]
    if down:
        plane = resample_axis(plane, 1, CHROMA_KERNEL, Fraction(2), fmt.height, Fraction(0))
    if across:  # chroma sample i lies on luma column 2i
        plane = resample_axis(plane, 2, CHROMA_KERNEL, Fraction(2), fmt.width, Fraction(1, 4))
    return plane


def _chroma_down(plane: Tensor, fmt: ClipFormat) -> Tensor:
    across, down = SUBSAMPLING[fmt.chroma]
    rows, columns = fmt.plane_shapes[1]
    half = Fraction(1, 2)
    if across:
        plane = resample_axis(plane, 2, CHROMA_KERNEL, half, columns, -half)
    if down:
        plane = resample_axis(plane, 1, CHROMA_KERNEL, half, rows, Fraction(0))
    return plane
