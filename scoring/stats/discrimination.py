"""Can a metric tell which stimuli differ, and which is better? (Krasula 2016, Hanhart 2016)

Every unordered pair of stimuli counts once. Viewers tell a pair apart when the probability that
the MOS differ reaches 95 % (J.149: |z| >= 1.645).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from .correlation import average_ranks
from .matrix import BoolArray, FloatArray

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


@dataclass(frozen=True)
class AreaDifference:
    """DeLong 1988, which heeds that both metrics judge the same pairs; NaN where undefined."""

    difference: float  # area of the first metric less that of the second
    z: float
    p: float


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
    by_mos, different = _pairs(mos[used], sd[used], votes[used])
    better, apart, alike = _judged(x, by_mos, different)
    told, told_se = area(apart, alike)
    ordered, ordered_se = area(better, -better)
    return Discrimination(
        len(x),
        len(metric) - len(x),
        len(by_mos),
        int(different.sum()),
        told,
        ordered,
        float((better > 0).mean()) if len(better) else NAN,
        float(np.quantile(alike, 0.95)) if len(alike) else NAN,
        told_se,
        ordered_se,
        _reason(len(by_mos), int(different.sum())),
    )


def compare_discrimination(
    first: FloatArray,
    second: FloatArray,
    mos: FloatArray,
    sd: FloatArray,
    votes: FloatArray,
    *,
    higher_is_better: tuple[bool, bool] = (True, True),
) -> tuple[AreaDifference, AreaDifference]:
    """Of different/similar and of better/worse, over the stimuli both have a finite value for."""
    used = np.isfinite(first) & np.isfinite(second)
    used &= np.isfinite(mos) & np.isfinite(sd) & (votes > 0)
    by_mos, different = _pairs(mos[used], sd[used], votes[used])
    judged = [
        _judged(metric[used] if higher else -metric[used], by_mos, different)
        for metric, higher in zip((first, second), higher_is_better, strict=True)
    ]
    (better_1, apart_1, alike_1), (better_2, apart_2, alike_2) = judged
    return (
        delong((apart_1, alike_1), (apart_2, alike_2)),
        delong((better_1, -better_1), (better_2, -better_2)),
    )


def delong(
    one: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]
) -> AreaDifference:
    """Each is the values of positives and of negatives; both metrics list the same cases."""
    m, n = len(one[0]), len(one[1])
    if m < 2 or n < 2:
        return AreaDifference(NAN, NAN, NAN)
    difference = area(*one)[0] - area(*other)[0]
    of_positives, of_negatives = (
        a - b for a, b in zip(_placements(*one), _placements(*other), strict=True)
    )
    variance = float(of_positives.var(ddof=1) / m + of_negatives.var(ddof=1) / n)
    if variance <= 1e-24:
        return AreaDifference(difference, NAN, NAN)
    z = difference / np.sqrt(variance)
    return AreaDifference(difference, float(z), 2 * float(ndtr(-abs(z))))


def _placements(positive: FloatArray, negative: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Per positive the share of negatives below it, per negative that of positives above."""
    m, n = len(positive), len(negative)
    among_all = average_ranks(np.concatenate([positive, negative]))
    below = (among_all[:m] - average_ranks(positive)) / n
    above = 1 - (among_all[m:] - average_ranks(negative)) / m
    return np.asarray(below), np.asarray(above)


def _pairs(mos: FloatArray, sd: FloatArray, votes: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Difference of the MOS of every pair, and whether viewers tell it apart."""
    first, second = np.triu_indices(len(mos), 1)
    by_mos, error = mos[first] - mos[second], sd**2 / votes
    spread = np.sqrt(error[first] + error[second])
    z = by_mos / np.where(spread > 0, spread, NO_SPREAD)
    return by_mos, np.asarray(ndtr(np.abs(z)) >= DIFFERENT_FROM)


def _judged(
    metric: FloatArray, by_mos: FloatArray, different: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Metric of better less worse; its size for pairs that differ, and for those that do not."""
    first, second = np.triu_indices(len(metric), 1)
    by_metric = metric[first] - metric[second]
    better = by_metric[different] * np.sign(by_mos[different])
    return better, np.abs(by_metric[different]), np.abs(by_metric[~different])


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
