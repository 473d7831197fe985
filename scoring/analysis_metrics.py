"""What raw scores say about objective metrics: each against the MOS, and against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
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


class Metrics:
    def __init__(self, raw: RawScores, scores: FloatArray) -> None:
        self.metrics: Mapping[str, FloatArray] = raw.metrics
        self.mos = mean_opinion_scores(scores)
        self.votes = self.mos.votes.astype(np.float64)
        # A stimulus without a content is one of its own.
        labels = [c or f"\0{s}" for c, s in zip(raw.content, raw.stimuli, strict=True)]
        self.content, self.contents = numbered(labels)

    def each(self) -> Found:
        return {name: self._one(values) for name, values in self.metrics.items()}

    def differences(self) -> list[Found]:
        """Every two metrics with the cubic mapping; corrected over these pairs."""
        pairs = list(combinations(self.metrics, 2))
        areas = [self._areas(a, b) for a, b in pairs]
        found = [
            compare_metrics(self.metrics[a], self.metrics[b], self.mos.mos, self.mos.ci_t)
            for a, b in pairs
        ]
        p = np.array([one.williams.p for one in found])
        return [
            {"first": a, "second": b}
            | _difference(one)
            | {"p_williams_holm": by_holm, "p_williams_bh": by_bh}
            | area
            for (a, b), one, area, by_holm, by_bh in zip(
                pairs, found, areas, holm(p), benjamini_hochberg(p), strict=True
            )
        ]

    def _one(self, values: FloatArray) -> Found:
        evaluated = {
            kind: evaluate_metric(values, self.mos.mos, self.mos.ci_t, kind) for kind in KINDS
        }
        rising = _rising(evaluated[KINDS[0]])
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
