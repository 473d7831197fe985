"""What happens while a session is run: its states, its showings and its votes.

One function per action, each in one transaction that locks the session and announces the change.
Nothing here knows sockets or pages; times are given by whoever saw the event happen.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from sessions_app.core.evidence import TRIAL, Rule, judge, parse_evidence
from sessions_app.core.protocol import Phase
from sessions_app.live import announce
from sessions_app.models import (
    Cell,
    CellKind,
    Note,
    Seat,
    SeatKind,
    Session,
    SessionState,
    Showing,
    ShowingState,
    Slot,
    Vote,
    new_code,
    new_token,
)
from upscalers import audit
from upscalers.models import Clip, Rendition

State = SessionState

# A page that has not been heard of for so long is taken to be gone.
ALIVE = timedelta(seconds=15)
# Viewers may still vote, or change a vote, for so long after the session's last cell.
GRACE = timedelta(seconds=20)
# Clocks are compared over the network and agree no better than this.
CLOCK_TOLERANCE = timedelta(seconds=0.5)
LONGEST_NOTE = 500
MOST_KEYPADS = 3  # more would not be done with voting in time


class Refused(Exception):
    """The wish cannot be granted now; the message says why and what to do."""


@contextmanager
def _changing(session_pk: int) -> Iterator[Session]:
    """The session, locked against every other change until this one commits."""
    with transaction.atomic():
        session = Session.objects.select_for_update().get(pk=session_pk)
        yield session
        announce(session)


# ---- the clips of a session ---------------------------------------------------------------------


def clip_of(cell: Cell, stimulus: str) -> Clip:
    clip = {"reference": cell.source.clip, "a": cell.a.clip, "b": cell.b.clip}[stimulus]
    if clip is None:
        raise Refused("The session's clips are not all made yet: see the list of jobs.")
    return clip


def rendition_of(cell: Cell, stimulus: str) -> Rendition:
    rendition: Rendition | None = getattr(clip_of(cell, stimulus), "rendition", None)
    if rendition is None or not rendition.is_ready:
        raise Refused("The session's playback files are not all made yet: see the list of jobs.")
    return rendition


def opaque(session: Session, name: str) -> str:
    """A name that tells nothing to whoever lacks the session's secret."""
    return hmac.new(session.secret.encode(), name.encode(), hashlib.sha256).hexdigest()[:32]


def clip_id(session: Session, rendition: Rendition) -> str:
    """The only name by which a display knows a clip; it differs in every session."""
    return opaque(session, rendition.sha256)


def cells_of(session: Session) -> list[Cell]:
    """With everything needed to show them."""
    return list(
        session.cells.select_related(
            "session__study",
            "a__clip__rendition",
            "b__clip__rendition",
            "a__low_resolution__source__clip__rendition",
        )
    )


def stimuli(session: Session) -> tuple[str, ...]:
    return tuple(phase.stimulus for phase in session.study.protocol.phases if phase.stimulus)


def renditions(session: Session) -> dict[str, Rendition]:
    """Every playback file of the session by its opaque name, in the order of the names."""
    found = {
        clip_id(session, rendition): rendition
        for cell in cells_of(session)
        for rendition in (rendition_of(cell, name) for name in stimuli(session))
    }
    return dict(sorted(found.items()))


# ---- where a session stands ---------------------------------------------------------------------


def current_showing(session: Session) -> Showing | None:
    return (
        Showing.objects.filter(cell__session=session, state=ShowingState.PLAYING)
        .select_related("cell")
        .last()
    )


def latest_showing(session: Session) -> Showing | None:
    """The one that viewers vote for: until its window closes that is still the one before."""
    shown = Showing.objects.filter(cell__session=session).exclude(state=ShowingState.INTERRUPTED)
    shown = shown.select_related("cell__session__study")
    return shown.filter(vote_opened_at__isnull=False, vote_closed_at=None).last() or shown.last()


def next_cell(session: Session) -> Cell | None:
    """The first cell that has not been shown to its end."""
    shown = Showing.objects.filter(cell__session=session, state=ShowingState.SHOWN).values("cell")
    return session.cells.filter(skipped=False).exclude(pk__in=shown).first()


