"""Plots of a study's results as Plotly figures in plain JSON; static/scoring/plots.js draws them.

Says what is drawn, not how it looks: colours come from the page's theme, in the browser. Each
figure carries the names of its columns, under which the browser saves its data as CSV.
"""

from scoring.figures.drawing import Figure
from scoring.figures.methods import detectable, differences, mos_by_method, votes_by_method
from scoring.figures.metrics import mos_against_metric
from scoring.figures.sources import mos_by_source
from scoring.figures.viewers import before_and_after, between, biases, inconsistencies

__all__ = [
    "Figure",
    "before_and_after",
    "between",
    "biases",
    "detectable",
    "differences",
    "inconsistencies",
    "mos_against_metric",
    "mos_by_method",
    "mos_by_source",
    "votes_by_method",
]
