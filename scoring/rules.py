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
    "rule_statistic": (
        "What the chosen rule looks at, and its limit; the reason says it in a sentence. Below "
        f"{MINIMUM_STIMULI} PVSs nobody is judged."
    ),
    "order": "Order in which the rule removed viewers, the worst first.",
    "votes": "Viewers with a counted vote.",
    "pvss": "Every PVS that the study compares or has votes for.",
    "rank": "Place by the MOS of the viewers used.",
    "scored": "PVSs of which the viewer has a counted vote.",
    "times": (
        "How many of the rules beside each other reject the viewer. A hint, no rule of its own: "
        "most of them look at much the same."
    ),
    "change": "MOS of the viewers used less MOS of all viewers.",
    "by_hand": (
        "Left out by a person, whatever the rule says. Rules judge all viewers first. It is a "
        "deviation from the rule, so name it with its reason where the numbers are used."
    ),
    "groups": (
        "Methods with a letter in common do not differ significantly (paired t test by viewers, "
        "Holm over all pairs, level 0.05). Not to differ significantly is not to be equal."
    ),
    "difference": (
        "Mean over viewers of each viewer's mean difference over the sources that both methods "
        "have, with Student's t interval of 95 %."
    ),
    "p_holm": (
        "Paired t test, two-sided, corrected by Holm over all pairs of methods: below 0.05 the "
        "difference is significant."
    ),
    "p_bh": "The same test by Benjamini and Hochberg, which limits the share of false findings.",
    "p_sign": "Exact sign test over viewers, not corrected; differences of 0 are left out.",
    "p_wilcoxon": (
        "Wilcoxon's signed ranks over viewers, not corrected; exact for the ranks at hand, ties "
        "included, up to 50 differences."
    ),
    "preference": (
        "Share of viewers who scored the first method higher, of those who scored the two "
        "differently, with Wilson's interval of 95 %."
    ),
    "best_of_source": (
        "The method with the highest MOS on this source. Others not significantly worse: paired t "
        "test against the best, Holm over the methods of the source. Choosing the best after the "
        "votes favours it, and one source has few votes: a hint, no proof."
    ),
    "detectable": (
        "The smallest true difference of two methods that comes out significant in 80 % of tests "
        "with so many viewers, by the measured spread; level 0.05 divided by the number of pairs."
    ),
    "icc_single": (
        "ICC(2,1): how reliable one viewer's score is; absolute agreement, over the PVSs that all "
        "viewers scored. 1 is perfect."
    ),
    "icc_mean": "ICC(2,k): how reliable the MOS of this panel is.",
    "alpha_interval": (
        "Krippendorff's alpha with squared distances: 1 is perfect agreement, 0 is chance. Missing "
        "votes are no obstacle."
    ),
    "alpha_ordinal": "Krippendorff's alpha by the order of the scores only.",
    "split_half": (
        "Mean correlation between the MOS of random halves of the panel, stepped up to the whole "
        "panel (Spearman-Brown), 200 halves."
    ),
    "sos_a": (
        "SOS: variance = a (MOS - lowest) (highest - MOS). The larger, the more viewers disagree."
    ),
    "between_viewers": "Pearson correlation of two viewers over the PVSs that both scored.",
    "rest": "Pearson correlation of a viewer with the mean of all others.",
    "bias": (
        "Subject model (P.910 Annex E, regularised): how much higher than the panel the viewer "
        f"scores, all viewers together; interval {Z} standard errors."
    ),
    "inconsistency": (
        "Subject model: standard deviation of the viewer's scores about quality plus bias, with "
        "its 95 % interval. Careless viewers weigh less instead of being left out."
    ),
    "mapping": (
        "The metric on the scale of the MOS by the best cubic that never turns within the data "
        "(ITU-T P.1401)."
    ),
    "plcc": f"Pearson of mapped metric and MOS; interval by Fisher's z: {Z} / sqrt(n - 3).",
    "srocc": "Spearman's rank correlation of metric and MOS, without mapping.",
    "krocc": "Kendall's tau-b of metric and MOS, without mapping.",
    "rmse": "sqrt(sum of squared errors / (n - 4)) after the mapping; interval by chi-square.",
    "rmse_star": "The same for what goes beyond the MOS' own 95 % interval.",
    "outlier_ratio": "Share of PVSs whose error is larger than the MOS' own 95 % interval.",
    "both_have": "PVSs with a MOS and a value of either metric.",
    "metric_difference": (
        "PLCC of the first metric less that of the second, over the PVSs that both have; interval "
        "by Zou, which heeds that both meet the same MOS."
    ),
    "williams": (
        "Williams' test of two correlations with the same MOS, corrected by Holm over all pairs "
        "of metrics."
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
        "Viewers whose scores correlate with the MOS by 0.75 or more (ITU-T P.913): the worst is "
        f"removed, everything recomputed, and so on; never below {FLOOR} viewers.",
    ),
    "pearson_without_own_vote": SelectionText(
        "Pearson without own vote",
        "Each viewer against the mean of the others, by 0.75, one by one; stricter than the "
        "published rule.",
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
