"""Methods from best to worst, and which of them cannot be told apart.

Every pair is compared as in `comparison`; Holm's correction is over all pairs. Methods share a
group when no pair within it differs significantly. A method may be in several groups: A like B
and B like C do not make A like C.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .comparison import Paired, method_differences, paired, viewer_means
from .matrix import BoolArray, FloatArray, IntArray, group_rows
from .mos import MosTable, mean_opinion_scores
from .multiplicity import holm

ALPHA = 0.05


@dataclass(frozen=True)
class Ranking:
    methods: IntArray  # numbers of the methods, best first; all that follows is in this order
    mos: MosTable  # over viewers, of each viewer's mean over contents
    first: IntArray  # places in `methods` of each pair
    second: IntArray
    pairs: Paired  # first less second, over the contents that both have
    p_holm: FloatArray
    groups: tuple[tuple[int, ...], ...]  # places of scored methods that do not differ
    warning: str


@dataclass(frozen=True)
class BestOfContent:
    """The methods of one content, best first, and the first of them less each of the others."""

    content: int
    methods: IntArray
    mos: MosTable
    less_others: Paired  # a row for each method but the first; Holm over these rows

    def alike(self, alpha: float = ALPHA) -> IntArray:
        """The best, and those not significantly worse."""
        worse = self.less_others.p_t_holm < alpha
        return np.asarray(self.methods[np.concatenate([[True], ~worse])])


def rank_methods(
    scores: FloatArray, content: IntArray, method: IntArray, alpha: float = ALPHA
) -> Ranking:
    known = np.unique(method)
    means = np.empty((len(known), scores.shape[1]))
    for row, one in enumerate(known):
        means[row] = viewer_means(scores[method == one])
    table = mean_opinion_scores(means)
    order = np.argsort(-np.nan_to_num(table.mos, nan=-np.inf), kind="stable")
    methods = known[order]
    places = np.array(list(combinations(range(len(methods)), 2)), dtype=np.intp).reshape(-1, 2)
    differences = np.full((len(places), scores.shape[1]), np.nan)
    for row, (a, b) in enumerate(places):
        _, apart = method_differences(scores, content, method, int(methods[a]), int(methods[b]))
        differences[row] = viewer_means(apart)
    pairs = paired(differences)
    p = holm(pairs.p_t)
    different = np.zeros((len(methods), len(methods)), dtype=np.bool_)
    for (a, b), value in zip(places, p, strict=True):
        different[a, b] = different[b, a] = value < alpha
    scored = int((table.votes > 0).sum())  # the others come last
    return Ranking(
        methods,
        mean_opinion_scores(means[order]),
        places[:, 0],
        places[:, 1],
        pairs,
        p,
        groups_alike(different[:scored, :scored]),
        _warning(content, method),
    )


def best_of_contents(
    scores: FloatArray, content: IntArray, method: IntArray
) -> tuple[BestOfContent, ...]:
    """Content by content, those that somebody scored. Several stimuli of a method count as their
    mean, viewer by viewer."""
    found = []
    for one in np.unique(content):
        known, group = np.unique(method[content == one], return_inverse=True)
        means = group_rows(scores[content == one], group, len(known))
        scored = ~np.isnan(means).all(axis=1)
        known, means = known[scored], means[scored]
        if len(known) == 0:
            continue
        order = np.argsort(-mean_opinion_scores(means).mos, kind="stable")
        ordered = means[order]
        found.append(
            BestOfContent(
                int(one),
                known[order],
                mean_opinion_scores(ordered),
                paired(ordered[:1] - ordered[1:]),
            )
        )
    return tuple(found)


def groups_alike(different: BoolArray) -> tuple[tuple[int, ...], ...]:
    """Largest groups without a pair that differs (insert and absorb, Piepho 2004)."""
    groups = [frozenset(range(len(different)))] if len(different) else []
    for a, b in zip(*np.nonzero(np.triu(different)), strict=True):
        split = []
        for group in groups:
            split += [group - {a}, group - {b}] if a in group and b in group else [group]
        unique = set(split)
        groups = [one for one in unique if not any(one < other for other in unique)]
    return tuple(sorted(tuple(sorted(int(place) for place in group)) for group in groups))


def _warning(content: IntArray, method: IntArray) -> str:
    cells = {(int(c), int(m)) for c, m in zip(content, method, strict=True)}
    if len(cells) == len(np.unique(content)) * len(np.unique(method)):
        return ""
    return (
        "Not every method has every content. Pairs are compared over the contents that both have, "
        "but the MOS of methods are over different contents and not comparable as they stand."
    )
