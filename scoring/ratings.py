"""The votes of a study: one row per vote, the one interface between running and analysing.

Every vote is there. Whether it counts, and if not why, stands beside it; nothing is dropped.
Two forms of the same rows: `each_rating` streams them whole, for exports of any length;
`ratings_of` keeps only what statistics need, in a few bytes per vote.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from django.db import connection, transaction
from django.db.models import Case, F, IntegerField, Q, QuerySet, When

from sessions_app.models import Cell, CellKind, ShowingState, Slot, Study, Vote
from upscalers.models import PVS

BATCH = 5_000  # rows fetched at a time
_JUDGED_BY = ("showing__cell__kind", "showing__valid", "showing__state", "showing__verdict")


class Rating(NamedTuple):
    vote: int
    panel: int
    session: int
    cell: int
    kind: str
    showing: str
    viewer: str
    slot: str
    pvs: int
    source: str
    method: str
    scale: float
    degradation: str
    weights_sha256: str
    score: int
    cast_at: datetime
    received_at: datetime
    changes: int
    voted_on: str
    shown_properly: bool | None
    counted: bool
    not_counted_because: str


def each_rating(study: Study) -> Iterator[Rating]:
    """All votes in the order in which the cells were shown, fetched batch by batch."""
    facts = _stimuli_of(study)
    rows = votes_of(study).values_list(
        "pk", "showing__cell__session__panel", "showing__cell__session__number",
        "showing__cell__position", "showing__pk", "seat__viewer__code", "slot", "pvs",
        "score", "cast_at", "received_at", "changes", "seat__kind", *_JUDGED_BY,
    )  # fmt: skip
    for (
        vote,
        panel,
        session,
        cell,
        showing,
        viewer,
        slot,
        pvs,
        *voted,
        kind,
        valid,
        state,
        said,
    ) in rows.iterator(chunk_size=BATCH):
        because = why_not_counted(kind, valid, state, said)
        yield Rating._make((
            vote, panel, session, cell, kind, str(showing), viewer, slot, pvs, *facts[pvs],
            *voted, valid, not because, because,
        ))  # fmt: skip


def ratings_of(study: Study) -> pd.DataFrame:
    """What statistics need of each vote, in the same order; about 20 bytes per vote."""
    viewer, showing, kind, because = _Codes(), _Codes(), _Codes(), _Codes()
    pvs, score = _Numbers("i4"), _Numbers("i2")
    rows = votes_of(study).values_list(
        "pvs", "score", "seat__viewer__code", "showing__pk", *_JUDGED_BY
    )
    for part in _batches(rows.iterator(chunk_size=BATCH)):
        of_pvs, scores, viewers, showings, kinds, *_ = columns = list(zip(*part, strict=True))
        pvs.add(of_pvs)
        score.add(scores)
        viewer.add(viewers)
        showing.add(showings)
        kind.add(kinds)
        because.add(zip(*columns[-len(_JUDGED_BY) :], strict=True))
    not_counted = because.as_column(lambda judged: why_not_counted(*judged))
    return pd.DataFrame(
        {
            "pvs": pvs.as_column(),
            "viewer": viewer.as_column(),
            "score": score.as_column(),
            "kind": kind.as_column(),
            "showing": showing.as_column(),
            "counted": np.asarray(not_counted == ""),
            "not_counted_because": not_counted,
        }
    )


def votes_of(study: Study) -> QuerySet[Vote]:
    """The study's votes, each with the PVS that was in its box."""
    was_a = When(slot=Slot.A, then=F("showing__cell__a"))
    return (
        Vote.objects.filter(showing__cell__session__study=study)
        .annotate(pvs=Case(was_a, default=F("showing__cell__b"), output_field=IntegerField()))
        .order_by(
            "showing__cell__session__panel",
            "showing__cell__session__number",
            "showing__cell__position",
            "showing__started_at",
            "seat__viewer__code",
            "slot",
        )
    )


def why_not_counted(kind: str, valid: bool | None, state: str, verdict: str) -> str:
    """Empty for a vote that counts; from the cell's kind and what is known of the showing."""
    if kind != CellKind.TEST:
        return f"{kind} cell: never counted"
    if valid:
        return ""
    said = verdict or "no reason recorded"
    if valid is not None:
        return f"not shown properly: {said}"
    if state == ShowingState.INTERRUPTED:
        return f"interrupted: {said}"
    return "what the display measured is not in yet"


def one_moment() -> AbstractContextManager[None]:
    """All that is read within is read as of one moment, however long that takes and whatever is
    voted meanwhile."""
    return nullcontext() if connection.in_atomic_block else _snapshot()


@contextmanager
def _snapshot() -> Iterator[None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _stimuli_of(study: Study) -> dict[int, tuple[Any, ...]]:
    cells = Cell.objects.filter(session__study=study)
    shown = Q(pk__in=cells.values("a")) | Q(pk__in=cells.values("b"))
    rows = PVS.objects.filter(shown).values_list(
        "pk", "low_resolution__source__name", "method", "low_resolution__scale",
        "low_resolution__degradation", "weights_sha256",
    )  # fmt: skip
    return {pvs: tuple(facts) for pvs, *facts in rows}


class _Numbers:
    """A column that grows, kept in few bytes."""

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.parts: list[np.ndarray] = []

    def add(self, values: Iterable[int]) -> None:
        self.parts.append(np.fromiter(values, dtype=self.dtype))

    def as_column(self) -> np.ndarray:
        return np.concatenate(self.parts) if self.parts else np.empty(0, dtype=self.dtype)


class _Codes:
    """A growing column of few different values, each kept once."""

    def __init__(self) -> None:
        self.known: dict[Hashable, int] = {}
        self.codes = _Numbers("i4")

    def add(self, values: Iterable[Hashable]) -> None:
        known = self.known
        self.codes.add(known.setdefault(value, len(known)) for value in values)

    def as_column(self, text: Any = str) -> pd.Categorical:
        """Different values may have the same text."""
        place, names = pd.factorize(np.array([text(value) for value in self.known], dtype=object))
        codes = place[self.codes.as_column()] if self.known else self.codes.as_column()
        return pd.Categorical.from_codes(codes, categories=list(names))


def _batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while part := list(islice(rows, BATCH)):
        yield part
