"""How well an objective metric predicts the MOS: the figures of P.1401, and over new contents.

Missing and infinite values never reach a fit; they are counted. What cannot be computed is NaN
and `reason` says why. N is the stimuli used and d the mapping's coefficients, also where the
mapping was kept from turning: residuals are divided by N - d.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri
from scipy.stats import kendalltau

from .correlation import correlate, fisher_interval, pearson
from .mapping import DEGREES, Curve, Kind, MappingUndefined, Polarity, fit_curve
from .matrix import BoolArray, FloatArray, IntArray
from .mos import Z, student_t

NORMAL_FROM = 30  # stimuli: from here on 1.96, below Student's t
NAN = float("nan")


@dataclass(frozen=True)
class MetricQuality:
    kind: Kind
    n: int
    missing: int  # without a MOS or a value of the metric
    infinite: int  # values of the metric that are infinite, as PSNR of identical clips
    d: int
    curve: Curve | None
    constrained: bool
    plcc: float  # of mapped metric and MOS
    plcc_low: float
    plcc_high: float
    plcc_raw: float  # signed, without mapping
    srocc: float  # signed; ties share their mean rank
    krocc: float  # Kendall's tau-b, signed
    rmse: float
    rmse_low: float
    rmse_high: float
    rmse_star: float  # only what goes beyond the MOS' own interval
    outlier_ratio: float
    outlier_ratio_sd: float
    outlier_ratio_low: float
    outlier_ratio_high: float
    with_ci: int  # stimuli whose MOS has an interval; rmse_star and outliers are over these
    predicted: FloatArray  # one entry per stimulus; NaN where not used
    outlier: BoolArray
    reason: str


@dataclass(frozen=True)
class LeaveOneContentOut:
    """Each content is predicted by a mapping fitted to the others."""

    contents: IntArray
    rmse_by_content: FloatArray
    rmse: float  # nothing of a content was fitted to it, so d = 0
    plcc: float
    predicted: FloatArray
    reason: str


def evaluate_metric(
    metric: FloatArray,
    mos: FloatArray,
    ci: FloatArray | None = None,
    kind: Kind = Kind.CUBIC,
    polarity: Polarity = Polarity.EITHER,
) -> MetricQuality:
    """`ci` has the half-widths of the MOS' 95 % intervals."""
    used = np.isfinite(metric) & np.isfinite(mos)
    x, y = metric[used], mos[used]
    found = correlate(metric, mos)
    predicted, reason, curve = np.full(len(mos), np.nan), found.reason, None
    if not reason:
        curve, predicted[used], reason = _mapped(x, y, kind, polarity)
    infinite = int(np.isinf(metric).sum())
    limit = np.full(len(mos), np.nan) if ci is None else ci
    error = mos - predicted
    rmse = _Rmse(error[used], DEGREES[kind])
    judged = used & np.isfinite(limit) & ~np.isnan(error)
    outliers = _Outliers(np.abs(error[judged]), limit[judged], DEGREES[kind])
    plcc, low, high = _mapped_correlation(predicted[used], y)
    outlier = np.zeros(len(mos), dtype=np.bool_)
    outlier[judged] = outliers.beyond
    return MetricQuality(
        kind,
        len(x),
        len(metric) - len(x) - infinite,
        infinite,
        DEGREES[kind],
        curve,
        curve is not None and curve.constrained,
        plcc,
        low,
        high,
        NAN if found.pearson is None else found.pearson,
        NAN if found.spearman is None else found.spearman,
        NAN if found.reason else float(kendalltau(x, y).statistic),
        rmse.value,
        rmse.low,
        rmse.high,
        outliers.rmse_star,
        outliers.ratio,
        outliers.sd,
        outliers.low,
        outliers.high,
        int(judged.sum()),
        predicted,
        outlier,
        reason,
    )


def leave_one_content_out(
    metric: FloatArray,
    mos: FloatArray,
    content: IntArray,
    kind: Kind = Kind.CUBIC,
    polarity: Polarity = Polarity.EITHER,
) -> LeaveOneContentOut:
    used = np.isfinite(metric) & np.isfinite(mos)
    contents = np.unique(content[used])
    predicted, reasons = np.full(len(mos), np.nan), []
    for one in contents:
        inside = used & (content == one)
        others = used & (content != one)
        curve, _, reason = _mapped(metric[others], mos[others], kind, polarity)
        if reason:
            reasons.append(f"Without content {one}: {reason}")
        else:
            predicted[inside] = metric[inside] if curve is None else curve(metric[inside])
    error = mos - predicted
    by_content = np.array(
        [np.sqrt(np.mean(error[used & (content == one)] ** 2)) for one in contents]
    )
    known = ~np.isnan(error)
    plcc, _, _ = _mapped_correlation(predicted[known], mos[known])
    rmse = float(np.sqrt(np.mean(error[known] ** 2))) if known.any() else NAN
    return LeaveOneContentOut(contents, by_content, rmse, plcc, predicted, " ".join(reasons))


def _mapped(
    x: FloatArray, y: FloatArray, kind: Kind, polarity: Polarity
) -> tuple[Curve | None, FloatArray, str]:
    if kind is Kind.NONE:
        return None, x, ""
    try:
        curve = fit_curve(x, y, kind, polarity)
    except MappingUndefined as error:
        return None, np.full(len(x), np.nan), str(error)
    return curve, curve(x), ""


def _mapped_correlation(predicted: FloatArray, mos: FloatArray) -> tuple[float, float, float]:
    if len(mos) < 3 or np.isnan(predicted).any() or min(np.ptp(predicted), np.ptp(mos)) < 1e-12:
        return NAN, NAN, NAN
    r = pearson(predicted, mos)
    low, high, _ = fisher_interval(r, len(mos))
    return r, NAN if low is None else low, NAN if high is None else high


class _Rmse:
    """With its interval by chi-square."""

    def __init__(self, error: FloatArray, d: int) -> None:
        self.value = self.low = self.high = NAN
        n = len(error) - d
        if n > 0 and not np.isnan(error).any():
            self.value = float(np.sqrt((error @ error) / n))
            self.low = self.value * float(np.sqrt(n / chdtri(n, 0.025)))
            self.high = self.value * float(np.sqrt(n / chdtri(n, 0.975)))


class _Outliers:
    def __init__(self, error: FloatArray, limit: FloatArray, d: int) -> None:
        self.rmse_star = self.ratio = self.sd = self.low = self.high = NAN
        n = len(error)
        self.beyond = error > limit
        if n > d:
            self.rmse_star = float(np.sqrt((np.maximum(error - limit, 0) ** 2).sum() / (n - d)))
        if n:
            self.ratio = float(self.beyond.mean())
            self.sd = float(np.sqrt(self.ratio * (1 - self.ratio) / n))
            critical = Z if n >= NORMAL_FROM else float(student_t(np.array([n - 1.0]))[0])
            self.low = max(0.0, self.ratio - critical * self.sd)
            self.high = min(1.0, self.ratio + critical * self.sd)
