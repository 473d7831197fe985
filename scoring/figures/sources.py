"""MOS of every PVS, source by source."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.figures.drawing import (
    Figure,
    figure,
    half_widths,
    numbers,
    points,
    rows,
    scores_with_interval,
)
from scoring.stats.mos import MosTable

MANY = 60  # PVSs, which then stand closer


def mos_by_source(
    table: MosTable, sources: Sequence[str], series: Sequence[int], names: Sequence[str]
) -> Figure:
    """A row per source and a colour per method; `series` has the method's number per PVS."""
    traces = []
    for one, name in enumerate(names):
        places = [j for j, method in enumerate(series) if method == one]
        if places:
            traces.append(
                points(
                    name,
                    one,
                    x=numbers(table.mos[places]),
                    y=[sources[j] for j in places],
                    error_x=half_widths(table.ci_t[places]),
                    orientation="h",
                )
            )
    contents = list(dict.fromkeys(sources))
    return figure(
        traces,
        x=scores_with_interval(),
        y=rows(contents),
        lines=len(contents) * (len(names) * (1 if len(sources) <= MANY else 0.55) + 1),
        columns={"x": "MOS", "y": "source"},
        legend=True,
        scattermode="group",
    )
