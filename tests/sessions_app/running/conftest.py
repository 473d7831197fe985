"""Sessions with real clips, and a display that behaves as the display page does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_app.models import Session, Showing
from sessions_app.services import running
from tests.sessions_app.running.material import FRAMES, make_session

GOOD_CHECK = {"id": "fullscreen", "label": "Full screen", "value": "1", "advice": "", "ok": True}
BAD_CHECK = {"id": "refresh", "label": "Refresh rate", "value": "60", "advice": "50", "ok": False}


@dataclass
class FakeDisplay:
    """Says to the services what a display page says, with times of its own."""

    session: Session
    id: UUID = field(default_factory=uuid4)
    now: datetime = field(default_factory=lambda: timezone.now() - timedelta(minutes=10))

    def hello(
        self, showing: UUID | None = None, take_over: bool = False, fresh: bool = False
    ) -> None:
        running.display_hello(self.session.pk, self.id, showing, take_over, fresh)

    def report(self, *checks: dict[str, Any], loaded: bool = True) -> None:
        checks = checks or (GOOD_CHECK,)
        running.display_report(self.session.pk, self.id, list(checks), loaded, "loaded")

    def ready(self) -> FakeDisplay:
        self.hello()
        self.report()
        return self

    def showing(self) -> Showing | None:
        return running.current_showing(self.session)

    def show_stimuli(self, **wrong: Any) -> Showing:
        """Up to the vote phase; `wrong` overrides the evidence of phase b."""
        showing = self.showing()
        assert showing is not None
        for phase in self.session.study.protocol.phases:
            running.phase_began(self.session.pk, self.id, showing.pk, phase.name, self.now)
            seconds = FRAMES / 25 if phase.stimulus else phase.seconds or 0.0
            self.now += timedelta(seconds=0 if phase.votes else seconds)
        report = evidence_for(showing, **wrong)
        running.evidence_arrived(self.session.pk, self.id, showing.pk, report)
        return showing

    def finish_vote(self, showing: Showing) -> None:
        self.now += timedelta(seconds=self.session.study.vote_seconds)
        running.showing_ended(self.session.pk, self.id, showing.pk, self.now)

    def show_cell(self, **wrong: Any) -> Showing:
        showing = self.show_stimuli(**wrong)
        self.finish_vote(showing)
        return showing


def evidence_for(showing: Showing, **wrong: Any) -> dict[str, Any]:
    """What a display sends that showed every frame in time."""
    phases = []
    for phase in showing.cell.session.study.protocol.phases:
        frames = FRAMES if phase.stimulus else 0
        phases.append(
            {
                "name": phase.name, "planned_ms": 400.0, "measured_ms": 400.0,
                "frames_expected": frames, "frames_shown": frames, "frames_late": 0,
                "missed_refreshes": 0, "underflows": 0,
            }
        )  # fmt: skip
    next(phase for phase in phases if phase["name"] == "b").update(wrong)
    clips = {n: running.rendition_of(showing.cell, n).sha256 for n in ("reference", "a", "b")}
    return {
        "refresh_hz": 50.0, "largest_gap_ms": 20.0, "phases": phases, "events": [], "clips": clips
    }  # fmt: skip


@pytest.fixture
def session(owner: User) -> Session:
    return make_session(owner)


@pytest.fixture
def display(session: Session) -> FakeDisplay:
    return FakeDisplay(session)


@pytest.fixture
def started(session: Session, display: FakeDisplay, owner: User) -> FakeDisplay:
    """The display of a session that has just been started."""
    display.ready()
    running.start(session.pk, owner)
    return display
