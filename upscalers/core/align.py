"""How a clip lies against its reference: in time, in place, in level. Judges, changes nothing.

For PVSs made elsewhere and for recordings made beside a source. Time is found by what changes
from frame to frame, in pictures made small enough that scale, blur, noise and codec hardly count.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from upscalers.core.clip import ClipFormat, OnProgress, Planes, ShouldStop, ticker
from upscalers.core.degrade import MAX_SCALE
from upscalers.core.errors import ClipError
from upscalers.core.resample import resample_axis, single_threaded
from upscalers.core.video import read_frames

Floats = NDArray[np.float64]

SMALL = (18, 32)  # rows, columns of what frames are reduced to
MAX_FRAMES = 1500  # of each clip that are looked at: longer ones are compared at their beginning
STILL = 0.02  # codes of 255 by which frames must change on average
LIKE = 0.3  # least correlation of changes that says when
CLEARER = 0.02  # by how much it must beat any other offset; by more where noise lowers it
SAME_CONTENT = 0.7
PICKED = 4  # frames by which the place is found
WINDOW = 1024
BAND = 0.1  # cycles per sample up to which phases are compared: finer detail is made up by methods
MAX_SHIFT = 0.5
STEEPER, LIFTED = 0.06, 5.0  # gain and codes of 255 that are worth a remark


@dataclass(frozen=True)
class Alignment:
    """Frame n of the reference shows what frame n + `frame_offset` of the clip shows."""

    frame_offset: int
    frame_offset_by_timecode: int | None  # None: not both files carry one
    can_tell: bool  # False: so little changes in the clip that any offset would do
    correlation: float  # of the changes from frame to frame, at that offset
    runner_up: float  # the same at the next best offset
    content: float  # correlation of the pictures themselves
    shift: tuple[float, float]  # right and down, in samples of the reference
    gain: float  # how many times steeper than the reference luma is
    level: float  # how much brighter on average, in codes of 255
    verdict: str

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "shift": list(self.shift)}


def align(
    reference: Path,
    reference_format: ClipFormat,
    clip: Path,
    clip_format: ClipFormat,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    timecodes: tuple[str, str] = ("", ""),
) -> Alignment:
    """Compare two clips of one scene, whatever their sizes."""
    pairs = ((reference, reference_format), (clip, clip_format))
    tick = ticker(sum(_looked_at(fmt) for _, fmt in pairs), on_progress, should_stop)
    with single_threaded(), torch.inference_mode():
        picked = _picked(0, reference_format, clip_format)
        seen = [_see(path, fmt, picked, tick) for path, fmt in pairs]
        ours, theirs = (one.signatures for one in seen)
        offset, correlation, runner_up = best_offset(ours, theirs)
        margin = max(CLEARER, 0.3 * (1 - correlation))
        changing = min(_change(ours), _change(theirs)) > STILL
        can_tell = changing and correlation >= LIKE and correlation - runner_up >= margin
        if can_tell and offset:  # other frames are to be laid upon each other: read them
            picked = _picked(offset, reference_format, clip_format)
            for one, (path, fmt), aside in zip(seen, pairs, (0, offset), strict=True):
                one.pictures = _pictures(path, fmt, [n + aside for n in picked], tick)
        else:
            offset = 0
        content, gain, level = _likeness(*_overlap(ours, theirs, offset))
        shift = _shift(*(one.pictures for one in seen))
    found = Alignment(
        offset, offset_by_timecode(*timecodes, reference_format.rate), can_tell,
        round(correlation, 4), round(runner_up, 4), round(content, 4),
        (round(shift[0], 2), round(shift[1], 2)), round(gain, 3), round(level, 2), "",
    )  # fmt: skip
    return Alignment(**{**vars(found), "verdict": _verdict(found)})


def check_pvs(
    source: Path,
    source_format: ClipFormat,
    path: Path,
    fmt: ClipFormat,
    name: str = "",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Alignment:
    """A PVS made elsewhere lies on its source, frame on frame; else a ClipError says what to do."""
    name = name or Path(path).name
    refuse_other_format(source_format, fmt, name)
    found = align(source, source_format, path, fmt, on_progress, should_stop)
    _refuse_other_content(found, name)
    if found.frame_offset:
        frames = abs(found.frame_offset)
        late = found.frame_offset < 0
        raise ClipError(
            f"{name} starts {_frames(frames)} "
            f"{'late' if late else 'early'}: its first frame shows "
            + (f"frame {frames} of its source" if late else "what comes before its source")
            + ". Export it again with exactly the source's frames"
        )
    if max(map(abs, found.shift)) > MAX_SHIFT:
        raise ClipError(
            f"{name} lies {_way(found.shift)} of its source: upscale with the samples' centres "
            "kept in place (half-pixel centres), so that the picture does not move"
        )
    return found


def check_recording(
    source: Path,
    source_format: ClipFormat,
    path: Path,
    fmt: ClipFormat,
    name: str = "",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    timecodes: tuple[str, str] = ("", ""),
) -> tuple[Fraction, Alignment]:
    """A smaller recording beside a source: how many times smaller, and where it lies.

    It holds every frame of the source; what it has more is for the caller to cut off, from
    `frame_offset` on.
    """
    name = name or Path(path).name
    scale = recorded_scale(source_format, fmt, name)
    found = align(source, source_format, path, fmt, on_progress, should_stop, timecodes)
    _refuse_other_content(found, name)
    first, last = found.frame_offset, found.frame_offset + source_format.frames - 1
    if first < 0 or last >= fmt.frames:
        have = (max(0, -first), min(source_format.frames, fmt.frames - first) - 1)
        raise ClipError(
            f"{name} shows frames {have[0]} to {have[1]} of its source only, which has frames 0 to "
            f"{source_format.frames - 1}: bring the source in again cut to these"
        )
    return scale, found


def recorded_scale(source: ClipFormat, fmt: ClipFormat, name: str) -> Fraction:
    """How many times smaller a recording is; refuses what cannot be a pair of the source."""
    if fmt.rate != source.rate:
        raise ClipError(
            f"{name} has {_rate(fmt)} frames per second, its source has {_rate(source)}: "
            "record or convert both at the same rate"
        )
    if fmt.width >= source.width or fmt.height >= source.height:
        raise ClipError(
            f"{name} is {fmt.width}x{fmt.height}, which is not smaller than its source "
            f"({source.width}x{source.height})"
        )
    scale = _scale_between((source.height, source.width), (fmt.height, fmt.width))
    if scale is None or scale > MAX_SCALE:
        raise ClipError(
            f"{name} is {fmt.width}x{fmt.height}, which is not {source.width}x{source.height} "
            f"made smaller by one factor of at most {MAX_SCALE}: crop both to the same picture"
        )
    return scale


def _scale_between(large: tuple[int, int], small: tuple[int, int]) -> Fraction | None:
    """The simple factor of which one size is the other made smaller, rounded up."""
    scale = Fraction(large[0], small[0]).limit_denominator(8)
    return scale if tuple(-(-side // scale) for side in large) == small else None


def refuse_other_format(source: ClipFormat, fmt: ClipFormat, name: str) -> None:
    """A PVS has its source's size, length, rate and samples."""
    if (fmt.width, fmt.height) != (source.width, source.height):
        raise ClipError(
            f"{name} is {fmt.width}x{fmt.height}, its source is {source.width}x{source.height}: "
            "a PVS has the size of its source"
        )
    if fmt.rate != source.rate:
        raise ClipError(
            f"{name} has {_rate(fmt)} frames per second, its source has {_rate(source)}: "
            "export it at the source's rate"
        )
    if fmt.frames != source.frames:
        raise ClipError(
            f"{name} has {fmt.frames} frames, its source has {source.frames}: "
            "trim it or export it again"
        )
    if fmt.pix_fmt != source.pix_fmt:
        raise ClipError(
            f"{name} has {fmt.pix_fmt} samples, its source has {source.pix_fmt}: "
            f"export it with the pixel format {source.pix_fmt}"
        )
    for what in ("range", "matrix", "transfer", "primaries"):
        theirs, ours = getattr(fmt, what), getattr(source, what)
        same_numbers = what != "primaries" and {theirs, ours} == {"smpte170m", "bt470bg"}
        if theirs != ours and not same_numbers:
            raise ClipError(
                f"{name} is marked with the colour {what} {theirs}, its source with {ours}: "
                "export it again as the source is, or correct the mark"
            )


