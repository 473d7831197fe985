"""Viewers: how far they agree, how each scores, and what leaving some out changes."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.figures.drawing import (
    Figure,
    axis,
    figure,
    from_zero,
    half_widths,
    line,
    numbers,
    points,
    rows,
    scores,
    upright,
)
from scoring.stats.matrix import FloatArray
from scoring.stats.mos import MosTable, Z
from scoring.stats.subject_model import SubjectModel


def between(r: FloatArray, rest: FloatArray, codes: Sequence[str]) -> Figure:
    """Each viewer with each other, and in the last column with the mean of all others."""
    square = [
        [None if i == k else value for k, value in enumerate(numbers(row))]
        for i, row in enumerate(r)
    ]
    map_of_r: Figure = {
        "type": "heatmap",
        "name": "r",
        "x": [*codes, "others"],
        "y": list(codes),
        "z": [[*row, last] for row, last in zip(square, numbers(rest), strict=True)],
        "zmin": min([-0.2, *(value for row in square for value in row if value is not None)]),
        "zmax": 1,
        "meta": {"series": 0},
    }
    return figure(
        [map_of_r],
        x={"type": "category", "tickangle": -90, "showgrid": False},
        y={"type": "category", "autorange": "reversed", "showgrid": False},
        lines=max(10, 1.7 * len(codes)),
        columns={"x": "viewer", "y": "with", "z": "pearson"},
    )


def biases(model: SubjectModel, codes: Sequence[str]) -> Figure:
    trace = points(
        "bias", 0, x=numbers(model.bias), y=list(codes), error_x=half_widths(Z * model.bias_se)
    )
    return figure(
        [trace],
        x=axis("bias"),
        y=rows(codes),
        lines=1.5 * len(codes),
        columns={"x": "bias", "y": "viewer"},
        shapes=[upright(0)],
    )


def inconsistencies(model: SubjectModel, codes: Sequence[str]) -> Figure:
    size = model.inconsistency
    reach = {
        "type": "data",
        "symmetric": False,
        "array": numbers(model.inconsistency_high - size),
        "arrayminus": numbers(size - model.inconsistency_low),
    }
    trace = points("inconsistency", 0, x=numbers(size), y=list(codes), error_x=reach)
    return figure(
        [trace],
        x=from_zero("inconsistency"),
        y=rows(codes),
        lines=1.5 * len(codes),
        columns={"x": "inconsistency", "y": "viewer"},
    )


def before_and_after(before: MosTable, after: MosTable, stimuli: Sequence[str]) -> Figure:
    same = line("no change", 0, "guide", x=[0, 10], y=[0, 10])
    moved = points("PVSs", 0, x=numbers(before.mos), y=numbers(after.mos), text=list(stimuli))
    return figure(
        [same, moved],
        x=scores("MOS of all viewers"),
        y=scores("MOS of the viewers used"),
        lines=18,
        columns={"x": "MOS_all", "y": "MOS_used", "text": "PVS"},
    )
