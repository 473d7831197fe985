"""PNG sequences as clips: a folder of numbered pictures, or a pattern such as shot_%05d.png.

Pictures are RGB, clips are YUV. The one conversion made here: 8-bit 4:2:0, BT.709 matrix, limited
range, left-sited chroma through an antialiased bicubic kernel, values rounded half up. An alpha
channel is ignored.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np

from upscalers.core.clip import ClipFormat, Cut, Planes
from upscalers.core.errors import ClipError
from upscalers.core.process import Ffmpeg

_NUMBERED = re.compile(r"^(?P<prefix>.*?)(?P<number>\d+)(?P<suffix>\.png)$", re.IGNORECASE)
_PATTERN = re.compile(r"%(0(?P<digits>\d+))?d")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Sequence:
    files: tuple[Path, ...]
    pattern: str  # as ffmpeg's image2 reader wants it
    start: int


def is_sequence(path: Path) -> bool:
    return path.is_dir() or (not path.exists() and _PATTERN.search(path.name) is not None)


def find(path: Path) -> Sequence:
    """The pictures of a folder or a pattern, in order and without a gap."""
    if path.is_dir():
        return _in_order(path, list(path.iterdir()))
    match = _PATTERN.search(path.name)
    if match is None or not path.parent.is_dir():
        raise ClipError(f"{path} does not exist")
    digits = rf"\d{{{match['digits']}}}" if match["digits"] else r"\d+"
    before, after = path.name[: match.start()], path.name[match.end() :]
    fits = re.compile(re.escape(before) + digits + re.escape(after))
    return _in_order(path, [one for one in path.parent.iterdir() if fits.fullmatch(one.name)])


def _in_order(path: Path, candidates: list[Path]) -> Sequence:
    named = [(one, _NUMBERED.match(one.name)) for one in candidates]
    numbered = sorted(
        (int(match["number"]), one, match) for one, match in named if match is not None
    )
    if not numbered:
        raise ClipError(f"{path} has no numbered PNG pictures (such as frame_00001.png)")
    _, _, first = numbered[0]
    for expected, (number, one, match) in enumerate(numbered, numbered[0][0]):
        if (match["prefix"], match["suffix"]) != (first["prefix"], first["suffix"]):
            raise ClipError(
                f"{path} holds more than one sequence: {numbered[0][1].name} and {one.name}"
            )
        if number != expected:
            raise ClipError(f"{path}: picture {expected} is missing before {one.name}")
    widths = {len(match["number"]) for _, _, match in numbered}
    padded = f"%0{len(first['number'])}d" if len(first["number"]) == min(widths) else "%d"
    parent = str(numbered[0][1].parent.absolute())
    prefix = f"{parent}/{first['prefix']}".replace("%", "%%")
    files = tuple(one for _, one, _ in numbered)
    return Sequence(files, f"{prefix}{padded}{first['suffix']}", numbered[0][0])


def _header(picture: Path) -> tuple[int, int, int]:
    """Width, height and bits per sample."""
    with picture.open("rb") as file:
        head = file.read(25)
    if len(head) < 25 or head[:8] != _SIGNATURE:
        raise ClipError(f"{picture.name} is not a PNG picture")
    width, height, depth = struct.unpack(">IIB", head[16:25])
    return width, height, depth


def probe_sequence(path: Path, rate: Fraction | None) -> ClipFormat:
    """The format of the clip that the sequence becomes."""
    if rate is None or rate <= 0:
        raise ClipError(f"{path} is a sequence of pictures: say its frame rate")
    sequence = find(path)
    first = _header(sequence.files[0])
    for picture in sequence.files[1:]:
        if _header(picture) != first:
            raise ClipError(
                f"{picture.name} differs in size or depth from {sequence.files[0].name}"
            )
    return ClipFormat(first[0], first[1], rate, len(sequence.files), "yuv420p")


def read_sequence(path: Path, fmt: ClipFormat, cut: Cut) -> Generator[Planes, None, None]:
    """The converted frames of the cut; `fmt` is the format of the whole sequence."""
    import torch  # costs a second, which only pictures should pay

    from upscalers.core import colour

    sequence = find(path)
    target = cut.of(fmt)
    deep = _header(sequence.files[0])[2] == 16
    source = ffmpeg.input(
        sequence.pattern, f="image2", pattern_type="sequence", framerate=str(fmt.rate),
        start_number=sequence.start + cut.start, protocol_whitelist="file,pipe",
    )  # fmt: skip
    output = ffmpeg.output(
        source.video, "pipe:1", format="rawvideo", vframes=target.frames,
        fps_mode="passthrough", pix_fmt="rgb48le" if deep else "rgb24",
    ).global_args("-xerror")  # fmt: skip
    kind = np.dtype("<u2" if deep else "u1")
    buffer = np.empty(fmt.width * fmt.height * 3 * kind.itemsize, np.uint8)
    width, height, x, y = cut.crop or (fmt.width, fmt.height, 0, 0)
    with Ffmpeg(output, stdout=True) as process:
        for index in range(target.frames):
            if process.read_into(buffer) < len(buffer):
                process.finish()
                name = sequence.files[cut.start + index].name
                raise ClipError(f"{name} could not be decoded ({process.messages})")
            picture = buffer.view(kind).reshape(fmt.height, fmt.width, 3)
            window = picture[y : y + height, x : x + width].astype(np.float32)
            rgb = torch.from_numpy(window / np.iinfo(kind).max).permute(2, 0, 1)[None]
            yield colour.to_frames(colour.from_rgb(rgb, target), target)[0]
