"""Single frames as PNG, for looking at in a page. What viewers judge comes from renditions."""

from __future__ import annotations

import subprocess

from upscalers.core.errors import ClipError
from upscalers.core.video import FFMPEG
from upscalers.models import Clip


def png(clip: Clip, frame: int) -> bytes:
    # Half a frame early: a time stamp rounded down must not give the frame before.
    seconds = max(0.0, (frame - 0.5) / float(clip.rate))
    scale = f"scale=in_color_matrix={_matrix(clip)}:in_range={clip.range}:out_range=pc"
    flags = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
    done = subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin", "-ss", f"{seconds:.6f}", "-i", f"file:{clip.path}",
         "-frames:v", "1", "-vf", f"{scale}:{flags},format=rgb24",
         "-f", "image2pipe", "-c:v", "png", "-"],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    if done.returncode or not done.stdout:
        raise ClipError(f"Frame {frame} could not be read: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _matrix(clip: Clip) -> str:
    return {"bt2020nc": "bt2020"}.get(clip.matrix, clip.matrix)
