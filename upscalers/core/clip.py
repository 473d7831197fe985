"""What is known about a clip: its format, a cut of it, the parameters of a headerless file.

Numbers only: nothing here opens a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from math import floor, prod

import numpy as np
from numpy.typing import NDArray

from upscalers.core.errors import Cancelled, ClipError

Plane = NDArray[np.uint8] | NDArray[np.uint16]
Planes = tuple[Plane, ...]
OnProgress = Callable[[int, int], None]
ShouldStop = Callable[[], bool]

# log2 of how much smaller chroma is, horizontally and vertically
SUBSAMPLING = {"420": (1, 1), "422": (1, 0), "444": (0, 0)}
PIXEL_FORMATS = {
    f"yuv{chroma}p{suffix}": (chroma, depth)
    for chroma in SUBSAMPLING
    for suffix, depth in (("", 8), ("10le", 10))
}
MATRICES = ("bt709", "smpte170m", "bt470bg", "bt2020nc")


@dataclass(frozen=True)
class ClipFormat:
    """Everything needed to read a clip's samples and to know what they mean (ffmpeg's names)."""

    width: int
    height: int
    rate: Fraction
    frames: int
    pix_fmt: str
    matrix: str = "bt709"
    range: str = "tv"
    primaries: str = "bt709"
    transfer: str = "bt709"

    @property
    def bit_depth(self) -> int:
        return PIXEL_FORMATS[self.pix_fmt][1]

    @property
    def chroma(self) -> str:
        return PIXEL_FORMATS[self.pix_fmt][0]

    @property
    def plane_shapes(self) -> tuple[tuple[int, int], ...]:
        """(rows, columns) of Y, U and V."""
        across, down = SUBSAMPLING[self.chroma]
        small = (-(-self.height >> down), -(-self.width >> across))
        return ((self.height, self.width), small, small)

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        return np.dtype(np.uint8) if self.bit_depth == 8 else np.dtype("<u2")

    @property
    def frame_bytes(self) -> int:
        return sum(prod(shape) for shape in self.plane_shapes) * self.dtype.itemsize

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.frames / self.rate)

    def scaled(self, scale: int | Fraction) -> ClipFormat:
        """Enlarged; what would be part of a sample at the right and at the bottom is left out."""
        return replace(self, width=floor(self.width * scale), height=floor(self.height * scale))


@dataclass(frozen=True)
class RawParameters:
    """What a headerless YUV file does not say about itself."""

    width: int
    height: int
    rate: Fraction
    pix_fmt: str

    def __post_init__(self) -> None:
        if self.pix_fmt not in PIXEL_FORMATS:
            known = ", ".join(PIXEL_FORMATS)
            raise ClipError(f"pixel format {self.pix_fmt!r} is not one of {known}")
        if self.width < 1 or self.height < 1 or self.rate <= 0:
            raise ClipError("width, height and frame rate of raw video must be above zero")


@dataclass(frozen=True)
class Cut:
    """The part of a clip that is used: from a frame on, so many frames, a window (w, h, x, y)."""

    start: int = 0
    frames: int | None = None
    crop: tuple[int, int, int, int] | None = None

    def of(self, fmt: ClipFormat) -> ClipFormat:
        """The format of the cut clip, or why there is none."""
        frames = fmt.frames - self.start if self.frames is None else self.frames
        if self.start < 0 or frames < 1 or self.start + frames > fmt.frames:
            raise ClipError(
                f"frames {self.start} to {self.start + frames - 1} were asked for, "
                f"but the clip has frames 0 to {fmt.frames - 1}"
            )
        width, height, x, y = self.crop or (fmt.width, fmt.height, 0, 0)
        if min(width, height) < 1 or min(x, y) < 0:
            raise ClipError(f"a crop of {width}x{height} at {x},{y} is not a window")
        if x + width > fmt.width or y + height > fmt.height:
            raise ClipError(
                f"a crop of {width}x{height} at {x},{y} does not fit in {fmt.width}x{fmt.height}"
            )
        across, down = SUBSAMPLING[fmt.chroma]
        for name, value, step in (
            ("width", width, 1 << across),
            ("horizontal position", x, 1 << across),
            ("height", height, 1 << down),
            ("vertical position", y, 1 << down),
        ):
            if value % step:
                raise ClipError(
                    f"the {name} {value} must be even in a 4:{fmt.chroma[1]}:{fmt.chroma[2]} clip:"
                    f" crop to {width - width % (1 << across)}x{height - height % (1 << down)}"
                )
        return replace(fmt, width=width, height=height, frames=frames)

    def crop_planes(self, planes: Planes, fmt: ClipFormat) -> Planes:
        """The window of one frame; `fmt` is the format of the whole clip."""
        if self.crop is None:
            return planes
        width, height, x, y = self.crop
        across, down = SUBSAMPLING[fmt.chroma]

        def window(plane: Plane, h: int, v: int) -> Plane:
            return plane[y >> v : (y + height) >> v, x >> h : (x + width) >> h]

        luma, *chroma = planes
        return (window(luma, 0, 0), *(window(plane, across, down) for plane in chroma))


@dataclass(frozen=True)
class Part:
    """Some frames of a clip, as one job makes them."""

    start: int
    frames: int

    def with_overlap(self, overlap: int, clip_frames: int) -> Part:
        start = max(0, self.start - overlap)
        end = min(clip_frames, self.start + self.frames + overlap)
        return Part(start, end - start)


@dataclass(frozen=True)
class Colour:
    """The four colour tags, each "" when the file does not carry it."""

    matrix: str = ""
    range: str = ""
    primaries: str = ""
    transfer: str = ""

    def completed(self, height: int) -> Colour:
        """Fill what is untagged: BT.709 from 720 lines on, else BT.601 (smpte170m), limited range.

        This is what players and browsers take untagged video for; a clip is tagged with the
        outcome, so that it means the same from here on.
        """
        matrix = self.matrix or (
            "bt2020nc" if self.primaries == "bt2020" else "bt709" if height >= 720 else "smpte170m"
        )
        primaries = {"bt2020nc": "bt2020"}.get(matrix, matrix)
        transfer = {"bt2020nc": "bt2020-10", "bt470bg": "smpte170m"}.get(matrix, matrix)
        return Colour(
            matrix, self.range or "tv", self.primaries or primaries, self.transfer or transfer
        )


def ticker(
    total: int, on_progress: OnProgress | None, should_stop: ShouldStop | None
) -> Callable[[], None]:
    """To be called after each frame of each pass."""
    done = count(1)
    return lambda: report(min(next(done), total), total, on_progress, should_stop)


def report(
    done: int, total: int, on_progress: OnProgress | None, should_stop: ShouldStop | None
) -> None:
    """After each frame of a long operation: tell how far it is, and stop if that is wanted."""
    if on_progress is not None:
        on_progress(done, total)
    if should_stop is not None and should_stop():
        raise Cancelled(f"stopped after {done} of {total} frames")
