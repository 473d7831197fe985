"""From one row per vote to the matrix of stimuli by viewers that every statistic starts from.

A viewer who scored the same stimulus several times counts once, with the mean of those scores:
votes of one viewer are not independent, so counting them apart would make the confidence
interval too narrow.
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
    mean = np.full(stimuli * viewers, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean.reshape(shape)


def group_rows(scores: FloatArray, group: IntArray, groups: int) -> FloatArray:
    """Average the rows of one group per viewer, over the rows that viewer scored."""
    voted = ~np.isnan(scores)
    filled = np.where(voted, scores, 0.0)
    total = np.zeros((groups, scores.shape[1]))
    count = np.zeros((groups, scores.shape[1]))
    np.add.at(total, group, filled)
    np.add.at(count, group, voted)
    mean = np.full_like(total, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean
