"""Tests of paired differences that assume no normal distribution: sign test and Wilcoxon's.

Both leave out differences of 0. Whole scores tie often, so Wilcoxon's distribution is computed
for the very ranks at hand, ties included, instead of from a table that knows none.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, ndtr

from .correlation import average_ranks
from .matrix import FloatArray

EXACT_UP_TO = 50  # differences; beyond, the normal approximation with correction for ties


@dataclass(frozen=True)
class SignTest:
    positive: int
    negative: int
    ties: int
    p: float  # two-sided, exact binomial; 1 where nobody differs


@dataclass(frozen=True)
class Wilcoxon:
    statistic: float  # the smaller sum of ranks
    p: float  # two-sided; NaN where nobody differs
    exact: bool


def sign_test(differences: FloatArray) -> SignTest:
    positive, negative = int((differences > 0).sum()), int((differences < 0).sum())
    ties = int((differences == 0).sum())
    p = 2 * float(bdtr(min(positive, negative), positive + negative, 0.5))
    return SignTest(positive, negative, ties, min(p, 1.0))


def wilcoxon(differences: FloatArray, exact_up_to: int = EXACT_UP_TO) -> Wilcoxon:
    differing = differences[(differences != 0) & ~np.isnan(differences)]
    n = len(differing)
    if n == 0:
        return Wilcoxon(float("nan"), float("nan"), True)
    # Differences of means of whole scores may tie but for the last bit.
    ranks = average_ranks(np.abs(differing).round(9))
    above = float(ranks[differing > 0].sum())
    statistic = min(above, n * (n + 1) / 2 - above)
    if n <= exact_up_to:
        return Wilcoxon(statistic, _exact(ranks, statistic), True)
    ties = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    variance = n * (n + 1) * (2 * n + 1) / 24 - (ties**3 - ties).sum() / 48
    z = (statistic - n * (n + 1) / 4) / np.sqrt(variance)
    return Wilcoxon(statistic, float(min(1.0, 2 * ndtr(z))), False)


def _exact(ranks: FloatArray, statistic: float) -> float:
    """Every choice of signs is equally likely; counts them by their sum of doubled ranks."""
    doubled = np.rint(2 * ranks).astype(np.intp)
    chance = np.zeros(int(doubled.sum()) + 1)
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] = (chance[rank:] + chance[: len(chance) - rank]) / 2
        chance[:rank] /= 2
    return float(min(1.0, 2 * chance[: round(2 * statistic) + 1].sum()))
