"""Is one metric better than another, or is the difference chance?

Two metrics judged on the same MOS are not independent samples. Fisher's z, the F test and the
two-proportion test take them for such and are given because P.1401 does; Williams' t, Meng,
Rosenthal and Rubin's z and Zou's interval heed that they are not.
"""

from dataclasses import dataclass
from math import atanh, sqrt

import numpy as np
from scipy.special import fdtrc, ndtr, stdtr

from .correlation import fisher_interval, pearson
from .mapping import Kind, Polarity
from .matrix import FloatArray
from .metric_quality import MetricQuality, evaluate_metric

NAN = float("nan")


@dataclass(frozen=True)
class Significance:
    statistic: float
    p: float


@dataclass(frozen=True)
class MetricDifference:
    """Over the stimuli that both metrics have a finite value for; NaN where undefined."""

    n: int
    first: MetricQuality
    second: MetricQuality
    correlation: float  # of the two mapped metrics
    difference: float  # of their PLCC
    zou_low: float
    zou_high: float
    fisher: Significance
    williams: Significance
    meng: Significance
    rmse: Significance
    outliers: Significance
    reason: str


def compare_metrics(
    first: FloatArray,
    second: FloatArray,
    mos: FloatArray,
    ci: FloatArray | None = None,
    kind: Kind = Kind.CUBIC,
    polarities: tuple[Polarity, Polarity] = (Polarity.EITHER, Polarity.EITHER),
) -> MetricDifference:
    shared = np.isfinite(first) & np.isfinite(second) & np.isfinite(mos)
    limits = None if ci is None else ci[shared]
    one, other = (
        evaluate_metric(metric[shared], mos[shared], limits, kind, polarity)
        for metric, polarity in zip((first, second), polarities, strict=True)
    )
    n, r1, r2 = int(shared.sum()), one.plcc, other.plcc
    if np.isnan([r1, r2]).any():
        reason = one.reason or other.reason or "A correlation is undefined."
        nothing = Significance(NAN, NAN)
        return MetricDifference(
            n, one, other, NAN, NAN, NAN, NAN, nothing, nothing, nothing, nothing, nothing, reason
        )
    between = pearson(one.predicted, other.predicted)
    low, high = zou_interval(r1, r2, between, n)
    return MetricDifference(
        n,
        one,
        other,
        between,
        r1 - r2,
        low,
        high,
        fisher_z(r1, n, r2, n),
        williams(r1, r2, between, n),
        meng_rosenthal_rubin(r1, r2, between, n),
        rmse_ratio(one, other),
        outlier_difference(one, other),
        "" if n > 3 and max(abs(r1), abs(r2)) < 1 else "The tests need 4 stimuli and |r| below 1.",
    )


def fisher_z(r1: float, n1: int, r2: float, n2: int) -> Significance:
    if min(n1, n2) <= 3 or _perfect(r1, r2):
        return Significance(NAN, NAN)
    z = (atanh(r1) - atanh(r2)) / sqrt(1 / (n1 - 3) + 1 / (n2 - 3))
    return Significance(z, 2 * float(ndtr(-abs(z))))


def williams(r1: float, r2: float, between: float, n: int) -> Significance:
    """Williams 1959 (Steiger's form), Student's t with n - 3 degrees of freedom."""
    if n <= 3 or _perfect(between):
        return Significance(NAN, NAN)
    determinant = 1 - r1**2 - r2**2 - between**2 + 2 * r1 * r2 * between
    spread = 2 * determinant * (n - 1) / (n - 3) + ((r1 + r2) / 2) ** 2 * (1 - between) ** 3
    if spread <= 0:
        return Significance(NAN, NAN)
    t = (r1 - r2) * sqrt((n - 1) * (1 + between) / spread)
    return Significance(t, 2 * float(stdtr(n - 3, -abs(t))))


def meng_rosenthal_rubin(r1: float, r2: float, between: float, n: int) -> Significance:
    if n <= 3 or _perfect(r1, r2, between):
        return Significance(NAN, NAN)
    mean = (r1**2 + r2**2) / 2
    f = min(1.0, (1 - between) / (2 * (1 - mean)))
    h = (1 - f * mean) / (1 - mean)
    z = (atanh(r1) - atanh(r2)) * sqrt((n - 3) / (2 * (1 - between) * h))
    return Significance(z, 2 * float(ndtr(-abs(z))))


def zou_interval(r1: float, r2: float, between: float, n: int) -> tuple[float, float]:
    """95 % interval of r1 - r2 (Zou 2007, overlapping variables)."""
    low1, high1, _ = fisher_interval(r1, n)
    low2, high2, _ = fisher_interval(r2, n)
    if low1 is None or high1 is None or low2 is None or high2 is None:
        return NAN, NAN
    shared = (between - r1 * r2 / 2) * (1 - r1**2 - r2**2 - between**2) + between**3
    c = shared / ((1 - r1**2) * (1 - r2**2))

    def reach(one: float, other: float) -> float:
        return sqrt(max(0.0, one**2 + other**2 - 2 * c * one * other))

    difference = r1 - r2
    return (
        difference - reach(r1 - low1, high2 - r2),
        difference + reach(high1 - r1, r2 - low2),
    )


def rmse_ratio(one: MetricQuality, other: MetricQuality) -> Significance:
    """F of the larger to the smaller squared rmse, one-sided, each with N - d."""
    larger, smaller = max(one.rmse, other.rmse), min(one.rmse, other.rmse)
    if not smaller > 0:
        return Significance(NAN, NAN)
    of_larger, of_smaller = (one, other) if one.rmse >= other.rmse else (other, one)
    f = (larger / smaller) ** 2
    p = float(fdtrc(of_larger.n - of_larger.d, of_smaller.n - of_smaller.d, f))
    return Significance(f, p)


def outlier_difference(one: MetricQuality, other: MetricQuality) -> Significance:
    """Two proportions with a pooled variance; positive where the first has more outliers."""
    if not one.with_ci or not other.with_ci:
        return Significance(NAN, NAN)
    outliers = one.outlier_ratio * one.with_ci + other.outlier_ratio * other.with_ci
    pooled = outliers / (one.with_ci + other.with_ci)
    spread = sqrt(pooled * (1 - pooled) * (1 / one.with_ci + 1 / other.with_ci))
    if spread == 0:
        return Significance(NAN, NAN)
    z = (one.outlier_ratio - other.outlier_ratio) / spread
    return Significance(z, 2 * float(ndtr(-abs(z))))


def _perfect(*correlations: float) -> bool:
    return any(1 - abs(r) < 1e-12 for r in correlations)
