"""Puts the parts of a clip together again: packets are copied, then all of it is read and checked.

Knows nothing of jobs; parts are files of the same format that `ClipWriter` wrote.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from upscalers.core.clip import ClipFormat, OnProgress, ShouldStop, report
from upscalers.core.errors import ClipError
from upscalers.core.process import file_url
from upscalers.core.video import probe, read_frames


@dataclass(frozen=True)
class MadePart:
    path: Path
    frames: int
    frames_sha256: str


def join(
    parts: Sequence[MadePart],
    fmt: ClipFormat,
    out: Path,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> str:
    """Writes the whole clip and returns the digest of its frames, each part's found in it."""
    partial = out.with_name(f".{out.name}.partial")
    try:
        _copy(parts, fmt, partial)
        if probe(partial) != fmt:
            raise ClipError(f"the parts of the clip make {probe(partial)}, not {fmt}")
        digest = _checked(parts, fmt, partial, on_progress, should_stop)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return digest


def _copy(parts: Sequence[MadePart], fmt: ClipFormat, out: Path) -> None:
    number = 0
    with av.open(
        file_url(out), "w", format="matroska", options={"fflags": "+bitexact"}
    ) as container:
        stream = None
        for part in parts:
            with av.open(file_url(part.path)) as source:
                if stream is None:
                    stream = container.add_stream_from_template(source.streams.video[0])
                    stream.time_base = 1 / fmt.rate
                    setup = source.streams.video[0].codec_context.extradata
                elif source.streams.video[0].codec_context.extradata != setup:
                    raise ClipError("the parts of the clip were not encoded alike")
                for packet in source.demux(video=0):
                    if not packet.size:
                        continue
                    packet.stream = stream
                    packet.time_base = Fraction(1) / fmt.rate
                    packet.pts = packet.dts = number
                    packet.duration = 1
                    container.mux(packet)
                    number += 1


def _checked(
    parts: Sequence[MadePart],
    fmt: ClipFormat,
    path: Path,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> str:
    """Reads the joined clip once, for its own digest and for that of each part."""
    whole, done = hashlib.sha256(), 0
    with closing(read_frames(path, fmt)) as frames:
        for part in parts:
            mine = hashlib.sha256()
            for _ in range(part.frames):
                for plane in next(frames):
                    mine.update(plane.data)
                    whole.update(plane.data)
                done += 1
                report(done, fmt.frames, on_progress, should_stop)
            if mine.hexdigest() != part.frames_sha256:
                raise ClipError(
                    f"a part of the clip, frames {done - part.frames} to {done - 1}, is not what "
                    "was written: check the disk, then retry"
                )
        if next(frames, None) is not None:
            raise ClipError("the parts of the clip hold more frames than they should")
    return whole.hexdigest()
