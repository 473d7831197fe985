"""Clips as files: probing, reading frames, lossless FFV1 masters, thumbnails, digests.

A clip's digest is the SHA-256 of all its samples: Y, U, V of each frame in order, 10-bit
samples as two bytes, little end first. It does not depend on file format or ffmpeg version.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import ffmpeg
import numpy as np

from upscalers.core import pictures
from upscalers.core.clip import (
    ClipFormat,
    Colour,
    Cut,
    OnProgress,
    Planes,
    RawParameters,
    ShouldStop,
    report,
)
from upscalers.core.errors import ClipError
from upscalers.core.process import FFMPEG, Ffmpeg, bare_environment, file_url, input_file

__all__ = [
    "FFMPEG",
    "ClipWriter",
    "frames_sha256",
    "make_master",
    "make_thumbnail",
    "probe",
    "read_frames",
    "read_spread",
    "timecode_of",
]

_ROOT = Path(__file__).resolve().parents[2]
_PROBE_BYTES_PER_SECOND = 20_000_000
_HEAD_BYTES = 1 << 16
# FFV1 alone in a Matroska file of ffmpeg's, its first frame at time 0: how masters begin.
_ONE_TRACK = re.compile(rb"\x86[\x81-\xbf][VASB]_")
_FROM_ZERO = re.compile(
    rb"WA.Lavf.*\x86\x86V_FFV1.*"
    rb"\x1f\x43\xb6\x75.{1,8}?(\xbf\x84.{4})?\xe7\x81\x00\xa3.{1,8}?\x81\x00\x00\x80",
    re.DOTALL,
)
_FASTEST = 150  # frames per second at which a millisecond, Matroska's tick, is little of a frame


def probe(path: Path, raw: RawParameters | None = None) -> ClipFormat:
    """The format of a video file, or a ClipError that says why it cannot be used."""
    path = Path(path)
    if not path.is_file():
        raise ClipError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
    size = path.stat().st_size
    if size == 0:
        raise ClipError(f"{path.name} is empty")
    if raw is not None:
        return _raw_format(path, size, raw)
    answer = _ask_probe(path, timeout=60 + size / _PROBE_BYTES_PER_SECOND)
    if "error" in answer:
        raise ClipError(f"{path.name} {answer['error']}")
    values = answer["format"]
    return ClipFormat(**{**values, "rate": Fraction(values["rate"])})


def _ask_probe(path: Path, timeout: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "upscalers.core.probe", str(path.absolute())]
    try:
        result = subprocess.run(
            command, cwd=_ROOT, env=bare_environment(), capture_output=True, timeout=timeout,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ClipError(f"{path.name} could not be read within {timeout:.0f} seconds") from None
    try:
        answer: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        ending = f"signal {-result.returncode}" if result.returncode < 0 else "an internal error"
        return {"error": f"made the reader of video files fail ({ending}): export it again"}
    return answer


def _raw_format(path: Path, size: int, raw: RawParameters) -> ClipFormat:
    colour = Colour().completed(raw.height)
    fmt = ClipFormat(
        raw.width, raw.height, raw.rate, 0, raw.pix_fmt,
        colour.matrix, colour.range, colour.primaries, colour.transfer,
    )  # fmt: skip
    frames, rest = divmod(size, fmt.frame_bytes)
    if rest or not frames:
        raise ClipError(
            f"{path.name} has {size} bytes, which is not a whole number of {raw.width}x"
            f"{raw.height} {raw.pix_fmt} frames of {fmt.frame_bytes} bytes ({rest} are left over):"
            " check width, height and pixel format"
        )
    return ClipFormat(**{**vars(fmt), "frames": frames})


def read_frames(
    path: Path,
    fmt: ClipFormat,
    start: int = 0,
    count: int | None = None,
    *,
    raw: RawParameters | None = None,
) -> Generator[Planes, None, None]:
    """The planes of each frame, exactly as stored. Ends with a ClipError if one is missing.

    Of a master, what comes before `start` is not read; of other files, it is decoded and left out.
    """
    count = fmt.frames - start if count is None else count
    skipped = start
    if raw is not None:
        source = ffmpeg.input(
            file_url(path), f="rawvideo", pixel_format=raw.pix_fmt, framerate=str(raw.rate),
            video_size=(raw.width, raw.height), protocol_whitelist="file,pipe",
        )  # fmt: skip
    elif start and _can_seek(Path(path), fmt):
        a_little_before = (start - Fraction(1, 4)) / fmt.rate  # times are rounded
        source, skipped = input_file(path, ss=f"{float(a_little_before):.6f}"), 0
    else:
        source = input_file(path)
    # Stating the range keeps ffmpeg from converting full-range samples to limited range.
    video = source.video.filter("setparams", range=fmt.range).filter("format", fmt.pix_fmt)
    if start or start + count < fmt.frames:
        video = video.filter("trim", start_frame=skipped, end_frame=skipped + count)
    output = ffmpeg.output(video, "pipe:1", format="rawvideo", fps_mode="passthrough")
    output = output.global_args("-xerror", "-noautorotate")
    buffer = np.empty(fmt.frame_bytes, np.uint8)
    with Ffmpeg(output, stdout=True) as process:
        for index in range(count):
            if process.read_into(buffer) < len(buffer):
                process.finish()
                raise ClipError(
                    f"{Path(path).name} is damaged: {index} of {count} frames could be decoded "
                    f"({process.messages})"
                )
            yield _planes(buffer, fmt)
            buffer = np.empty(fmt.frame_bytes, np.uint8)
        surplus = process.read_into(buffer)
        if not process.ended_cleanly() or surplus:
            raise ClipError(
                f"{Path(path).name} is damaged: its {count} frames do not decode cleanly "
                f"({'there are more than expected' if surplus else process.messages})"
            )


def read_spread(path: Path, fmt: ClipFormat, count: int = 8) -> Generator[Planes, None, None]:
    """A few frames from all of a clip, evenly apart."""
    for number in range(count):
        middle = fmt.frames * (2 * number + 1) // (2 * count)
        yield from read_frames(path, fmt, middle, 1)


def _can_seek(path: Path, fmt: ClipFormat) -> bool:
    """Whether frame n is sure to be found by its time, n / rate."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    alone = len(_ONE_TRACK.findall(head)) == 1
    return alone and fmt.rate <= _FASTEST and _FROM_ZERO.search(head) is not None


