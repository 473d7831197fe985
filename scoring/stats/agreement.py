"""How far the viewers of a panel agree: ICC, Krippendorff's alpha, SOS, split halves.

None of these rejects anybody. A number that cannot be computed is NaN, and `reason` says why.
"""

from dataclasses import dataclass

import numpy as np

from .correlation import pearson
from .matrix import FloatArray, divide
from .mos import mean_opinion_scores

SPLITS = 200


@dataclass(frozen=True)
class Agreement:
    icc_single: float  # ICC(2,1): how reliable one viewer's score is
    icc_mean: float  # ICC(2,k): how reliable the MOS of this panel is
    icc_stimuli: int  # stimuli that all viewers scored; only these enter the ICC
    alpha_interval: float
    alpha_ordinal: float
    sos_a: float
    split_half: float  # Spearman-Brown corrected, mean over random halves
    reason: str


@dataclass(frozen=True)
class Icc:
    single: float
    mean: float
    stimuli: int


def agreement(
    scores: FloatArray, *, lowest: float = 0.0, highest: float = 10.0, seed: int = 0
) -> Agreement:
    found = icc(scores)
    voted = ~np.isnan(scores)
    viewers, stimuli = int(voted.any(axis=0).sum()), int(voted.any(axis=1).sum())
    reasons = []
    if viewers < 2:
        reasons.append(f"Agreement needs two viewers, not {viewers}.")
    elif stimuli < 2:
        reasons.append(f"Agreement needs two stimuli, not {stimuli}.")
    elif found.stimuli < 2:
        reasons.append(f"{found.stimuli} stimuli were scored by all viewers; the ICC needs two.")
    if viewers < 4:
        reasons.append("Halves of a panel need two viewers each.")
    return Agreement(
        found.single,
        found.mean,
        found.stimuli,
        krippendorff_alpha(scores),
        krippendorff_alpha(scores, ordinal=True),
        sos_parameter(scores, lowest, highest),
        split_half(scores, seed=seed),
        " ".join(reasons),
    )


def icc(scores: FloatArray) -> Icc:
    """Shrout and Fleiss' ICC(2,1) and ICC(2,k): viewers drawn at random, absolute agreement.

    From the mean squares of stimuli, viewers and rest over the stimuli that all viewers with
    votes scored: the formulas need complete data.
    """
    present = scores[:, ~np.isnan(scores).all(axis=0)]
    complete = present[~np.isnan(present).any(axis=1)]
    n, k = complete.shape
    if n < 2 or k < 2:
        return Icc(float("nan"), float("nan"), n)
    grand = complete.mean()
    rows, columns = complete.mean(axis=1) - grand, complete.mean(axis=0) - grand
    rest = complete - grand - rows[:, None] - columns
    by_stimulus = k * (rows @ rows) / (n - 1)
    by_viewer = n * (columns @ columns) / (k - 1)
    error = np.einsum("ji,ji->", rest, rest) / ((n - 1) * (k - 1))
    single = by_stimulus + (k - 1) * error + k * (by_viewer - error) / n
    mean = by_stimulus + (by_viewer - error) / n
    return Icc(_ratio(by_stimulus - error, single), _ratio(by_stimulus - error, mean), n)


def krippendorff_alpha(scores: FloatArray, *, ordinal: bool = False) -> float:
    """1 - observed / expected disagreement over pairs of votes; missing votes are no obstacle.

    Stimuli with one vote hold no pair and are left out.
    """
    votes = (~np.isnan(scores)).sum(axis=1)
    pairable = scores[votes >= 2]
    if len(pairable) == 0:
        return float("nan")
    values, codes = np.unique(pairable[~np.isnan(pairable)].round(9), return_inverse=True)
    stimulus = np.nonzero(~np.isnan(pairable))[0]
    cell = stimulus * len(values) + codes
    counts = np.bincount(cell, minlength=len(pairable) * len(values))
    table = counts.reshape(len(pairable), len(values)).astype(np.float64)
    margin = table.sum(axis=0)
    scale = _ordinal_scale(margin) if ordinal else values
    # Squared distances summed over pairs: n sum x^2 - (sum x)^2, per stimulus and over all.
    n = table.sum(axis=1)
    scale = scale - (scale @ margin) / margin.sum()
    first, second = table @ scale, table @ scale**2
    observed = ((n * second - first**2) / (n - 1)).sum() / n.sum()
    total = float(n.sum())
    expected = (total * (margin @ scale**2) - (margin @ scale) ** 2) / (total * (total - 1))
    return 1 - _ratio(float(observed), float(expected))


def sos_parameter(scores: FloatArray, lowest: float = 0.0, highest: float = 10.0) -> float:
    """a of variance = a (MOS - lowest) (highest - MOS) by least squares (Hossfeld 2011)."""
    table = mean_opinion_scores(scores)
    known = table.votes >= 2
    parabola = (table.mos[known] - lowest) * (highest - table.mos[known])
    return _ratio(float(table.sd[known] ** 2 @ parabola), float(parabola @ parabola))


def split_half(scores: FloatArray, *, splits: int = SPLITS, seed: int = 0) -> float:
    """Mean correlation between the MOS of two random halves, stepped up to the whole panel.

    Each half's r becomes 2 r / (1 + r) (Spearman-Brown). An odd viewer sits out a split.
    """
    present = scores[:, ~np.isnan(scores).all(axis=0)]
    half = present.shape[1] // 2
    if half < 2:
        return float("nan")
    generator = np.random.default_rng(seed)
    voted = ~np.isnan(present)
    filled = np.where(voted, present, 0.0)
    found = []
    for _ in range(splits):
        order = generator.permutation(present.shape[1])
        means = [
            divide(filled[:, who].sum(axis=1), voted[:, who].sum(axis=1))
            for who in (order[:half], order[half : 2 * half])
        ]
        both = ~np.isnan(means[0]) & ~np.isnan(means[1])
        one, other = means[0][both], means[1][both]
        if len(one) > 2 and np.ptp(one) > 0 and np.ptp(other) > 0:
            r = pearson(one, other)
            found.append(2 * r / (1 + r) if r > -1 else np.nan)
    return float(np.mean(found)) if found else float("nan")


def between_viewers(scores: FloatArray) -> FloatArray:
    """Viewers by viewers, Pearson's r over the stimuli that both scored.

    NaN with fewer than 3 of these, or where one of the two gave the same score to all of them.
    """
    voted = (~np.isnan(scores)).astype(np.float64)
    centre = np.nanmean(scores) if voted.any() else 0.0
    filled = np.where(voted > 0, scores - centre, 0.0)
    n = voted.T @ voted
    own = filled.T @ voted  # sum of the row's viewer over what both scored
    covariance = filled.T @ filled - divide(own * own.T, n)
    spread = (filled**2).T @ voted - divide(own**2, n)
    spread = np.where((n >= 3) & (spread > 1e-9), spread, np.nan)
    r = covariance / np.sqrt(spread * spread.T)
    return np.asarray(np.clip(r, -1.0, 1.0), dtype=np.float64)


def _ordinal_scale(margin: FloatArray) -> FloatArray:
    """Krippendorff's ordinal distance is that between the midpoints of cumulated frequencies."""
    return np.asarray(np.cumsum(margin) - margin / 2, dtype=np.float64)


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 1e-12 else float("nan")