def awaited_seats(session: Session) -> list[Seat]:
    """Those who have not voted yet for the cell that was shown last, where that is waited for."""
    latest = latest_showing(session)
    if not session.study.wait_for_votes or latest is None or latest.vote_closed_at:
        return []
    seats = session.seats.filter(revoked_at=None).exclude(kind=SeatKind.PAPER)
    given = Counter(latest.votes.values_list("seat_id", flat=True))
    return [seat for seat in seats.select_related("viewer") if given[seat.pk] < len(Slot.values)]


def display_is_alive(session: Session) -> bool:
    seen = session.display_seen_at
    return seen is not None and timezone.now() - seen < ALIVE


def seat_is_alive(seat: Seat) -> bool:
    return seat.seen_at is not None and timezone.now() - seat.seen_at < ALIVE


def failed_checks(session: Session) -> list[dict[str, Any]]:
    """Those that nobody has overruled."""
    overruled = session.display_report.get("overruled", [])
    checks = session.display_report.get("checks", [])
    return [check for check in checks if not check["ok"] and check["id"] not in overruled]


def label_of(session: Session) -> str:
    """What the laboratory calls its display, as that told; empty where it was given no name."""
    return str(session.display_report.get("label", ""))


def rule_for(session: Session) -> Rule:
    """A trial may be shown in a window only where just that was overruled."""
    if not session.overrule_reason:
        return session.study.rule
    overruled = session.display_report.get("overruled", [])
    return TRIAL if "fullscreen" in overruled else replace(TRIAL, forgiven=())


def _begin_next(session: Session) -> None:
    """Hands the next cell to the display, or finishes the session when there is none."""
    if session.state != State.RUNNING or current_showing(session):
        return
    if not awaited_seats(session):
        _begin_or_finish(session)


def _begin_or_finish(session: Session) -> None:
    cell = next_cell(session)
    if cell is None:
        _finish(session, State.FINISHED)
    elif session.display_ready and session.display_id:
        Showing.objects.create(cell=cell)


def _finish(session: Session, state: SessionState) -> None:
    session.state = state
    session.finished_at = timezone.now()
    session.save(update_fields=["state", "finished_at"])
    _close_windows(session, session.finished_at + GRACE)


def _close_windows(session: Session, at: datetime, but: Showing | None = None) -> None:
    open_ones = Showing.objects.filter(cell__session=session, vote_closed_at=None)
    if but:
        open_ones = open_ones.exclude(pk=but.pk)
    open_ones.update(vote_closed_at=at)


# ---- the coordinator's wishes ------------------------------------------------------------------


def start(session_pk: int, user: Any) -> None:
    with _changing(session_pk) as session:
        _require(session, (State.PLANNED, State.READY), "be started")
        if not session.display_ready or not display_is_alive(session):
            raise Refused(_why_not_ready(session))
        session.state, session.instructions_shown = State.RUNNING, False
        session.started_at = timezone.now()
        session.save(update_fields=["state", "started_at", "instructions_shown"])
        audit.record(user, "start session", session)
        _begin_next(session)


def show_instructions(session_pk: int, shown: bool, user: Any) -> None:
    """On the display, between cells: what viewers will see and how they vote."""
    with _changing(session_pk) as session:
        if session.is_over:
            raise Refused("The session is over.")
        if shown and (session.state == State.RUNNING or current_showing(session)):
            raise Refused("Pause the session first, and wait until the cell has ended.")
        session.instructions_shown = shown
        session.save(update_fields=["instructions_shown"])


def pause(session_pk: int, user: Any) -> None:
    """Takes effect when the cell that is on has ended."""
    with _changing(session_pk) as session:
        _require(session, (State.RUNNING,), "be paused")
        session.state = State.PAUSED
        session.save(update_fields=["state"])
        audit.record(user, "pause session", session)


def resume(session_pk: int, user: Any) -> None:
    with _changing(session_pk) as session:
        _require(session, (State.PAUSED,), "go on")
        session.state, session.instructions_shown = State.RUNNING, False
        session.save(update_fields=["state", "instructions_shown"])
        audit.record(user, "resume session", session)
        _begin_next(session)


def go_on(session_pk: int, user: Any) -> None:
    """Without the votes that are still awaited; they may come until the next clip begins."""
    with _changing(session_pk) as session:
        _require(session, (State.RUNNING,), "go on without votes")
        awaited = awaited_seats(session)
        if not awaited or current_showing(session):
            raise Refused("No vote is awaited.")
        audit.record(user, "do not wait for votes", session, seats=[str(each) for each in awaited])
        _begin_or_finish(session)


