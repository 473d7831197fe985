"""Quality of stimuli, bias and inconsistency of viewers, estimated together.

The model of P.910 Annex E (P.913 12.6): a vote is the stimulus' quality plus the viewer's bias
plus normal noise of the viewer's own size, the inconsistency. Careless viewers weigh less instead
of being rejected. Fitted by alternating projection.

The published estimate has a flaw in small panels: a viewer's inconsistency can shrink to 0, whose
votes then are the result. `REGULARISED`, the default, draws each viewer's variance towards the
panel's as if the viewer had cast five more votes with the panel's variance; `EXACT` is the
published estimate, for comparison with other programs. Either way a collapse is detected and said.

Sums over votes that stay the same are taken once; an iteration then costs a few products of the
matrix with a vector. Where such a sum would lose digits the viewer's residuals are looked at.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import chdtri

from .matrix import BoolArray, FloatArray, IntArray
from .vote_sums import VoteSums

PSEUDO_VOTES = 5.0
LEAST_CHANGE = 1e-8  # of the qualities, Euclidean, between two iterations
ITERATIONS = 1000
EPSILON = 1e-8  # added to a variance before it is divided by, as published
DIGITS_LOST = 1e-4
TINY = 1e-200  # stands for a variance of 0 where it is divided by
TAIL = 0.025


class Mode(StrEnum):
    EXACT = "exact"
    REGULARISED = "regularised"


@dataclass(frozen=True)
class SubjectModel:
    """Per stimulus and per viewer; NaN for one without votes."""

    mode: Mode
    quality: FloatArray
    quality_se: FloatArray  # by the model: from the viewers' inconsistencies
    quality_se_residual: FloatArray  # as P.910 prints it: from the stimulus' own residuals
    bias: FloatArray  # sums to 0 over viewers
    bias_se: FloatArray
    inconsistency: FloatArray  # a standard deviation
    inconsistency_low: FloatArray  # 95 % interval
    inconsistency_high: FloatArray
    log_likelihood: float  # per vote
    iterations: int
    converged: bool
    collapsed: bool
    collapsed_onto: IntArray  # viewers whose inconsistency is below what rounding alone makes
    warning: str


def fit_subject_model(
    votes: FloatArray,
    mode: Mode = Mode.REGULARISED,
    *,
    step: float = 1.0,
    iterations: int = ITERATIONS,
) -> SubjectModel:
    """`votes` is stimuli by viewers, with a third axis where stimuli were presented repeatedly.

    `step` is the distance between neighbouring scores: whoever rounds to it is off by
    step / sqrt(12) at least, so a smaller inconsistency shows a collapse, not a perfect viewer.
    """
    voted = ~np.isnan(votes)
    seen = voted if votes.ndim == 2 else np.asarray(voted.any(axis=2))
    stimuli, viewers = np.asarray(seen.any(axis=1)), np.asarray(seen.any(axis=0))
    if not viewers.any():
        return _nothing(mode, seen.shape)
    everything = stimuli.all() and viewers.all()
    used = VoteSums(votes if everything else votes[stimuli][:, viewers])
    estimate = _Estimate(used, PSEUDO_VOTES if mode is Mode.REGULARISED else 0.0)
    converged = estimate.iterate(iterations)
    return _model(mode, estimate, stimuli, viewers, converged, step)


class _Estimate:
    """Quality and bias as what is to be added to the means the votes start from."""

    def __init__(self, votes: VoteSums, pseudo_votes: float) -> None:
        self.votes = votes
        self.pseudo_votes = pseudo_votes
        self.quality = np.zeros(len(votes.mos))
        self.bias = np.zeros(len(votes.bias))
        self.variance = np.zeros(len(votes.bias))
        self.steps = 0

    def iterate(self, most: int) -> bool:
        votes = self.votes
        for self.steps in range(1, most + 1):
            self.variance = self._shrunk(self._residual_variance())
            weight = 1 / (self.variance + EPSILON)
            biased, weights = votes.counted_over_viewers(np.stack([weight * self.bias, weight]))
            before = self.quality
            self.quality = (votes.weighted @ weight - biased) / weights
            moved = votes.counted_over_stimuli(self.quality[None])[0]
            self.bias = (votes.sums - moved) / votes.per_viewer
            if np.linalg.norm(self.quality - before) < LEAST_CHANGE:
                return True
        return False

    def _residual_variance(self) -> FloatArray:
        """Per viewer, about the mean residual, divided by N as published."""
        votes, n = self.votes, self.votes.per_viewer
        moved, moved_squared = votes.counted_over_stimuli(np.stack([self.quality, self.quality**2]))
        mean = (votes.sums - moved) / n
        squares = votes.squares - 2 * (self.quality @ votes.weighted) + moved_squared
        variance = squares / n - mean**2
        for i in np.flatnonzero(variance <= DIGITS_LOST * votes.squares / n):
            own = votes.count[:, i]
            away = votes.away[:, i] - self.quality
            away = away - (own @ away) / n[i]
            variance[i] = (votes.within_viewer[i] + own @ away**2) / n[i]
        return np.asarray(variance, dtype=np.float64)

    def _shrunk(self, variance: FloatArray) -> FloatArray:
        n, k = self.votes.per_viewer, self.pseudo_votes
        if not k:
            return variance
        pooled = float(n @ variance) / float(n.sum())
        return np.asarray((n * variance + k * pooled) / (n + k))

    def residuals(self) -> FloatArray:
        residuals = self.votes.away - self.quality[:, None]
        residuals -= self.bias
        return np.asarray(residuals)


def _model(
    mode: Mode,
    found: _Estimate,
    stimuli: BoolArray,
    viewers: BoolArray,
    converged: bool,
    step: float,
) -> SubjectModel:
    votes, v = found.votes, np.sqrt(found.variance)
    collapsed = np.asarray(found.variance < step**2 / 12)
    bias = votes.bias + found.bias
    n = votes.per_viewer
    precision = votes.counted_over_viewers(1 / np.maximum(found.variance, TINY)[None])[0]
    se_residual, log_likelihood = _fit_to_residuals(found)
    on_stimuli, on_viewers = _Placed(stimuli), _Placed(viewers)
    return SubjectModel(
        mode,
        quality=on_stimuli(votes.mos + found.quality + bias.mean()),
        quality_se=on_stimuli(1 / np.sqrt(precision)),
        quality_se_residual=on_stimuli(se_residual),
        bias=on_viewers(bias - bias.mean()),
        bias_se=on_viewers(v / np.sqrt(n)),
        inconsistency=on_viewers(v),
        inconsistency_low=on_viewers(v * np.sqrt(n / chdtri(n, TAIL))),
        inconsistency_high=on_viewers(v * np.sqrt(n / chdtri(n, 1 - TAIL))),
        log_likelihood=log_likelihood,
        iterations=found.steps,
        converged=converged,
        collapsed=bool(collapsed.any()),
        collapsed_onto=np.flatnonzero(viewers)[collapsed],
        warning=_warning(found, converged, collapsed),
    )


def _fit_to_residuals(found: _Estimate) -> tuple[FloatArray, float]:
    """Standard error of each quality from its own residuals, and the likelihood per vote."""
    votes, residuals = found.votes, found.residuals()
    if not votes.everywhere:
        residuals[votes.count == 0] = 0.0
    n = votes.per_stimulus
    mean = votes.over_viewers(residuals) / n
    squares = votes.over_viewers(residuals**2) + votes.within_stimulus
    se = np.sqrt(np.maximum(squares / n - mean**2, 0) / n)
    own = votes.over_stimuli(residuals**2) + votes.within_viewer
    per_viewer = votes.per_viewer
    variance = np.maximum(found.variance, TINY)
    terms = per_viewer * np.log(2 * np.pi * variance) + own / variance
    return se, float(-0.5 * terms.sum() / per_viewer.sum())


class _Placed:
    """Puts numbers back where stimuli or viewers without votes were left out."""

    def __init__(self, used: BoolArray) -> None:
        self.used = used

    def __call__(self, values: FloatArray) -> FloatArray:
        placed = np.full(len(self.used), np.nan)
        placed[self.used] = values
        return placed


def _warning(found: _Estimate, converged: bool, collapsed: BoolArray) -> str:
    sentences = []
    if len(found.bias) == 1:
        sentences.append("With one viewer quality and bias cannot be told apart.")
    elif collapsed.any():
        number = int(collapsed.sum())
        share = 1 / (found.variance + EPSILON)
        sentences.append(
            f"Collapsed: {number} of {len(collapsed)} viewers came out less inconsistent than "
            f"rounding alone makes anybody, and hold {share[collapsed].sum() / share.sum():.0%} of "
            "the weight. The qualities are theirs and the intervals mean nothing; take the "
            "regularised model or the MOS."
        )
    if not converged:
        sentences.append(
            f"Not converged after {found.steps} iterations: the last digits are not settled."
        )
    if found.votes.fall_apart():
        sentences.append(
            "Some viewers share no stimulus with the others, directly or through third ones, so "
            "their scales cannot be compared: biases and qualities are per group only."
        )
    return " ".join(sentences)


def _nothing(mode: Mode, shape: tuple[int, ...]) -> SubjectModel:
    per_stimulus, per_viewer = np.full(shape[0], np.nan), np.full(shape[1], np.nan)
    return SubjectModel(
        mode,
        per_stimulus,
        per_stimulus,
        per_stimulus,
        per_viewer,
        per_viewer,
        per_viewer,
        per_viewer,
        per_viewer,
        log_likelihood=float("nan"),
        iterations=0,
        converged=False,
        collapsed=False,
        collapsed_onto=np.zeros(0, dtype=np.intp),
        warning="There are no votes to fit.",
    )
