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

OTHERS = "others"
KEY_LINES = 3  # of text, for the key of colours above the map


def between(r: FloatArray, rest: FloatArray, codes: Sequence[str]) -> Figure:
    """Each viewer with each other, and in the last column with the mean of all others."""
    square = [
        [None if i == k else value for k, value in enumerate(numbers(row))]
        for i, row in enumerate(r)
    ]
    columns = [*codes, OTHERS]
    z = [[*row, last] for row, last in zip(square, numbers(rest), strict=True)]
    gaps = [
        (code, column)
        for code, row in zip(codes, z, strict=True)
        for column, value in zip(columns, row, strict=True)
        if value is None and column != code
    ]
    missing = points(
        "no value", 0, "missing", x=[column for _, column in gaps], y=[code for code, _ in gaps]
    )
    lines = max(10, 1.7 * len(codes)) + KEY_LINES
    share = KEY_LINES / lines
    return figure(
        [_heat("r", columns, codes, z), *([missing] if gaps else []), _key()],
        x=rows(columns) | {"range": [-0.5, len(codes) + 0.5], "tickangle": -90, "showgrid": False},
        y=rows(codes) | {"showgrid": False, "domain": [0, 1 - share]},
        lines=lines,
        columns={"x": "viewer", "y": "with", "z": "pearson"},
        xaxis2={"anchor": "y2", "domain": [0, 0.5], "tickvals": [-1, 0, 1], "showgrid": False},
        yaxis2={"anchor": "x2", "domain": [1 - share / 4, 1], "showticklabels": False},
    )


def _heat(
    name: str, x: Sequence[object], y: Sequence[object], z: Sequence[Sequence[float | None]]
) -> Figure:
    return {"type": "heatmap", "name": name, "x": x, "y": y, "z": z, "meta": {"series": 0}}


def _key() -> Figure:
    """Which colour is which r, above the map."""
    steps = [k / 20 for k in range(-20, 21)]
    key = _heat("key", steps, ["r"], [steps])
    return key | {"xaxis": "x2", "yaxis": "y2", "meta": {"series": 0, "look": "key"}}


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