def _planes(buffer: np.ndarray[Any, np.dtype[np.uint8]], fmt: ClipFormat) -> Planes:
    samples = buffer.view(fmt.dtype)
    planes, offset = [], 0
    for rows, columns in fmt.plane_shapes:
        planes.append(samples[offset : offset + rows * columns].reshape(rows, columns))
        offset += rows * columns
    return tuple(planes)


def frames_sha256(path: Path, fmt: ClipFormat) -> str:
    digest = hashlib.sha256()
    with closing(read_frames(path, fmt)) as frames:
        for planes in frames:
            for plane in planes:
                digest.update(plane.data)
    return digest.hexdigest()


class ClipWriter:
    """Writes planes into a lossless FFV1 file that appears under its name only when whole."""

    def __init__(self, path: Path, fmt: ClipFormat) -> None:
        self.path, self.fmt = Path(path), fmt
        self.frames_sha256 = ""
        self._digest = hashlib.sha256()
        self._written = 0
        self._partial = self.path.with_name(f".{self.path.name}.partial")
        self._process = Ffmpeg(self._command(), stdin=True)

    def _command(self) -> Any:
        fmt = self.fmt
        source = ffmpeg.input(
            "pipe:0", f="rawvideo", pixel_format=fmt.pix_fmt, framerate=str(fmt.rate),
            video_size=(fmt.width, fmt.height),
        )  # fmt: skip
        # Tags go on by the filter: as output options they would make ffmpeg convert samples.
        # Full range is tagged later, since this encoder converts whatever is called full range.
        video = source.video.filter(
            "setparams", range="tv", colorspace=fmt.matrix,
            color_primaries=fmt.primaries, color_trc=fmt.transfer, chroma_location="left",
        )  # fmt: skip
        return ffmpeg.output(
            video, file_url(self._partial), format="matroska", fps_mode="passthrough",
            fflags="+bitexact",  # the same frames make the same file, so that it is stored once
            **{"c:v": "ffv1", "level": 3, "g": 1, "slicecrc": 1},
        )  # fmt: skip

    def write(self, planes: Planes) -> None:
        for plane, shape in zip(planes, self.fmt.plane_shapes, strict=True):
            if plane.shape != shape or plane.dtype != self.fmt.dtype:
                raise ValueError(f"a plane is {plane.dtype} {plane.shape}, not {shape}")
            data = np.ascontiguousarray(plane).data.cast("B")
            self._digest.update(data)
            self._process.write(data)
        self._written += 1

    def close(self) -> None:
        if self._written != self.fmt.frames:
            raise ClipError(f"{self._written} of {self.fmt.frames} frames were made")
        if self._process.finish():
            raise ClipError(f"{self.path.name} could not be written: {self._process.messages}")
        if self.fmt.range == "pc":
            self._tag_full_range()
        self._partial.replace(self.path)
        self.frames_sha256 = self._digest.hexdigest()

    def _tag_full_range(self) -> None:
        limited = self._partial.with_suffix(".limited")
        self._partial.replace(limited)
        try:
            copy = ffmpeg.output(
                ffmpeg.input(file_url(limited)).video, file_url(self._partial),
                format="matroska", c="copy", color_range="pc", fflags="+bitexact",
            )  # fmt: skip
            with Ffmpeg(copy) as process:
                if process.finish():
                    raise ClipError(f"{self.path.name}: {process.messages}")
        finally:
            limited.unlink()

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self._process.__exit__(kind, error, trace)
            self._partial.unlink(missing_ok=True)


