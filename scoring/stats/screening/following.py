"""How closely a viewer's scores follow the mean of the panel, and who scored in an odd way.

Sums over stimuli are taken block by block: the whole panel at once would not fit a processor's
cache. Where a difference of two large sums would lose digits, the viewer is computed directly.
"""

from enum import StrEnum

import numpy as np

from ..matrix import FloatArray, dust

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


def peculiarities(scores: FloatArray) -> tuple[Peculiarity, ...]:
    """Odd ways of scoring, recognised whatever a rule of screening makes of them."""
    stimuli = (~np.isnan(scores)).sum(axis=0)
    low = np.fmin.reduce(scores, axis=0, initial=np.inf)
    high = np.fmax.reduce(scores, axis=0, initial=-np.inf)
    followed = correlation_with_mos(scores, own_vote=False)
    # Of two viewers who disagree nobody can say which one is upside down.
    reversed_scale = (
        (followed <= REVERSED_BELOW) & (stimuli >= FEWEST_FOR_REVERSED) & ((stimuli > 0).sum() >= 3)
    )
    kinds = np.select(
        [stimuli == 0, (low == high) & (stimuli > 1), reversed_scale],
        [Peculiarity.ABSENT, Peculiarity.CONSTANT, Peculiarity.REVERSED],
        Peculiarity.NONE,
    )
    return tuple(Peculiarity(str(kind)) for kind in kinds)


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
    gaps = np.isnan(scores)
    u = np.where(gaps, 0.0, scores)
    voted = (~gaps).astype(np.float64)
    votes = voted.sum(axis=1)
    least = 1 if own_vote else 2
    used = (votes >= least).astype(np.float64)
    share = np.divide(used, votes - (least - 1), out=np.zeros_like(votes), where=used > 0)
    mos = u.sum(axis=1) * share
    squared = np.einsum("ji,ji,j->i", u, u, used)
    n_own, n_panel, n_panel_squared = np.stack([used, mos, mos**2]) @ voted
    own, product = np.stack([used, mos]) @ u
    if own_vote:
        return np.stack([n_own, own, squared, n_panel, n_panel_squared, product])
    # The others' mean is mos - share * u: the own vote taken out again.
    shared, mos_shared = np.stack([share, mos * share]) @ u
    return np.stack(
        [
            n_own,
            own,
            squared,
            n_panel - shared,
            n_panel_squared - 2 * mos_shared + np.einsum("ji,ji,j->i", u, u, share**2),
            product - np.einsum("ji,ji,j->i", u, u, share),
        ]
    )


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
    least = float(dust(float(np.nanmax(np.abs(scores[mine]))), len(own)))
    if own @ own <= least or panel @ panel <= least:
        return float("nan")
    return float(own @ panel / np.sqrt((own @ own) * (panel @ panel)))
