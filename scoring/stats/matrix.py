"""From one row per vote to the matrix of stimuli by viewers that every statistic starts from.

A viewer who scored the same stimulus several times counts once, with the mean of those scores:
votes of one viewer are not independent, so counting them apart would make the confidence
interval too narrow. Where a published rule looks at every presentation, `vote_array` keeps them.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]


def score_matrix(
    stimulus: IntArray, viewer: IntArray, score: FloatArray, shape: tuple[int, int]
) -> FloatArray:
    """Mean score per (stimulus, viewer); indices count from 0, NaN where there is no vote."""
    stimuli, viewers = shape
    cell = stimulus * viewers + viewer
    total = np.bincount(cell, weights=score, minlength=stimuli * viewers)
    count = np.bincount(cell, minlength=stimuli * viewers)
    return divide(total, count).reshape(shape)


def vote_array(
    stimulus: IntArray,
    viewer: IntArray,
    repetition: IntArray,
    score: FloatArray,
    shape: tuple[int, int, int],
) -> FloatArray:
    """Stimuli by viewers by presentations; NaN where there is no vote."""
    votes = np.full(shape, np.nan)
    votes[stimulus, viewer, repetition] = score
    return votes


def mean_of_repetitions(votes: FloatArray) -> FloatArray:
    """Stimuli by viewers, each viewer's mean over the presentations of a stimulus."""
    if votes.ndim == 2:
        return votes
    voted = ~np.isnan(votes)
    return divide(np.where(voted, votes, 0.0).sum(axis=2), voted.sum(axis=2))


def presentations(votes: FloatArray) -> FloatArray:
    """Presentations by viewers: every repetition of a stimulus is a row of its own."""
    if votes.ndim == 2:
        return votes
    stimuli, viewers, repetitions = votes.shape
    return votes.transpose(0, 2, 1).reshape(stimuli * repetitions, viewers)


def repetitions_as_viewers(votes: FloatArray) -> FloatArray:
    """Stimuli by votes, as if each repetition came from another viewer; for comparison with
    tools that count votes, not viewers."""
    return votes.reshape(votes.shape[0], -1)


def group_rows(scores: FloatArray, group: IntArray, groups: int) -> FloatArray:
    """Average the rows of one group per viewer, over the rows that viewer scored."""
    voted = ~np.isnan(scores)
    filled = np.where(voted, scores, 0.0)
    total = np.zeros((groups, scores.shape[1]))
    count = np.zeros((groups, scores.shape[1]))
    np.add.at(total, group, filled)
    np.add.at(count, group, voted)
    return divide(total, count)


def smallest_step(votes: FloatArray) -> float:
    """The finest difference between two scores that was used; NaN where all are equal."""
    values = np.unique(votes[~np.isnan(votes)].round(9))
    return float(np.diff(values).min()) if len(values) > 1 else float("nan")


def divide(numerator: FloatArray | IntArray, denominator: FloatArray | IntArray) -> FloatArray:
    """Quotient, NaN where the denominator is not positive."""
    quotient = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def dust(largest: float, terms: FloatArray | IntArray | float = 1.0) -> FloatArray:
    """Up to here a sum of squares is what rounding leaves of an exact 0."""
    unit = np.finfo(np.float64).eps * 16 * max(1.0, largest)
    return np.asarray(terms * unit**2, dtype=np.float64)