def make_master(
    path: Path,
    out: Path,
    cut: Cut | None = None,
    raw: RawParameters | None = None,
    rate: Fraction | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[ClipFormat, str]:
    """Make the lossless master of a file, a raw YUV file or a PNG sequence (with its `rate`).

    Returns its format and digest; the master was read back and found the same.
    """
    path, out, cut = Path(path), Path(out), cut or Cut()
    if pictures.is_sequence(path):
        source = pictures.probe_sequence(path, rate)
        fmt = cut.of(source)
        frames = pictures.read_sequence(path, source, cut)
    else:
        source = probe(path, raw)
        fmt = cut.of(source)
        frames = _cut_frames(path, source, cut, raw)
    with closing(frames), ClipWriter(out, fmt) as writer:
        for done, planes in enumerate(frames, 1):
            writer.write(planes)
            report(done, fmt.frames, on_progress, should_stop)
    try:
        if probe(out) != fmt or frames_sha256(out, fmt) != writer.frames_sha256:
            raise ClipError(f"the master of {path.name} differs from it: {probe(out)}, not {fmt}")
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    return fmt, writer.frames_sha256


def _cut_frames(
    path: Path, source: ClipFormat, cut: Cut, raw: RawParameters | None
) -> Generator[Planes, None, None]:
    with closing(read_frames(path, source, cut.start, cut.frames, raw=raw)) as frames:
        for planes in frames:
            yield cut.crop_planes(planes, source)


def make_thumbnail(path: Path, fmt: ClipFormat, out: Path) -> None:
    """A JPEG of the middle frame, at most 640 pixels wide."""
    middle = input_file(
        Path(path), ss=max(0.0, float((fmt.frames // 2 - Fraction(1, 2)) / fmt.rate))
    )
    video = middle.video.filter("setparams", range=fmt.range, colorspace=fmt.matrix).filter(
        "scale", w=min(640, fmt.width), h=-2, flags="lanczos",
        out_color_matrix="bt601", out_range="pc",  # what JFIF prescribes
    )  # fmt: skip
    partial = Path(out).with_name(f".{Path(out).name}.partial")
    output = ffmpeg.output(
        video.filter("format", "yuvj420p"), file_url(partial), format="mjpeg", vframes=1,
        **{"c:v": "mjpeg", "q:v": 3},
    )  # fmt: skip
    try:
        with Ffmpeg(output) as process:
            if process.finish() or not partial.exists() or not partial.stat().st_size:
                raise ClipError(f"no thumbnail of {Path(path).name}: {process.messages}")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def timecode_of(path: Path) -> str:
    """The time of day, HH:MM:SS:FF, that a camera or editor stamped on the first frame, or ""."""
    stream = input_file(Path(path))["v:0"]
    listing = ffmpeg.output(stream, "pipe:1", format="ffmetadata", c="copy")
    with Ffmpeg(listing, stdout=True) as process:
        found = [line for line in process.lines() if line.lower().startswith("timecode=")]
        process.finish()
    return found[0].partition("=")[2].replace("\\", "") if found else ""