def skip_cell(session_pk: int, cell_pk: int, user: Any) -> None:
    """Leaves a cell out. One that is on is left at once, unless it was shown to its end already."""
    with _changing(session_pk) as session:
        _require(session, (State.PLANNED, State.READY, State.RUNNING, State.PAUSED), "skip a cell")
        cell = session.cells.filter(pk=cell_pk).first()
        if cell is None:
            raise Refused("There is no such cell in this session.")
        shown = cell.showings.exclude(state=ShowingState.INTERRUPTED).exclude(valid=None)
        if cell.skipped or shown.exists():
            raise Refused(f"Cell {cell.position} was shown or skipped already.")
        cell.skipped = True
        cell.save(update_fields=["skipped"])
        audit.record(user, "skip cell", cell)
        playing = current_showing(session)
        if playing and playing.cell_id == cell.pk:
            _leave(playing, "skipped on the coordinator's wish")
        if session.state == State.RUNNING:
            _begin_next(session)


def end(session_pk: int, user: Any) -> None:
    with _changing(session_pk) as session:
        if session.is_over:
            raise Refused("The session is over already.")
        playing = current_showing(session)
        if playing:
            _leave(playing, "the session ended")
        _finish(session, State.ABORTED if next_cell(session) else State.FINISHED)
        audit.record(user, "end session", session)


def repeat_cell(session_pk: int, cell_pk: int, user: Any) -> None:
    """Discards what was shown for a cell and shows it again later in the session."""
    with _changing(session_pk) as session:
        _require(session, (State.RUNNING, State.PAUSED), "repeat a cell")
        cell = session.cells.filter(pk=cell_pk).first()
        if cell is None or not cell.showings.exclude(state=ShowingState.INTERRUPTED).exists():
            raise Refused("This cell has not been shown yet, so it cannot be repeated.")
        if cell.repeated_by.exists():
            raise Refused(f"Cell {cell.position} is repeated in this session already.")
        if not _has_time_for(cell):
            raise Refused(f"Cell {cell.position} cannot be repeated: {_too_long(session)}.")
        note = _add_repeat(cell)
        cell.showings.update(valid=False, verdict=f"repeated on the coordinator's wish{note}")
        audit.record(user, "repeat cell", cell)


def overrule(session_pk: int, reason: str, user: Any) -> None:
    """Lets a session be shown although checks of its display fail. The reason is kept with it."""
    reason = reason.strip()
    if not reason:
        raise Refused("Write down why the session is shown although a check fails.")
    with _changing(session_pk) as session:
        failed = [check["id"] for check in failed_checks(session)]
        if not failed:
            raise Refused("No check of the display fails, so there is nothing to overrule.")
        overruled = sorted({*session.display_report.get("overruled", []), *failed})
        session.display_report = {**session.display_report, "overruled": overruled}
        session.overrule_reason = reason[:300]
        session.save(update_fields=["display_report", "overrule_reason"])
        audit.record(user, "overrule display checks", session, reason=reason, checks=failed)
        _consider_readiness(session)


def _require(session: Session, states: tuple[SessionState, ...], wish: str) -> None:
    if session.state not in states:
        raise Refused(f"The session is {session.get_state_display()} and cannot {wish}.")


def _why_not_ready(session: Session) -> str:
    if not display_is_alive(session):
        return "No display is connected: open the display page on the screen first."
    failed = ", ".join(check["label"] for check in failed_checks(session))
    if failed:
        return f"The display is not ready. Put right, or start anyway: {failed}."
    return "The display is still loading its clips: wait until it says that it is ready."


# ---- cells that are shown again -----------------------------------------------------------------


def _has_time_for(cell: Cell) -> bool:
    protocol = cell.session.study.protocol
    cells = [*cells_of(cell.session), cell]
    seconds = sum(protocol.cell_seconds(each.source.clip.seconds) for each in cells)
    return seconds <= protocol.longest_session_seconds


def _too_long(session: Session) -> str:
    minutes = session.study.protocol.longest_session_seconds / 60
    return f"the session would last longer than {minutes:g} minutes"


