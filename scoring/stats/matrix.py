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

VOTES = 65536  # at a time, so that what is computed in between fits a processor's cache


def score_matrix(
    stimulus: IntArray, viewer: IntArray, score: FloatArray, shape: tuple[int, int]
) -> FloatArray:
    """Mean score per (stimulus, viewer); indices count from 0, NaN where there is no vote."""
    stimuli, viewers = shape
    scores = np.full(stimuli * viewers, np.nan)
    for start in range(0, len(score), VOTES):
        part = slice(start, start + VOTES)
        cell = stimulus[part] * viewers
        cell += viewer[part]
        scores[cell] = score[part]
    if np.count_nonzero(~np.isnan(scores)) < len(score):  # some cells have several votes
        cell = stimulus * viewers + viewer
        total = np.bincount(cell, weights=score, minlength=stimuli * viewers)
        scores = divide(total, np.bincount(cell, minlength=stimuli * viewers))
    return scores.reshape(shape)


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


def deviations(scores: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scores less their row's mean, 0 where there is no vote; votes per row; means."""
    viewers = scores.shape[1]
    mean = scores.sum(axis=1) / max(viewers, 1)
    if viewers and not np.isnan(mean).any():  # one missing vote would have made a sum NaN
        return scores - mean[:, None], np.full(len(scores), float(viewers)), mean
    gaps = np.isnan(scores)
    away = np.where(gaps, 0.0, scores)
    votes = viewers - np.count_nonzero(gaps, axis=1).astype(np.float64)
    mean = divide(away.sum(axis=1), votes)
    away -= mean[:, None]
    away[gaps] = 0.0
    return away, votes, mean


def smallest_step(votes: FloatArray) -> float:
    """The finest difference between two scores that was used; NaN where all are equal."""
    values = np.unique(votes[~np.isnan(votes)].round(9))
    return float(np.diff(values).min()) if len(values) > 1 else float("nan")


def divide(numerator: FloatArray | IntArray, denominator: FloatArray | IntArray) -> FloatArray:
    """Quotient, NaN where the denominator is not positive."""
    quotient = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def dust(largest: FloatArray | float) -> FloatArray:
    """Up to here a mean square is what rounding leaves of an exact 0."""
    unit = np.finfo(np.float64).eps * 16 * np.maximum(1.0, largest)
    return np.asarray(unit**2, dtype=np.float64)
