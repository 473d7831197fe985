"""Methods from best to worst, every pair of them, and what the panel could have shown."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scoring import figures
from scoring.sections.reading import Reading, estimate
from scoring.stats.ranking import ALPHA, Ranking

MOST_PAIRS = 15  # shown at once; more are folded away
LONG_NAME = 24  # characters, beyond which plot and table do not stand side by side
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def section(reading: Reading) -> dict[str, Any]:
    ranking = reading.answer.methods.ranking
    several = len(reading.names) > 1
    ordered = [int(method) for method in ranking.methods]
    names = [reading.names[method] for method in ordered]
    return {
        "rows": _rows(reading, ranking),
        "warning": ranking.warning,
        "long": max(map(len, names)) > LONG_NAME,
        "tested": not np.isnan(ranking.p_holm).all(),
        "figure": figures.mos_by_method(ranking.mos, names, ordered),
        "votes": figures.votes_by_method(
            [_votes(reading, method) for method in ordered], names, ordered
        ),
        **(_compared(reading, ranking) if several else {}),
    }


def _votes(reading: Reading, method: int) -> np.ndarray:
    scores = reading.answer.scores[np.array(reading.series) == method]
    return np.asarray(scores[~np.isnan(scores)])


def _rows(reading: Reading, ranking: Ranking) -> list[dict[str, Any]]:
    used, everybody = reading.answer.by_condition, reading.everybody.by_condition
    return [
        {
            "rank": place + 1,
            "method": reading.names[method],
            "groups": "".join(
                LETTERS[k % len(LETTERS)]
                for k, group in enumerate(ranking.groups)
                if place in group
            ),
            "used": estimate(used, method),
            "all": estimate(everybody, method),
            "change": used.mos[method] - everybody.mos[method],
        }
        for place, method in enumerate(map(int, ranking.methods))
    ]


def _compared(reading: Reading, ranking: Ranking) -> dict[str, Any]:
    methods = reading.answer.methods
    pairs = _pairs(reading, ranking)
    power = methods.power
    known = not math.isnan(power.detectable)
    return {
        "pairs": pairs,
        "folded": len(pairs) > MOST_PAIRS,
        "significant": sum(pair["significant"] for pair in pairs),
        "differences": figures.differences(
            ranking.pairs, ranking.p_holm, [f"{p['first']} − {p['second']}" for p in pairs]
        ),
        "power": power if known else None,
        "detectable": f"{power.detectable:.2f}",
        "power_figure": figures.detectable(power) if known else None,
    }


def _pairs(reading: Reading, ranking: Ranking) -> list[dict[str, Any]]:
    found, bh = ranking.pairs, reading.answer.methods.p_bh
    names = [reading.names[method] for method in ranking.methods]
    return [
        {
            "first": names[a],
            "second": names[b],
            "viewers": found.viewers[row],
            "mean": found.mean[row],
            "ci": found.ci[row],
            "p_holm": ranking.p_holm[row],
            "p_bh": bh[row],
            "p_sign": found.p_sign[row],
            "p_wilcoxon": found.p_wilcoxon[row],
            "positive": found.positive[row],
            "negative": found.negative[row],
            "preference": found.preference[row],
            "preference_low": found.preference_low[row],
            "preference_high": found.preference_high[row],
            "significant": bool(ranking.p_holm[row] < ALPHA),
        }
        for row, (a, b) in enumerate(zip(ranking.first, ranking.second, strict=True))
    ]
