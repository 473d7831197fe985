"""The sums over votes that fitting the subject model needs, taken once.

Kept about the means over stimuli and viewers, where they are small and lose no digits.
"""

import numpy as np

from .matrix import FloatArray, divide


class VoteSums:
    """The votes about their means over stimuli and viewers, in the sums that a fit needs."""

    def __init__(self, votes: FloatArray) -> None:
        voted = ~np.isnan(votes)
        if votes.ndim == 3:
            count = voted.sum(axis=2).astype(np.float64)
            mean = divide(np.where(voted, votes, 0.0).sum(axis=2), count)
            within = np.where(voted, votes - mean[:, :, None], 0.0) ** 2
            self.within_viewer = within.sum(axis=(0, 2))
            self.within_stimulus = within.sum(axis=(1, 2))
        else:
            mean = votes
            count = voted.astype(np.float64)
            self.within_viewer = np.zeros(votes.shape[1])
            self.within_stimulus = np.zeros(votes.shape[0])
        # With as many votes in every cell its number stands for the whole matrix of counts.
        self.everywhere = float(count[0, 0]) if (count == count[0, 0]).all() else 0.0
        self.count = count
        self.per_stimulus, self.per_viewer = count.sum(axis=1), count.sum(axis=0)
        mean = np.where(count > 0, mean, 0.0)
        self.mos = self.over_viewers(mean) / self.per_stimulus
        self.away = mean
        self.away -= self.mos[:, None]
        self._clear_gaps()
        self.bias = self.over_stimuli(self.away) / self.per_viewer
        self.away -= self.bias
        self._clear_gaps()
        # `away` is from here on weighted by the count: sums over votes are sums over cells.
        squares = np.einsum("ji,ji,ji->i", self.away, self.away, count)
        self.squares = squares + self.within_viewer
        self.sums = self.over_stimuli(self.away)
        self.weighted = self.away if self.everywhere == 1 else self.away * count

    def _clear_gaps(self) -> None:
        if not self.everywhere:
            self.away[self.count == 0] = 0.0

    def over_viewers(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.einsum("ji,ji->j", values, self.count), dtype=np.float64)

    def over_stimuli(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.einsum("ji,ji->i", values, self.count), dtype=np.float64)

    def counted_over_stimuli(self, rows: FloatArray) -> FloatArray:
        """Rows of values per stimulus, summed over the votes of each viewer."""
        if self.everywhere:
            total = self.everywhere * rows.sum(axis=1, keepdims=True)
            return np.broadcast_to(total, (len(rows), len(self.bias)))
        return np.asarray(rows @ self.count)

    def counted_over_viewers(self, rows: FloatArray) -> FloatArray:
        if self.everywhere:
            total = self.everywhere * rows.sum(axis=1, keepdims=True)
            return np.broadcast_to(total, (len(rows), len(self.mos)))
        return np.asarray(rows @ self.count.T)

    def fall_apart(self) -> bool:
        """Do some viewers share no stimulus with the others, not even through third ones?"""
        if self.everywhere:
            return False
        reached = np.zeros(len(self.bias))
        reached[0] = 1.0
        while True:
            shared = (self.count @ reached > 0).astype(np.float64)
            further = (shared @ self.count > 0).astype(np.float64)
            if (further == reached).all():
                return bool((reached == 0).any())
            reached = further
