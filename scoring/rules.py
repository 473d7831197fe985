"""By which rule each number is made, in words; the pages' tooltips and the exports' stamp."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from django.conf import settings
from django.utils import timezone

from scoring.stats.mos import DDOF, Z
from scoring.stats.screening import FLOOR, MINIMUM_STIMULI, REVERSED_BELOW, TOLERANCE
from sessions_app.models import Study

RULES = {
    "counted": (
        "A vote counts when its cell is a test cell and what the display measured says the cell "
        "was shown properly. Stabilisation never counts."
    ),
    "repeats": (
        "A viewer who scored a PVS in several cells (the anchor is in every pair of its source) "
        "counts once, with the mean of those scores."
    ),
    "mos": "Mean over viewers of their scores of the PVS, on the scale of 0 to 10.",
    "sd": f"Sample standard deviation over viewers, ddof = {DDOF} (BT.500 divides by N - 1).",
    "ci95_t": (
        "Half the 95 % confidence interval: t(0.975, N - 1) x SD / sqrt(N), Student's t, right "
        "for small panels. Needs two viewers."
    ),
    "ci95_z": (
        f"Half the 95 % interval as BT.500 prints it: {Z} x SD / sqrt(N). Too narrow for small "
        "panels (at nine viewers it covers 91 %)."
    ),
    "by_method": (
        "Each viewer's mean over the sources first, then mean and t interval over viewers."
    ),
    "statistic": (
        "Pearson correlation of a viewer's scores with the MOS of all viewers, own votes "
        "included, over the PVSs that viewer scored."
    ),
    "threshold": (
        "ITU-T P.913 (merged into P.910): a viewer below the threshold is rejected; exactly at it "
        f"(tolerance {TOLERANCE:g}) is accepted. Below {MINIMUM_STIMULI} PVSs nobody is judged."
    ),
    "pearson": (
        "Linear correlation of the pooled metric with the MOS over PVSs, no mapping. Interval by "
        f"Fisher's z: {Z} / sqrt(n - 3)."
    ),
    "spearman": "Pearson correlation of the ranks; equal values share the mean of their ranks.",
    "left_out": (
        "PVSs without a MOS or without a value of the metric are never used. PSNR has no value "
        "where the PVS equals its source; the metric's note says so."
    ),
}


@dataclass(frozen=True)
class SelectionText:
    label: str
    rule: str


# Whose votes are used, by the names that addresses, exports and `manage.py analyse` have for it.
SELECTIONS = {
    "all": SelectionText("All viewers", "Every viewer with counted votes."),
    "pearson": SelectionText(
        "Pearson, once",
        "Viewers whose scores correlate with the MOS by 0.75 or more, everybody judged once: the "
        "published rule (ITU-T P.913, merged into P.910).",
    ),
    "pearson_iterative": SelectionText(
        "Pearson, one by one",
        "The same, but the worst is removed, everything recomputed, and so on; never below "
        f"{FLOOR} viewers.",
    ),
    "pearson_without_own_vote": SelectionText(
        "Pearson without own vote",
        "One by one, each viewer against the mean of the others, which is stricter.",
    ),
    "bt500": SelectionText(
        "BT.500",
        "More than 5 % of the viewer's scores are far from the others' mean, above and below about "
        "equally often. Sees little in small panels.",
    ),
    "bt1788": SelectionText(
        "BT.1788",
        "The lower of Pearson's and Spearman's correlation with the MOS, against the panel's own "
        "mean less its standard deviation, at most 0.85.",
    ),
    "vqeg_multimedia": SelectionText(
        "VQEG multimedia",
        "Rejected only when the correlation with the MOS is below 0.75 over PVSs and below 0.8 "
        "over methods.",
    ),
    "bias_removal": SelectionText(
        "Bias removal",
        "Rejects nobody; a viewer who scores all high or all low is corrected (P.913 12.4).",
    ),
}
DEFAULT_SELECTION = "pearson_iterative"
RULES |= {
    "all": SELECTIONS["all"].rule,
    "single-pass": SELECTIONS["pearson"].rule,
    "iterative": SELECTIONS["pearson_iterative"].rule,
}


@dataclass(frozen=True)
class StampLine:
    name: str
    value: str


def stamp(study: Study) -> Iterator[StampLine]:
    """What somebody needs to make the same numbers again."""
    protocol = study.protocol
    facts = {
        "study": study.name,
        "study slug": study.slug,
        "seed of the plan": study.seed,
        "protocol": protocol.name,
        "scale of scores": f"{protocol.scale.lowest} to {protocol.scale.highest}",
        "anchor method": study.anchor,
        "rule by which a showing counts": f"{study.rule.name}: {study.rule}",
        "exported at": timezone.now().isoformat(timespec="seconds"),
        "Midgrey": settings.VERSION,
        "Python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "pandas": pd.__version__,
        "constant ddof": DDOF,
        "constant z": Z,
        "constant screening threshold": protocol.screening_threshold,
        "constant screening tolerance": TOLERANCE,
        "constant fewest PVSs to screen": MINIMUM_STIMULI,
        "constant floor of iterative screening": FLOOR,
        "constant hint of a reversed scale at or below": REVERSED_BELOW,
        "constant fewest viewers": protocol.fewest_viewers,
    }
    for name, value in facts.items():
        yield StampLine(name, str(value))
    for name, rule in RULES.items():
        yield StampLine(f"rule {name}", rule)
    for name, text in SELECTIONS.items():
        yield StampLine(f"selection {name}", text.rule)
    yield StampLine(
        "texts in CSV",
        "A text that a spreadsheet would run as a formula has an apostrophe put before it.",
    )