def offset_by_timecode(reference: str, clip: str, rate: Fraction) -> int | None:
    """`frame_offset` as the two timecodes have it."""
    counts = [_frames_since_midnight(timecode, rate) for timecode in (reference, clip)]
    if None in counts:
        return None
    return counts[0] - counts[1]  # type: ignore[operator]


def _frames_since_midnight(timecode: str, rate: Fraction) -> int | None:
    match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)", timecode)
    if match is None:
        return None
    hours, minutes, seconds, frames = (int(match[n]) for n in (1, 2, 3, 5))
    counted, minute = round(rate), 60 * hours + minutes
    total = (60 * minute + seconds) * counted + frames
    if match[4] != ":":  # drop frame: the first numbers of each minute but the tenth are left out
        total -= (counted // 15) * (minute - minute // 10)
    return total


def best_offset(ours: Floats, theirs: Floats) -> tuple[int, float, float]:
    """Where changes from frame to frame correlate best, how much, and how much at the next best.

    At least half of the shorter clip must be common to both.
    """
    a, b = np.diff(ours, axis=0), np.diff(theirs, axis=0)
    if not len(a) or not len(b):
        return 0, 0.0, 0.0
    least = max(1, min(len(a), len(b)) // 2)
    products = a @ b.T
    energy_a, energy_b = ((x**2).sum(1) for x in (a, b))
    scores = {}
    for offset in range(least - len(a), len(b) - least + 1):
        first, last = max(0, -offset), min(len(a), len(b) - offset)
        energy = energy_a[first:last].sum() * energy_b[first + offset : last + offset].sum()
        common = np.trace(products[first:last, first + offset : last + offset])
        scores[offset] = float(common / np.sqrt(energy)) if energy > 0 else 0.0
    # Of equal ones the least offset: a clip that does not change lies where it is.
    ranked = sorted(scores, key=lambda offset: (-scores[offset], abs(offset)))
    return ranked[0], scores[ranked[0]], scores[ranked[min(1, len(ranked) - 1)]]


def measured_shift(ours: Floats, theirs: Floats) -> tuple[float, float]:
    """How far the second pictures (frames, rows, columns) lie right of and below the first.

    The peak of the phase correlation averaged over all frames, to a fiftieth of a sample.
    """
    rows, columns = ours.shape[1:]
    taper = np.hanning(rows + 2)[1:-1, None] * np.hanning(columns + 2)[1:-1]
    spectra = [np.fft.fft2((x - x.mean((1, 2), keepdims=True)) * taper) for x in (ours, theirs)]
    crossed = spectra[1] * spectra[0].conj()
    magnitude = np.abs(crossed)
    # Between plain and phase correlation: sharp, and deaf to frequencies that are but noise.
    weighted = (crossed / np.sqrt(magnitude + 1e-9)).sum(0)
    down, across = np.fft.fftfreq(rows), np.fft.fftfreq(columns)
    weighted *= np.hypot(down[:, None], across) <= BAND
    if not np.abs(weighted).sum() > 1e-6:
        return 0.0, 0.0
    surface = np.fft.ifft2(weighted).real
    y, x = np.unravel_index(surface.argmax(), surface.shape)
    at = np.array([(y + rows // 2) % rows - rows // 2, (x + columns // 2) % columns - columns // 2])
    for step in (0.2, 0.02):  # ever finer around the best so far
        around = np.arange(-6, 7) * step
        turn_y = np.exp(2j * np.pi * np.outer(at[0] + around, down))
        turn_x = np.exp(2j * np.pi * np.outer(across, at[1] + around))
        near = (turn_y @ weighted @ turn_x).real
        best = np.unravel_index(near.argmax(), near.shape)
        at = at + around[list(best)]
    return float(at[1]), float(at[0])


def _looked_at(fmt: ClipFormat) -> int:
    return min(fmt.frames, MAX_FRAMES)


def _luma(planes: Planes, fmt: ClipFormat) -> torch.Tensor:
    """(1, rows, columns), at any depth in codes of 8 bits."""
    codes = torch.from_numpy(planes[0].astype(np.float32))[None]
    return codes / (1 << (fmt.bit_depth - 8))


def _reduced(luma: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    scale = _scale_between((luma.shape[1], luma.shape[2]), shape)
    for axis, size in ((1, shape[0]), (2, shape[1])):
        factor = 1 / scale if scale else Fraction(size, luma.shape[axis])
        luma = resample_axis(luma, axis, "area", factor, size, Fraction(0))
    return luma


@dataclass
class _Seen:
    signatures: Floats  # one row of luma averages for each frame
    pictures: list[torch.Tensor]  # the luma of the picked frames


def _see(path: Path, fmt: ClipFormat, picked: list[int], tick: Callable[[], None]) -> _Seen:
    seen = _Seen(np.empty((_looked_at(fmt), SMALL[0] * SMALL[1])), [])
    with closing(read_frames(path, fmt, 0, len(seen.signatures))) as frames:
        for number, planes in enumerate(frames):
            luma = _luma(planes, fmt)
            seen.signatures[number] = _reduced(luma, SMALL).flatten().numpy()
            if number in picked:
                seen.pictures.append(luma)
            tick()
    return seen


def _picked(offset: int, ours: ClipFormat, theirs: ClipFormat) -> list[int]:
    """A few frames of the reference that the clip has too."""
    first, last = max(0, -offset), min(_looked_at(ours), _looked_at(theirs) - offset) - 1
    return sorted({round(n) for n in np.linspace(first, last, PICKED)})


def _pictures(
    path: Path, fmt: ClipFormat, picked: list[int], tick: Callable[[], None]
) -> list[torch.Tensor]:
    pictures = []
    with closing(read_frames(path, fmt, 0, picked[-1] + 1)) as frames:
        for number, planes in enumerate(frames):
            if number in picked:
                pictures.append(_luma(planes, fmt))
            tick()
    return pictures


def _change(signatures: Floats) -> float:
    """How much frames change, in codes of 255: the root mean square over all of the clip."""
    return float(np.sqrt((np.diff(signatures, axis=0) ** 2).mean())) if len(signatures) > 1 else 0.0


def _overlap(ours: Floats, theirs: Floats, offset: int) -> tuple[Floats, Floats]:
    first, last = max(0, -offset), min(len(ours), len(theirs) - offset)
    return ours[first:last], theirs[first + offset : last + offset]


def _likeness(ours: Floats, theirs: Floats) -> tuple[float, float, float]:
    """Correlation, gain and level of frames that should show the same."""
    level = float((theirs - ours).mean())
    a, b = (x - x.mean(1, keepdims=True) for x in (ours, theirs))
    energy_a, energy_b, common = (a**2).sum(), (b**2).sum(), (a * b).sum()
    if min(energy_a, energy_b) < 1e-3 * a.size:  # one colour throughout: nothing to compare
        return float(max(energy_a, energy_b) < 1e-3 * a.size), 1.0, level
    return float(common / np.sqrt(energy_a * energy_b)), float(np.sqrt(energy_b / energy_a)), level


def _shift(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> tuple[float, float]:
    """By the middles of pictures of the smaller clip's size, in samples of the reference."""
    (_, height, width), (_, other_height, other_width) = ours[0].shape, theirs[0].shape
    size = (min(height, other_height), min(width, other_width))
    rows, columns = (min(side, WINDOW) for side in size)
    top, left = (size[0] - rows) // 2, (size[1] - columns) // 2
    window = slice(top, top + rows), slice(left, left + columns)
    stacks = (
        np.stack([_reduced(luma, size)[0][window].double().numpy() for luma in pictures])
        for pictures in (ours, theirs)
    )
    across, down = measured_shift(*stacks)
    scale = _scale_between((height, width), size)
    if scale is not None:
        return float(across * scale), float(down * scale)
    return across * width / size[1], down * height / size[0]


def _refuse_other_content(found: Alignment, name: str) -> None:
    if found.content < SAME_CONTENT:
        raise ClipError(
            f"{name} shows something else than its source (pictures correlate by "
            f"{found.content:.2f}): is it the right file?"
        )


def _verdict(found: Alignment) -> str:
    if not found.can_tell:
        time = "when it starts cannot be told, since too little changes alike in both clips"
    elif found.frame_offset:
        side = "earlier" if found.frame_offset > 0 else "later"
        time = f"starts {_frames(found.frame_offset)} {side}"
    else:
        time = "frame on frame"
    place = "in place" if max(map(abs, found.shift)) <= 0.1 else f"lies {_way(found.shift)}"
    remarks = [time, place]
    if abs(found.gain - 1) > STEEPER or abs(found.level) > LIFTED:
        remarks.append(
            f"luma is {found.gain:.2f} times as steep and {found.level:+.1f} of 255 brighter: "
            "check limited and full range"
        )
    return "; ".join(remarks)


def _way(shift: tuple[float, float]) -> str:
    across, down = shift
    ways = [
        f"{abs(value):.2f} samples {one if value > 0 else other}"
        for value, one, other in ((across, "right", "left"), (down, "below", "above"))
        if abs(value) > 0.05
    ]
    return " and ".join(ways)


def _frames(number: int) -> str:
    return "1 frame" if abs(number) == 1 else f"{abs(number)} frames"


def _rate(fmt: ClipFormat) -> str:
    return f"{float(fmt.rate):g}"
