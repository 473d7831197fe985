"""A clip whose frames can be told apart by instruments: a counter and a square that flips.

Both are luma only. The counter lies in the top left corner: 24 squares, the highest bit first,
white for 1; below them the same bits inverted, so that a torn or blended picture does not read as
a number. The square in the middle, half as high as the picture, is white in even frames and black
in odd ones. All else is mid-grey.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from upscalers.core.clip import ClipFormat, OnProgress, ShouldStop, report
from upscalers.core.rendition import Manifest, make_rendition
from upscalers.core.video import ClipWriter

BITS = 24
BLACK, GREY, WHITE = 16, 126, 235
_SURE = (WHITE - BLACK) // 2  # the two squares of a bit differ by at least so much
_SMALLEST = 48  # pixels across


def square_side(width: int) -> int:
    """Of one bit, in pixels: the counter is half as wide as the picture."""
    return width // (2 * BITS)


def counter_format(width: int, height: int, rate: int, seconds: float) -> ClipFormat:
    if width < _SMALLEST or height < 2 * square_side(width):
        raise ValueError(f"{width}x{height} has no room for a counter")
    return ClipFormat(width, height, Fraction(rate), round(rate * seconds), "yuv420p")


def draw_counter(luma: NDArray[np.uint8], number: int, side: int) -> None:
    """Into the top left corner, with squares of `side` pixels."""
    bits = [number >> place & 1 for place in reversed(range(BITS))]
    row = np.repeat([WHITE if bit else BLACK for bit in bits], side).astype(np.uint8)
    luma[:side, : len(row)] = row
    luma[side : 2 * side, : len(row)] = BLACK + WHITE - row


def counter_frame(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """The luma of a frame; its chroma is neutral."""
    luma = np.full((height, width), GREY, np.uint8)
    draw_counter(luma, number, square_side(width))
    top, left = height // 4, (width - height // 2) // 2
    luma[top : top + height // 2, max(0, left) : left + height // 2] = (BLACK, WHITE)[
        number % 2 == 0
    ]
    return luma


def read_counter(luma: NDArray[np.uint8], side: int) -> int | None:
    """The number in the top left corner of a captured picture; None where it cannot be read."""
    middles = side // 2 + side * np.arange(BITS)
    upper, lower = (luma[row, middles].astype(int) for row in (side // 2, side + side // 2))
    if (np.abs(upper - lower) < _SURE).any():
        return None
    return int("".join("1" if one else "0" for one in upper > lower), 2)


def make_counter_clip(
    fmt: ClipFormat,
    out: Path,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Manifest:
    """Its playback file, by the way of every clip: a lossless master first, then the rendition."""
    master = out.with_suffix(".mkv")
    chroma = np.full(fmt.plane_shapes[1], 128, np.uint8)
    total = 2 * fmt.frames
    try:
        with ClipWriter(master, fmt) as writer:
            for number in range(fmt.frames):
                writer.write((counter_frame(number, fmt.width, fmt.height), chroma, chroma))
                report(number + 1, total, on_progress, should_stop)
        return make_rendition(
            master, fmt, out, lambda done, _: report(fmt.frames + done, total, on_progress, None),
            should_stop,
        )  # fmt: skip
    finally:
        master.unlink(missing_ok=True)
