"""Look into an untrusted file: `python -m upscalers.core.probe FILE` prints its format as JSON.

Runs as a process of its own under tight limits, because parsers of video files have holes.
It reads every packet (so a cut-off file is noticed) but decodes only the first few frames.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from upscalers.core.clip import MATRICES, PIXEL_FORMATS, ClipFormat, Colour
from upscalers.core.errors import ClipError
from upscalers.core.process import CONTAINERS, file_url

MEMORY_BYTES = 4 << 30
CPU_SECONDS = 300
FRAMES_DECODED = 8

# numbers of ITU-T H.273, names of ffmpeg
MATRIX_NAMES = {
    1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc",
    10: "bt2020c", 14: "ictcp",
}  # fmt: skip
PRIMARIES_NAMES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film",
    9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "jedec-p22",
}  # fmt: skip
TRANSFER_NAMES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear",
    9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1",
    14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
RANGE_NAMES = {1: "tv", 2: "pc"}
# On which luma column chroma lies, and between which rows, is told by its place; Midgrey computes
# and shows chroma on the even columns, which unmarked video is taken for.
SITINGS = {"420": ("left", "unspecified"), "422": ("left", "topleft", "unspecified")}
USUAL_RATES = [Fraction(n) for n in (24, 25, 30, 48, 50, 60, 100, 120)] + [
    Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)
]


@dataclass
class Look:
    """What one reading of the file showed."""

    times: list[int | None] = field(default_factory=list)
    frames: list[Any] = field(default_factory=list)


def limit_resources() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def look_at(path: Path) -> ClipFormat:
    try:
        container = av.open(
            file_url(path),
            options={"protocol_whitelist": "file", "format_whitelist": CONTAINERS},
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ClipError(
            "is not a video file that can be read here (mov, mp4, mkv, avi, mxf, ts, y4m): "
            f"{_reason(error)}"
        ) from None
    with container:
        if not container.streams.video:
            raise ClipError("has no video in it")
        stream = container.streams.video[0]
        if stream.disposition & av.stream.Disposition.attached_pic:
            raise ClipError("has no video in it, only a cover picture")
        return _describe(container, stream, _read(container, stream))


def _read(container: Any, stream: Any) -> Look:
    look = Look()
    stream.codec_context.thread_count = 1
    try:
        for packet in container.demux(stream):
            if packet.size:
                if packet.is_corrupt:
                    raise ClipError(f"is damaged at frame {len(look.times)}: export it again")
                if not packet.is_discard:
                    look.times.append(packet.pts)
            if len(look.frames) < FRAMES_DECODED:
                look.frames += packet.decode()
    except (av.error.FFmpegError, OSError) as error:
        raise ClipError(
            f"is damaged: reading stopped at frame {len(look.times)} ({_reason(error)}). "
            "Copy or export it again"
        ) from None
    return look


def _describe(container: Any, stream: Any, look: Look) -> ClipFormat:
    if not look.frames:
        raise ClipError("has a video stream without a single frame that can be decoded")
    frame = look.frames[0]
    pix_fmt = frame.format.name.replace("yuvj", "yuv")
    if pix_fmt not in PIXEL_FORMATS:
        raise ClipError(
            f"has the pixel format {frame.format.name}; 4:2:0, 4:2:2 or 4:4:4 YUV of 8 or 10 bits "
            f"is needed ({', '.join(PIXEL_FORMATS)})"
        )
    if frame.rotation:
        raise ClipError(
            f"is marked to be shown rotated by {frame.rotation} degrees: export it upright"
        )
    if any(one.interlaced_frame for one in look.frames):
        raise ClipError("is interlaced: deinterlace it first, only progressive video is compared")
    rate = _constant_rate(look.times, stream)
    _refuse_cut_off(container, stream, len(look.times), rate)
    _refuse_other_siting(container, stream, frame, PIXEL_FORMATS[pix_fmt][0])
    colour = _colour(frame, full_range="yuvj" in frame.format.name)
    return ClipFormat(
        width=frame.width, height=frame.height, rate=rate, frames=len(look.times),
        pix_fmt=pix_fmt, **asdict(colour),
    )  # fmt: skip


def _refuse_other_siting(container: Any, stream: Any, frame: Any, chroma: str) -> None:
    siting = _siting(stream, frame)
    if siting == "center" and container.format.name == "yuv4mpegpipe":
        return  # what such files say that were never marked
    if chroma in SITINGS and siting not in SITINGS[chroma]:
        raise ClipError(
            f"is marked with chroma sited {siting}; left is what is computed and shown here. "
            f"Convert it: ffmpeg -i FILE -vf zscale=chromalin={siting}:chromal=left -c:v ffv1 "
            "NEW.mkv; or, if the mark is wrong, correct it with -vf setparams=chroma_location=left"
        )


def _siting(stream: Any, frame: Any) -> str:
    """Where chroma lies, which no attribute of a frame tells but ffmpeg's own report on it."""
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(template=stream), graph.add("showinfo"), graph.add("buffersink")
    ).configure()
    before = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as messages:
            graph.push(frame)
            graph.pull()
    finally:
        av.logging.set_level(before)
    found = re.search(r" cl:(\w+)", "".join(text for _, _, text in messages))
    return found[1] if found else "unspecified"


