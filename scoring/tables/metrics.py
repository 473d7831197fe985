"""Objective metrics: their values, how well they follow the MOS, and which of two does better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scoring.analysis_metrics import MetricPair
from scoring.models import Measurement
from scoring.results import Results
from scoring.rules import RULES
from scoring.stats.correlation import Correlation
from scoring.stats.metric_quality import MetricQuality
from scoring.study_scores import Stimulus
from scoring.tables.declaring import Column, Columns, Table
from scoring.tables.stimuli import SELECTION, stimulus_columns


@dataclass(frozen=True)
class MetricRow:
    what: Stimulus
    measured: Measurement


@dataclass(frozen=True)
class CorrelationRow:
    selection: str
    metric: str
    found: Correlation


@dataclass(frozen=True)
class QualityRow:
    selection: str
    metric: str
    found: MetricQuality


@dataclass(frozen=True)
class PairRow:
    selection: str
    pair: MetricPair


def _metric_rows(results: Results) -> Iterator[MetricRow]:
    by_pvs = {stimulus.pvs: stimulus for stimulus in results.stimuli}
    for (pvs, _), measured in sorted(results.measurements.items()):
        yield MetricRow(by_pvs[pvs], measured)


def _correlation_rows(results: Results) -> Iterator[CorrelationRow]:
    for selection, answer in results.answers.items():
        for metric, found in answer.correlations.items():
            yield CorrelationRow(selection, metric, found)


def _quality_rows(results: Results) -> Iterator[QualityRow]:
    for selection, answer in results.answers.items():
        for metric, found in answer.metrics.by_cubic.items():
            yield QualityRow(selection, metric, found)


def _pair_rows(results: Results) -> Iterator[PairRow]:
    for selection, answer in results.answers.items():
        for pair in answer.metrics.pairs:
            yield PairRow(selection, pair)


def _curve(row: QualityRow) -> dict[str, Any] | None:
    curve = row.found.curve
    if curve is None:
        return None
    return {"coefficients": curve.coefficients, "start": curve.start, "span": curve.span}


def _tests(*names: str) -> Iterator[Column]:
    for name in names:
        words = {
            "rmse": "F test of the squared rmse",
            "outliers": "Test of two proportions of outliers",
        }.get(name, f"{name.capitalize()}'s test")
        yield Column(f"{name}", "number", f"{words}: statistic.", f"pair.found.{name}.statistic")
        yield Column(f"p_{name}", "number", f"{words}: p.", f"pair.found.{name}.p")


METRICS = Table(
    "metrics",
    "Objective metrics of each PVS.",
    _metric_rows,
    (
        *stimulus_columns("what."),
        Column("metric", "text", "Metric.", "measured.metric"),
        Column(
            "mean",
            "number",
            "Pooled value; empty where there is none, and the note says why. PSNR has none "
            "where the PVS equals its source.",
            "measured.mean",
        ),
        Column("frames", "integer", "Frames measured.", lambda row: len(row.measured.values)),
        Column("note", "text", "What the metric had to say.", "measured.note"),
    ),
)

CORRELATION = Table(
    "correlation",
    "How well each metric follows the MOS, by each selection of viewers.",
    _correlation_rows,
    (
        Column("selection", "text", SELECTION),
        Column("metric", "text", "Metric."),
        Column("n", "integer", "PVSs used.", "found.n"),
        Column("missing", "integer", "PVSs left out: no MOS or no metric value.", "found.missing"),
        Column("pearson", "number", RULES["pearson"], "found.pearson"),
        Column("pearson_low", "number", "Lower end of Pearson's 95 % interval.", "found.low"),
        Column("pearson_high", "number", "Upper end of Pearson's 95 % interval.", "found.high"),
        Column("spearman", "number", RULES["spearman"], "found.spearman"),
        Column("reason", "text", "Why a coefficient is missing.", "found.reason"),
        Column("interval_reason", "text", "Why the interval is missing.", "found.interval_reason"),
    ),
)

_FIGURES: Columns = (
    Column("n", "integer", "PVSs used.", "found.n"),
    Column("missing", "integer", "PVSs without MOS or value of the metric.", "found.missing"),
    Column("infinite", "integer", "PVSs whose value is infinite.", "found.infinite"),
    Column("d", "integer", "Coefficients of the mapping.", "found.d"),
    Column(
        "constrained",
        "boolean",
        "Would plain least squares have turned within the data?",
        "found.constrained",
    ),
    Column(
        "curve",
        "object",
        "The mapping, JSON: a polynomial of (value - start) / span, the lowest power first.",
        _curve,
    ),
    Column("plcc", "number", "Pearson of mapped metric and MOS.", "found.plcc"),
    Column("plcc_low", "number", "Lower end of its 95 % interval.", "found.plcc_low"),
    Column("plcc_high", "number", "Upper end of its 95 % interval.", "found.plcc_high"),
    Column("srocc", "number", "Spearman, signed.", "found.srocc"),
    Column("krocc", "number", "Kendall's tau-b, signed.", "found.krocc"),
    Column("rmse", "number", "Root of the squared errors / (N - d).", "found.rmse"),
    Column("rmse_low", "number", "Lower end of its 95 % interval.", "found.rmse_low"),
    Column("rmse_high", "number", "Upper end of its 95 % interval.", "found.rmse_high"),
    Column("rmse_star", "number", "Only errors beyond the MOS' interval.", "found.rmse_star"),
    Column(
        "outlier_ratio", "number", "Share of errors beyond that interval.", "found.outlier_ratio"
    ),
    Column(
        "outlier_ratio_low", "number", "Lower end of its 95 % interval.", "found.outlier_ratio_low"
    ),
    Column(
        "outlier_ratio_high",
        "number",
        "Upper end of its 95 % interval.",
        "found.outlier_ratio_high",
    ),
    Column("with_ci", "integer", "PVSs whose MOS has an interval.", "found.with_ci"),
    Column("reason", "text", "Why a number is missing.", "found.reason"),
)

QUALITY = Table(
    "metric_quality",
    "How well each metric predicts the MOS after a monotone cubic mapping (ITU-T P.1401).",
    _quality_rows,
    (
        Column("selection", "text", SELECTION),
        Column("metric", "text", "Metric."),
        *_FIGURES,
    ),
)

PAIRS = Table(
    "metric_pairs",
    "Is one metric better than another? Both after the cubic mapping, over the PVSs both have.",
    _pair_rows,
    (
        Column("selection", "text", SELECTION),
        Column("first", "text", "Metric.", "pair.first"),
        Column("second", "text", "The other metric.", "pair.second"),
        Column("n", "integer", "PVSs that both have.", "pair.found.n"),
        Column("correlation", "number", "Of the two mapped metrics.", "pair.found.correlation"),
        Column(
            "difference", "number", "PLCC of the first less the second's.", "pair.found.difference"
        ),
        Column("zou_low", "number", "Its 95 % interval by Zou.", "pair.found.zou_low"),
        Column("zou_high", "number", "Its 95 % interval by Zou.", "pair.found.zou_high"),
        *_tests("williams", "meng", "fisher", "rmse", "outliers"),
        Column("p_williams_holm", "number", "Williams' p by Holm over all pairs.", "pair.p_holm"),
        Column("p_williams_bh", "number", "The same by Benjamini and Hochberg.", "pair.p_bh"),
        Column("reason", "text", "Why a number is missing.", "pair.found.reason"),
    ),
)

TABLES = (METRICS, CORRELATION, QUALITY, PAIRS)
