"""Methods: their MOS, all votes on them, and what sets them apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scoring.figures.drawing import (
    Figure,
    axis,
    figure,
    from_zero,
    half_widths,
    line,
    number,
    numbers,
    points,
    rows,
    scores,
    scores_with_interval,
    upright,
)
from scoring.stats.comparison import Paired
from scoring.stats.matrix import FloatArray, IntArray
from scoring.stats.mos import MosTable
from scoring.stats.power import AfterTest, detectable_difference
from scoring.stats.ranking import ALPHA

# Within a row of height 1: where box and swarm are, how high the longest swarm is, and at most how
# far its points are apart.
BOX_AT, SWARM_AT, SWARM, CLOSE = 0.33, -0.12, 0.6, 0.06
PANELS = (4, 40)


def mos_by_method(table: MosTable, names: Sequence[str], series: Sequence[int]) -> Figure:
    """A row per method in the order given."""
    traces = [
        points(
            name,
            one,
            x=[number(table.mos[place])],
            y=[name],
            error_x=half_widths([table.ci_t[place]]),
        )
        for place, (name, one) in enumerate(zip(names, series, strict=True))
    ]
    columns = {"x": "MOS", "y": "method"}
    return figure(
        traces, x=scores_with_interval(), y=rows(names), lines=2 * len(names), columns=columns
    )


def votes_by_method(
    votes: Sequence[FloatArray], names: Sequence[str], series: Sequence[int]
) -> Figure:
    """Every single score of each method, and below them their quartiles and mean."""
    traces: list[Figure] = []
    off = swarmed(votes)
    for row, (name, one, values) in enumerate(zip(names, series, votes, strict=True)):
        meta = {"series": one, "row": name}
        box: Figure = {"type": "box", "orientation": "h", "name": name, "x": numbers(values)}
        box |= {"y": [row + BOX_AT] * len(values), "boxpoints": False}
        traces.append(box | {"meta": meta | {"look": "box"}})
        swarm = points(name, one, x=numbers(values), y=numbers(row + SWARM_AT + off[row]))
        traces.append(swarm | {"meta": meta | {"look": "swarm"}})
    places = {"tickvals": list(range(len(names))), "ticktext": list(names)}
    return figure(
        traces,
        x=scores("score"),
        y=places | {"range": [len(names) - 0.5, -0.5], "automargin": True, "zeroline": False},
        lines=4 * len(names),
        columns={"x": "score", "y": "method"},
    )


def swarmed(votes: Sequence[FloatArray]) -> list[FloatArray]:
    """How far each point stands off its row, so that equal scores stand side by side.

    The step is the same everywhere, so that the length of a swarm shows how many are in it.
    """
    groups = [np.unique(np.round(values * 2), return_inverse=True)[1] for values in votes]
    most = max((int(np.bincount(one).max()) for one in groups if len(one)), default=1)
    step = min(CLOSE, SWARM / most)
    return [_stacked(group) * step for group in groups]


def _stacked(group: IntArray) -> FloatArray:
    """0, 1, -1, 2, -2 ... within each group."""
    counts = np.bincount(group)
    order = np.argsort(group, kind="stable")
    place = np.empty(len(group), dtype=np.intp)
    place[order] = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray((place + 1) // 2 * np.where(place % 2, 1.0, -1.0))


def differences(pairs: Paired, p: FloatArray, names: Sequence[str]) -> Figure:
    """Interval of each difference; filled where it is significant."""
    significant = p < ALPHA
    traces = [
        points(
            name,
            0,
            look,
            x=numbers(pairs.mean[which]),
            y=[names[k] for k in np.flatnonzero(which).tolist()],
            error_x=half_widths(pairs.ci[which]),
        )
        for name, look, which in (
            ("significant", "", significant),
            ("not significant", "outline", ~significant),
        )
        if which.any()
    ]
    return figure(
        traces,
        x=axis("difference of MOS"),
        y=rows(names),
        lines=1.6 * len(names),
        columns={"x": "difference", "y": "methods"},
        legend=True,
        shapes=[upright(0)],
    )


def detectable(power: AfterTest) -> Figure:
    """The smallest difference that panels of other sizes would show."""
    panels = sorted({*range(PANELS[0], PANELS[1] + 1, 2), power.viewers})
    found = [detectable_difference(power.sd, n, power.comparisons) for n in panels]
    traces = [
        line("panels of other sizes", 0, x=panels, y=numbers(found)),
        points("this panel", 1, x=[power.viewers], y=[number(power.detectable)]),
    ]
    return figure(
        traces,
        x=axis("viewers"),
        y=from_zero("difference of MOS"),
        lines=14,
        columns={"x": "viewers", "y": "detectable_difference"},
        legend=True,
    )
