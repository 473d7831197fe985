"""How well an objective metric follows the MOS: Pearson with its confidence interval, Spearman.

A number that cannot be computed is None and says why. Values that are missing or not finite
(PSNR of identical clips has none) are counted and left out, never replaced.
"""

import math
from dataclasses import dataclass

import numpy as np

from .matrix import FloatArray
from .mos import Z

MINIMUM_POINTS = 3  # through two points there is always a line


@dataclass(frozen=True)
class Correlation:
    n: int  # pairs used
    missing: int
    pearson: float | None
    low: float | None  # 95 % confidence interval of pearson by Fisher's z
    high: float | None
    spearman: float | None
    reason: str  # why a coefficient is None, or ""
    interval_reason: str  # why the interval is None, or ""


def correlate(metric: FloatArray, mos: FloatArray) -> Correlation:
    usable = np.isfinite(metric) & np.isfinite(mos)
    n = int(usable.sum())
    missing = len(metric) - n
    x, y = metric[usable], mos[usable]
    reason = _why_undefined(x, y)
    if reason:
        return Correlation(n, missing, None, None, None, None, reason, reason)
    r = pearson(x, y)
    low, high, interval_reason = fisher_interval(r, n)
    spearman = pearson(average_ranks(x), average_ranks(y))
    return Correlation(n, missing, r, low, high, spearman, "", interval_reason)


def pearson(x: FloatArray, y: FloatArray) -> float:
    dx, dy = x - x.mean(), y - y.mean()
    # Scaled first: squares of very small or large units would vanish or overflow.
    dx, dy = dx / np.abs(dx).max(), dy / np.abs(dy).max()
    r = float(dx @ dy / math.sqrt(float(dx @ dx) * float(dy @ dy)))
    return max(-1.0, min(1.0, r))


def average_ranks(values: FloatArray) -> FloatArray:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def fisher_interval(r: float, n: int) -> tuple[float | None, float | None, str]:
    """95 % interval of a correlation: z +- 1.96 / sqrt(n - 3), taken back by tanh."""
    if n <= 3:
        return None, None, "The interval needs at least 4 points."
    if 1 - abs(r) < 1e-12:
        return None, None, "The points lie on a line, where the interval is undefined."
    half = Z / math.sqrt(n - 3)
    z = math.atanh(r)
    return math.tanh(z - half), math.tanh(z + half), ""


def _why_undefined(x: FloatArray, y: FloatArray) -> str:
    if len(x) < MINIMUM_POINTS:
        return f"{len(x)} usable points; at least {MINIMUM_POINTS} are needed."
    if _constant(x):
        return "The metric has the same value everywhere."
    if _constant(y):
        return "The MOS is the same everywhere."
    return ""


def _constant(values: FloatArray) -> bool:
    spread = float(values.max() - values.min())
    return spread <= 1e-12 * float(np.abs(values).max())
