"""The ratings table of a study: one row per vote, the one interface between running and analysing.

Every vote is in it. Whether a vote counts, and if not why, stands beside it; nothing is dropped.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from django.db.models import Case, F, IntegerField, QuerySet, When

from sessions_app.models import CellKind, ShowingState, Slot, Study, Vote
from upscalers.models import PVS

# Column of the table -> where the database has it, seen from a vote.
_FROM_VOTE = {
    "vote": "pk",
    "panel": "showing__cell__session__panel",
    "session": "showing__cell__session__number",
    "cell": "showing__cell__position",
    "kind": "showing__cell__kind",
    "showing": "showing__pk",
    "viewer": "seat__viewer__code",
    "voted_on": "seat__kind",
    "slot": "slot",
    "pvs": "pvs",
    "score": "score",
    "cast_at": "cast_at",
    "received_at": "received_at",
    "changes": "changes",
    "shown_properly": "showing__valid",
    "state": "showing__state",
    "verdict": "showing__verdict",
}
_FROM_PVS = {
    "pvs": "pk",
    "source": "low_resolution__source__name",
    "degradation": "low_resolution__degradation",
    "scale": "low_resolution__scale",
    "method": "method",
    "weights_sha256": "weights_sha256",
}


def ratings_of(study: Study) -> pd.DataFrame:
    """One row per vote, in the order in which the cells were shown."""
    votes = _table(votes_of(study), _FROM_VOTE)
    stimuli = _table(PVS.objects.filter(pk__in=votes["pvs"].unique().tolist()), _FROM_PVS)
    table = votes.merge(stimuli, on="pvs", how="left", validate="many_to_one")
    table["shown_properly"] = table["shown_properly"].astype("boolean")
    for moment in ("cast_at", "received_at"):
        table[moment] = pd.to_datetime(table[moment], utc=True)
    table["showing"] = table["showing"].astype(str)
    table["not_counted_because"] = why_not_counted(table)
    table["counted"] = table["not_counted_because"] == ""
    return table.drop(columns=["state", "verdict"])


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


def why_not_counted(table: pd.DataFrame) -> pd.Series:
    """Empty where the vote counts. Expects the columns kind, shown_properly, state and verdict."""
    because = pd.Series("", index=table.index, dtype=object)
    verdict = table["verdict"].replace("", "no reason recorded")
    improper = table["shown_properly"].eq(False).fillna(False).astype(bool)
    because[improper] = "not shown properly: " + verdict
    unmeasured = table["shown_properly"].isna()
    because[unmeasured] = "what the display measured is not in yet"
    interrupted = table["state"] == ShowingState.INTERRUPTED
    because[unmeasured & interrupted] = "interrupted: " + verdict
    other = table["kind"] != CellKind.TEST
    because[other] = table["kind"].map(lambda kind: f"{kind} cell: never counted")
    return because


def _table(rows: QuerySet[Any], columns: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows.values_list(*columns.values())), columns=list(columns))
