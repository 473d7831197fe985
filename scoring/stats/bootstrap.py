"""Confidence intervals of means by resampling viewers, percentile and BCa.

Viewers are drawn with replacement, whole columns at a time: the votes of one viewer belong
together. The seed makes a result repeatable; it is part of the answer.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import ndtr, ndtri

from .matrix import FloatArray, divide
from .mos import LEVEL

RESAMPLES = 2000
BLOCK = 4_000_000  # means held at a time


class Kind(StrEnum):
    PERCENTILE = "percentile"
    BCA = "BCa"  # bias-corrected and accelerated (Efron 1987)


@dataclass(frozen=True)
class Interval:
    """One entry per stimulus; NaN with fewer than two votes."""

    low: FloatArray
    high: FloatArray
    kind: Kind
    resamples: int
    seed: int


def bootstrap_mos(
    scores: FloatArray,
    kind: Kind = Kind.BCA,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> Interval:
    """Interval of each row's mean over viewers; rows may be stimuli, methods or differences."""
    drawn = draw_viewers(scores.shape[1], resamples, seed)
    low, high = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    rows = max(1, BLOCK // resamples)
    for start in range(0, len(scores), rows):
        block = slice(start, start + rows)
        low[block], high[block] = _interval(scores[block], drawn, kind, level)
    return Interval(low, high, kind, resamples, seed)


def draw_viewers(viewers: int, resamples: int, seed: int) -> FloatArray:
    """Viewers by resamples: how often each viewer is in each resample."""
    if viewers == 0:
        return np.zeros((0, resamples))
    drawn = np.random.default_rng(seed).multinomial(
        viewers, np.full(viewers, 1 / viewers), size=resamples
    )
    return drawn.T.astype(np.float64)


def _interval(
    scores: FloatArray, drawn: FloatArray, kind: Kind, level: float
) -> tuple[FloatArray, FloatArray]:
    voted = ~np.isnan(scores)
    filled = np.where(voted, scores, 0.0)
    # A resample may hold nobody who scored the stimulus; it has no mean and is left out.
    means = np.sort(divide(filled @ drawn, voted.astype(np.float64) @ drawn), axis=1)
    tail = np.full((len(scores), 1), (1 - level) / 2)
    if kind is Kind.BCA:
        below, above = _corrected(filled, voted.astype(np.float64), means, tail)
    else:
        below, above = tail, 1 - tail
    low, high = _quantile(means, below), _quantile(means, above)
    undefined = voted.sum(axis=1) < 2
    low[undefined] = high[undefined] = np.nan
    return low, high


def _corrected(
    filled: FloatArray, voted: FloatArray, means: FloatArray, tail: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Which quantiles to take, by Efron's bias correction and the jackknife's acceleration."""
    total, votes = filled.sum(axis=1, keepdims=True), voted.sum(axis=1, keepdims=True)
    mean = divide(total, votes)
    known = np.maximum((~np.isnan(means)).sum(axis=1, keepdims=True), 1)
    rounding = 1e-12 * np.maximum(1, np.abs(mean))
    less = (means < mean - rounding).sum(axis=1, keepdims=True)
    not_more = (means <= mean + rounding).sum(axis=1, keepdims=True)
    bias = ndtri(np.clip((less + not_more) / (2 * known), 0.5 / known, 1 - 0.5 / known))
    without = divide(total - filled, votes - voted)
    centre = divide(np.nan_to_num(without).sum(axis=1), (~np.isnan(without)).sum(axis=1))
    away = np.nan_to_num(centre[:, None] - without, nan=0.0)
    spread = (away**2).sum(axis=1, keepdims=True)
    cubed = (away**3).sum(axis=1, keepdims=True)
    skew = np.divide(cubed, 6 * spread**1.5, out=np.zeros_like(cubed), where=spread > 1e-24)
    low, high = bias + ndtri(tail), bias - ndtri(tail)
    return ndtr(bias + low / (1 - skew * low)), ndtr(bias + high / (1 - skew * high))


def _quantile(ordered: FloatArray, share: FloatArray) -> FloatArray:
    """Per row, interpolated between neighbours; missing values are at the end of a row."""
    known = (~np.isnan(ordered)).sum(axis=1, keepdims=True)
    place = np.nan_to_num(share) * np.maximum(known - 1, 0)
    lower = np.floor(place).astype(np.intp)
    upper = np.minimum(lower + 1, np.maximum(known - 1, 0))
    low = np.take_along_axis(ordered, lower, axis=1)
    high = np.take_along_axis(ordered, upper, axis=1)
    return np.asarray((low + (place - lower) * (high - low))[:, 0])
