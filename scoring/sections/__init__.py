"""The sections of a study's results page: each turns statistics into what its template shows.

Computes nothing of its own; every number comes from `scoring.analysis`.
"""

from __future__ import annotations

from typing import Any

from scoring.results import Results
from scoring.rules import DEFAULT_SELECTION, RULES, SELECTIONS
from scoring.sections import methods, metrics, sources, summary, viewers
from scoring.sections.reading import Reading, Selection
from scoring.sections.rules import rule_groups


def selection_of(results: Results, rule: str, without: list[str]) -> Selection:
    """What an address asks for, less what there is not."""
    known = tuple(code for code in results.viewers if code in without)
    return Selection(rule if rule in results.answers else DEFAULT_SELECTION, known)


def page(results: Results, selection: Selection) -> dict[str, Any]:
    reading = Reading.of(results, selection)
    return {
        "study": results.study,
        "rules": RULES,
        "rule_groups": list(rule_groups()),
        "selections": [(key, SELECTIONS[key]) for key in results.answers],
        "selection": selection,
        "by": reading.by,
        "answer": reading.answer,
        "summary": summary.section(reading),
        "screening": viewers.screening(reading),
        **(_numbers(reading) if reading.answer.viewers else {}),
    }


def _numbers(reading: Reading) -> dict[str, Any]:
    """What there is only where somebody's votes are used."""
    return {
        "methods": methods.section(reading),
        "sources": sources.section(reading),
        "viewers": viewers.section(reading),
        "metrics": metrics.section(reading),
    }
