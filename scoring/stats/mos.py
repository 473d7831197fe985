"""Mean opinion score, its standard deviation and its 95 % confidence interval, per stimulus.

Two intervals, because both are in use and they differ for a panel of expert-viewing size: Student's
t (default; P.1401 practice for small panels) and the normal approximation of BT.500 with 1.96,
which at nine viewers covers only 91 %.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from .matrix import FloatArray, IntArray

DDOF = 1  # BT.500: S divides by N - 1
LEVEL = 0.95
Z = 1.96  # the constant BT.500 prints, not 1.959964


@dataclass(frozen=True)
class MosTable:
    """One entry per stimulus; NaN where too few votes make the number undefined."""

    votes: IntArray
    mos: FloatArray
    sd: FloatArray
    ci_t: FloatArray  # half-width, Student's t with votes - 1 degrees of freedom
    ci_z: FloatArray  # half-width, 1.96 standard errors


def mean_opinion_scores(scores: FloatArray) -> MosTable:
    voted = ~np.isnan(scores)
    votes = voted.sum(axis=1)
    divisor = votes.astype(np.float64)
    mos = _divide(np.where(voted, scores, 0.0).sum(axis=1), divisor)
    deviation = np.where(voted, scores - mos[:, None], 0.0)
    sd = np.sqrt(_divide((deviation**2).sum(axis=1), divisor - DDOF))
    standard_error = _divide(sd, np.sqrt(divisor))
    t = stdtrit(np.maximum(divisor - 1, 1), 0.5 + LEVEL / 2)
    return MosTable(votes, mos, sd, t * standard_error, Z * standard_error)


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotient, NaN where the denominator is not positive."""
    quotient = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
