"""All rules of screening on one panel, and where they agree."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..matrix import BoolArray, FloatArray, IntArray, mean_of_repetitions
from .bias import assess_bias
from .bt500 import screen_bt500
from .bt1788 import screen_bt1788
from .pearson import THRESHOLD, Criterion, Rule, screen
from .verdicts import Screening
from .vqeg import screen_vqeg_multimedia


@dataclass(frozen=True)
class SideBySide:
    """One column per rule that can reject, in the order of `rules`."""

    rules: tuple[str, ...]
    rejected: BoolArray  # viewers by rules
    times: IntArray  # per viewer, by how many of the rules they are rejected
    same_verdict: FloatArray  # rules by rules, share of viewers about whom two rules agree
    rejected_by_both: NDArray[np.intp]  # rules by rules; on the diagonal those of one rule


def screen_by_all(
    votes: FloatArray, condition: IntArray | None = None, *, threshold: float = THRESHOLD
) -> dict[str, Screening]:
    """Every rule with its default constants. `votes` may have repetitions as a third axis.

    `threshold` is that of the rules by Pearson's correlation. Without `condition` (the method of
    each stimulus) VQEG's rule is left out.
    """
    scores = mean_of_repetitions(votes)
    screenings = {
        "pearson": screen(scores, Criterion(Rule.SINGLE_PASS, threshold)),
        "pearson_iterative": screen(scores, Criterion(Rule.ITERATIVE, threshold)),
        "pearson_without_own_vote": screen(
            scores, Criterion(Rule.ITERATIVE, threshold, own_vote=False)
        ),
        "bt500": screen_bt500(votes),
        "bt1788": screen_bt1788(scores),
    }
    if condition is not None:
        screenings["vqeg_multimedia"] = screen_vqeg_multimedia(scores, condition)
    screenings["bias_removal"] = assess_bias(scores)
    return screenings


def side_by_side(screenings: Mapping[str, Screening]) -> SideBySide:
    """Bias removal rejects nobody by design and is left out."""
    rules = tuple(name for name in screenings if name != "bias_removal")
    viewers = len(next(iter(screenings.values())).kept) if screenings else 0
    rejected = np.zeros((viewers, len(rules)), dtype=np.bool_)
    for k, name in enumerate(rules):
        rejected[:, k] = ~screenings[name].kept
    same = (rejected[:, :, None] == rejected[:, None, :]).sum(axis=0) / max(viewers, 1)
    both = (rejected[:, :, None] & rejected[:, None, :]).sum(axis=0)
    return SideBySide(rules, rejected, rejected.sum(axis=1), same, both)
