"""How small a difference a panel can show, and how large a panel a difference needs.

For the paired t test of A against B by viewers, two-sided, its level divided by the number of
comparisons (Bonferroni). `sd` is the standard deviation of a viewer's difference A - B: guessed
before a test, measured after it. Asking after a test whether it had the power to find what it did
not find is circular; ask instead what it could have found.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit
from scipy.stats import nct

from .comparison import Paired

ALPHA = 0.05
POWER = 0.8
LARGEST_PANEL = 100_000


@dataclass(frozen=True)
class PanelSize:
    viewers: int
    power: float  # with that many


@dataclass(frozen=True)
class AfterTest:
    """What a test that is over could have found, by its own spread."""

    viewers: int  # the fewest of any row
    sd: float  # pooled over the rows
    comparisons: int
    detectable: float  # difference on the scale of the scores
    panel_for_half: int  # viewers that would show half of that


def achieved_power(
    difference: float, sd: float, viewers: int, comparisons: int = 1, alpha: float = ALPHA
) -> float:
    """Chance that a true difference of that size comes out significant."""
    if viewers < 2:
        return float("nan")
    degrees = viewers - 1
    critical = float(-stdtrit(degrees, alpha / comparisons / 2))
    shift = abs(difference) / sd * sqrt(viewers)
    # The far tail is too small for scipy where it gives NaN; it is 0 then.
    wrong_side = float(np.nan_to_num(nct.cdf(-critical, degrees, shift)))
    return float(nct.sf(critical, degrees, shift)) + wrong_side


def detectable_difference(
    sd: float,
    viewers: int,
    comparisons: int = 1,
    power: float = POWER,
    alpha: float = ALPHA,
) -> float:
    """The smallest true difference that comes out significant with that power."""
    if viewers < 2 or not sd > 0:
        return float("nan")

    def missing(d: float) -> float:
        return achieved_power(d, 1.0, viewers, comparisons, alpha) - power

    largest = 1.0
    while missing(largest) < 0:
        largest *= 2
    return sd * float(brentq(missing, 0.0, largest, xtol=1e-12))


def panel_size(
    difference: float,
    sd: float,
    comparisons: int = 1,
    power: float = POWER,
    alpha: float = ALPHA,
) -> PanelSize:
    """The fewest viewers who show a true difference of that size with that power."""
    if not difference or not sd > 0:
        raise ValueError("A panel size needs a difference other than 0 and a spread above 0.")

    def enough(viewers: int) -> bool:
        return achieved_power(difference, sd, viewers, comparisons, alpha) >= power

    high = 2
    while not enough(high):
        high *= 2
        if high > LARGEST_PANEL:
            raise ValueError(f"More than {LARGEST_PANEL} viewers: no test can show so little.")
    low = max(2, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return PanelSize(high, achieved_power(difference, sd, high, comparisons, alpha))


def after_test(found: Paired, power: float = POWER, alpha: float = ALPHA) -> AfterTest:
    """Each row of the comparison counts as one question."""
    known = found.viewers >= 2
    questions = int(known.sum())
    if not questions:
        return AfterTest(0, float("nan"), 0, float("nan"), 0)
    degrees = found.viewers[known] - 1
    sd = float(np.sqrt(degrees @ found.sd[known] ** 2 / degrees.sum()))
    viewers = int(found.viewers[known].min())
    detectable = detectable_difference(sd, viewers, questions, power, alpha)
    for_half = panel_size(detectable / 2, sd, questions, power, alpha).viewers if sd > 0 else 0
    return AfterTest(viewers, sd, questions, detectable, for_half)
