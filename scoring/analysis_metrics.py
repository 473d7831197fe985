"""What raw scores say about objective metrics: each against the MOS, and against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from scoring.analysis_methods import numbered
from scoring.raw_scores import RawScores
from scoring.stats.discrimination import compare_discrimination, discriminate
from scoring.stats.mapping import Curve, Kind
from scoring.stats.matrix import FloatArray
from scoring.stats.metric_difference import MetricDifference, compare_metrics
from scoring.stats.metric_quality import MetricQuality, evaluate_metric, leave_one_content_out
from scoring.stats.mos import mean_opinion_scores
from scoring.stats.multiplicity import benjamini_hochberg, holm

Found = dict[str, Any]
KINDS = (Kind.CUBIC, Kind.LOGISTIC, Kind.LINEAR)


@dataclass(frozen=True)
class MetricPair:
    first: str
    second: str
    found: MetricDifference
    p_holm: float  # Williams' p, corrected over all pairs
    p_bh: float


class Metrics:
    def __init__(self, raw: RawScores, scores: FloatArray) -> None:
        self.metrics: Mapping[str, FloatArray] = raw.metrics
        self.mos = mean_opinion_scores(scores)
        self.votes = self.mos.votes.astype(np.float64)
        # A stimulus without a content is one of its own.
        labels = [c or f"\0{s}" for c, s in zip(raw.content, raw.stimuli, strict=True)]
        self.content, self.contents = numbered(labels)

    def each(self) -> Found:
        return {name: self._one(name) for name in self.metrics}

    @cached_property
    def by_cubic(self) -> dict[str, MetricQuality]:
        """Each metric with the default mapping."""
        return {name: self._evaluated(values) for name, values in self.metrics.items()}

    @cached_property
    def pairs(self) -> tuple[MetricPair, ...]:
        """Every two metrics with the cubic mapping; corrected over these pairs."""
        names = list(combinations(self.metrics, 2))
        found = [
            compare_metrics(self.metrics[a], self.metrics[b], self.mos.mos, self.mos.ci_t)
            for a, b in names
        ]
        p = np.array([one.williams.p for one in found])
        return tuple(
            MetricPair(a, b, one, float(by_holm), float(by_bh))
            for (a, b), one, by_holm, by_bh in zip(
                names, found, holm(p), benjamini_hochberg(p), strict=True
            )
        )

    def differences(self) -> list[Found]:
        return [
            {"first": pair.first, "second": pair.second}
            | _difference(pair.found)
            | {"p_williams_holm": pair.p_holm, "p_williams_bh": pair.p_bh}
            | self._areas(pair.first, pair.second)
            for pair in self.pairs
        ]

    def _evaluated(self, values: FloatArray, kind: Kind = KINDS[0]) -> MetricQuality:
        return evaluate_metric(values, self.mos.mos, self.mos.ci_t, kind)

    def _one(self, name: str) -> Found:
        values = self.metrics[name]
        others = {kind: self._evaluated(values, kind) for kind in KINDS[1:]}
        evaluated = {KINDS[0]: self.by_cubic[name]} | others
        rising = _rising(self.by_cubic[name])
        pairs = discriminate(values, self.mos.mos, self.mos.sd, self.votes, higher_is_better=rising)
        return {
            "mapping": {kind.value: _quality(one) for kind, one in evaluated.items()},
            "higher_is_better": rising,
            "discrimination": asdict(pairs),
            "leave_one_content_out": self._left_out(values),
        }

    def _areas(self, first: str, second: str) -> Found:
        one, other = self.metrics[first], self.metrics[second]
        rising = (
            _rising(evaluate_metric(one, self.mos.mos, kind=Kind.LINEAR)),
            _rising(evaluate_metric(other, self.mos.mos, kind=Kind.LINEAR)),
        )
        told, ordered = compare_discrimination(
            one, other, self.mos.mos, self.mos.sd, self.votes, higher_is_better=rising
        )
        return {
            "auc_different_similar": asdict(told),
            "auc_better_worse": asdict(ordered),
        }

    def _left_out(self, values: FloatArray) -> Found:
        found = leave_one_content_out(values, self.mos.mos, self.content)
        names = [self.contents[c].lstrip("\0") for c in found.contents]
        return {
            "rmse": found.rmse,
            "plcc": found.plcc,
            "rmse_by_content": dict(zip(names, found.rmse_by_content.tolist(), strict=True)),
            "predicted": found.predicted,
            "reason": found.reason,
        }


def _rising(found: MetricQuality) -> bool:
    """More is better, by the sign of Spearman's coefficient."""
    return not found.srocc < 0


def _quality(found: MetricQuality) -> Found:
    data = {one.name: getattr(found, one.name) for one in fields(MetricQuality)}
    return data | {"curve": _curve(found.curve)}


def _curve(curve: Curve | None) -> Found | None:
    if curve is None:
        return None
    return {
        "kind": curve.kind,
        "coefficients": curve.coefficients,
        "start": curve.start,
        "span": curve.span,
    }


def _difference(found: MetricDifference) -> Found:
    tests = ("fisher", "williams", "meng", "rmse", "outliers")
    return {
        "n": found.n,
        "difference": found.difference,
        "zou_low": found.zou_low,
        "zou_high": found.zou_high,
        "correlation": found.correlation,
        **{name: asdict(getattr(found, name)) for name in tests},
        "reason": found.reason,
    }
