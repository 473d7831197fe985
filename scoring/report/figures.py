"""The figures of the report, from the same numbers as its tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scoring.answer import Answer
from scoring.report.svg import Axis, Dot, Point, Row, cloud, rows_of_points
from scoring.results import Results
from scoring.stats.matrix import FloatArray
from scoring.stats.screening import Verdict

SOURCES_PER_FIGURE = 12


def mos_axis(results: Results) -> Axis:
    scale = results.study.protocol.scale
    return Axis("MOS with 95 % interval", scale.lowest, scale.highest)


def by_method(
    results: Results, used: Answer, everybody: Answer, names: Sequence[str], label: str
) -> str:
    tables = [everybody.by_condition]
    if used is not everybody:
        tables.append(used.by_condition)
    best = np.argsort(-np.nan_to_num(used.by_condition.mos, nan=-1.0), kind="stable")
    rows = [
        Row(
            names[k],
            [Point(table.mos[k], table.ci_t[k], series) for series, table in enumerate(tables)],
        )
        for k in best
    ]
    series = ["All viewers", label][: len(tables)]
    return rows_of_points(rows, mos_axis(results), series, "MOS of each method")


def by_source(results: Results, used: Answer, names: Sequence[str]) -> list[str]:
    place = {condition: k for k, condition in enumerate(results.conditions)}
    rows: dict[str, list[Point]] = {}
    for j, stimulus in enumerate(results.stimuli):
        point = Point(used.mos.mos[j], used.mos.ci_t[j], place[stimulus.condition])
        rows.setdefault(stimulus.source, []).append(point)
    drawn = [Row(source, points) for source, points in rows.items()]
    return [
        rows_of_points(
            drawn[start : start + SOURCES_PER_FIGURE], mos_axis(results), names, "MOS of each PVS"
        )
        for start in range(0, len(drawn), SOURCES_PER_FIGURE)
    ]


def by_viewer(results: Results, rule: str) -> str:
    """What the rule of screening measured, against its threshold; empty where it did not."""
    found = results.screenings[rule].viewers
    values = [one.statistic for one in found]
    known = [value for value in values if math.isfinite(value)]
    limit = found[0].threshold if found else math.nan
    if not known or not math.isfinite(limit):
        return ""
    axis = Axis("statistic of the rule; dashed: threshold", *_round(min(known), max(known), limit))
    verdicts = sorted({one.verdict for one in found}, key=list(Verdict).index)
    rows = [
        Row(
            code if math.isfinite(one.statistic) else f"{code} (undefined)",
            [Point(one.statistic, math.nan, verdicts.index(one.verdict))],
        )
        for code, one in zip(results.viewers, found, strict=True)
    ]
    series = [verdict.value for verdict in verdicts]
    return rows_of_points(rows, axis, series, "Screening of viewers", limit)


def against_metric(
    results: Results, used: Answer, metric: str, axis_label: str, names: Sequence[str]
) -> str:
    values, found = results.metric_means[metric], used.metrics.by_cubic[metric]
    finite = values[np.isfinite(values)]
    if not len(finite) or not np.isfinite(used.mos.mos).any():
        return ""
    place = {condition: k for k, condition in enumerate(results.conditions)}
    dots = [
        Dot(values[j], used.mos.mos[j], used.mos.ci_t[j], place[stimulus.condition])
        for j, stimulus in enumerate(results.stimuli)
    ]
    x_axis = Axis(axis_label, *_round(float(finite.min()), float(finite.max())))
    curve: list[tuple[float, float]] = []
    if found.curve is not None:
        x: FloatArray = np.linspace(finite.min(), finite.max(), 60)
        curve = list(zip(x.tolist(), found.curve(x).tolist(), strict=True))
    y_axis = Axis("MOS", mos_axis(results).low, mos_axis(results).high)
    return cloud(dots, x_axis, y_axis, names, f"MOS against {axis_label}", curve)


def _round(*values: float) -> tuple[float, float]:
    """Ends somewhat beyond the values."""
    low, high = min(values), max(values)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - room, high + room
