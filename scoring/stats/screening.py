"""Post-screening of viewers by the Pearson correlation of their scores with the MOS.

The rule of ITU-T P.913 (merged into P.910): a viewer whose scores correlate with the MOS by less
than 0.75 is rejected. The MOS includes the viewer's own votes, and each viewer is compared over
the stimuli they scored. The published rule judges everybody once; the iterative option removes
the worst viewer, recomputes and judges again, so that a few bad viewers cannot spoil the MOS a
good one is measured against.

This module judges; it never deletes a vote.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .matrix import BoolArray, FloatArray, IntArray

THRESHOLD = 0.75
TOLERANCE = 1e-12  # a correlation of exactly the threshold is accepted whatever the rounding
MINIMUM_STIMULI = 10  # with two stimuli r is always +1 or -1, with a handful it is mostly luck
FLOOR = 3  # the iterative rule never goes below this many viewers
REVERSED_BELOW = -0.5  # from here on an inverted scale is the likelier story than a bad eye


class Rule(StrEnum):
    SINGLE_PASS = "single-pass"
    ITERATIVE = "iterative"


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED_BUT_KEPT = "failed, kept"
    NOT_ASSESSED = "not assessed"


@dataclass(frozen=True)
class Criterion:
    rule: Rule = Rule.SINGLE_PASS
    threshold: float = THRESHOLD
    minimum_stimuli: int = MINIMUM_STIMULI
    floor: int = FLOOR


@dataclass(frozen=True)
class ViewerScreening:
    """What was found about one viewer; statistic is NaN where it is undefined."""

    stimuli: int
    statistic: float
    threshold: float
    verdict: Verdict
    order: int | None  # 1 for the first viewer removed by the iterative rule
    reason: str


@dataclass(frozen=True)
class Screening:
    criterion: Criterion
    viewers: tuple[ViewerScreening, ...]
    kept: BoolArray  # one per column of the matrix: whose votes the screened results use
    applicable: bool
    warning: str  # why nothing was screened, or what was unusual; "" when all is well


def screen(scores: FloatArray, criterion: Criterion | None = None) -> Screening:
    criterion = criterion or Criterion()
    stimuli = (~np.isnan(scores)).sum(axis=0)
    r = correlation_with_mos(scores)
    obstacle = _obstacle(scores, stimuli, r, criterion)
    if obstacle:
        return _screened_nobody(criterion, stimuli, r, obstacle)
    assessed = (stimuli >= criterion.minimum_stimuli) & ~(np.isnan(r) & ~_constant(scores))
    if criterion.rule is Rule.ITERATIVE:
        r, order, warning = _remove_one_by_one(scores, assessed, criterion)
    else:
        order = np.where(assessed & _fails(r, criterion), 1, 0)
        warning = ""
    rejected = order > 0
    if rejected.sum() == (stimuli > 0).sum():
        return _kept_everybody(criterion, stimuli, r)
    verdicts = np.select(
        [~assessed, rejected, _fails(r, criterion)],
        [Verdict.NOT_ASSESSED, Verdict.REJECTED, Verdict.FAILED_BUT_KEPT],
        Verdict.ACCEPTED,
    ).tolist()
    return _screening(criterion, stimuli, r, verdicts, order, ~rejected, warning)


def correlation_with_mos(scores: FloatArray) -> FloatArray:
    """Pearson r of each viewer's scores with the MOS, over the stimuli that viewer scored."""
    voted = ~np.isnan(scores)
    filled = np.where(voted, scores, 0.0)
    votes = voted.sum(axis=1)
    mos = np.divide(filled.sum(axis=1), votes, out=np.zeros(len(votes)), where=votes > 0)
    n = np.maximum(voted.sum(axis=0), 1)
    own = np.where(voted, scores - filled.sum(axis=0) / n, 0.0)
    panel = np.where(voted, mos[:, None] - (mos @ voted) / n, 0.0)
    own_spread, panel_spread = (own**2).sum(axis=0), (panel**2).sum(axis=0)
    # Summation leaves dust instead of an exact 0 where all scores are equal.
    dust = n * (np.finfo(np.float64).eps * 16 * max(1.0, float(np.abs(filled).max(initial=0)))) ** 2
    defined = (own_spread > dust) & (panel_spread > dust)
    r = np.full(scores.shape[1], np.nan)
    np.divide((own * panel).sum(axis=0), np.sqrt(own_spread * panel_spread), out=r, where=defined)
    return np.asarray(np.clip(r, -1.0, 1.0), dtype=np.float64)


def _constant(scores: FloatArray) -> BoolArray:
    low = np.where(np.isnan(scores), np.inf, scores).min(axis=0, initial=np.inf)
    high = np.where(np.isnan(scores), -np.inf, scores).max(axis=0, initial=-np.inf)
    return np.asarray(low == high)


def _fails(r: FloatArray, criterion: Criterion) -> BoolArray:
    """Below the threshold, or undefined (a viewer who gave the same score to everything)."""
    return np.asarray(~(r >= criterion.threshold - TOLERANCE))


