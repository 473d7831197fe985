"""The question of the test: is A better than B? Paired by viewer, per content and over contents.

A viewer is the unit: over contents each viewer's mean difference comes first, since more contents
make no more viewers. The interval thus speaks for other viewers and these contents; for other
contents too, see `mixed_model`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from .matrix import BoolArray, FloatArray, IntArray, divide, group_rows
from .mos import Z, mean_opinion_scores
from .multiplicity import benjamini_hochberg, holm
from .signed import sign_test, wilcoxon

SAME = 1e-9  # on the scale of the scores


@dataclass(frozen=True)
class Paired:
    """One entry per row of differences; NaN where too few viewers make a number undefined."""

    viewers: IntArray  # who scored both
    mean: FloatArray
    sd: FloatArray
    ci: FloatArray  # half-width, Student's t
    t: FloatArray
    p_t: FloatArray
    positive: IntArray
    negative: IntArray
    ties: IntArray
    p_sign: FloatArray
    wilcoxon: FloatArray
    p_wilcoxon: FloatArray
    wilcoxon_exact: BoolArray
    preference: FloatArray  # share that scored the first higher, of those who differ
    preference_low: FloatArray  # 95 % interval by Wilson
    preference_high: FloatArray
    p_t_holm: FloatArray  # over the rows of this table
    p_t_bh: FloatArray


@dataclass(frozen=True)
class MethodComparison:
    """The first method less the second."""

    contents: IntArray  # numbers of the contents that have both
    per_content: Paired
    overall: Paired  # one row: each viewer's mean over these contents


def paired(differences: FloatArray) -> Paired:
    """Rows (cells or contents) by viewers of A - B; NaN where a viewer lacks one of the two."""
    # Means of whole scores may be equal but for the last bit.
    differences = np.where(np.abs(differences) < SAME, 0.0, differences)
    table = mean_opinion_scores(differences)
    n = table.votes.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        # All equal and not 0 is a t without end, as everywhere else in the trade.
        t = table.mos / (table.sd / np.sqrt(n))
    p_t = np.where(np.isnan(t), np.nan, 2 * stdtr(np.maximum(n - 1, 1), -np.abs(t)))
    signs = [sign_test(row) for row in differences]
    ranked = [wilcoxon(row) for row in differences]
    positive = np.array([one.positive for one in signs], dtype=np.intp)
    negative = np.array([one.negative for one in signs], dtype=np.intp)
    preference = divide(positive, positive + negative)
    low, high = wilson(positive, positive + negative)
    return Paired(
        table.votes,
        table.mos,
        table.sd,
        table.ci_t,
        t,
        p_t,
        positive,
        negative,
        np.array([one.ties for one in signs], dtype=np.intp),
        np.where(n > 0, [one.p for one in signs], np.nan),
        np.array([one.statistic for one in ranked], dtype=np.float64),
        np.array([one.p for one in ranked], dtype=np.float64),
        np.array([one.exact for one in ranked], dtype=np.bool_),
        preference,
        low,
        high,
        holm(p_t),
        benjamini_hochberg(p_t),
    )


def compare_methods(
    scores: FloatArray, content: IntArray, method: IntArray, first: int, second: int
) -> MethodComparison:
    """`content` and `method` have the numbers of each row of the matrix."""
    contents, differences = method_differences(scores, content, method, first, second)
    return MethodComparison(contents, paired(differences), paired(viewer_means(differences)[None]))


def method_differences(
    scores: FloatArray, content: IntArray, method: IntArray, first: int, second: int
) -> tuple[IntArray, FloatArray]:
    """The contents that both methods have, and a row of differences for each.

    Several stimuli of one content and method count as their mean, viewer by viewer.
    """
    rows = [method == one for one in (first, second)]
    shared = np.intersect1d(*(content[one] for one in rows))
    by_content = []
    for one in rows:
        there = one & np.isin(content, shared)
        place = np.searchsorted(shared, content[there])
        by_content.append(group_rows(scores[there], place, len(shared)))
    return shared, np.asarray(by_content[0] - by_content[1])


def viewer_means(rows: FloatArray) -> FloatArray:
    """Each viewer's mean over the rows they have."""
    known = ~np.isnan(rows)
    return divide(np.where(known, rows, 0.0).sum(axis=0), known.sum(axis=0))


def wilson(successes: IntArray, trials: IntArray) -> tuple[FloatArray, FloatArray]:
    """95 % interval of a share that stays within 0 and 1 and works for few trials."""
    n = np.where(trials > 0, trials, np.nan)
    share = successes / n
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return np.asarray(np.maximum(centre - half, 0)), np.asarray(np.minimum(centre + half, 1))
