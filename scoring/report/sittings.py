"""When, how often and on which displays a study was run, as far as it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.utils import timezone

from sessions_app.models import Study


@dataclass(frozen=True)
class Sittings:
    test: int
    training: int
    first: date | None  # of the days on which votes that count could be cast
    last: date | None
    displays: tuple[str, ...]


def sittings(study: Study) -> Sittings:
    """Of sessions that began; one without a name for its display names none."""
    begun = list(study.sessions.exclude(started_at=None))
    test = [session for session in begun if not session.training]
    days = sorted(timezone.localdate(session.started_at) for session in test)
    named = {session.display_report.get("label") or "" for session in test} - {""}
    return Sittings(
        len(test),
        len(begun) - len(test),
        days[0] if days else None,
        days[-1] if days else None,
        tuple(sorted(named)),
    )
