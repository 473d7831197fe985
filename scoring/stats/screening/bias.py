"""Bias removal (P.913 12.4): a viewer who scores all high or all low is corrected, not rejected.

The bias is the mean difference between a viewer's scores and the MOS. With complete data the
biases sum to 0 and the MOS stays; only its interval shrinks. With missing votes the MOS moves too.
"""

from dataclasses import dataclass

import numpy as np

from ..matrix import FloatArray, divide
from ..mos import mean_opinion_scores, student_t
from .following import stimuli_scored
from .verdicts import Criteria, Findings, Screening, judge, obstacle, screened_nobody


@dataclass(frozen=True)
class BiasRemoval:
    bias: FloatArray  # per viewer; NaN for one without votes
    ci: FloatArray  # half-width of its 95 % interval, Student's t over the stimuli scored
    scores: FloatArray  # the matrix less the biases


def remove_bias(scores: FloatArray) -> BiasRemoval:
    away = scores - mean_opinion_scores(scores).mos[:, None]
    voted = ~np.isnan(away)
    n = voted.sum(axis=0)
    bias = divide(np.where(voted, away, 0.0).sum(axis=0), n)
    spread = np.where(voted, away - bias, 0.0)
    sd = np.sqrt(divide((spread**2).sum(axis=0), n - 1))
    ci = student_t(n - 1.0) * divide(sd, np.sqrt(n))
    return BiasRemoval(bias, ci, scores - bias)


def assess_bias(scores: FloatArray, criterion: Criteria | None = None) -> Screening:
    """The biases in the form of a screening that rejects nobody, to stand beside the others."""
    criterion = criterion or Criteria()
    found = remove_bias(scores)
    stimuli = stimuli_scored(scores)
    why = obstacle(scores, stimuli, criterion.minimum_stimuli)
    if why:
        return screened_nobody(scores, criterion, float("nan"), why, found.bias)
    nobody = np.zeros(len(found.bias), dtype=np.bool_)
    findings = Findings(
        stimuli, found.bias, float("nan"), nobody, stimuli > 0, details={"ci": found.ci}
    )

    def tell(i: int, failing: bool) -> str:
        bias, ci = float(found.bias[i]), float(found.ci[i])
        interval = "" if np.isnan(ci) else f" +- {ci:.2f}"
        if abs(bias) <= (0 if np.isnan(ci) else ci):
            return f"Scores lie neither high nor low (bias {bias:+.2f}{interval})."
        side = "above" if bias > 0 else "below"
        return (
            f"Scores lie {abs(bias):.2f}{interval} {side} the panel's mean; this is subtracted, "
            "nobody is rejected."
        )

    return judge(scores, criterion, findings, tell)