def _add_repeat(cell: Cell) -> str:
    """Plans a cell anew, as late as can be without two cells of one source in a row.

    Says what its verdict has to add where that cannot be had.
    """
    session, note = cell.session, ""
    shown = Showing.objects.filter(cell__session=session).exclude(state=ShowingState.INTERRUPTED)
    begun = set(shown.values_list("cell_id", flat=True))
    cells = cells_of(session)
    coming = [each for each in cells if each.pk not in begun]
    # The next cell keeps its place: the display decodes it ahead already.
    line = [each for each in cells if each.pk in begun][-1:] + coming
    for place in range(len(coming), min(1, len(coming)) - 1, -1):
        if all(each.source != cell.source for each in line[place : place + 2]):
            break
    else:
        place, note = len(coming), "; shown again directly after the same source"
    position = line[place].position + 1
    for each in reversed(coming[place:]):
        each.position += 1
        each.save(update_fields=["position"])
    Cell.objects.create(
        session=session, position=position, kind=cell.kind, pair=cell.pair, a=cell.a, b=cell.b,
        repeats=cell,
    )  # fmt: skip
    return note


# ---- notes --------------------------------------------------------------------------------------


def add_note(session_pk: int, words: str, user: Any) -> Note:
    text = " ".join(words.split())
    if not text:
        raise Refused("Write what happened, then add the note.")
    if len(text) > LONGEST_NOTE:
        raise Refused(f"A note has at most {LONGEST_NOTE} characters.")
    with _changing(session_pk) as session:
        showing = current_showing(session)
        return Note.objects.create(session=session, showing=showing, author=user, text=text)


# ---- seats --------------------------------------------------------------------------------------


def add_seat(session_pk: int, viewer_code: str, user: Any, kind: str = SeatKind.DEVICE) -> Seat:
    code = viewer_code.strip()
    if kind not in SeatKind.values:
        raise Refused("A viewer votes on a device, at the display's keyboard or on paper.")
    if not code or len(code) > 20:
        raise Refused("Give the viewer a code of 1 to 20 characters, such as V07.")
    with _changing(session_pk) as session:
        if session.is_over:
            raise Refused("The session is over: seats can no longer be added.")
        viewer, _ = session.study.viewers.get_or_create(
            code=code, defaults={"panel": session.panel}
        )
        keypads = session.seats.filter(kind=SeatKind.KEYPAD, revoked_at=None)
        if kind == SeatKind.KEYPAD and keypads.count() >= MOST_KEYPADS:
            raise Refused(f"At most {MOST_KEYPADS} viewers can vote at one keyboard.")
        seat, created = Seat.objects.get_or_create(
            session=session, viewer=viewer, defaults={"kind": kind}
        )
        if not created:
            if seat.revoked_at is None:
                raise Refused(f"{code} has a seat in this session already.")
            seat.token, seat.code, seat.revoked_at = new_token(), new_code(), None
            seat.kind = kind
            seat.save(update_fields=["token", "code", "revoked_at", "kind"])
        audit.record(user, "add seat", seat)
        return seat


def revoke_seat(session_pk: int, seat_pk: int, user: Any) -> None:
    """The link stops working at once; votes already given stay."""
    with _changing(session_pk) as session:
        seat = session.seats.filter(pk=seat_pk).first()
        if seat is None:
            raise Refused("There is no such seat in this session.")
        seat.revoked_at = timezone.now()
        seat.save(update_fields=["revoked_at"])
        audit.record(user, "revoke seat", seat)


def seat_seen(seat_pk: int) -> None:
    Seat.objects.filter(pk=seat_pk).update(seen_at=timezone.now())


def seat_joined(seat_pk: int) -> None:
    _seat_is(seat_pk, timezone.now())


def seat_left(seat_pk: int) -> None:
    _seat_is(seat_pk, None)


@transaction.atomic
def _seat_is(seat_pk: int, seen_at: datetime | None) -> None:
    Seat.objects.filter(pk=seat_pk).update(seen_at=seen_at)
    announce(Seat.objects.select_related("session").get(pk=seat_pk).session)


# ---- what the display says ----------------------------------------------------------------------


