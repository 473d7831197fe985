"""Mean opinion score, its standard deviation and its 95 % confidence interval, per stimulus.

Two intervals, because both are in use and they differ for a panel of expert-viewing size: Student's
t (default; P.1401 practice for small panels) and the normal approximation of BT.500 with 1.96,
which at nine viewers covers only 91 %. A third, by resampling viewers, is in `bootstrap`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from .matrix import BoolArray, FloatArray, IntArray, deviations, divide, group_rows

DDOF = 1  # BT.500: S divides by N - 1
LEVEL = 0.95
ROWS = 256  # stimuli at a time, so that a block fits a processor's cache
Z = 1.96  # the constant BT.500 prints, not 1.959964


@dataclass(frozen=True)
class MosTable:
    """One entry per stimulus; NaN where too few votes make the number undefined."""

    votes: IntArray
    mos: FloatArray
    sd: FloatArray
    ci_t: FloatArray  # half-width, Student's t with votes - 1 degrees of freedom
    ci_z: FloatArray  # half-width, 1.96 standard errors


@dataclass(frozen=True)
class BeforeAfter:
    """What leaving out viewers does to the MOS."""

    before: MosTable
    after: MosTable
    change: FloatArray  # after - before
    largest_change: float  # NaN where no stimulus has both


def mean_opinion_scores(scores: FloatArray) -> MosTable:
    stimuli = len(scores)
    votes, mos, squares = (np.zeros(stimuli) for _ in range(3))
    for start in range(0, stimuli, ROWS):
        rows = slice(start, start + ROWS)
        away, votes[rows], mos[rows] = deviations(scores[rows])
        squares[rows] = np.einsum("ji,ji->j", away, away)
    sd = np.sqrt(divide(squares, votes - DDOF))
    standard_error = divide(sd, np.sqrt(votes))
    t = student_t(votes - 1)
    return MosTable(votes.astype(np.intp), mos, sd, t * standard_error, Z * standard_error)


def grouped_mos(scores: FloatArray, group: IntArray, groups: int) -> MosTable:
    """MOS per method or content: each viewer's mean over the rows of a group comes first, so that
    the interval is over viewers."""
    return mean_opinion_scores(group_rows(scores, group, groups))


def before_and_after(scores: FloatArray, kept: BoolArray) -> BeforeAfter:
    before, after = mean_opinion_scores(scores), mean_opinion_scores(scores[:, kept])
    change = after.mos - before.mos
    known = np.abs(change[~np.isnan(change)])
    return BeforeAfter(before, after, change, float(known.max()) if len(known) else np.nan)


def student_t(degrees: FloatArray, level: float = LEVEL) -> FloatArray:
    """Two-sided critical value; degrees below 1 are taken as 1, where the caller has no SD."""
    # Panels have few sizes and the quantile is dear: once per size, not once per stimulus.
    sizes, of = np.unique(np.maximum(degrees, 1), return_inverse=True)
    return np.asarray(stdtrit(sizes, 0.5 + level / 2)[of], dtype=np.float64)
