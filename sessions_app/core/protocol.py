"""Test protocols as data: what a cell shows, for how long, and what may be voted.

The player, the planner and the seat pages read a protocol and know none by name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Stimulus = Literal["reference", "a", "b"]


@dataclass(frozen=True)
class Phase:
    """One step of a cell. A stimulus lasts as long as its clip, so it states no seconds."""

    name: str
    seconds: float | None = None
    message: str = ""
    stimulus: Stimulus | None = None
    votes: bool = False


@dataclass(frozen=True)
class Scale:
    """Impairment scale of eleven grades (BT.500): integers only, each with its words."""

    lowest: int
    highest: int
    labels: dict[int, str]

    def accepts(self, score: object) -> bool:
        return type(score) is int and self.lowest <= score <= self.highest


@dataclass(frozen=True)
class Protocol:
    slug: str
    name: str
    phases: tuple[Phase, ...]
    scale: Scale
    longest_session_seconds: float = 20 * 60
    stabilisation_cells: int = 4
    fewest_viewers: int = 9
    screening_threshold: float = 0.75

    def cell_seconds(self, clip_seconds: float) -> float:
        return sum(
            clip_seconds if phase.stimulus else (phase.seconds or 0.0) for phase in self.phases
        )

    def with_vote_seconds(self, seconds: float) -> Protocol:
        return replace(
            self,
            phases=tuple(
                replace(phase, seconds=seconds) if phase.votes else phase for phase in self.phases
            ),
        )


ELEVEN_GRADES = Scale(
    lowest=0,
    highest=10,
    labels={
        10: "imperceptible",
        9: "slightly perceptible somewhere",
        8: "slightly perceptible everywhere",
        7: "perceptible somewhere",
        6: "perceptible everywhere",
        5: "clearly perceptible somewhere",
        4: "clearly perceptible everywhere",
        3: "annoying somewhere",
        2: "annoying everywhere",
        1: "severely annoying somewhere",
        0: "severely annoying everywhere",
    },
)

EXPERT_VIEWING = Protocol(
    slug="expert-viewing",
    name="Expert viewing (ITU-R BT.2095)",
    phases=(
        Phase("grey", seconds=0.5),
        Phase("reference", stimulus="reference"),
        Phase("announce-a", seconds=0.5, message="A"),
        Phase("a", stimulus="a"),
        Phase("announce-b", seconds=0.5, message="B"),
        Phase("b", stimulus="b"),
        Phase("vote", seconds=5.0, message="Vote {number}", votes=True),
    ),
    scale=ELEVEN_GRADES,
)

PROTOCOLS = {protocol.slug: protocol for protocol in (EXPERT_VIEWING,)}