def display_hello(
    session_pk: int,
    display: UUID,
    showing: UUID | None,
    take_over: bool = False,
    fresh: bool = False,
) -> None:
    """A display page opened or came back; `showing` is the cell it has on the screen, or still has
    to tell of. A fresh page has neither loaded nor checked anything itself."""
    with _changing(session_pk) as session:
        stranger = session.display_id is not None and session.display_id != display
        if stranger and display_is_alive(session) and not take_over:
            raise Refused("Another window is this session's display.")
        if session.display_id != display or fresh:
            session.display_id = display
            _set_ready(session, False)
        session.display_seen_at = timezone.now()
        session.save(update_fields=["display_id", "display_seen_at"])
        playing = current_showing(session)
        if playing and playing.pk != showing:
            _leave(playing, "the display page was closed or reloaded")
            _set_ready(session, False)  # until the page has checked itself again


def _leave(showing: Showing, reason: str) -> None:
    """A cell ends early. If its stimuli had been shown to the end it counts all the same."""
    if showing.valid is None:
        showing.state = ShowingState.INTERRUPTED
        showing.verdict = reason[:300]
    else:
        showing.state = ShowingState.SHOWN
    showing.ended_at = timezone.now()
    showing.save(update_fields=["state", "verdict", "ended_at"])


def display_seen(session_pk: int, display: UUID) -> None:
    Session.objects.filter(pk=session_pk, display_id=display).update(display_seen_at=timezone.now())


def display_left(session_pk: int, display: UUID) -> None:
    with _changing(session_pk):
        Session.objects.filter(pk=session_pk, display_id=display).update(display_seen_at=None)


def display_report(
    session_pk: int, display: UUID, checks: list[dict[str, Any]], loaded: bool, progress: str,
    label: str = "",
) -> None:  # fmt: skip
    with _changing(session_pk) as session:
        _require_display(session, display)
        session.display_report = {
            "checks": checks,
            "loaded": loaded,
            "progress": progress,
            "label": label,
            "overruled": session.display_report.get("overruled", []),
        }
        session.display_seen_at = timezone.now()
        session.save(update_fields=["display_report", "display_seen_at"])
        _consider_readiness(session)


def _consider_readiness(session: Session) -> None:
    checks = session.display_report.get("checks")
    loaded = session.display_report.get("loaded", False)
    _set_ready(session, bool(checks and loaded and not failed_checks(session)))
    _begin_next(session)


def _set_ready(session: Session, ready: bool) -> None:
    session.display_ready = ready
    if session.state in (State.PLANNED, State.READY):
        session.state = State.READY if ready else State.PLANNED
    session.save(update_fields=["display_ready", "state"])


def _require_display(session: Session, display: UUID) -> None:
    if session.display_id != display:
        raise Refused("Another window has taken over as this session's display.")


def _playing(session: Session, display: UUID, showing: UUID) -> Showing | None:
    """The showing a message is about; None where the session has left it meanwhile."""
    _require_display(session, display)
    found = Showing.objects.filter(pk=showing, cell__session=session).select_related("cell").first()
    if found is None:
        raise Refused("There is no such showing in this session.")
    return found if found.state == ShowingState.PLAYING else None


def phase_began(session_pk: int, display: UUID, showing_pk: UUID, name: str, at: datetime) -> None:
    with _changing(session_pk) as session:
        showing = _playing(session, display, showing_pk)
        if showing is None:
            return
        phases = session.study.protocol.phases
        phase = next((phase for phase in phases if phase.name == name), None)
        if phase is None:
            raise Refused(f"The protocol has no phase {name!r}.")
        showing.phase, showing.phase_started_at = name, at
        if phase is phases[0]:
            showing.started_at = at
        if phase is _first_stimulus(phases):
            _close_windows(session, at, but=showing)
        if phase.votes:
            showing.vote_opened_at = at
        showing.save()


def _first_stimulus(phases: tuple[Phase, ...]) -> Phase:
    return next(phase for phase in phases if phase.stimulus)


def expected_clips(cell: Cell) -> dict[str, tuple[str, int]]:
    """By phase: the digest of the clip that belongs there, and its frames."""
    files = {name: rendition_of(cell, name) for name in stimuli(cell.session)}
    return {
        phase.name: (files[phase.stimulus].sha256, files[phase.stimulus].clip.frames)
        for phase in cell.session.study.protocol.phases
        if phase.stimulus
    }


