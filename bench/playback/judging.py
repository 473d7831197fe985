"""One showing of a cell as the screen had it, beside what the display's evidence says."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from bench.playback.material import STIMULI, Format
from bench.playback.recorder import Seen, Stay
from bench.playback.standstill import Standstill
from sessions_app.core.evidence import EXACT, judge, parse_evidence
from sessions_app.models import Session, Showing, ShowingState
from sessions_app.services import running

# By how many refreshes a frame may stand too long or too short. The recorder knows a time to about
# a fifth of a refresh, and the evidence asks for two fifths: what lies between the outer two is
# called neither whole nor faulty.
WHOLE, HELD, FAULTY = 0.4, 0.75, 1.0
LONGEST_ERROR = 1.5  # refreshes, of a phase
ON_ITS_WAY = 2  # refreshes from painting a frame until it stands on the screen, at most


@dataclass
class Judged:
    missing: int = 0  # frames that never were on the screen
    blind: int = 0  # frames of which the recorder cannot tell
    held: int = 0  # frames that stood too long: repeated
    stood: int = 0  # of these, when a processor had stood still
    worst_held: float = 0.0  # refreshes
    worst_short: float = 0.0
    off_refreshes: float = 0.0  # how far a phase was from its length, at worst
    # Frames that stood too long or too short to call it whole: clip and frame.
    uneven: list[tuple[int, int]] = field(default_factory=list)
    valid: bool | None = None  # what the evidence says, by the exact rule
    verdict: str = ""
    showing: str = ""
    injected: str = ""

    @property
    def whole(self) -> bool:
        """Nothing is wrong with it on the screen."""
        return not self._broken and max(self.worst_held, self.worst_short) < WHOLE

    @property
    def faulty(self) -> bool:
        return self._broken or self.worst_held >= FAULTY

    @property
    def _broken(self) -> bool:
        return bool(self.missing) or self.off_refreshes >= LONGEST_ERROR


def judge_screen(
    seen: list[Seen], fmt: Format, hz: float, pause: float = 0.5,
    standstills: Sequence[Standstill] = (),
) -> Judged:  # fmt: skip
    """`seen`: the clips of one showing, in their order, with `pause` seconds between them."""
    found = Judged()
    for clip in seen:
        missing, blind = clip.unseen(fmt.frames, hz)
        found.missing += missing
        found.blind += blind
        stays = clip.stays(fmt.frames, hz, fmt.rate)
        uneven = [stay for stay in stays if abs(stay.over) >= WHOLE]
        found.uneven += [(clip.clip, stay.frame) for stay in uneven]
        held = [stay for stay in stays if stay.over >= HELD]
        found.held += len(held)
        found.stood += sum(_stood(stay, hz, standstills) for stay in held)
        found.worst_held = max([found.worst_held, *(stay.over for stay in stays)])
        found.worst_short = max([found.worst_short, *(-stay.over for stay in stays)])
    found.missing += fmt.frames * (len(STIMULI) - len(seen))
    lengths = [clip.seconds - fmt.frames / fmt.rate for clip in seen]
    lengths += [b.start - a.end - pause for a, b in pairwise(seen)]
    found.off_refreshes = max((abs(length) * hz for length in lengths), default=float("inf"))
    return found


def _stood(stay: Stay, hz: float, standstills: Sequence[Standstill]) -> bool:
    """A processor stood still while the next frame, which came late, was on its way."""
    due = stay.until - stay.over / hz
    return any(end > due - ON_ITS_WAY / hz and begin < due for begin, end in standstills)


def met_by_chance(standstills: Sequence[Standstill], hz: float, seconds: float) -> float:
    """The share of the time in which one could say so of a frame."""
    met, until = 0.0, float("-inf")
    for begin, end in sorted(standstills):
        met += max(0.0, end + ON_ITS_WAY / hz - max(begin, until))
        until = max(until, end + ON_ITS_WAY / hz)
    return met / seconds


def judge_session(
    session: Session, seen: list[Seen], fmt: Format, hz: float,
    standstills: Sequence[Standstill] = (),
) -> list[Judged]:  # fmt: skip
    showings = Showing.objects.filter(cell__session=session, state=ShowingState.SHOWN)
    showings = showings.order_by("started_at").select_related("cell__session__study")
    judged = []
    for showing in showings:
        first, last = _seconds(showing.started_at), _seconds(showing.ended_at)
        shown = [s for s in seen if first <= s.start < last]
        found = judge_screen(shown, fmt, hz, standstills=standstills)
        expected = running.expected_clips(showing.cell)
        exact = judge(parse_evidence(showing.evidence), expected, EXACT)
        found.valid, found.verdict = exact.valid, str(exact)
        found.showing = str(showing.pk)
        judged.append(found)
    return judged


def _seconds(at: datetime | None) -> float:
    assert at is not None
    return at.timestamp()


def summary(
    judged: list[Judged], fmt: Format, hz: float, standstills: list[Standstill] | None,
    seconds: float,
) -> dict[str, Any]:  # fmt: skip
    """`seconds`: for how long it was looked for standstills."""
    return {
        "format": str(fmt),
        "hz": hz,
        "cells": len(judged),
        "frames": len(judged) * fmt.frames * len(STIMULI),
        "missing": sum(one.missing for one in judged),
        "blind": sum(one.blind for one in judged),
        "uneven": sum(len(one.uneven) for one in judged),
        "repeated": sum(one.held for one in judged),
        "standstills": None if standstills is None else len(standstills),
        "repeated_at_standstill": (
            None if standstills is None else sum(one.stood for one in judged)
        ),
        "standstill_percent": (
            None if standstills is None else round(100 * met_by_chance(standstills, hz, seconds), 1)
        ),
        "worst_held_refreshes": round(max((one.worst_held for one in judged), default=0), 2),
        "worst_phase_refreshes": round(max((one.off_refreshes for one in judged), default=0), 2),
        "median_phase_refreshes": round(
            statistics.median([one.off_refreshes for one in judged] or [0]), 2
        ),
        "valid": sum(one.valid is True for one in judged),
        "invalid": sum(one.valid is False for one in judged),
        "missing_in_valid": sum(one.missing for one in judged if one.valid),
        "repeated_in_valid": sum(one.held for one in judged if one.valid),
        "whole_but_invalid": sum(one.valid is False and one.whole for one in judged),
        "whole": sum(one.whole for one in judged),
        "faulty": sum(one.faulty for one in judged),
        "faulty_but_valid": sum(one.valid is True and one.faulty for one in judged),
        "doubtful": [asdict(one) for one in judged if one.valid is not one.whole],
        "verdicts": [one.verdict for one in judged if one.valid is False],
    }
