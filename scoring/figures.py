"""Plots of a study's results as Plotly figures in plain JSON; static/scoring/plots.js draws them.

Says what is drawn, not how it looks: colours come from the page's theme, in the browser.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from scoring.answer import Answer
from scoring.results import Results
from scoring.stats.matrix import FloatArray
from scoring.study_scores import Condition

Figure = dict[str, Any]
MOS_AXIS = {"title": {"text": "MOS"}, "range": [-0.2, 10.2], "dtick": 1, "zeroline": False}


def mos_by_source(results: Results, answer: Answer, name: Callable[[Condition], str]) -> Figure:
    """MOS and interval of each PVS, a row per source and a colour per method."""
    traces = []
    for series, condition in enumerate(results.conditions):
        places = [j for j, one in enumerate(results.stimuli) if one.condition == condition]
        traces.append(
            _points(
                series,
                name(condition),
                x=[_number(answer.mos.mos[j]) for j in places],
                y=[results.stimuli[j].source for j in places],
                error_x=_error(answer.mos.ci_t, places),
            )
            | {"orientation": "h"}
        )
    sources = list(dict.fromkeys(one.source for one in results.stimuli))
    return {
        "data": traces,
        "layout": {
            "xaxis": MOS_AXIS,
            "yaxis": _rows(sources),
            "scattermode": "group",
            "showlegend": True,
        },
        "lines": len(sources) * (len(results.conditions) + 1),
    }


def mos_by_method(results: Results, answer: Answer, name: Callable[[Condition], str]) -> Figure:
    traces = [
        _points(
            series,
            name(condition),
            x=[_number(answer.by_condition.mos[series])],
            y=[name(condition)],
            error_x=_error(answer.by_condition.ci_t, [series]),
        )
        for series, condition in enumerate(results.conditions)
    ]
    names = [name(condition) for condition in results.conditions]
    layout = {"xaxis": MOS_AXIS, "yaxis": _rows(names), "showlegend": False}
    return {"data": traces, "layout": layout, "lines": 2 * len(names)}


def mos_against_metric(
    results: Results,
    answer: Answer,
    metric: str,
    title: str,
    name: Callable[[Condition], str],
) -> Figure:
    values = results.metric_means[metric]
    traces = [
        _points(
            series,
            name(condition),
            x=[_number(values[j]) for j in places],
            y=[_number(answer.mos.mos[j]) for j in places],
            error_y=_error(answer.mos.ci_t, places),
        )
        | {"text": [results.stimuli[j].source for j in places]}
        for series, condition, places in _drawable(results, answer, values)
    ]
    layout = {
        "xaxis": {"title": {"text": title}, "zeroline": False},
        "yaxis": MOS_AXIS,
        "showlegend": True,
    }
    return {"data": traces, "layout": layout, "lines": 18}


def _drawable(
    results: Results, answer: Answer, values: FloatArray
) -> Iterator[tuple[int, Condition, list[int]]]:
    for series, condition in enumerate(results.conditions):
        places = [
            j
            for j, one in enumerate(results.stimuli)
            if one.condition == condition
            and math.isfinite(values[j])
            and math.isfinite(answer.mos.mos[j])
        ]
        if places:
            yield series, condition, places


def _points(series: int, name: str, **axes: Any) -> Figure:
    return {"type": "scatter", "mode": "markers", "name": name, "meta": {"series": series}} | axes


def _error(ci: FloatArray, places: list[int]) -> Figure:
    return {"type": "data", "array": [_number(ci[j]) for j in places]}


def _rows(names: list[str]) -> Figure:
    """Categories from the top down, with room for the longest name and lines between them."""
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": names,
        "autorange": "reversed",
        "tickson": "boundaries",
        "automargin": True,
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
