"""What all figures are made of.

`meta` of a trace says which series it is (colour and symbol) and, where it is no plain series,
its look: "outline" rings points, "guide" is a thin line, "curve" a line of its own style.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scoring.stats.matrix import FloatArray

Figure = dict[str, Any]


def figure(
    traces: Sequence[Figure],
    *,
    x: Figure,
    y: Figure,
    lines: float,
    columns: Mapping[str, str],
    legend: bool = False,
    **layout: Any,
) -> Figure:
    """`lines` is the height in lines of text; `columns` names x, y, z and text in the CSV."""
    return {
        "data": list(traces),
        "layout": {"xaxis": x, "yaxis": y, "showlegend": legend} | layout,
        "lines": lines,
        "columns": dict(columns),
    }


def points(name: str, series: int, look: str = "", **axes: Any) -> Figure:
    meta = {"series": series} | ({"look": look} if look else {})
    return {"type": "scatter", "mode": "markers", "name": name, "meta": meta} | axes


def line(name: str, series: int, look: str = "", **axes: Any) -> Figure:
    return points(name, series, look, **axes) | {"mode": "lines"}


def half_widths(values: Iterable[float]) -> Figure:
    return {"type": "data", "array": numbers(values)}


def scores(title: str = "MOS") -> Figure:
    """The axis of the eleven grades."""
    return axis(title) | {"range": [-0.2, 10.2], "dtick": 1}


def scores_with_interval() -> Figure:
    return scores("MOS with 95 % interval")


def axis(title: str) -> Figure:
    return {"title": {"text": title}, "zeroline": False}


def from_zero(title: str) -> Figure:
    return axis(title) | {"rangemode": "tozero"}


def rows(names: Sequence[str]) -> Figure:
    """Categories from the top down, with room for the longest name and lines between them."""
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(names),
        "range": [len(names) - 0.5, -0.5],
        "tickson": "boundaries",
        "automargin": True,
    }


def upright(at: float, axis: str = "x") -> Figure:
    """A line across the plot, as that of no difference."""
    across = "y" if axis == "x" else "x"
    return {
        "type": "line",
        f"{axis}0": at,
        f"{axis}1": at,
        f"{across}0": 0,
        f"{across}1": 1,
        f"{across}ref": "paper",
    }


def number(value: float) -> float | None:
    """Seven digits are enough for a plot and its table, and halve the page."""
    return float(f"{value:.7g}") if math.isfinite(value) else None


def numbers(values: Iterable[float] | FloatArray) -> list[float | None]:
    return [number(float(value)) for value in values]
