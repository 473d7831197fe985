"""A study's counted votes as raw scores, the form in which every statistic takes them.

So page, export and `manage.py analyse` compute by the same code from the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scoring.raw_scores import RawScores
from scoring.stats.matrix import FloatArray, IntArray, vote_array
from sessions_app.models import Showing, Study

Condition = tuple[str, float, str, str]


@dataclass(frozen=True)
class Stimulus:
    """A PVS as the results see it; the position in a list is the row of the score matrix."""

    pvs: int
    source: str
    degradation: str
    scale: float
    method: str
    weights_sha256: str

    @property
    def condition(self) -> Condition:
        """What was done to the source, whatever the source."""
        return (self.method, self.scale, self.degradation, self.weights_sha256)

    @property
    def name(self) -> str:
        """The same in every study and export, as files of the PVS are named."""
        parts = [self.source, f"x{self.scale:g}", self.degradation, self.method]
        return "-".join(parts + ([self.weights_sha256[:8]] if self.weights_sha256 else []))


def condition_name(
    stimuli: Sequence[Stimulus], method_name: Callable[[str], str] = str
) -> Callable[[Condition], str]:
    """Names a condition by its method, and by more only where the method leaves it open."""
    conditions = {one.condition for one in stimuli}
    ways = {(scale, degradation) for _, scale, degradation, _ in conditions}
    versions = {(method, weights) for method, _, _, weights in conditions}

    def name(condition: Condition) -> str:
        method, scale, degradation, weights = condition
        text = method_name(method)
        if len(ways) > 1:
            text += f" x{scale:g} {degradation}"
        if sum(1 for other, _ in versions if other == method) > 1:
            text += f" {weights[:8] or 'built in'}"
        return text

    return name


def raw_scores_of(
    study: Study,
    counted: pd.DataFrame,
    viewers: Sequence[str],
    stimuli: Sequence[Stimulus],
    conditions: Sequence[Condition],
    metrics: Mapping[str, FloatArray],
) -> RawScores:
    """`counted` is the part of the ratings table that counts."""
    row = _codes(counted["pvs"], {one.pvs: j for j, one in enumerate(stimuli)})
    column = _codes(counted["viewer"], {viewer: i for i, viewer in enumerate(viewers)})
    repetition = _presentations(row, column, _codes(counted["showing"], _pairs_of(study)))
    shape = (len(stimuli), len(viewers), int(repetition.max(initial=0)) + 1)
    votes = vote_array(row, column, repetition, counted["score"].to_numpy(np.float64), shape)
    name = condition_name(stimuli)
    return RawScores(
        subjects=tuple(viewers),
        stimuli=tuple(one.name for one in stimuli),
        votes=votes,
        content=tuple(one.source for one in stimuli),
        method=tuple(name(one.condition) for one in stimuli),
        is_reference=(False,) * len(stimuli),
        metrics=metrics,
        rows=len(counted),
        missing=0,
        bad_rows=(),
        ignored_columns=(),
        methods=tuple(map(name, conditions)),
    )


def _presentations(row: IntArray, column: IntArray, pair: IntArray) -> IntArray:
    """Which presentation of its PVS each vote is about, counted from 0 per PVS.

    The anchor's PVS stands in every pair of its source. A presentation is known by the pair, so
    that it is the same one for viewers of other sessions and for those who missed another.
    """
    table = pd.DataFrame({"row": row, "column": column, "pair": pair})
    again = table.groupby(["row", "column", "pair"]).cumcount()
    table["presentation"] = table["pair"] * (int(again.max()) + 1 if len(again) else 1) + again
    rank = table.groupby("row")["presentation"].rank(method="dense")
    return rank.to_numpy(dtype=np.intp) - 1


def _pairs_of(study: Study) -> dict[str, int]:
    shown = Showing.objects.filter(cell__session__study=study)
    return {str(showing): pair for showing, pair in shown.values_list("pk", "cell__pair")}


def _codes(names: pd.Series, known: Mapping[Any, int]) -> IntArray:
    return np.array([known[name] for name in names], dtype=np.intp)