def _obstacle(scores: FloatArray, stimuli: IntArray, r: FloatArray, criterion: Criterion) -> str:
    """Why the rule says nothing about this panel, or ""."""
    viewers = int((stimuli > 0).sum())
    scored = int((~np.isnan(scores)).any(axis=1).sum())
    if viewers == 0:
        return "Not screened: there are no counted votes."
    if viewers == 1:
        return (
            "Not screened: with one viewer the MOS is that viewer's own scores, "
            "so the correlation is 1 whatever they saw."
        )
    if scored < criterion.minimum_stimuli:
        return (
            f"Not screened: {scored} stimuli were scored, and a correlation over fewer than "
            f"{criterion.minimum_stimuli} says too little about a viewer."
        )
    if np.isnan(r).all():
        return "Not screened: the scores or their means do not vary: nothing to correlate."
    return ""


def _remove_one_by_one(
    scores: FloatArray, assessed: BoolArray, criterion: Criterion
) -> tuple[FloatArray, IntArray, str]:
    """Statistics at the time of the verdict, order of removal (0: kept), and a warning."""
    viewers = scores.shape[1]
    r, order = np.full(viewers, np.nan), np.zeros(viewers, dtype=np.intp)
    left = np.flatnonzero((~np.isnan(scores)).any(axis=0))
    while True:
        r[left] = correlation_with_mos(scores[:, left])
        failing = left[assessed[left] & _fails(r[left], criterion)]
        if len(failing) == 0:
            return r, order, ""
        if len(left) <= criterion.floor:
            return (
                r,
                order,
                (
                    f"Stopped at the floor of {criterion.floor} viewers: {len(failing)} of those "
                    f"left still correlate by less than {criterion.threshold:g} with the MOS."
                ),
            )
        # An undefined correlation is worse than any number.
        worst = failing[np.argmin(np.where(np.isnan(r[failing]), -np.inf, r[failing]))]
        order[worst] = order.max() + 1
        left = left[left != worst]


def _screening(
    criterion: Criterion,
    stimuli: IntArray,
    r: FloatArray,
    verdicts: Sequence[str],
    order: IntArray,
    kept: BoolArray,
    warning: str,
) -> Screening:
    """The panel's screening, each viewer with the sentence that goes with the verdict."""
    iterative = criterion.rule is Rule.ITERATIVE
    viewers = []
    for i, verdict in enumerate(map(Verdict, verdicts)):
        n, statistic = int(stimuli[i]), float(r[i])
        reason = _reason(n, statistic, criterion, verdict)
        place = int(order[i]) if iterative and order[i] > 0 else None
        viewers.append(ViewerScreening(n, statistic, criterion.threshold, verdict, place, reason))
    return Screening(criterion, tuple(viewers), kept, True, warning)


def _reason(stimuli: int, r: float, criterion: Criterion, verdict: Verdict) -> str:
    number, least = number_beside(r, criterion.threshold), f"{criterion.threshold:g}"
    if verdict is Verdict.NOT_ASSESSED:
        return _why_not_assessed(stimuli, criterion)
    if verdict is Verdict.ACCEPTED:
        return f"Scores follow the panel's mean (r = {number}, at least {least} is asked)."
    if np.isnan(r):
        reason = "Gave the same score to everything, so nothing shows that they saw differences."
    elif r <= REVERSED_BELOW:
        reason = (
            f"Scores go down where the panel's go up (r = {number}, at least {least} is asked): "
            "the scale was possibly used upside down."
        )
    else:
        reason = f"Scores follow the panel's mean too loosely (r = {number}, below {least})."
    if verdict is Verdict.FAILED_BUT_KEPT:
        reason += " Kept all the same; see the warning."
    return reason


def _why_not_assessed(stimuli: int, criterion: Criterion) -> str:
    if stimuli == 0:
        return "Has no counted vote."
    if stimuli < criterion.minimum_stimuli:
        return (
            f"Scored {stimuli} stimuli; at least {criterion.minimum_stimuli} are needed to judge. "
            "Kept."
        )
    return "The MOS does not vary over the stimuli they scored, so nothing can follow it. Kept."


def number_beside(value: float, limit: float) -> str:
    """The value with three decimals, more where fewer would hide on which side it lies."""
    for decimals in range(3, 16):
        text = f"{value:.{decimals}f}"
        if value == limit or float(text) != limit:
            return text
    return repr(value)


def _screened_nobody(
    criterion: Criterion, stimuli: IntArray, r: FloatArray, obstacle: str
) -> Screening:
    reason = obstacle.replace("Not screened: ", "Not assessed: ")
    viewers = tuple(
        ViewerScreening(int(n), float(x), criterion.threshold, Verdict.NOT_ASSESSED, None, reason)
        for n, x in zip(stimuli, r, strict=True)
    )
    return Screening(criterion, viewers, np.ones(len(r), dtype=np.bool_), False, obstacle)


def _kept_everybody(criterion: Criterion, stimuli: IntArray, r: FloatArray) -> Screening:
    """Without anybody there is no result: keep all, and leave no doubt that the rule failed."""
    warning = (
        f"Every viewer correlates by less than {criterion.threshold:g} with the MOS. All were "
        "kept, because without them there is no result: this panel does not agree, so look at "
        "the study before you use its numbers."
    )
    viewers = len(r)
    return _screening(
        criterion,
        stimuli,
        r,
        [Verdict.FAILED_BUT_KEPT if n else Verdict.NOT_ASSESSED for n in stimuli],
        np.zeros(viewers, dtype=np.intp),
        np.ones(viewers, dtype=np.bool_),
        warning,
    )
