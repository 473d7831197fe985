"""The answer in a sentence or two, and what must be known before it is used.

Says that methods differ only where the differences are significant, and else what the panel could
have shown.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scoring.answer import EVERYBODY, Answer
from scoring.sections.reading import Reading
from scoring.stats.ranking import ALPHA, Ranking
from scoring.wording import counted, listed


def section(reading: Reading) -> dict[str, Any]:
    results = reading.results
    left_out = [
        code
        for code, kept in zip(results.viewers, reading.answer.kept, strict=True)
        if not kept and code not in reading.selection.without
    ]
    return {
        "sentences": sentences(reading),
        "warnings": results.warnings(reading.selection),
        "used": reading.answer.viewers,
        "panel": len(results.viewers),
        "left_out": left_out,
        "by_hand": reading.selection.without,
        "without_votes": results.without_votes,
        "screened": reading.selection.rule != EVERYBODY,
        "counted": len(results.counted),
        "votes": len(results.ratings),
        "stimuli": len(results.stimuli),
    }


def sentences(reading: Reading) -> list[str]:
    answer = reading.answer
    if not answer.viewers:
        return ["No viewer is left, so there is no answer. Take somebody back in below."]
    ranking = answer.methods.ranking
    scored = [method for method, n in zip(ranking.methods, ranking.mos.votes, strict=True) if n]
    if len(scored) < 2:
        only = reading.names[scored[0]]
        return [f"Only {only} has votes, so there is nothing to compare it with."]
    if np.isnan(ranking.p_holm).all():
        return [_untested(reading, ranking)]
    found = [_verdict(reading, answer)]
    if (ranking.p_holm < ALPHA).any():
        found += _by_source(reading)
    if _significant(answer) != _significant(reading.everybody):
        found.append(f"By all viewers it is another answer: {_verdict(reading, reading.everybody)}")
    return found


def _untested(reading: Reading, ranking: Ranking) -> str:
    if (ranking.pairs.viewers >= 2).any():
        return "No method differs from another: every viewer scored them alike."
    return (
        f"{_highest(reading, ranking)}, but with {counted(reading.answer.viewers, 'viewer')} "
        "nobody can say whether the methods differ."
    )


def _significant(answer: Answer) -> set[tuple[int, int]]:
    """Which methods are better than which."""
    ranking = answer.methods.ranking
    better, worse = ranking.methods[ranking.first], ranking.methods[ranking.second]
    found = ranking.p_holm < ALPHA
    return set(zip(better[found].tolist(), worse[found].tolist(), strict=True))


def _verdict(reading: Reading, answer: Answer) -> str:
    ranking = answer.methods.ranking
    names = [reading.names[method] for method in ranking.methods]
    significant = ranking.p_holm < ALPHA
    if not significant.any():
        return f"No method differs significantly from another. {_reach(answer)}".strip()
    of_best = ranking.first == 0
    worse = [names[place] for place in ranking.second[of_best & significant]]
    alike = [names[place] for place in ranking.second[of_best & ~significant]]
    if not alike:
        every = "the other" if len(worse) == 1 else "every other method"
        return f"{_highest(reading, ranking)}, significantly better than {every}."
    if not worse:
        return (
            f"{_highest(reading, ranking)}, but no other is significantly worse than it; the "
            "table below says which of the others differ."
        )
    together = f"does not differ significantly from {listed(alike)}"
    better = "all others" if len(worse) > 2 else listed(worse)
    return (
        f"{_highest(reading, ranking)}. It {together}, and is significantly better than {better}."
    )


def _highest(reading: Reading, ranking: Ranking) -> str:
    name, mos, ci = reading.names[ranking.methods[0]], ranking.mos.mos[0], ranking.mos.ci_t[0]
    interval = "" if math.isnan(ci) else f" ± {ci:.2f}"
    return f"{name} has the highest MOS ({mos:.2f}{interval})"


def _reach(answer: Answer) -> str:
    power = answer.methods.power
    if math.isnan(power.detectable):
        return ""
    return (
        f"These {power.viewers} viewers could have shown a difference of {power.detectable:.2f} "
        "(power 80 %); smaller ones may be there all the same."
    )


def _by_source(reading: Reading) -> list[str]:
    """In how many sources the method with the highest MOS is first too."""
    ranking, contents = reading.answer.methods.ranking, reading.answer.methods.best_of_contents
    if len(contents) < 2:
        return []
    best = ranking.methods[0]
    first = sum(one.methods[0] == best for one in contents)
    worse = sum(best not in one.alike() for one in contents if best in one.methods)
    if first == len(contents):
        return ["It is first in every source."]
    return [
        f"It is first in {first} of {len(contents)} sources, and significantly worse than the "
        f"first in {worse or 'none'}."
    ]
