"""Can a metric tell which stimuli differ, and which is better? (Krasula 2016, Hanhart 2016)

Every unordered pair of stimuli counts once. Viewers tell a pair apart when the probability that
the MOS differ reaches 95 % (J.149: |z| >= 1.645).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from .correlation import average_ranks
from .matrix import FloatArray

DIFFERENT_FROM = 0.95
NO_SPREAD = 1e-6  # stands for a standard error of 0
NAN = float("nan")


@dataclass(frozen=True)
class Discrimination:
    stimuli: int
    left_out: int  # without MOS, SD or a finite value of the metric
    pairs: int
    different: int
    auc_different_similar: float
    auc_better_worse: float
    correct: float  # share of different pairs whose metric has the right sign; 0 is wrong
    threshold: float  # 95 % of similar pairs differ less by the metric
    auc_different_similar_se: float  # Hanley and McNeil 1982
    auc_better_worse_se: float
    reason: str


def discriminate(
    metric: FloatArray,
    mos: FloatArray,
    sd: FloatArray,
    votes: FloatArray,
    *,
    higher_is_better: bool = True,
) -> Discrimination:
    used = np.isfinite(metric) & np.isfinite(mos) & np.isfinite(sd) & (votes > 0)
    x = metric[used] if higher_is_better else -metric[used]
    quality, error = mos[used], sd[used] ** 2 / votes[used]
    first, second = np.triu_indices(len(x), 1)
    by_mos, by_metric = quality[first] - quality[second], x[first] - x[second]
    spread = np.sqrt(error[first] + error[second])
    z = by_mos / np.where(spread > 0, spread, NO_SPREAD)
    different = ndtr(np.abs(z)) >= DIFFERENT_FROM
    better = by_metric[different] * np.sign(by_mos[different])
    apart, alike = np.abs(by_metric[different]), np.abs(by_metric[~different])
    told, told_se = area(apart, alike)
    ordered, ordered_se = area(better, -better)
    return Discrimination(
        len(x),
        len(metric) - len(x),
        len(z),
        int(different.sum()),
        told,
        ordered,
        float((better > 0).mean()) if len(better) else NAN,
        float(np.quantile(alike, 0.95)) if len(alike) else NAN,
        told_se,
        ordered_se,
        _reason(len(z), int(different.sum())),
    )


def area(positive: FloatArray, negative: FloatArray) -> tuple[float, float]:
    """Area under the ROC, that is the chance that a positive lies higher; and its standard error.

    The error takes pairs for independent, which pairs of the same stimuli are not.
    """
    m, n = len(positive), len(negative)
    if not m or not n:
        return NAN, NAN
    ranks = average_ranks(np.concatenate([positive, negative]))
    a = (float(ranks[:m].sum()) - m * (m + 1) / 2) / (m * n)
    q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)
    variance = (a * (1 - a) + (m - 1) * (q1 - a**2) + (n - 1) * (q2 - a**2)) / (m * n)
    return a, float(np.sqrt(max(variance, 0.0)))


def _reason(pairs: int, different: int) -> str:
    if not pairs:
        return "There is no pair of stimuli."
    if not different:
        return "Viewers tell no pair apart, so there is nothing for the metric to find."
    if different == pairs:
        return "Viewers tell all pairs apart, so nothing can be mistaken for different."
    return ""
