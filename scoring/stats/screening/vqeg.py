"""VQEG multimedia's screening: a viewer fails only by PVS and by condition together.

The correlation with the MOS over PVSs must be below 0.75 and that over conditions (HRCs: what was
done to a source, whatever the source; here the methods) below 0.8. Means over contents are
steadier than single PVSs, so a viewer with an odd taste in contents stays.
"""

from dataclasses import dataclass

import numpy as np

from ..matrix import FloatArray, IntArray, group_rows
from .following import correlation_with_mos, stimuli_scored
from .pearson import fails
from .verdicts import (
    Criteria,
    Findings,
    Screening,
    judge,
    number_beside,
    obstacle,
    screened_nobody,
)

FEWEST_CONDITIONS = 3  # through two points there is always a line


@dataclass(frozen=True)
class VqegMultimedia(Criteria):
    threshold: float = 0.75
    condition_threshold: float = 0.8


def screen_vqeg_multimedia(
    scores: FloatArray, condition: IntArray, criterion: VqegMultimedia | None = None
) -> Screening:
    """`condition` has the number of each stimulus' condition, counted from 0."""
    criterion = criterion or VqegMultimedia()
    r = correlation_with_mos(scores)
    conditions = int(condition.max(initial=-1)) + 1
    over_conditions = correlation_with_mos(group_rows(scores, condition, conditions))
    stimuli = stimuli_scored(scores)
    why = obstacle(scores, stimuli, criterion.minimum_stimuli)
    if not why and conditions < FEWEST_CONDITIONS:
        why = (
            f"Not screened: {conditions} conditions, and a correlation over fewer than "
            f"{FEWEST_CONDITIONS} says nothing."
        )
    if not why and np.isnan(r).all():
        why = "Not screened: the scores or their means do not vary: nothing to correlate."
    if why:
        return screened_nobody(scores, criterion, criterion.threshold, why, r)
    failing = fails(r, criterion.threshold) & fails(over_conditions, criterion.condition_threshold)
    found = Findings(
        stimuli,
        r,
        criterion.threshold,
        failing,
        stimuli >= criterion.minimum_stimuli,
        details={"over_conditions": over_conditions},
    )

    def tell(i: int, failing: bool) -> str:
        by_pvs = _number(r[i], criterion.threshold)
        by_condition = _number(over_conditions[i], criterion.condition_threshold)
        return (
            f"Scores follow the panel's mean with r = {by_pvs} over PVSs ({criterion.threshold:g} "
            f"is asked) and r = {by_condition} over conditions ({criterion.condition_threshold:g} "
            f"is asked): {'too loosely by both' if failing else 'enough by one at least'}."
        )

    return judge(scores, criterion, found, tell)


def _number(r: float, threshold: float) -> str:
    return "undefined" if np.isnan(r) else number_beside(r, threshold)