def evidence_arrived(session_pk: int, display: UUID, showing_pk: UUID, report: Any) -> None:
    """The stimuli of a cell were shown to their end: does it count?"""
    evidence = parse_evidence(report)
    with _changing(session_pk) as session:
        showing = _playing(session, display, showing_pk)
        if showing is None:
            return
        verdict = judge(evidence, expected_clips(showing.cell), rule_for(session))
        showing.evidence = {
            **report,
            "rule": verdict.rule.name,
            "rule_terms": verdict.rule.as_json(),
            "overruled": session.display_report.get("overruled", []),
            "overrule_reason": session.overrule_reason,
            "display": label_of(session),
        }
        if showing.valid is None:  # the coordinator may have discarded it already
            showing.valid, showing.verdict = verdict.valid, str(verdict)[:200]
            showing.verdict += _repeat_once(showing)
        showing.save(update_fields=["evidence", "valid", "verdict"])


def _repeat_once(showing: Showing) -> str:
    """Says what the verdict has to add."""
    cell = showing.cell
    if showing.valid or cell.repeats_id is not None or cell.repeated_by.exists():
        return ""
    if cell.kind != CellKind.TEST:
        return ""  # its scores never count
    if not _has_time_for(cell):
        return f"; not shown again, since {_too_long(cell.session)}"
    return _add_repeat(cell)


def showing_ended(session_pk: int, display: UUID, showing_pk: UUID, at: datetime) -> None:
    with _changing(session_pk) as session:
        showing = _playing(session, display, showing_pk)
        if showing is None:
            return
        if showing.valid is None:
            raise Refused("A cell cannot end before its evidence has arrived.")
        showing.state, showing.ended_at = ShowingState.SHOWN, at
        showing.save(update_fields=["state", "ended_at"])
        _begin_next(session)


def showing_failed(session_pk: int, display: UUID, showing_pk: UUID, reason: str) -> None:
    """The display could not go on with a cell: a pause to look why. Then the cell is shown again,
    unless its stimuli had been shown to the end."""
    with _changing(session_pk) as session:
        showing = _playing(session, display, showing_pk)
        if showing is None:
            return
        _leave(showing, reason)
        if session.state == State.RUNNING:
            session.state = State.PAUSED
            session.save(update_fields=["state"])


# ---- votes --------------------------------------------------------------------------------------


def planned_vote_opening(showing: Showing) -> datetime:
    """When the vote phase comes if all goes to plan: seats can open without hearing of it."""
    seconds = 0.0
    for phase in showing.cell.session.study.protocol.phases:
        if phase.votes:
            break
        if phase.stimulus:
            seconds += clip_of(showing.cell, phase.stimulus).seconds
        else:
            seconds += phase.seconds or 0.0
    return showing.started_at + timedelta(seconds=seconds)


def cast_vote(
    seat_pk: int, showing_pk: UUID | None, slot: str, score: int, cast_at: datetime
) -> Vote:
    """Keeps a score. A late delivery counts by when it was tapped; the later tap wins.

    A seat that was cut off cannot name the showing (None): its viewer voted when the display said
    so, hence for the one that could be voted for at that time.
    """
    with transaction.atomic():
        # The seat alone is locked: a panel that votes at once must not queue for its session.
        seats = Seat.objects.select_for_update(of=("self",)).select_related("session__study")
        seat = seats.get(pk=seat_pk)
        if seat.revoked_at:
            raise Refused("This seat was closed by the coordinator.")
        if slot not in Slot.values or not seat.session.study.protocol.scale.accepts(score):
            raise Refused("A vote is a whole number of the scale, for A or for B.")
        cast_at = min(cast_at, timezone.now())
        showings = Showing.objects.filter(cell__session=seat.session)
        showings = showings.select_related("cell__session__study")
        showing = (
            showings.filter(pk=showing_pk).first()
            if showing_pk
            else _voted_for_at(cast_at, showings)
        )
        if showing is None:
            raise Refused("This vote is for a cell that is not in this session.")
        _require_open(showing, cast_at)
        vote = _keep_vote(seat, showing, slot, score, cast_at)
        announce(seat.session)
    if seat.session.study.wait_for_votes:
        with _changing(seat.session_id) as session:
            _begin_next(session)
    return vote


