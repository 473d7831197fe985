"""MOS against an objective metric, with the curve that maps one onto the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scoring.figures.drawing import (
    Figure,
    axis,
    figure,
    half_widths,
    line,
    numbers,
    points,
    scores_with_interval,
)
from scoring.stats.mapping import Curve
from scoring.stats.matrix import FloatArray
from scoring.stats.metric_quality import MetricQuality
from scoring.stats.mos import MosTable

STEPS = 60


def mos_against_metric(
    values: FloatArray,
    table: MosTable,
    quality: MetricQuality,
    title: str,
    series: Sequence[int],
    names: Sequence[str],
    sources: Sequence[str],
) -> Figure:
    known = np.isfinite(values) & np.isfinite(table.mos)
    traces = [] if quality.curve is None else [_drawn(quality.curve, len(names))]
    for one, name in enumerate(names):
        places = [j for j, method in enumerate(series) if method == one and known[j]]
        if places:
            traces.append(_some(name, one, places, values, table, sources))
    outliers = np.flatnonzero(quality.outlier).tolist()
    if outliers:
        ringed = _some("outlier", len(names), outliers, values, table, sources)
        del ringed["error_y"]
        ringed["meta"]["look"] = "ring"
        traces.append(ringed)
    return figure(
        traces,
        x=axis(title),
        y=scores_with_interval(),
        lines=18,
        columns={"x": "metric", "y": "MOS", "text": "source"},
        legend=True,
    )


def _some(
    name: str,
    series: int,
    places: list[int],
    values: FloatArray,
    table: MosTable,
    sources: Sequence[str],
) -> Figure:
    return points(
        name,
        series,
        x=numbers(values[places]),
        y=numbers(table.mos[places]),
        error_y=half_widths(table.ci_t[places]),
        text=[sources[j] for j in places],
    )


def _drawn(curve: Curve, series: int) -> Figure:
    x = np.linspace(curve.start, curve.start + curve.span, STEPS)
    return line("mapping", series, "curve", x=numbers(x), y=numbers(curve(x)))
