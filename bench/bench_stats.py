"""How fast MOS and screening are, as ratios to peers measured in the same run.

Peers do the same work from the same one-row-per-vote table: pandas (groupby, corrwith) as an
analyst would write it, and plain Python loops. The results are compared before they are timed.
Run: make bench
"""

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from scoring.stats.matrix import score_matrix
from scoring.stats.mos import mean_opinion_scores
from scoring.stats.screening import screen

SIZES = ((30, 200), (100, 1000), (300, 5000))  # viewers, stimuli


def synthetic_votes(viewers: int, stimuli: int) -> pd.DataFrame:
    generator = np.random.default_rng(1)
    quality = generator.uniform(1, 9, stimuli)
    noise = generator.normal(0, 1.2, (stimuli, viewers))
    scores = np.clip(np.rint(quality[:, None] + noise), 0, 10)
    stimulus, viewer = np.indices(scores.shape).reshape(2, -1)
    return pd.DataFrame({"stimulus": stimulus, "viewer": viewer, "score": scores.ravel()})


def ours(votes: pd.DataFrame, shape: tuple[int, int]) -> tuple[Any, Any]:
    scores = score_matrix(
        votes["stimulus"].to_numpy(), votes["viewer"].to_numpy(), votes["score"].to_numpy(), shape
    )
    viewers = screen(scores).viewers
    return mean_opinion_scores(scores).mos, [viewer.statistic for viewer in viewers]


def with_pandas(votes: pd.DataFrame, shape: tuple[int, int]) -> tuple[Any, Any]:
    table = votes.groupby("stimulus")["score"].agg(["mean", "std", "count"])
    table["ci"] = 1.96 * table["std"] / np.sqrt(table["count"])
    matrix = votes.pivot_table(index="stimulus", columns="viewer", values="score")
    r = matrix.corrwith(table["mean"])
    return table["mean"].to_numpy(), r.to_numpy()


def with_loops(votes: pd.DataFrame, shape: tuple[int, int]) -> tuple[Any, Any]:
    by_stimulus, by_viewer = defaultdict(list), defaultdict(list)
    for row in votes.itertuples(index=False):
        by_stimulus[row.stimulus].append(row.score)
        by_viewer[row.viewer].append((row.stimulus, row.score))
    mos = {stimulus: statistics.fmean(own) for stimulus, own in by_stimulus.items()}
    for stimulus, own in by_stimulus.items():
        spread = math.sqrt(sum((x - mos[stimulus]) ** 2 for x in own) / (len(own) - 1))
        _ = 1.96 * spread / math.sqrt(len(own))
    r = [
        statistics.correlation([s for _, s in own], [mos[j] for j, _ in own])
        for own in by_viewer.values()
    ]
    return list(mos.values()), r


def seconds(work: Callable[[], object], repeats: int) -> float:
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    print(f"{'viewers x stimuli':>18} {'Midgrey':>10} {'pandas':>16} {'loops':>16}")
    for viewers, stimuli in SIZES:
        votes, shape = synthetic_votes(viewers, stimuli), (stimuli, viewers)
        own = ours(votes, shape)
        for peer in (with_pandas, with_loops):
            for mine, theirs in zip(own, peer(votes, shape), strict=True):
                np.testing.assert_allclose(mine, theirs, atol=1e-9)
        fast = seconds(lambda v=votes, s=shape: ours(v, s), 5)  # type: ignore[misc]
        line = f"{f'{viewers} x {stimuli}':>18} {fast * 1000:8.2f}ms"
        for peer in (with_pandas, with_loops):
            slow = seconds(lambda p=peer, v=votes, s=shape: p(v, s), 2)  # type: ignore[misc]
            line += f" {slow * 1000:8.1f}ms {slow / fast:5.1f}x"
        print(line, flush=True)


if __name__ == "__main__":
    main()
