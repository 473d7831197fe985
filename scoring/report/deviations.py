"""Where a study departs from what the recommendation asks, as far as its data tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Q

from scoring.answer import EVERYBODY, Answer
from scoring.results import Results
from scoring.wording import counted
from sessions_app.core.planner import UNMEASURED
from sessions_app.core.protocol import PROTOCOLS
from sessions_app.models import (
    Cell,
    CellKind,
    Commissioning,
    Note,
    SeatKind,
    SessionState,
    Showing,
    ShowingState,
    Vote,
)


@dataclass(frozen=True)
class Deviation:
    about: str
    found: str


def deviations(results: Results, answer: Answer) -> list[Deviation]:
    found = (
        ("Viewers", _viewers(results, answer)),
        ("Choices", _choices(answer)),
        ("Sessions", _sessions(results)),
        ("Showing", _showing(results)),
        ("Votes", _votes(results)),
        ("Material", _material(results)),
        ("Viewing conditions", _conditions(results)),
    )
    return [Deviation(about, text) for about, texts in found for text in texts]


def _viewers(results: Results, answer: Answer) -> Iterator[str]:
    least, panel = results.study.protocol.fewest_viewers, len(results.viewers)
    if panel < least:
        yield (
            f"{counted(panel, 'viewer')} gave counted votes; at least {least} experts are asked "
            "for."
        )
    elif answer.viewers < least:
        yield (
            f"{answer.viewers} of {panel} viewers are left after screening; at least {least} are "
            "asked for."
        )
    if answer.selection != EVERYBODY:
        screening = results.screenings[answer.selection]
        yield from (text for text in (screening.warning, screening.note) if text)


def _choices(answer: Answer) -> Iterator[str]:
    if answer.chosen.without:
        yield f"Left out by hand, not by a rule: {', '.join(answer.chosen.without)}."


def _sessions(results: Results) -> Iterator[str]:
    study, sessions = results.study, results.study.test_sessions
    states = {state: sessions.filter(state=state).count() for state in SessionState.values}
    ended = states[SessionState.FINISHED] + states[SessionState.ABORTED]
    if ended < sum(states.values()):
        yield f"{ended} of {sum(states.values())} sessions are over; the numbers may still change."
    if states[SessionState.ABORTED]:
        yield f"Ended early: {states[SessionState.ABORTED]} of {sum(states.values())} sessions."
    for session in sessions.prefetch_related("cells__a__low_resolution__source__clip"):
        minutes = session.seconds / 60
        if minutes > study.protocol.longest_session_seconds / 60:
            yield f"{session} lasts {minutes:.1f} min; 20 min are the most that is asked for."
    trained = study.sessions.filter(training=True, state=SessionState.FINISHED)
    without = set(sessions.values_list("panel", flat=True)) - set(
        trained.values_list("panel", flat=True)
    )
    if without:
        yield f"No training session was held for panel {', '.join(map(str, sorted(without)))}."
    asked = PROTOCOLS[study.protocol_slug]
    if study.protocol.phases != asked.phases:
        usual = sum(phase.seconds or 0 for phase in asked.phases if phase.votes)
        yield f"Voting took {study.vote_seconds:g} s a cell; {usual:g} s are asked for."
    if study.wait_for_votes:
        yield "The next cell waited for all votes, so voting could take longer than that."


def _showing(results: Results) -> Iterator[str]:
    study = results.study
    for session in study.test_sessions.exclude(overrule_reason=""):
        yield (
            f"{session} ran on a display that had failed a check and counts by the looser rule for "
            f"trials. Reason given: {session.overrule_reason}"
        )
    if study.rule.name != "exact":
        yield f"Showings count that were not exact: {study.rule}."
    cells = Cell.objects.filter(session__study=study, session__training=False, kind=CellKind.TEST)
    shown = Q(showings__valid=True) & ~Q(showings__state=ShowingState.INTERRUPTED)
    planned = cells.filter(repeats=None)
    never = planned.annotate(good=Count("showings", filter=shown)).filter(good=0)
    lost = never.exclude(repeated_by__showings__valid=True).distinct().count()
    if lost:
        yield f"Never shown properly: {lost} of {planned.count()} test cells."
    skipped = cells.filter(skipped=True).count()
    if skipped:
        yield f"Left out on the coordinator's wish: {counted(skipped, 'test cell')}."
    bad = Showing.objects.filter(cell__in=cells, valid=False).count()
    if bad:
        yield f"Not shown properly, so that votes do not count: {counted(bad, 'showing')}."
    again = cells.exclude(repeats=None).count()
    if again:
        yield f"Shown again, out of the planned order: {counted(again, 'test cell')}."


def _votes(results: Results) -> Iterator[str]:
    table = results.ratings
    lost = table[~table["counted"] & (table["kind"] == CellKind.TEST)]
    for because, votes in lost["not_counted_because"].astype(str).value_counts().items():
        yield f"{counted(votes, 'vote')} of test cells not counted: {because}."
    gaps = results.analysis.answer().mos.votes < len(results.viewers)
    if gaps.any():
        yield f"{int(gaps.sum())} of {len(gaps)} PVSs were not scored by every viewer."
    cast = Vote.objects.filter(
        showing__cell__session__study=results.study, showing__cell__session__training=False
    )
    for kind, how in (
        (SeatKind.KEYPAD, "at the display's keyboard, one viewer after another"),
        (SeatKind.PAPER, "on paper and typed in afterwards"),
    ):
        votes = cast.filter(seat__kind=kind).count()
        if votes:
            yield f"Given {how}: {counted(votes, 'vote')}."


def _material(results: Results) -> Iterator[str]:
    if UNMEASURED in results.study.plan_notes:
        yield (
            "When the sessions were planned not every PVS had been measured, so the stabilisation "
            "cells are not known to span the quality range."
        )


def _conditions(results: Results) -> Iterator[str]:
    yield (
        "Luminance, surround, viewing distance and the viewers' eyesight are not recorded here and "
        "must be reported apart."
    )
    sessions = results.study.test_sessions.exclude(started_at=None)
    named = {session.display_report.get("label") or "" for session in sessions}
    agreed = Commissioning.objects.filter(display__in=named, agrees=True)
    unproven = named - set(agreed.values_list("display", flat=True))
    for display in sorted(unproven):
        which = f"display {display}" if display else "a display without a name"
        yield f"No instrument was held to {which} to prove that it shows what its log says."
    notes = Note.objects.filter(session__study=results.study).select_related("session")
    for one in notes:
        yield f"Noted in {one.session}: {one.text}"
