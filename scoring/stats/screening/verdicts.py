"""What every rule of screening answers with: per viewer a statistic, a verdict and its reason.

A rule judges; it never deletes a vote. Nobody is dropped quietly, and a rule that would leave
nobody keeps everybody and says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from ..matrix import BoolArray, FloatArray, IntArray
from .following import Peculiarity, hint, peculiarities, stimuli_scored

TOLERANCE = 1e-12  # a number exactly at a threshold is taken as at it, whatever the rounding
MINIMUM_STIMULI = 10  # with two stimuli r is always +1 or -1, with a handful it is mostly luck


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED_BUT_KEPT = "failed, kept"
    NOT_ASSESSED = "not assessed"


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """What a rule's constants are; each rule adds its own."""

    minimum_stimuli: int = MINIMUM_STIMULI


@dataclass(frozen=True)
class ViewerScreening:
    """What was found about one viewer; statistic is NaN where it is undefined."""

    stimuli: int
    statistic: float
    threshold: float
    verdict: Verdict
    order: int | None  # 1 for the first viewer removed by a rule that removes one by one
    reason: str
    peculiarity: Peculiarity = Peculiarity.NONE
    details: Mapping[str, float] = field(default_factory=dict)  # what else the rule looked at

    @property
    def rejected(self) -> bool:
        return self.verdict is Verdict.REJECTED


@dataclass(frozen=True)
class Screening:
    criterion: Criteria
    viewers: tuple[ViewerScreening, ...]
    kept: BoolArray  # one per column of the matrix: whose votes the screened results use
    applicable: bool
    warning: str  # why nothing was screened, or what was unusual; "" when all is well
    note: str = ""  # what the rule can and cannot see in a panel of this size


@dataclass(frozen=True)
class Findings:
    """What a rule found in a panel, before it is put into verdicts."""

    stimuli: IntArray  # that each viewer scored
    statistic: FloatArray
    threshold: float
    failing: BoolArray  # below the threshold, or undefined where that counts as failing
    assessed: BoolArray
    removed: IntArray | None = None  # order of removal from 1, 0 for kept; None: all at once
    details: Mapping[str, FloatArray] = field(default_factory=dict)


Tell = Callable[[int, bool], str]  # the sentence about viewer i, who fails or not


def obstacle(scores: FloatArray, stimuli: IntArray, minimum_stimuli: int) -> str:
    """Why no rule says anything about this panel, or ""; `stimuli` were scored by each viewer."""
    viewers = int((stimuli > 0).sum())
    if viewers == 0:
        return "Not screened: there are no counted votes."
    if viewers == 1:
        return (
            "Not screened: with one viewer the MOS is that viewer's own scores, so there is "
            "nobody to compare them with."
        )
    if stimuli.max() < minimum_stimuli:
        scored = int((~np.isnan(scores)).any(axis=1).sum())
        if scored < minimum_stimuli:
            return (
                f"Not screened: {scored} stimuli were scored, and fewer than {minimum_stimuli} "
                "say too little about a viewer."
            )
    return ""


def judge(
    scores: FloatArray,
    criterion: Criteria,
    found: Findings,
    tell: Tell,
    *,
    warning: str = "",
    note: str = "",
) -> Screening:
    stimuli = found.stimuli
    failing = found.assessed & found.failing
    removed = failing.astype(np.intp) if found.removed is None else found.removed
    rejected = removed > 0
    if rejected.sum() == (stimuli > 0).sum():
        rejected, removed = np.zeros_like(rejected), np.zeros_like(removed)
        failing = stimuli > 0
        warning = _everybody(found.threshold)
    verdicts = np.select(
        [rejected, failing, found.assessed],
        [Verdict.REJECTED, Verdict.FAILED_BUT_KEPT, Verdict.ACCEPTED],
        Verdict.NOT_ASSESSED,
    )
    unusual = peculiarities(scores, stimuli)
    viewers = tuple(
        ViewerScreening(
            int(stimuli[i]),
            float(found.statistic[i]),
            found.threshold,
            verdict,
            int(removed[i]) if found.removed is not None and removed[i] else None,
            _reason(i, int(stimuli[i]), verdict, criterion, tell, unusual[i]),
            unusual[i],
            {name: float(values[i]) for name, values in found.details.items()},
        )
        for i, verdict in enumerate(map(Verdict, verdicts.tolist()))
    )
    return Screening(criterion, viewers, ~rejected, True, warning, note)


def screened_nobody(
    scores: FloatArray, criterion: Criteria, threshold: float, why: str, statistic: FloatArray
) -> Screening:
    reason = why.replace("Not screened: ", "Not assessed: ")
    viewers = tuple(
        ViewerScreening(
            int(n),
            float(x),
            threshold,
            Verdict.NOT_ASSESSED,
            None,
            f"{reason} {hint(unusual)}".strip(),
            unusual,
        )
        for n, x, unusual in zip(
            stimuli_scored(scores), statistic, peculiarities(scores), strict=True
        )
    )
    return Screening(criterion, viewers, np.ones(len(viewers), dtype=np.bool_), False, why)


def number_beside(value: float, limit: float) -> str:
    """The value with three decimals, more where fewer would hide on which side it lies."""
    for decimals in range(3, 16):
        text = f"{value:.{decimals}f}"
        if value == limit or float(text) != limit:
            return text
    return repr(value)


def _reason(
    i: int, stimuli: int, verdict: Verdict, criterion: Criteria, tell: Tell, unusual: Peculiarity
) -> str:
    if unusual is Peculiarity.ABSENT:
        return hint(unusual)
    if verdict is Verdict.NOT_ASSESSED:
        return _why_not_assessed(stimuli, criterion)
    sentences = [tell(i, verdict is not Verdict.ACCEPTED), hint(unusual)]
    if verdict is Verdict.FAILED_BUT_KEPT:
        sentences.append("Kept all the same; see the warning.")
    return " ".join(filter(None, sentences))


def _why_not_assessed(stimuli: int, criterion: Criteria) -> str:
    if stimuli < criterion.minimum_stimuli:
        return (
            f"Scored {stimuli} stimuli; at least {criterion.minimum_stimuli} are needed to judge. "
            "Kept."
        )
    return "The MOS does not vary over the stimuli they scored, so nothing can follow it. Kept."


def _everybody(threshold: float) -> str:
    return (
        f"Every viewer fails this rule (threshold {threshold:.3g}). All were kept, because "
        "without them there is no result: this panel does not agree, so look at the study before "
        "you use its numbers."
    )
