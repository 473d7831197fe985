"""Does the light of a display follow its log? Compares what was painted with what was seen.

The log is the display's own account of a run of the counter clip; what was seen comes from an
instrument that the log knows nothing of: a capture card that reads the counter, or counts made
with a photodiode. Pure; says in words what does not agree.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import Any

MOST_FRAMES = 10_000
MOST_SAMPLES = 500_000
# Share of a refresh for which a frame must at least be on the screen; one on for less was
# overtaken by the next, as the browser tells its times.
OVERTAKEN = 0.5
NAMED = 5  # faults of a kind that are named one by one


class BadLog(ValueError):
    """The report is not one that the commissioning page sends."""


class BadCapture(ValueError):
    """The capture cannot be compared; the message says what to do."""


@dataclass(frozen=True)
class Painted:
    """A frame that the display painted; refreshes count from the first of the run."""

    frame: int
    planned: int  # the refresh at which it was due
    refresh: int  # the one at which it was painted
    refresh_ms: float  # when that refresh was announced
    painted_ms: float  # when it was painted
    screen_ms: float | None = None  # when the browser says that it was on the screen


@dataclass(frozen=True)
class Log:
    refresh_hz: float
    frames: int  # of the clip
    ends: int  # the refresh at which the clip gave way to grey
    painted: tuple[Painted, ...]
    ends_ms: float | None = None  # when that grey was on the screen, where the browser tells

    @property
    def period_ms(self) -> float:
        return 1000 / self.refresh_hz

    @property
    def missing(self) -> tuple[int, ...]:
        return tuple(frame for frame in range(self.frames) if frame not in self.stood_ms)

    @property
    def late(self) -> tuple[int, ...]:
        return tuple(each.frame for each in self.painted if each.refresh > each.planned)

    @cached_property
    def stood_ms(self) -> dict[int, float]:
        """For how long each frame that reached the screen stood there: by what the browser told,
        else by the refreshes at which it was painted."""
        if self.ends_ms is None:
            begins = [(each.frame, each.refresh * self.period_ms) for each in self.painted]
            end = self.ends * self.period_ms
        else:
            begins = [
                (each.frame, each.screen_ms) for each in self.painted if each.screen_ms is not None
            ]
            end = self.ends_ms
        return {
            frame: after - at
            for (frame, at), (_, after) in pairwise([*begins, (self.frames, end)])
            if after - at >= OVERTAKEN * self.period_ms
        }

    @property
    def holds(self) -> dict[int, int]:
        """The same in refreshes."""
        return {frame: round(ms / self.period_ms) for frame, ms in self.stood_ms.items()}

    @property
    def repeated(self) -> tuple[int, ...]:
        """Frames that stood for longer than one frame should."""
        planned = {
            one.frame: math.ceil((after.planned - one.planned) / (after.frame - one.frame))
            for one, after in pairwise(self.painted)
        }
        usual = max(planned.values(), default=self.ends)
        return tuple(
            frame for frame, held in self.holds.items() if held > planned.get(frame, usual)
        )

    @property
    def duration_ms(self) -> float:
        return sum(self.stood_ms.values())


def parse_log(data: Any, frames: int) -> Log:
    """Reads the page's account of a run, refusing whatever is not one."""
    try:
        hz, ends, rows = float(data["refresh_hz"]), _whole(data["ends"]), data["painted"]
        ends_ms = _time(data.get("ends_ms"))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadLog(f"the log lacks {error}") from None
    if not 1 <= hz <= 1000 or not isinstance(rows, list) or not 0 < len(rows) <= MOST_FRAMES:
        raise BadLog("the log names no refresh rate, or no frame that was painted")
    painted = tuple(_painted(row) for row in rows)
    before = Painted(-1, -1, -1, -math.inf, -math.inf)
    for one, after in pairwise((before, *painted)):
        if after.frame <= one.frame or after.refresh <= one.refresh:
            raise BadLog("the log does not go forward")
    if painted[-1].frame >= frames or ends <= painted[-1].refresh:
        raise BadLog("the log goes beyond the clip")
    return Log(hz, frames, ends, painted, ends_ms)


def _painted(row: Any) -> Painted:
    if not isinstance(row, list) or len(row) not in (5, 6):  # without or with the screen
        raise BadLog("a frame of the log is five or six numbers")
    screen_ms = _time(row[5]) if len(row) == 6 else None
    frame, planned, refresh = (_whole(value) for value in row[:3])
    return Painted(frame, planned, refresh, _finite(row[3]), _finite(row[4]), screen_ms)


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 10**7:
        raise BadLog(f"{value!r} is not a count")
    return value


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise BadLog(f"{value!r} is not a time")
    return float(value)


def _time(value: Any) -> float | None:
    return None if value is None else _finite(value)


# ---- a capture -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    ms: float
    counter: int | None  # None: grey, or not readable


@dataclass(frozen=True)
class Seen:
    """What a capture shows of a run."""

    frames: int  # different ones
    missing: tuple[int, ...]
    backwards: tuple[int, ...]  # frames that came after a later one
    foreign: int  # samples whose number no frame has
    holds_ms: dict[int, float]  # how long each frame stood, where that is known
    duration_ms: float | None  # None where begin or end was not captured
    interval_ms: float  # between two samples


def read_capture(text: str) -> list[Sample]:
    """Rows of `time_ms` and `counter`; an empty counter where none could be read."""
    lines = text.lstrip("\ufeff").splitlines()
    if not lines:
        raise BadCapture("The capture is empty.")
    delimiter = max(",;\t", key=lines[0].count)
    rows = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    names = [name.strip().lower() for name in next(rows)]
    if not {"time_ms", "counter"} <= set(names):
        raise BadCapture("The first line of a capture names its columns: time_ms and counter.")
    time, counter = names.index("time_ms"), names.index("counter")
    samples = list(_samples(rows, time, counter))
    if len(samples) < 2:
        raise BadCapture("The capture has no samples below its first line.")
    if any(after.ms <= before.ms for before, after in pairwise(samples)):
        raise BadCapture("The times of a capture grow from row to row.")
    return samples


