"""What a display measured while it showed a cell, and the rule by which the cell counts.

Judges how a cell was shown; knows nothing of who voted or what was compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

MOST_PHASES = 40
MOST_EVENTS = 50
LONGEST_TEXT = 200

T = TypeVar("T")


class BadEvidence(ValueError):
    """The report is not one that Midgrey's display page sends."""


@dataclass(frozen=True)
class PhaseEvidence:
    name: str
    planned_ms: float
    measured_ms: float | None  # None for one that has not ended, or was swallowed by a stall
    frames_shown: int
    frames_late: int
    missed_refreshes: int
    # What the browser told afterwards of the pictures on the screen; None: it tells nothing.
    frames_arrived: int | None = None
    frames_held: int | None = None  # for longer than planned
    arrived_ms: float | None = None

    @property
    def shown(self) -> int:
        """A frame that was painted may still have been overtaken on its way to the screen."""
        told = self.frames_arrived
        return self.frames_shown if told is None else min(self.frames_shown, told)

    @property
    def late(self) -> int:
        return max(self.frames_late, self.frames_held or 0)

    @property
    def lengths_ms(self) -> list[float]:
        """By the refreshes, and by the screen."""
        return [ms for ms in (self.measured_ms, self.arrived_ms) if ms is not None]


@dataclass(frozen=True)
class Event:
    phase: str
    what: str


@dataclass(frozen=True)
class Evidence:
    refresh_hz: float
    largest_gap_ms: float
    phases: tuple[PhaseEvidence, ...]
    events: tuple[Event, ...]
    clips: Mapping[str, str]


@dataclass(frozen=True)
class Rule:
    """How much may go wrong before a cell does not count."""

    name: str
    least_shown: float  # share of a clip's frames
    most_late: float  # frames of a clip
    most_missed: float  # refreshes while a clip is on
    longest_gap_ms: float
    off_speed: float  # share by which a clip may be fast or slow
    forgiven: tuple[str, ...] = ()  # events, by their first word
    edition: int = 2  # of what a rule means; where none is kept, pauses may not have been judged

    def as_json(self) -> dict[str, Any]:
        """With what is not limited as null."""
        return {
            name: None if value == math.inf else list(value) if name == "forgiven" else value
            for name, value in asdict(self).items()
        }

    def __str__(self) -> str:
        """What it asks of each clip of a showing, and of the pauses between them."""
        share = f"at least {100 * self.least_shown:g} % of the frames"
        shown = "every frame" if self.least_shown == 1 else share
        parts = [
            f"{shown} shown",
            _at_most(self.most_late, "frame", "late"),
            _at_most(self.most_missed, "refresh", "missed"),
            f"clips and pauses as long as planned to one refresh and {100 * self.off_speed:g} %",
        ]
        if self.longest_gap_ms < math.inf:
            parts.append(f"no standstill over {self.longest_gap_ms:g} ms")
        return ", ".join(part for part in parts if part)


def _at_most(most: float, what: str, how: str) -> str:
    if most == math.inf:
        return ""
    if not most:
        return f"no {what} {how}"
    return f"at most {_counted(most, what)} {how}"


def _counted(count: float, what: str) -> str:
    plural = "es" if what.endswith("h") else "s"
    return f"{count:g} {what}{'' if count == 1 else plural}"


# As much off its rate as a clip may be to get whole refreshes per frame.
EXACT = Rule("exact", 1.0, 0, 0, math.inf, off_speed=0.0025)
# For trying things out: a coordinator overruled a failed check, so exactness was given up.
TRIAL = Rule(
    "trial", 0.9, math.inf, math.inf, 500.0, off_speed=0.1, forgiven=("fullscreen", "window")
)
# A study may allow less than is wanted of it by the exact rule, but never what a trial forbids.
LEAST_SHOWN, MOST_LATE, MOST_MISSED = TRIAL.least_shown, 50, 50
SHORTEST_GAP_MS, LONGEST_GAP_MS = 40.0, TRIAL.longest_gap_ms


def allowing(least_shown: float, late: int, missed: int, longest_gap_ms: float | None) -> Rule:
    """A study's own rule; the exact one where nothing is allowed."""
    gap = math.inf if longest_gap_ms is None else longest_gap_ms
    if (least_shown, late, missed, gap) == (1.0, 0, 0, math.inf):
        return EXACT
    return Rule("study", least_shown, late, missed, gap, off_speed=EXACT.off_speed)


@dataclass(frozen=True)
class Verdict:
    valid: bool
    reasons: tuple[str, ...]
    rule: Rule
    inexact: tuple[str, ...] = ()  # what the exact rule would not have let pass

    def __str__(self) -> str:
        if not self.valid:
            return "; ".join(self.reasons)
        if self.rule.name == TRIAL.name:
            return "shown well enough for a trial"
        if not self.inexact:
            return "shown exactly"
        return f"shown as the study allows: {'; '.join(self.inexact)}"


