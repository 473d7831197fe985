"""The rules of all numbers by what they are about, each under the words the page has for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scoring.rules import RULES, SELECTIONS

TITLES = {
    "Votes and MOS": {
        "counted": "votes that count",
        "repeats": "repeated scores",
        "votes": "N",
        "pvss": "PVSs",
        "mos": "MOS of a PVS",
        "by_method": "MOS of a method",
        "ci95_t": "± 95 % interval",
        "ci95_z": "interval of BT.500 (in the export)",
        "sd": "SD (in the export)",
        "change": "change",
        "by_hand": "left out by hand",
    },
    "Methods": {
        "rank": "#",
        "groups": "alike",
        "difference": "difference",
        "p_holm": "p Holm",
        "p_bh": "p BH",
        "p_sign": "p sign",
        "p_wilcoxon": "p Wilcoxon",
        "preference": "prefer the first",
        "best_of_source": "best of a source",
        "detectable": "what the panel could show",
    },
    "Viewers": {
        "scored": "PVSs of a viewer",
        "rule_statistic": "statistic and threshold",
        "statistic": "statistic of Pearson's rule",
        "threshold": "threshold of Pearson's rule",
        "order": "removed",
        "times": "rejected by",
        "icc_single": "ICC(2,1)",
        "icc_mean": "ICC(2,k)",
        "alpha_interval": "Krippendorff's α, interval",
        "alpha_ordinal": "Krippendorff's α, ordinal",
        "split_half": "split half",
        "sos_a": "SOS a",
        "between_viewers": "correlation of two viewers",
        "rest": "correlation with the others",
        "bias": "bias",
        "inconsistency": "inconsistency",
    },
    "Metrics": {
        "mapping": "mapping",
        "plcc": "PLCC",
        "srocc": "SROCC",
        "krocc": "KROCC",
        "rmse": "RMSE",
        "rmse_star": "RMSE*",
        "outlier_ratio": "outliers",
        "pearson": "PLCC, no mapping",
        "spearman": "Spearman's correlation",
        "left_out": "left out",
        "both_have": "PVSs of two metrics",
        "metric_difference": "difference of PLCC",
        "williams": "p Holm of two metrics",
    },
}


@dataclass(frozen=True)
class NamedRule:
    name: str  # of its place on the page
    title: str
    rule: str


@dataclass(frozen=True)
class RuleGroup:
    about: str
    rules: tuple[NamedRule, ...]


def rule_groups() -> Iterator[RuleGroup]:
    for about, titles in TITLES.items():
        yield RuleGroup(
            about, tuple(NamedRule(name, title, RULES[name]) for name, title in titles.items())
        )
    yield RuleGroup(
        "Whose votes are used",
        tuple(
            NamedRule(f"selection_{name}", text.label, text.rule)
            for name, text in SELECTIONS.items()
        ),
    )
