"""p-values of several questions asked at once. NaN, nothing to test, stays and is not counted."""

import numpy as np

from .matrix import FloatArray, IntArray


def holm(p: FloatArray) -> FloatArray:
    """Holm's step-down: with all hypotheses true, the chance of any error stays at the level."""
    known, ordered, order = _ordered(p)
    steps = np.maximum.accumulate(ordered * np.arange(len(ordered), 0, -1))
    return _put_back(p, known, order, steps)


def benjamini_hochberg(p: FloatArray) -> FloatArray:
    """The share of errors among what is called significant stays at the level on average."""
    known, ordered, order = _ordered(p)
    steps = ordered * len(ordered) / np.arange(1, len(ordered) + 1)
    return _put_back(p, known, order, np.minimum.accumulate(steps[::-1])[::-1])


def _ordered(p: FloatArray) -> tuple[IntArray, FloatArray, IntArray]:
    known = np.flatnonzero(~np.isnan(p))
    order = np.argsort(p[known], kind="stable")
    return known, p[known][order], order


def _put_back(p: FloatArray, known: IntArray, order: IntArray, steps: FloatArray) -> FloatArray:
    adjusted = np.full(p.shape, np.nan)
    adjusted[known[order]] = np.minimum(steps, 1.0)
    return adjusted
