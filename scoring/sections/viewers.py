"""Viewers: whose votes are used and why, how far they agree, and how each of them scores."""

from __future__ import annotations

import math
from typing import Any

from scoring import figures
from scoring.answer import EVERYBODY
from scoring.rules import DEFAULT_SELECTION, SELECTIONS
from scoring.sections.reading import Reading
from scoring.stats.agreement import between_viewers
from scoring.stats.mos import before_and_after
from scoring.stats.screening import (
    Verdict,
    ViewerScreening,
    correlation_with_mos,
    number_beside,
)
from scoring.stats.subject_model import Mode

BADGES = {
    Verdict.ACCEPTED: "ok",
    Verdict.REJECTED: "bad",
    Verdict.FAILED_BUT_KEPT: "warn",
    Verdict.NOT_ASSESSED: "muted",
}
SIGNS = {
    Verdict.ACCEPTED: "✓",
    Verdict.REJECTED: "✗",
    Verdict.FAILED_BUT_KEPT: "!",
    Verdict.NOT_ASSESSED: "–",
}


def screening(reading: Reading) -> dict[str, Any]:
    """What the chosen rule found; beside "all viewers" the default rule, which then decides
    nothing, so that both always stand side by side."""
    screenings = reading.results.screenings
    decides = reading.selection.rule != EVERYBODY
    rule = reading.selection.rule if decides else DEFAULT_SELECTION
    found = screenings[rule]
    removed = any(viewer.order for viewer in found.viewers)
    return {
        "rule": SELECTIONS[rule],
        "decides": decides,
        "found": found,
        "removed": removed,
        "rows": [
            _row(code, viewer, code in reading.selection.without, decides)
            for code, viewer in zip(reading.results.viewers, found.viewers, strict=True)
        ],
        "grid": _grid(reading),
    }


def _row(code: str, viewer: ViewerScreening, by_hand: bool, decides: bool) -> dict[str, Any]:
    return {
        "code": code,
        "found": viewer,
        "statistic": ""
        if math.isnan(viewer.statistic)
        else number_beside(viewer.statistic, viewer.threshold),
        "badge": BADGES[viewer.verdict],
        "by_hand": by_hand,
        "used": not by_hand and not (decides and viewer.rejected),
    }


def _grid(reading: Reading) -> dict[str, Any]:
    screenings, side = reading.results.screenings, reading.results.analysis.side_by_side
    return {
        "rules": [(name, SELECTIONS[name]) for name in side.rules],
        "rows": [
            {
                "code": code,
                "times": side.times[i],
                "cells": [_cell(screenings[name].viewers[i]) for name in side.rules],
            }
            for i, code in enumerate(reading.results.viewers)
        ],
        "rejected": [int(side.rejected[:, k].sum()) for k in range(len(side.rules))],
    }


def _cell(viewer: ViewerScreening) -> dict[str, Any]:
    return {
        "sign": SIGNS[viewer.verdict],
        "badge": BADGES[viewer.verdict],
        "verdict": viewer.verdict.value,
        "accepted": viewer.verdict == Verdict.ACCEPTED,
        "reason": viewer.reason,
    }


def section(reading: Reading) -> dict[str, Any]:
    analysis, codes = reading.results.analysis, reading.results.viewers
    change = before_and_after(analysis.scores, reading.answer.kept)
    model = analysis.model()
    several = len(codes) > 1
    return {
        "largest_change": change.largest_change,
        "moved": figures.before_and_after(
            change.before, change.after, reading.results.raw_scores.stimuli
        )
        if not reading.answer.kept.all()
        else None,
        "agreement": reading.answer.agreement,
        "agreement_of_all": reading.everybody.agreement,
        "between": figures.between(
            between_viewers(analysis.scores),
            correlation_with_mos(analysis.scores, own_vote=False),
            codes,
        )
        if several
        else None,
        "model": model,
        "model_warnings": _model_warnings(reading),
        "biases": figures.biases(model, codes) if several else None,
        "inconsistencies": figures.inconsistencies(model, codes) if several else None,
    }


def _model_warnings(reading: Reading) -> list[str]:
    """Also of the published estimate, which the page does not show, for whoever computes it."""
    analysis, codes = reading.results.analysis, reading.results.viewers
    said = []
    for mode, model in ((mode, analysis.model(mode)) for mode in (Mode.REGULARISED, Mode.EXACT)):
        if model.warning:
            onto = ", ".join(codes[i] for i in model.collapsed_onto)
            said.append(f"{mode.capitalize()} model: {model.warning}{f' ({onto})' if onto else ''}")
    return said
