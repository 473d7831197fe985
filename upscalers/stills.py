"""Single frames, or windows of them, as PNG for looking at in a page.

What viewers judge comes from renditions.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from upscalers.core.errors import ClipError
from upscalers.core.video import FFMPEG
from upscalers.models import Clip

LONGEST_SECONDS = 60


@dataclass(frozen=True)
class Window:
    """A part of a picture in its samples; written as it is for a crop, 160x120+40+30."""

    width: int
    height: int
    left: int
    top: int

    @classmethod
    def parse(cls, text: str) -> Window:
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})\+(\d{1,5})\+(\d{1,5})", text, re.ASCII)
        if found is None:
            raise ClipError(f"{text!r} is not a window: write WIDTHxHEIGHT+LEFT+TOP")
        return cls(*map(int, found.groups()))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}+{self.left}+{self.top}"

    def check(self, clip: Clip) -> None:
        across, down = self.left + self.width, self.top + self.height
        if not self.width or not self.height or across > clip.width or down > clip.height:
            raise ClipError(f"The window {self} does not lie in {clip.width}x{clip.height} samples")


def png(clip: Clip, frame: int, window: Window | None = None) -> bytes:
    """Raises ClipError where there is no such frame or window, or it cannot be read."""
    if frame >= clip.frames:
        raise ClipError(f"The clip has frames 0 to {clip.frames - 1}.")
    if window:
        window.check(clip)
    # Half a frame early: a time stamp rounded down must not give the frame before.
    seconds = max(0.0, (frame - 0.5) / float(clip.rate))
    scale = f"scale=in_color_matrix={_matrix(clip)}:in_range={clip.range}:out_range=pc"
    flags = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
    # Cut out of the RGB picture: any place will do there, and chroma comes from all around it.
    crop = f",crop={window.width}:{window.height}:{window.left}:{window.top}" if window else ""
    command = [
        FFMPEG, "-v", "error", "-nostdin", "-ss", f"{seconds:.6f}", "-i", f"file:{clip.path}",
        "-frames:v", "1", "-vf", f"{scale}:{flags},format=rgb24{crop}",
        "-f", "image2pipe", "-c:v", "png", "-",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ClipError(
            f"Frame {frame} was not read within {LONGEST_SECONDS} seconds. Try again later."
        ) from error
    if done.returncode or not done.stdout:
        raise ClipError(f"Frame {frame} could not be read: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _matrix(clip: Clip) -> str:
    return {"bt2020nc": "bt2020"}.get(clip.matrix, clip.matrix)
