"""BT.1788's screening (SAMVIQ): each viewer against the panel's own spread of agreement.

A viewer's agreement is the lower of Pearson's and Spearman's correlation with the MOS. The
threshold is the panel's mean agreement less its standard deviation (N - 1), but never above the
fixed criterion, 0.85 by default: a panel of good viewers loses nobody for being last.
"""

from dataclasses import dataclass

import numpy as np

from ..correlation import average_ranks, pearson
from ..matrix import FloatArray
from ..mos import mean_opinion_scores
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


@dataclass(frozen=True)
class Bt1788(Criteria):
    criterion: float = 0.85  # the highest the threshold can be


def screen_bt1788(scores: FloatArray, criterion: Bt1788 | None = None) -> Screening:
    criterion = criterion or Bt1788()
    linear = correlation_with_mos(scores)
    ranked = rank_correlation_with_mos(scores, linear)
    agreement = np.minimum(linear, ranked)
    stimuli = stimuli_scored(scores)
    why = obstacle(scores, stimuli, criterion.minimum_stimuli)
    known = agreement[~np.isnan(agreement)]
    if not why and len(known) < 2:
        why = "Not screened: fewer than two viewers have a correlation with the MOS."
    if why:
        return screened_nobody(scores, criterion, criterion.criterion, why, agreement)
    threshold = min(criterion.criterion, float(known.mean() - known.std(ddof=1)))
    found = Findings(
        stimuli,
        agreement,
        threshold,
        fails(agreement, threshold),
        stimuli >= criterion.minimum_stimuli,
        details={"pearson": linear, "spearman": ranked},
    )

    def tell(i: int, failing: bool) -> str:
        if np.isnan(agreement[i]):
            return "Nothing to correlate with the panel's mean (undefined)."
        return (
            f"Agrees with the panel's mean by {number_beside(agreement[i], threshold)}, the lower "
            f"of Pearson's and Spearman's coefficient; {'at least ' if failing else ''}"
            f"{threshold:.3f} is asked: the panel's mean less its standard deviation, or "
            f"{criterion.criterion:g} if that is lower."
        )

    return judge(scores, criterion, found, tell)


def rank_correlation_with_mos(scores: FloatArray, linear: FloatArray) -> FloatArray:
    """Spearman's coefficient over the stimuli each viewer scored; undefined where Pearson's is."""
    mos = mean_opinion_scores(scores).mos
    found = np.full(scores.shape[1], np.nan)
    for i in np.flatnonzero(~np.isnan(linear)):
        mine = ~np.isnan(scores[:, i])
        # Equal means may differ in the last bit by the order of summation.
        ranks = average_ranks(mos[mine].round(12))
        found[i] = pearson(average_ranks(scores[mine, i]), ranks)
    return found
