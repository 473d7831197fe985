"""Post-screening of viewers by the Pearson correlation of their scores with the MOS.

The rule of ITU-T P.913 (merged into P.910): a viewer whose scores correlate with the MOS by less
than 0.75 is rejected. The published rule judges everybody once; the iterative one removes the
worst viewer, recomputes and judges again, so that a few bad viewers cannot spoil the MOS a good
one is measured against. By default the MOS includes the viewer's own votes, as the rule is
written; without them r is lower.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ..matrix import BoolArray, FloatArray, IntArray
from .following import constant, correlation_with_mos, stimuli_scored
from .verdicts import (
    TOLERANCE,
    Criteria,
    Findings,
    Screening,
    judge,
    number_beside,
    obstacle,
    screened_nobody,
)

THRESHOLD = 0.75
FLOOR = 3  # the iterative rule never goes below this many viewers


class Rule(StrEnum):
    SINGLE_PASS = "single-pass"
    ITERATIVE = "iterative"


@dataclass(frozen=True)
class Criterion(Criteria):
    rule: Rule = Rule.ITERATIVE
    threshold: float = THRESHOLD
    floor: int = FLOOR
    own_vote: bool = True


def screen(scores: FloatArray, criterion: Criterion | None = None) -> Screening:
    criterion = criterion or Criterion()
    r = correlation_with_mos(scores, own_vote=criterion.own_vote)
    stimuli = stimuli_scored(scores)
    why = obstacle(scores, stimuli, criterion.minimum_stimuli)
    if not why and np.isnan(r).all():
        why = "Not screened: the scores or their means do not vary: nothing to correlate."
    if why:
        return screened_nobody(scores, criterion, criterion.threshold, why, r)
    assessed = stimuli >= criterion.minimum_stimuli
    for i in np.flatnonzero(np.isnan(r)):  # nothing to follow, or nobody who follows?
        assessed[i] &= constant(scores[:, i : i + 1])[0]
    removed, warning = None, ""
    if criterion.rule is Rule.ITERATIVE:
        r, removed, warning = _remove_one_by_one(scores, stimuli, r, assessed, criterion)
    failing = fails(r, criterion.threshold)
    found = Findings(stimuli, r, criterion.threshold, failing, assessed, removed)
    return judge(
        scores,
        criterion,
        found,
        lambda i, failing: _tell(r[i], criterion, failing),
        warning=warning,
    )


def fails(r: FloatArray, threshold: float) -> BoolArray:
    """Below the threshold, or undefined (a viewer who gave the same score to everything)."""
    return np.asarray(~(r >= threshold - TOLERANCE))


def _remove_one_by_one(
    scores: FloatArray,
    stimuli: IntArray,
    r: FloatArray,
    assessed: BoolArray,
    criterion: Criterion,
) -> tuple[FloatArray, IntArray, str]:
    """Statistics at the time of the verdict, order of removal (0: kept), and a warning."""
    r, removed = r.copy(), np.zeros(len(r), dtype=np.intp)
    left = np.flatnonzero(stimuli)
    while True:
        failing = left[assessed[left] & fails(r[left], criterion.threshold)]
        if len(failing) == 0:
            return r, removed, ""
        if len(left) <= criterion.floor:
            return (
                r,
                removed,
                f"Stopped at the floor of {criterion.floor} viewers: {len(failing)} of those "
                f"left still correlate by less than {criterion.threshold:g} with the MOS.",
            )
        # An undefined correlation is worse than any number.
        worst = failing[np.argmin(np.where(np.isnan(r[failing]), -np.inf, r[failing]))]
        removed[worst] = removed.max() + 1
        left = left[left != worst]
        r[left] = correlation_with_mos(scores[:, left], own_vote=criterion.own_vote)


def _tell(r: float, criterion: Criterion, failing: bool) -> str:
    least = f"{criterion.threshold:g}"
    whom = "the panel's mean" if criterion.own_vote else "the others' mean"
    if np.isnan(r):
        return f"Nothing to correlate with {whom} (r is undefined)."
    number = number_beside(r, criterion.threshold)
    if failing:
        return f"Scores follow {whom} too loosely (r = {number}, at least {least} is asked)."
    return f"Scores follow {whom} (r = {number}, at least {least} is asked)."
