"""How closely a viewer's scores follow the mean of the panel, and who scored in an odd way.

Sums over stimuli are taken block by block: the whole panel at once would not fit a processor's
cache. Where a difference of two large sums would lose digits, the viewer is computed directly.
"""

from enum import StrEnum

import numpy as np

from ..matrix import BoolArray, FloatArray, IntArray, dust

ROWS = 256  # stimuli at a time
REVERSED_BELOW = -0.5  # from here on an inverted scale is the likelier story than a bad eye
FEWEST_FOR_REVERSED = 10  # stimuli
DIGITS_LOST = 1e-4  # a variance this small beside the mean square is computed directly


class Peculiarity(StrEnum):
    NONE = ""
    ABSENT = "absent"
    CONSTANT = "constant"
    REVERSED = "reversed scale"


_HINTS = {
    Peculiarity.NONE: "",
    Peculiarity.ABSENT: "Has no counted vote.",
    Peculiarity.CONSTANT: (
        "Gave the same score to everything, so nothing shows that they saw differences."
    ),
    Peculiarity.REVERSED: (
        "Scores go down where the others' go up: the scale was possibly used upside down."
    ),
}


def hint(what: Peculiarity) -> str:
    return _HINTS[what]


def peculiarities(scores: FloatArray, stimuli: IntArray | None = None) -> tuple[Peculiarity, ...]:
    """Odd ways of scoring, recognised whatever a rule of screening makes of them.

    `stimuli` spares counting those that each viewer scored again.
    """
    stimuli = stimuli_scored(scores) if stimuli is None else stimuli
    followed = correlation_with_mos(scores, own_vote=False)
    # Who never varies correlates with nothing, so only those need a closer look.
    odd = np.flatnonzero(np.isnan(followed) & (stimuli > 1))
    same = np.zeros(len(stimuli), dtype=np.bool_)
    same[odd] = constant(scores[:, odd])
    # Of two viewers who disagree nobody can say which one is upside down.
    reversed_scale = (
        (followed <= REVERSED_BELOW) & (stimuli >= FEWEST_FOR_REVERSED) & ((stimuli > 0).sum() >= 3)
    )
    kinds = [Peculiarity.NONE] * len(stimuli)
    for mask, kind in (
        (reversed_scale, Peculiarity.REVERSED),
        (same, Peculiarity.CONSTANT),
        (stimuli == 0, Peculiarity.ABSENT),
    ):
        for i in np.flatnonzero(mask):
            kinds[i] = kind
    return tuple(kinds)


def stimuli_scored(scores: FloatArray) -> IntArray:
    """By each viewer."""
    return np.asarray(len(scores) - np.count_nonzero(np.isnan(scores), axis=0), dtype=np.intp)


def constant(scores: FloatArray) -> BoolArray:
    """Who gave the same score to everything, and to something."""
    low = np.fmin.reduce(scores, axis=0, initial=np.inf)
    return np.asarray(low == np.fmax.reduce(scores, axis=0, initial=-np.inf))


def correlation_with_mos(scores: FloatArray, *, own_vote: bool = True) -> FloatArray:
    """Pearson r of each viewer's scores with the MOS, over the stimuli that viewer scored.

    Without the own vote each viewer meets the mean of the others, over stimuli that others
    scored too. NaN where one of the two does not vary.
    """
    viewers = scores.shape[1]
    if scores.size == 0:
        return np.full(viewers, np.nan)
    sums = np.zeros((6, viewers))
    centre = _level(scores)
    for start in range(0, len(scores), ROWS):
        sums += _sums(scores[start : start + ROWS] - centre, own_vote)
    n, own, own_squared, panel, panel_squared, product = sums
    n = np.maximum(n, 1)
    own_spread = own_squared - own**2 / n
    panel_spread = panel_squared - panel**2 / n
    r = np.full(viewers, np.nan)
    both = np.sqrt(np.maximum(own_spread, 0) * np.maximum(panel_spread, 0))
    np.divide(product - own * panel / n, both, out=r, where=both > 0)
    unsure = (own_spread <= DIGITS_LOST * own_squared) | (
        panel_spread <= DIGITS_LOST * panel_squared
    )
    for i in np.flatnonzero(unsure):
        r[i] = _directly(scores, int(i), own_vote)
    return np.asarray(np.clip(r, -1.0, 1.0), dtype=np.float64)


def _level(scores: FloatArray) -> float:
    """Any number amid the scores; sums about it keep their digits."""
    some = scores[:ROWS]
    known = some[~np.isnan(some)]
    return float(known.mean()) if len(known) else 0.0


def _sums(scores: FloatArray, own_vote: bool) -> FloatArray:
    """n, sum u, sum u u, sum m, sum m m, sum u m per viewer; u the viewer's scores, m the MOS."""
    u, total = scores, scores.sum(axis=1)
    votes = np.full(len(scores), float(scores.shape[1]))
    complete = not np.isnan(total).any()
    if not complete:
        gaps = np.isnan(scores)
        u = np.where(gaps, 0.0, scores)
        votes -= np.count_nonzero(gaps, axis=1)
        total = u.sum(axis=1)
    least = 1 if own_vote else 2
    used = (votes >= least).astype(np.float64)
    share = np.divide(used, votes - (least - 1), out=np.zeros_like(votes), where=used > 0)
    mos = total * share
    panel = np.stack([used, mos, mos**2])
    over_votes = panel.sum(axis=1, keepdims=True) if complete else panel @ ~gaps
    own, product = panel[:2] @ u
    squared, squared_shared, squared_shared_twice = np.stack([used, share, share**2]) @ u**2
    n, n_mos, n_mos_squared = np.broadcast_to(over_votes, (3, scores.shape[1]))
    if own_vote:
        return np.stack([n, own, squared, n_mos, n_mos_squared, product])
    # The others' mean is mos - share * u: the own vote taken out again.
    shared, mos_shared = np.stack([share, mos * share]) @ u
    others_squared = n_mos_squared - 2 * mos_shared + squared_shared_twice
    return np.stack([n, own, squared, n_mos - shared, others_squared, product - squared_shared])


def _directly(scores: FloatArray, i: int, own_vote: bool) -> float:
    mine = ~np.isnan(scores[:, i])
    others = scores[mine] if own_vote else np.delete(scores[mine], i, axis=1)
    known = ~np.isnan(others)
    shared = known.any(axis=1)
    own = scores[mine, i][shared]
    if len(own) == 0:
        return float("nan")
    panel = np.where(known, others, 0.0)[shared].sum(axis=1) / known[shared].sum(axis=1)
    own, panel = own - own.mean(), panel - panel.mean()
    # Summation leaves dust instead of an exact 0 where all scores are equal.
    least = len(own) * float(dust(float(np.nanmax(np.abs(scores[mine])))))
    if own @ own <= least or panel @ panel <= least:
        return float("nan")
    return float(own @ panel / np.sqrt((own @ own) * (panel @ panel)))