def cast_at_display(
    session_pk: int, display: UUID, seat_pk: int, showing: UUID, slot: str, score: int,
    cast_at: datetime,
) -> Vote:  # fmt: skip
    """A score typed at the display's own keyboard."""
    session = Session.objects.get(pk=session_pk)
    _require_display(session, display)
    if not session.seats.filter(pk=seat_pk, kind=SeatKind.KEYPAD).exists():
        raise Refused("Nobody of that seat votes at the display.")
    return cast_vote(seat_pk, showing, slot, score, cast_at)


def enter_from_paper(
    session_pk: int, seat_pk: int, scores: dict[tuple[UUID, str], int | None], user: Any
) -> int:
    """Keeps, changes or (None) removes what a viewer wrote on paper. Says how many changed.

    All or nothing: one score that cannot be kept refuses the whole sheet.
    """
    with _changing(session_pk) as session:
        seat = session.seats.filter(pk=seat_pk, kind=SeatKind.PAPER).first()
        if seat is None:
            raise Refused("There is no paper seat of that number in this session.")
        showings = {each.pk: each for each in voted_showings(session)}
        accepts = session.study.protocol.scale.accepts
        changed = 0
        for (pk, slot), score in scores.items():
            showing = showings.get(pk)
            if showing is None or slot not in Slot.values:
                raise Refused("The sheet names a cell that was not shown.")
            if score is not None and not accepts(score):
                raise Refused(f"Cell {showing.cell.position}, {slot}: {score} is not on the scale.")
            changed += _keep_from_paper(seat, showing, slot, score, user)
        if changed:
            audit.record(user, "enter votes from paper", seat, votes=changed)
        return changed


def _keep_from_paper(seat: Seat, showing: Showing, slot: str, score: int | None, user: Any) -> int:
    found = Vote.objects.filter(seat=seat, showing=showing, slot=slot).first()
    if score is None:
        return found.delete()[0] if found else 0
    at = showing.vote_opened_at or showing.started_at  # nobody measured when it was written
    if found is None:
        Vote.objects.create(
            seat=seat, showing=showing, slot=slot, score=score, cast_at=at, entered_by=user
        )
    elif found.score != score:
        found.score, found.entered_by, found.changes = score, user, found.changes + 1
        found.received_at = timezone.now()
        found.save()
    else:
        return 0
    return 1


def voted_showings(session: Session) -> list[Showing]:
    """Those for which viewers could vote, in the order in which they were shown."""
    found = Showing.objects.filter(cell__session=session, vote_opened_at__isnull=False)
    return list(found.select_related("cell"))


def _voted_for_at(cast_at: datetime, showings: QuerySet[Showing]) -> Showing:
    """The last one whose vote was open, or due, by then; whether it still was is another matter."""
    for showing in showings.order_by("-started_at"):
        if not _broken_off(showing) and cast_at >= _opens(showing) - CLOCK_TOLERANCE:
            return showing
    raise Refused("No vote was open when this was given.")


def _broken_off(showing: Showing) -> bool:
    """Before anybody could vote."""
    return showing.state == ShowingState.INTERRUPTED and showing.vote_opened_at is None


def _opens(showing: Showing) -> datetime:
    return showing.vote_opened_at or planned_vote_opening(showing)


def _require_open(showing: Showing, cast_at: datetime) -> None:
    number = showing.cell.position
    if _broken_off(showing):
        raise Refused(f"Cell {number} was interrupted and will be shown again.")
    if cast_at < _opens(showing) - CLOCK_TOLERANCE:
        raise Refused(f"Voting for cell {number} is not open yet.")
    closed = showing.vote_closed_at
    if closed is not None and cast_at > closed + CLOCK_TOLERANCE:
        raise Refused(f"Voting for cell {number} is closed.")


def _keep_vote(seat: Seat, showing: Showing, slot: str, score: int, cast_at: datetime) -> Vote:
    vote, created = Vote.objects.get_or_create(
        seat=seat, showing=showing, slot=slot, defaults={"score": score, "cast_at": cast_at}
    )
    if not created and cast_at > vote.cast_at:
        changed = int(score != vote.score)
        Vote.objects.filter(pk=vote.pk).update(
            score=score, cast_at=cast_at, received_at=timezone.now(), changes=F("changes") + changed
        )
        vote.refresh_from_db()
    return vote
