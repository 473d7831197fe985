"""What raw scores say about methods: each against each, their ranking, and what it could show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any

import numpy as np

from scoring.raw_scores import RawScores
from scoring.stats.comparison import MethodComparison, Paired, compare_methods
from scoring.stats.matrix import FloatArray, IntArray
from scoring.stats.mixed_model import MixedModel, fit_mixed_model
from scoring.stats.multiplicity import benjamini_hochberg
from scoring.stats.power import AfterTest, after_test
from scoring.stats.ranking import BestOfContent, Ranking, best_of_contents, rank_methods

Found = dict[str, Any]


class Methods:
    """The stimuli that have both a content and a method and are no reference."""

    def __init__(self, raw: RawScores, scores: FloatArray) -> None:
        used = [
            j
            for j in range(len(raw.stimuli))
            if raw.content[j] and raw.method[j] and not raw.is_reference[j]
        ]
        self.scores = scores[used]
        self.content, self.contents = numbered([raw.content[j] for j in used])
        self.method, self.names = numbered([raw.method[j] for j in used], raw.methods)

    @cached_property
    def ranking(self) -> Ranking:
        return rank_methods(self.scores, self.content, self.method)

    @cached_property
    def power(self) -> AfterTest:
        return after_test(self.ranking.pairs)

    @cached_property
    def p_bh(self) -> FloatArray:
        """Of the pairs of the ranking, by Benjamini and Hochberg."""
        return benjamini_hochberg(self.ranking.pairs.p_t)

    @cached_property
    def apart(self) -> tuple[MethodComparison, ...]:
        """The pairs of the ranking again, content by content."""
        methods = self.ranking.methods
        return tuple(
            compare_methods(
                self.scores, self.content, self.method, int(methods[a]), int(methods[b])
            )
            for a, b in zip(self.ranking.first, self.ranking.second, strict=True)
        )

    @cached_property
    def best_of_contents(self) -> tuple[BestOfContent, ...]:
        return best_of_contents(self.scores, self.content, self.method)

    def compared(self) -> Found:
        """Ranking and pairs; empty with fewer than two methods."""
        if len(self.names) < 2:
            return {"methods": [], "pairs": [], "power": None, "warning": self._why_not()}
        ranking, power = self.ranking, self.power
        return {
            "methods": [
                {
                    "method": self.names[method],
                    "n": int(ranking.mos.votes[place]),
                    "mos": ranking.mos.mos[place],
                    "ci_t": ranking.mos.ci_t[place],
                    "groups": [k for k, group in enumerate(ranking.groups) if place in group],
                }
                for place, method in enumerate(ranking.methods)
            ],
            "pairs": self._pairs(),
            "power": {
                "viewers": power.viewers,
                "sd": power.sd,
                "comparisons": power.comparisons,
                "detectable": power.detectable,
                "panel_for_half": power.panel_for_half,
            },
            "warning": ranking.warning,
        }

    def mixed_model(self) -> Found:
        """Effects against the method that comes first in the file."""
        found = fit_mixed_model(self.scores, self.content, self.method, reference=0)
        data = {one.name: getattr(found, one.name) for one in fields(MixedModel)}
        return data | {
            "reference": self.names[found.reference],
            "methods": [self.names[method] for method in found.methods],
        }

    def _pairs(self) -> list[Found]:
        ranking, pairs = self.ranking, []
        for row, (a, b) in enumerate(zip(ranking.first, ranking.second, strict=True)):
            apart = self.apart[row]
            pairs.append(
                {
                    "first": self.names[ranking.methods[a]],
                    "second": self.names[ranking.methods[b]],
                }
                | row_of(ranking.pairs, row)
                | {"p_t_holm": ranking.p_holm[row], "p_t_bh": self.p_bh[row]}
                | {
                    "per_content": [
                        {"content": self.contents[c]} | row_of(apart.per_content, k)
                        for k, c in enumerate(apart.contents)
                    ]
                }
            )
        return pairs

    def _why_not(self) -> str:
        return (
            "Methods are compared over contents: the file needs the columns content and method, "
            "and two methods."
        )


def row_of(table: Paired, row: int) -> Found:
    return {one.name: getattr(table, one.name)[row] for one in fields(Paired)}


def numbered(labels: list[str], order: Sequence[str] = ()) -> tuple[IntArray, list[str]]:
    """Labels as numbers in the order given, then in that of appearance."""
    names = {label: k for k, label in enumerate(dict.fromkeys([*order, *labels]))}
    return np.array([names[label] for label in labels], dtype=np.intp), list(names)
