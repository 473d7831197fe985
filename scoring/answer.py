"""What one selection of viewers says: MOS, agreement, methods and metrics by their votes alone.

Nothing is computed before it is asked for, and then once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from scoring.analysis_methods import Methods, numbered
from scoring.analysis_metrics import Metrics
from scoring.raw_scores import RawScores
from scoring.stats.agreement import Agreement, agreement
from scoring.stats.correlation import Correlation, correlate
from scoring.stats.matrix import BoolArray, FloatArray
from scoring.stats.mos import MosTable, grouped_mos, mean_opinion_scores

EVERYBODY = "all"


@dataclass(frozen=True)
class Selection:
    """Whose votes are used: all but those whom a rule of screening rejects or a person names."""

    rule: str = EVERYBODY
    without: tuple[str, ...] = ()

    @property
    def by_hand(self) -> bool:
        return bool(self.without)


class Answer:
    def __init__(
        self,
        raw: RawScores,
        scores: FloatArray,
        chosen: Selection,
        kept: BoolArray,
        scale: tuple[float, float],
        seed: int = 0,
    ) -> None:
        self.raw = raw
        self.chosen = chosen
        self.kept = kept
        self.scores = scores[:, kept]  # stimuli by the viewers kept
        self._scale = scale
        self._seed = seed

    @property
    def selection(self) -> str:
        return self.chosen.rule

    @property
    def viewers(self) -> int:
        return int(self.kept.sum())

    @cached_property
    def mos(self) -> MosTable:
        """One entry per stimulus."""
        return mean_opinion_scores(self.scores)

    @cached_property
    def by_condition(self) -> MosTable:
        """One entry per method: each viewer's mean over the contents comes first."""
        group, names = numbered(list(self.raw.method), self.raw.methods)
        return grouped_mos(self.scores, group, len(names))

    @cached_property
    def by_content(self) -> MosTable:
        group, names = numbered(list(self.raw.content))
        return grouped_mos(self.scores, group, len(names))

    @cached_property
    def agreement(self) -> Agreement:
        lowest, highest = self._scale
        return agreement(self.scores, lowest=lowest, highest=highest, seed=self._seed)

    @cached_property
    def methods(self) -> Methods:
        return Methods(self.raw, self.scores)

    @cached_property
    def metrics(self) -> Metrics:
        return Metrics(self.raw, self.scores)

    @cached_property
    def correlations(self) -> Mapping[str, Correlation]:
        return {name: correlate(values, self.mos.mos) for name, values in self.raw.metrics.items()}