def parse_evidence(data: Any) -> Evidence:
    """Reads a display's report, refusing whatever is not one."""
    try:
        return Evidence(
            refresh_hz=_rate(data["refresh_hz"]),
            largest_gap_ms=_number(data["largest_gap_ms"]),
            phases=tuple(_phase(item) for item in _items(data["phases"], MOST_PHASES)),
            events=tuple(
                Event(_text(item["phase"]), _text(item["what"]))
                for item in _items(data["events"], MOST_EVENTS)
            ),
            clips={_text(k): _text(v) for k, v in dict(data["clips"]).items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise BadEvidence(f"evidence lacks {error}") from None


def _phase(item: Any) -> PhaseEvidence:
    return PhaseEvidence(
        name=_text(item["name"]),
        planned_ms=_number(item["planned_ms"]),
        measured_ms=_optional(_number, item["measured_ms"]),
        frames_shown=_count(item["frames_shown"]),
        frames_late=_count(item["frames_late"]),
        missed_refreshes=_count(item["missed_refreshes"]),
        frames_arrived=_optional(_count, item.get("frames_arrived")),
        frames_held=_optional(_count, item.get("frames_held")),
        arrived_ms=_optional(_number, item.get("arrived_ms")),
    )


def _optional(read: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else read(value)


def _items(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise BadEvidence(f"evidence has a list that is none or longer than {most}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise BadEvidence(f"{value!r} is not a measured number")
    return float(value)


def _rate(value: Any) -> float:
    rate = _number(value)
    if rate < 1:
        raise BadEvidence(f"{value!r} is not the refresh rate of a display")
    return rate


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 10**9:
        raise BadEvidence(f"{value!r} is not a count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\x00" in value:
        raise BadEvidence("evidence has a text that is none or too long")
    return value


def judge(evidence: Evidence, clips: Mapping[str, tuple[str, int]], rule: Rule = EXACT) -> Verdict:
    """`clips`: for each stimulus phase the digest of the clip that belongs there and its frames."""
    reasons = _reasons(evidence, clips, rule)
    return Verdict(not reasons, reasons, rule, _reasons(evidence, clips, EXACT))


def _reasons(
    evidence: Evidence, clips: Mapping[str, tuple[str, int]], rule: Rule
) -> tuple[str, ...]:
    reasons: list[str] = []
    measured = {phase.name: phase for phase in evidence.phases}
    period_ms = 1000 / evidence.refresh_hz
    # A phase ends with a refresh, and a standstill moves its ends.
    grain_ms = max(period_ms, evidence.largest_gap_ms)
    for name, (sha256, frames) in clips.items():
        if evidence.clips.get(name) != sha256:
            reasons.append(f"{name}: another clip was shown than the one planned")
        elif name not in measured:
            reasons.append(f"{name}: not shown")
        else:
            reasons += _faults(measured[name], frames, grain_ms, rule)
    shown = [i for i, phase in enumerate(evidence.phases) if phase.name in clips]
    for phase in evidence.phases[min(shown, default=0) : max(shown, default=0)]:
        if phase.name not in clips:  # what is forgiven a clip may fall upon the pause before it
            forgiven = min(rule.most_missed, phase.missed_refreshes) + (rule.most_late > 0)
            reasons += _wrong_length(phase, grain_ms + forgiven * period_ms, rule)
    if evidence.largest_gap_ms > rule.longest_gap_ms:
        reasons.append(f"the picture stood still for {evidence.largest_gap_ms:.0f} ms")
    for event in evidence.events:
        if event.phase in clips and event.what.split(" ")[0] not in rule.forgiven:
            reasons.append(f"{event.phase}: {event.what}")
    return tuple(reasons)


def _faults(phase: PhaseEvidence, frames: int, grain_ms: float, rule: Rule) -> list[str]:
    faults = _wrong_length(phase, grain_ms, rule)
    if phase.measured_ms is None:
        faults.insert(0, f"{phase.name}: its length was not measured")
    if phase.shown < rule.least_shown * frames:
        faults.append(f"{phase.name}: {phase.shown} of {frames} frames shown")
    if phase.late > rule.most_late:
        faults.append(f"{phase.name}: {_counted(phase.late, 'frame')} late")
    if phase.missed_refreshes > rule.most_missed:
        faults.append(f"{phase.name}: {_counted(phase.missed_refreshes, 'refresh')} missed")
    return faults


def _wrong_length(phase: PhaseEvidence, grain_ms: float, rule: Rule) -> list[str]:
    allowed_ms = rule.off_speed * phase.planned_ms + grain_ms
    for ms in phase.lengths_ms:
        if abs(ms - phase.planned_ms) > allowed_ms:
            return [f"{phase.name}: lasted {ms:.0f} ms instead of {phase.planned_ms:.0f} ms"]
    return []
