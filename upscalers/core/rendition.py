"""Playback renditions: lossless H.264 that a browser decodes bit-exactly, with its index.

x264's fastest preset is meant: CAVLC without B-frames decodes several times faster than any other
lossless stream. The rendition is decoded once after encoding and compared with the clip.
"""

from __future__ import annotations

import hashlib
import mmap
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np

from upscalers.core.clip import ClipFormat, OnProgress, ShouldStop, report
from upscalers.core.errors import ClipError
from upscalers.core.process import Ffmpeg, file_url, input_file
from upscalers.core.video import read_frames

_START = b"\x00\x00\x01"
_DELIMITER = b"\x00\x00\x00\x01\x09"  # begins every picture (access unit delimiter)
_SLICE, _KEY_SLICE, _PARAMETERS = 1, 5, 7
_KEY_INTERVAL = 50
# What the player's decoder gives exactly, and its painter can turn into colours.
DISPLAYABLE_FORMATS = ("yuv420p", "yuv420p10le")
DISPLAYABLE_MATRICES = ("bt709", "smpte170m", "bt470bg")
HIGH_DYNAMIC_RANGE = ("smpte2084", "arib-std-b67")


def why_not_displayable(fmt: ClipFormat) -> str:
    """For a clip that can be measured but not shown; else empty."""
    if fmt.pix_fmt not in DISPLAYABLE_FORMATS:
        return f"The display plays 4:2:0 of 8 or 10 bits, and this clip is {fmt.pix_fmt}."
    if fmt.matrix not in DISPLAYABLE_MATRICES:
        known = ", ".join(DISPLAYABLE_MATRICES)
        return f"The display knows the colours of {known}, and this clip has those of {fmt.matrix}."
    if fmt.transfer in HIGH_DYNAMIC_RANGE:
        return f"The display shows standard dynamic range, and this clip is {fmt.transfer}."
    return ""


@dataclass(frozen=True)
class Manifest:
    """What a player needs to decode the rendition and to know that it decoded it right."""

    codec: str
    width: int
    height: int
    rate: tuple[int, int]
    frames: int
    packets: tuple[tuple[int, int], ...]  # offset and size of each frame's bytes
    keys: tuple[bool, ...]
    frame_sha256: tuple[str, ...]  # of Y, U, V of each frame, one after the other
    frames_sha256: str  # the clip's digest
    matrix: str
    range: str
    depth: int  # bits of a sample

    def as_json(self) -> dict[str, Any]:
        values = asdict(self)
        values["rate"], values["keys"] = list(self.rate), list(self.keys)
        values["packets"] = [list(packet) for packet in self.packets]
        values["frame_sha256"] = list(self.frame_sha256)
        return values


def make_rendition(
    path: Path,
    fmt: ClipFormat,
    out: Path,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Manifest:
    """Make the rendition of a clip; fails rather than deliver one that differs in a sample."""
    if reason := why_not_displayable(fmt):
        raise ClipError(reason)
    partial = Path(out).with_name(f".{Path(out).name}.partial")
    try:
        hashes, digest = encode_h264(path, fmt, partial, "h264", on_progress, should_stop)
        index = _index(partial)
        if len(index.packets) != fmt.frames:
            raise ClipError(f"the rendition has {len(index.packets)} of {fmt.frames} frames")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return Manifest(
        codec=index.codec, width=fmt.width, height=fmt.height, frames=fmt.frames,
        rate=(fmt.rate.numerator, fmt.rate.denominator), packets=index.packets, keys=index.keys,
        frame_sha256=hashes, frames_sha256=digest, matrix=fmt.matrix, range=fmt.range,
        depth=fmt.bit_depth,
    )  # fmt: skip


def encode_h264(
    path: Path,
    fmt: ClipFormat,
    out: Path,
    container: str,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[tuple[str, ...], str]:
    """Encode a clip losslessly, check the outcome, and return its digests: per frame and whole."""
    source = input_file(Path(path)).video.filter(
        "setparams", range=fmt.range, colorspace=fmt.matrix,
        color_primaries=fmt.primaries, color_trc=fmt.transfer,
    ).filter("format", fmt.pix_fmt)  # fmt: skip
    branches = source.filter_multi_output("split")
    encoded = ffmpeg.output(
        branches[0], file_url(out), format=container, fps_mode="passthrough",
        **{
            "c:v": "libx264", "preset": "ultrafast", "qp": 0, "bf": 0, "g": _KEY_INTERVAL,
            "x264-params": "aud=1",
        },
    )  # fmt: skip
    plain = ffmpeg.output(branches[1], "pipe:1", format="rawvideo", fps_mode="passthrough")
    digest, buffer = hashlib.sha256(), np.empty(fmt.frame_bytes, np.uint8)
    both = ffmpeg.merge_outputs(encoded, plain).global_args("-xerror")
    with Ffmpeg(both, stdout=True) as process:
        for done in range(1, fmt.frames + 1):
            if process.read_into(buffer) < len(buffer):
                process.finish()
                raise ClipError(f"{path} ended after {done - 1} frames ({process.messages})")
            digest.update(buffer.data)
            report(done, fmt.frames, on_progress, should_stop)
        if process.read_into(buffer) or not process.ended_cleanly():
            raise ClipError(f"{path} is damaged, or could not be encoded ({process.messages})")
    hashes = _hashes(out, fmt)
    if hashes[1] != digest.hexdigest():
        raise ClipError("the H.264 encoding differs from the clip; it was not kept")
    return hashes


def _hashes(path: Path, fmt: ClipFormat) -> tuple[tuple[str, ...], str]:
    """SHA-256 of each decoded frame, and of all together."""
    each, whole = [], hashlib.sha256()
    with closing(read_frames(path, fmt)) as frames:
        for planes in frames:
            joined = b"".join(plane.tobytes() for plane in planes)
            each.append(hashlib.sha256(joined).hexdigest())
            whole.update(joined)
    return tuple(each), whole.hexdigest()


@dataclass(frozen=True)
class _Index:
    codec: str
    packets: tuple[tuple[int, int], ...]
    keys: tuple[bool, ...]


def _index(path: Path) -> _Index:
    """Where each frame lies in an Annex B stream, and which can be decoded on its own."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        starts, at = [], data.find(_DELIMITER)
        while at >= 0:
            starts.append(at)
            at = data.find(_DELIMITER, at + len(_DELIMITER))
        ends = [*starts[1:], len(data)]
        kinds = [_kinds(data, start) for start in starts]
        parameters = data.find(_START + b"\x67")
        if not starts or starts[0] != 0 or parameters < 0:
            raise ClipError("the rendition is not the H.264 stream that was asked for")
        profile = data[parameters + 4 : parameters + 7].hex()
    packets = tuple((start, end - start) for start, end in zip(starts, ends, strict=True))
    return _Index(f"avc1.{profile}", packets, tuple(_KEY_SLICE in kind for kind in kinds))


def _kinds(data: mmap.mmap, start: int) -> set[int]:
    """The kinds of units of one picture, up to its first slice."""
    kinds: set[int] = set()
    at = start
    while not kinds & {_SLICE, _KEY_SLICE}:
        at = data.find(_START, at) + len(_START)
        kinds.add(data[at] & 0x1F)
    return kinds