def _colour(frame: Any, full_range: bool) -> Colour:
    matrix = MATRIX_NAMES.get(int(frame.colorspace), "")
    if matrix and matrix not in MATRICES:
        raise ClipError(f"uses the colour matrix {matrix}; {', '.join(MATRICES)} are supported")
    return Colour(
        matrix=matrix,
        range="pc" if full_range else RANGE_NAMES.get(int(frame.color_range), ""),
        primaries=PRIMARIES_NAMES.get(int(frame.color_primaries), ""),
        transfer=TRANSFER_NAMES.get(int(frame.color_trc), ""),
    ).completed(frame.height)


def _constant_rate(times: Sequence[int | None], stream: Any) -> Fraction:
    """The one rate that explains when every frame is shown, to the tick of the file's clock."""
    known = sorted(time for time in times if time is not None)
    stated = [Fraction(r) for r in (stream.average_rate, stream.guessed_rate) if r]
    if len(known) < len(times):
        raise ClipError("does not say when its frames are shown: put it into an mp4 or mkv file")
    if len(known) == 1:
        return stated[0] if stated else Fraction(25)
    tick = Fraction(stream.time_base)
    seconds = [(time - known[0]) * tick for time in known]
    if not seconds[-1]:
        raise ClipError("says that all its frames are shown at the same time")
    average = stated[0] if stated else (len(known) - 1) / seconds[-1]
    # Containers that count in milliseconds state 59.94 as something odd close to it.
    usual = sorted(USUAL_RATES, key=lambda rate: abs(rate - average))
    for rate in [r for r in stated if r in USUAL_RATES] + usual + stated:
        if all(abs(second - n / rate) <= tick for n, second in enumerate(seconds)):
            return rate
    raise ClipError(_uneven(seconds))


def _uneven(seconds: Sequence[Fraction]) -> str:
    steps = [float(b - a) * 1000 for a, b in pairwise(seconds)]
    usual = sorted(steps)[len(steps) // 2]
    worst = max(range(len(steps)), key=lambda n: abs(steps[n] - usual))
    return (
        f"has a variable frame rate: frame {worst + 1} is shown {steps[worst]:.1f} ms after the "
        f"one before it, usual are {usual:.1f} ms. Export it at a constant rate"
    )


def _refuse_cut_off(container: Any, stream: Any, frames: int, rate: Fraction) -> None:
    promised = stream.frames
    lasting = _tagged_seconds(stream.metadata)
    if lasting is None and len(container.streams) == 1 and not promised and container.duration:
        lasting = Fraction(container.duration, av.time_base)
    if not promised and lasting is not None:
        promised = int(lasting * rate + Fraction(1, 2))
        if promised - frames <= 1:  # the length is rounded, and may count from a late first frame
            return
    if promised > frames:
        raise ClipError(
            f"is cut off or damaged: it holds {frames} of its {promised} frames. Copy it again"
        )


def _tagged_seconds(metadata: dict[str, str]) -> Fraction | None:
    """Matroska's DURATION tag, 00:00:10.000000000."""
    for name, text in metadata.items():
        if name.upper().startswith("DURATION"):
            try:
                hours, minutes, seconds = text.split(":")
                return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
            except ValueError:
                return None
    return None


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text or type(error).__name__


def _answers(arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    for name in arguments:
        try:
            fmt = look_at(Path(name))
        except ClipError as error:
            yield {"error": str(error)}
        except MemoryError:
            yield {"error": "needs more memory to be read than a video should"}
        else:
            yield {"format": {**asdict(fmt), "rate": str(fmt.rate)}}


if __name__ == "__main__":
    limit_resources()
    av.logging.set_level(None)
    for answer in _answers(sys.argv[1:]):
        print(json.dumps(answer), flush=True)
