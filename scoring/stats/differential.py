"""Differential scores against the reference of the same content, in a stated direction.

The difference is taken per viewer before any mean, so that the interval of a DMOS holds the
uncertainty of the reference too, and a viewer's habit of scoring high or low falls out.
"""

from enum import StrEnum

import numpy as np

from .matrix import FloatArray, IntArray

NO_REFERENCE = -1


class Direction(StrEnum):
    HIGHER_IS_BETTER = "higher is better"  # score - reference + top of the scale
    LOWER_IS_BETTER = "lower is better"  # reference - score: how much worse it looks


def differential_scores(
    scores: FloatArray,
    reference: IntArray,
    *,
    top: float = 10.0,
    direction: Direction = Direction.HIGHER_IS_BETTER,
) -> FloatArray:
    """Stimuli by viewers; `reference` has the row of each stimulus' reference, or NO_REFERENCE.

    Feed the answer to `mean_opinion_scores` for the DMOS. A viewer who did not score the
    reference has no difference. By `HIGHER_IS_BETTER` a stimulus as good as its reference gets
    `top` and a better one more (P.910 ACR-HR has top = 5); by `LOWER_IS_BETTER` it gets 0.
    """
    known = reference != NO_REFERENCE
    against = np.where(known[:, None], scores[np.where(known, reference, 0)], np.nan)
    if direction is Direction.HIGHER_IS_BETTER:
        return np.asarray(scores - against + top)
    return np.asarray(against - scores)
