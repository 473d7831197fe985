"""BT.500's screening of observers: who is often far from the others, on both sides alike.

Per presentation the scores' kurtosis decides how far is far: 2 S where it lies between 2 and 4
(taken as normal), else sqrt(20) S. A viewer is rejected when more than 5 % of the scores are that
far out and they lie above and below about equally often; whoever is only strict or only lenient
stays. It is applied once, never repeated. S divides by N - 1. A presentation that all viewers
scored alike tells nothing about anybody and is skipped.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from ..matrix import (
    FloatArray,
    deviations,
    divide,
    dust,
    mean_of_repetitions,
    presentations,
)
from .following import stimuli_scored
from .verdicts import (
    TOLERANCE,
    Criteria,
    Findings,
    Screening,
    judge,
    number_beside,
    obstacle,
    screened_nobody,
)

ROWS = 256  # presentations at a time, so that a block fits a processor's cache


@dataclass(frozen=True)
class Bt500(Criteria):
    share: float = 0.05  # more of the scores than this are far out, and ...
    imbalance: float = 0.3  # ... |P - Q| / (P + Q) is below this
    normal_from: float = 2.0  # kurtosis
    normal_to: float = 4.0
    normal_factor: float = 2.0  # times S
    other_factor: float = sqrt(20)
    ddof: int = 1
    skip_unanimous: bool = True
    of_own_votes: bool = True  # the share is of the votes cast, else of all presentations


def screen_bt500(votes: FloatArray, criterion: Bt500 | None = None) -> Screening:
    """`votes` is stimuli by viewers, with a third axis where stimuli were presented repeatedly."""
    criterion = criterion or Bt500()
    scores, shown = mean_of_repetitions(votes), presentations(votes)
    stimuli = stimuli_scored(scores)
    why = obstacle(scores, stimuli, criterion.minimum_stimuli)
    above, below = far_out(shown, criterion)
    cast = stimuli if votes.ndim == 2 else stimuli_scored(shown)
    out = above + below
    share = divide(out, cast if criterion.of_own_votes else np.full_like(cast, len(shown)))
    imbalance = divide(np.abs(above - below), out)
    if why:
        return screened_nobody(scores, criterion, criterion.share, why, share)
    failing = (share > criterion.share + TOLERANCE) & (imbalance < criterion.imbalance - TOLERANCE)
    found = Findings(
        stimuli,
        share,
        criterion.share,
        failing,
        stimuli >= criterion.minimum_stimuli,
        details={"above": above, "below": below, "imbalance": imbalance},
    )

    def tell(i: int, failing: bool) -> str:
        return _tell(int(above[i]), int(below[i]), float(share[i]), float(imbalance[i]), criterion)

    return judge(scores, criterion, found, tell, note=_reach(int((stimuli > 0).sum()), criterion))


def far_out(shown: FloatArray, criterion: Bt500) -> tuple[FloatArray, FloatArray]:
    """P and Q of each viewer: how many scores lie far above and far below the others'."""
    viewers = shown.shape[1]
    above, below = np.zeros(viewers), np.zeros(viewers)
    for start in range(0, len(shown), ROWS):
        block = shown[start : start + ROWS]
        away, votes, mean = deviations(block)
        squared = away**2
        squares = np.einsum("ji->j", squared)
        fourth = np.einsum("ji,ji->j", squared, squared)
        largest = np.maximum(1.0, np.abs(mean) + np.sqrt(squares))  # no score is beyond
        limit = _limit(divide(squares, votes), divide(fourth, votes), votes, criterion)
        if criterion.skip_unanimous:
            limit[~(squares > votes * dust(largest))] = np.inf
        limit -= TOLERANCE * np.nan_to_num(largest)
        # First whatever may be far, by squares at hand; then which side, and whether it is a vote.
        least = np.where(limit > 0, limit, 0.0) ** 2
        row, viewer = np.divmod(np.flatnonzero(squared >= least[:, None]), viewers)
        cast = ~np.isnan(block[row, viewer])
        row, viewer = row[cast], viewer[cast]
        far, least = away[row, viewer], limit[row]
        above += np.bincount(viewer[far >= least], minlength=viewers)
        below += np.bincount(viewer[far <= -least], minlength=viewers)
    return above, below


def _limit(m2: FloatArray, m4: FloatArray, votes: FloatArray, criterion: Bt500) -> FloatArray:
    """How far from the mean is far, per presentation; infinite where S is undefined."""
    kurtosis = divide(m4, m2**2)
    normal = (kurtosis >= criterion.normal_from - TOLERANCE) & (
        kurtosis <= criterion.normal_to + TOLERANCE
    )
    factor = np.where(normal, criterion.normal_factor, criterion.other_factor)
    s = np.sqrt(divide(m2 * votes, votes - criterion.ddof))
    return np.asarray(np.where(np.isnan(s), np.inf, factor * s), dtype=np.float64)


def _tell(above: int, below: int, share: float, imbalance: float, criterion: Bt500) -> str:
    if above + below == 0:
        return "None of their scores is far from the others'."
    percent = number_beside(100 * share, 100 * criterion.share)
    cases = "case" if above == 1 else "cases"
    counted = (
        f"Far above the others in {above} {cases} and far below in {below}: {percent} % of the "
        "scores"
    )
    if share <= criterion.share + TOLERANCE:
        return f"{counted}, and up to {100 * criterion.share:g} % is taken as chance."
    balance = number_beside(imbalance, criterion.imbalance)
    if imbalance < criterion.imbalance - TOLERANCE:
        return (
            f"{counted}, more than {100 * criterion.share:g} %, on both sides alike (imbalance "
            f"{balance}, below {criterion.imbalance:g}): erratic."
        )
    return (
        f"{counted}, more than {100 * criterion.share:g} %, but mostly on one side (imbalance "
        f"{balance}, at least {criterion.imbalance:g}): strict or lenient, not erratic."
    )


def _reach(viewers: int, criterion: Bt500) -> str:
    """One viewer against N - 1 who agree lies (N - 1) / sqrt(N) S from the mean, at most."""
    furthest = (viewers - 1) / sqrt(viewers)
    if furthest >= criterion.other_factor:
        return ""
    return (
        f"With {viewers} viewers no score can be further than {furthest:.2f} S from the mean, so "
        f"the limit of {criterion.other_factor:.2f} S is never reached: this rule sees little in "
        "a panel of this size."
    )
