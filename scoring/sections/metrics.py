"""Objective metrics against the MOS: each with its curve and figures, and every two of them."""

from __future__ import annotations

from typing import Any

from scoring import figures
from scoring.analysis_metrics import MetricPair
from scoring.metrics import Metric, all_metrics
from scoring.sections.reading import Reading
from scoring.stats.metric_quality import MetricQuality
from scoring.stats.ranking import ALPHA


def section(reading: Reading) -> dict[str, Any]:
    known, found = all_metrics(), reading.answer.metrics
    return {
        "each": [
            _one(reading, slug, known.get(slug), quality)
            for slug, quality in found.by_cubic.items()
        ],
        "pairs": [_pair(pair, known) for pair in found.pairs],
    }


def _one(
    reading: Reading, slug: str, metric: Metric | None, quality: MetricQuality
) -> dict[str, Any]:
    title, unit = (metric.name, metric.unit) if metric else (slug, "")
    return {
        "slug": slug,
        "name": title,
        "description": f"{metric.description} {metric.direction}" if metric else "",
        "found": quality,
        "left_out": quality.missing + quality.infinite,
        "outliers": int(quality.outlier.sum()),
        "figure": figures.mos_against_metric(
            reading.results.metric_means[slug],
            reading.answer.mos,
            quality,
            f"{title} ({unit})" if unit else title,
            reading.series,
            reading.names,
            reading.sources,
        ),
    }


def _pair(pair: MetricPair, known: dict[str, Metric]) -> dict[str, Any]:
    def name(slug: str) -> str:
        return known[slug].name if slug in known else slug

    return {
        "first": name(pair.first),
        "second": name(pair.second),
        "found": pair.found,
        "p_holm": pair.p_holm,
        "significant": pair.p_holm < ALPHA,
    }
