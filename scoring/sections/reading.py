"""One way of reading a study's results: by whose votes, and under which names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scoring.answer import EVERYBODY, Answer, Selection
from scoring.results import Results
from scoring.rules import SELECTIONS
from scoring.stats.mos import MosTable
from scoring.study_scores import condition_name
from scoring.wording import listed
from upscalers.methods import all_methods

__all__ = ["Reading", "Selection", "estimate"]


@dataclass(frozen=True)
class Reading:
    results: Results
    selection: Selection
    answer: Answer  # of the viewers used
    everybody: Answer
    names: tuple[str, ...]  # of the methods, for people, in the order of the study
    series: tuple[int, ...]  # the number of each PVS' method

    @classmethod
    def of(cls, results: Results, selection: Selection) -> Reading:
        known = all_methods()
        name = condition_name(
            results.stimuli, lambda slug: known[slug].name if slug in known else slug
        )
        place = {condition: k for k, condition in enumerate(results.conditions)}
        return cls(
            results,
            selection,
            results.analysis.answer(selection),
            results.analysis.answer(),
            _apart([name(condition) for condition in results.conditions], results),
            tuple(place[one.condition] for one in results.stimuli),
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """Of each PVS."""
        return self.results.raw_scores.content

    @property
    def by(self) -> str:
        """Whose votes are used, in words that can stand below a figure."""
        rule = SELECTIONS[self.selection.rule].label
        if self.selection.rule != EVERYBODY:
            rule = f"Viewers screened by {rule}"
        if not self.selection.without:
            return rule
        return f"{rule}; {listed(self.selection.without)} left out by hand"


def _apart(names: list[str], results: Results) -> tuple[str, ...]:
    """Methods of the same name get their identifiers too, else a plot would make them one."""
    identifiers = results.raw_scores.methods
    return tuple(
        f"{name} ({identifier})" if names.count(name) > 1 else name
        for name, identifier in zip(names, identifiers, strict=True)
    )


def estimate(table: MosTable, j: int) -> dict[str, Any]:
    """One MOS for the page; coordinates of its bar in hundredths of the scale."""
    mos, ci = known(table.mos[j]), known(table.ci_t[j])
    shown: dict[str, Any] = {
        "votes": int(table.votes[j]),
        "mos": mos,
        "ci": ci,
        "sd": known(table.sd[j]),
    }
    if mos is not None:
        low, high = mos - (ci or 0), mos + (ci or 0)
        shown |= {
            "at": f"{mos * 10:.2f}",
            "low": f"{max(low, 0) * 10:.2f}",
            "high": f"{min(high, 10) * 10:.2f}",
        }
    return shown


def known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