def _samples(rows: Iterator[list[str]], time: int, counter: int) -> Iterator[Sample]:
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        if number > MOST_SAMPLES:
            raise BadCapture(f"A capture has at most {MOST_SAMPLES} samples: cut it to the run.")
        try:
            ms = float(row[time].strip().replace(",", "."))
        except (IndexError, ValueError):
            ms = math.nan
        if not math.isfinite(ms):
            raise BadCapture(f"Line {number} of the capture has no time in milliseconds.")
        read = row[counter].strip() if counter < len(row) else ""
        yield Sample(ms, int(read) if read.isdecimal() and len(read) < 10 else None)


def look_at(samples: Sequence[Sample], log: Log) -> Seen:
    """Finds the frames of a run in its capture."""
    interval = median(after.ms - before.ms for before, after in pairwise(samples))
    if interval > 1.01 * log.period_ms:
        raise BadCapture(
            f"The capture has a sample every {interval:.1f} ms and the screen a refresh every "
            f"{log.period_ms:.1f} ms: capture at the screen's rate or faster."
        )
    known = [each for each in samples if each.counter is not None and each.counter < log.frames]
    if not known:
        raise BadCapture("No number of a frame of this clip is in the capture.")
    begins = [known[0]]  # where each frame is first seen
    for before, after in pairwise(known):
        if after.counter != before.counter:
            begins.append(after)
    end = next((each.ms for each in samples if each.ms > known[-1].ms), None)
    last = [Sample(end, None)] if end is not None else []
    holds: dict[int, float] = {}
    for one, after in pairwise([*begins, *last]):
        assert one.counter is not None
        holds[one.counter] = holds.get(one.counter, 0.0) + after.ms - one.ms
    whole = end is not None and samples[0].counter is None
    return Seen(
        frames=len({each.counter for each in known}),
        missing=tuple(sorted(set(range(log.frames)) - {each.counter for each in known})),
        backwards=tuple(_backwards(begins)),
        foreign=sum(each.counter is not None and each.counter >= log.frames for each in samples),
        holds_ms=holds,
        duration_ms=end - known[0].ms if end is not None and whole else None,
        interval_ms=interval,
    )


def _backwards(begins: Sequence[Sample]) -> Iterator[int]:
    latest = -1
    for each in begins:
        assert each.counter is not None
        if each.counter < latest:
            yield each.counter
        latest = max(latest, each.counter)


# ---- the comparison ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    agrees: bool
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.reasons) or "Every frame was seen for as long as the log says."


def compare(seen: Seen, log: Log) -> Comparison:
    """Frame by frame. A time agrees that is off by less than half a refresh, or by less than the
    distance of two samples where that is longer and not the refresh itself."""
    period = log.period_ms
    in_step = abs(seen.interval_ms / period - 1) <= 0.01
    tolerance = period / 2 if in_step else max(period / 2, seen.interval_ms)
    lost = sorted(set(seen.missing) - set(log.missing))
    unlogged = sorted(set(log.missing) - set(seen.missing))
    differing = [
        frame
        for frame, stood in log.stood_ms.items()
        if frame in seen.holds_ms and abs(seen.holds_ms[frame] - stood) >= tolerance
    ]
    reasons = [
        *_named(lost, "painted by the log but not seen"),
        *_named(unlogged, "seen but not painted by the log"),
        *_named(seen.backwards, "seen after a later one"),
        *_named(differing, "seen for longer or shorter than the log says"),
    ]
    if seen.foreign:
        reasons.append(f"{seen.foreign} samples read a number that no frame has: check the reading")
    if seen.duration_ms is None:
        reasons.append("the capture lacks the grey before or after the clip: capture all of it")
    else:
        reasons += _duration(seen.duration_ms, log, period / 2 + seen.interval_ms)
    return Comparison(not reasons, tuple(reasons))


def compare_counts(missing: int, repeated: int, duration_ms: float, log: Log) -> Comparison:
    """What somebody counted by hand: frames never seen, frames that stood too long, and how long
    all of it took, to a refresh."""
    reasons = [
        f"{counted} frames {what} were counted, the log has {len(logged)}"
        for counted, what, logged in (
            (missing, "missing", log.missing),
            (repeated, "held too long", log.repeated),
        )
        if counted != len(logged)
    ]
    reasons += _duration(duration_ms, log, log.period_ms)
    return Comparison(not reasons, tuple(reasons))


def _named(frames: Sequence[int], what: str) -> list[str]:
    if not frames:
        return []
    some = ", ".join(str(frame) for frame in frames[:NAMED])
    more = f" and {len(frames) - NAMED} more" if len(frames) > NAMED else ""
    return [f"frame{'s' if len(frames) > 1 else ''} {some}{more}: {what}"]


def _duration(measured_ms: float, log: Log, tolerance_ms: float) -> list[str]:
    if abs(measured_ms - log.duration_ms) <= tolerance_ms:
        return []
    return [f"it lasted {measured_ms:.1f} ms, by the log {log.duration_ms:.1f} ms"]


def refreshes_held(seen: Seen, log: Log) -> dict[int, int]:
    """How many frames stood for how many refreshes, to the nearest."""
    counted = Counter(round(ms / log.period_ms) for ms in seen.holds_ms.values())
    return dict(sorted(counted.items()))
