"""How fast the statistics are, as ratios to peers measured in the same run on the same votes.

Ours start from one row per vote and end with every number, verdict and reason. Peers are pandas
(groupby and corrwith, as an analyst would write it), plain Python loops, and, where it can be
imported, Netflix' sureal: once as packaged, from its own form of the data, and once without its
reader, from the finished array. `--sureal-demo demo_bt500.py` adds the solver of the demonstration
in its repository, which has no reader and is faster than the packaged one. Results are compared
before anything is timed. For a fair run on a busy machine see the load average that is printed.

sureal is never a dependency: pip install --target /somewhere --no-deps sureal, and
PYTHONPATH=/somewhere make bench-stats. `--large` adds 1000 x 20000 with 30 % of votes missing.
"""

import argparse
import contextlib
import importlib.util
import io
import math
import os
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from scoring.stats.matrix import FloatArray, score_matrix
from scoring.stats.mos import mean_opinion_scores
from scoring.stats.screening import Bt500, Criterion, Rule, screen, screen_bt500
from scoring.stats.subject_model import Mode, fit_subject_model

SIZES = ((30, 200), (100, 1000), (300, 5000))  # viewers, stimuli
LARGE = (1000, 20000)
SLOW = 5.0  # seconds: a peer that takes longer is timed once
AS_SUREAL = Bt500(ddof=0, skip_unanimous=False, of_own_votes=False)
Peer = Callable[[], Any]


@dataclass(frozen=True)
class Votes:
    """The same votes in the forms that ours and the peers start from."""

    table: pd.DataFrame
    stimulus: np.ndarray
    viewer: np.ndarray
    score: np.ndarray
    shape: tuple[int, int]

    def matrix(self) -> FloatArray:
        return score_matrix(self.stimulus, self.viewer, self.score, self.shape)


def synthetic(viewers: int, stimuli: int, missing: float = 0.0) -> Votes:
    generator = np.random.default_rng(1)
    quality = generator.uniform(1, 9, stimuli)
    noise = generator.normal(0, 1.2, (stimuli, viewers))
    scores = np.clip(np.rint(quality[:, None] + noise), 0, 10)
    if missing:
        scores[generator.random(scores.shape) < missing] = np.nan
    # Columns of their own, as a table has them: what nonzero gives lies interleaved.
    stimulus, viewer = map(np.ascontiguousarray, np.nonzero(~np.isnan(scores)))
    score = scores[stimulus, viewer]
    table = pd.DataFrame({"stimulus": stimulus, "viewer": viewer, "score": score})
    return Votes(table, stimulus, viewer, score, scores.shape)


# ---- ours ------------------------------------------------------------------------------------


def our_work(votes: Votes) -> dict[str, Peer]:
    return {
        "MOS": lambda: mean_opinion_scores(votes.matrix()).mos,
        "BT.500": lambda: screen_bt500(votes.matrix()).kept,
        "Pearson, single pass": lambda: _statistics(votes, Rule.SINGLE_PASS),
        "Pearson, iterative": lambda: _statistics(votes, Rule.ITERATIVE),
        "exact model": lambda: fit_subject_model(votes.matrix(), Mode.EXACT).quality,
    }


def _statistics(votes: Votes, rule: Rule) -> FloatArray:
    viewers = screen(votes.matrix(), Criterion(rule)).viewers
    return np.array([viewer.statistic for viewer in viewers])


# ---- peers -----------------------------------------------------------------------------------


def pandas_work(votes: Votes) -> dict[str, Peer]:
    def mos() -> Any:
        table = votes.table.groupby("stimulus")["score"].agg(["mean", "std", "count"])
        table["ci"] = 1.96 * table["std"] / np.sqrt(table["count"])
        return table["mean"].to_numpy()

    def pearson() -> Any:
        matrix = votes.table.pivot_table(index="stimulus", columns="viewer", values="score")
        return matrix.corrwith(matrix.mean(axis=1)).to_numpy()

    def iterative() -> Any:
        matrix = votes.table.pivot_table(index="stimulus", columns="viewer", values="score")
        while True:
            r = matrix.corrwith(matrix.mean(axis=1))
            if r.min() >= 0.75:
                return r.to_numpy()
            matrix = matrix.drop(columns=r.idxmin())

    return {"MOS": mos, "Pearson, single pass": pearson, "Pearson, iterative": iterative}


def loop_work(votes: Votes) -> dict[str, Peer]:
    def mos() -> Any:
        by_stimulus = defaultdict(list)
        for row in votes.table.itertuples(index=False):
            by_stimulus[row.stimulus].append(row.score)
        means = {stimulus: statistics.fmean(own) for stimulus, own in by_stimulus.items()}
        for stimulus, own in by_stimulus.items():
            spread = math.sqrt(sum((x - means[stimulus]) ** 2 for x in own) / (len(own) - 1))
            _ = 1.96 * spread / math.sqrt(len(own))
        return list(means.values())

    return {"MOS": mos}


def sureal_work(votes: Votes) -> dict[str, dict[str, Peer]]:
    if importlib.util.find_spec("sureal") is None:
        return {}
    from sureal.dataset_reader import RawDatasetReader
    from sureal.subjective_model import (
        MosModel,
        SubjectMLEModelProjectionSolver2,
        SubjrejMosModel,
    )

    scores = votes.matrix()
    dataset = SimpleNamespace(
        ref_score=None,
        ref_videos=[{"content_id": 0, "content_name": "c", "path": "r"}],
        dis_videos=[
            {"content_id": 0, "asset_id": j, "path": str(j), "os": row}
            for j, row in enumerate(scores.tolist())
        ],
    )

    class Ready(RawDatasetReader):  # type: ignore[misc]
        """Has the array from the beginning."""

        def _assert_dataset(self) -> None:
            pass

        @property
        def opinion_score_3darray(self) -> Any:
            return scores[:, :, None]

    models = {
        "MOS": (MosModel, "quality_scores"),
        "BT.500": (SubjrejMosModel, "observer_rejected"),
        "exact model": (SubjectMLEModelProjectionSolver2, "quality_scores"),
    }

    def run(reader: Any, name: str) -> Any:
        model, key = models[name]
        with contextlib.redirect_stdout(io.StringIO()):  # it reports every iteration
            made = model(reader(dataset)).run_modeling(normalize_final=False)
        found = np.array(made[key])
        return ~found.astype(bool) if name == "BT.500" else found

    return {
        "sureal": {name: lambda n=name: run(RawDatasetReader, n) for name in models},
        "sureal, no reader": {name: lambda n=name: run(Ready, n) for name in models},
    }


def demo_work(path: Path, votes: Votes) -> dict[str, Peer]:
    spec = importlib.util.spec_from_file_location("demo", path)
    assert spec and spec.loader
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    scores = votes.matrix()[:, :, None]

    def solve() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):  # it reports every iteration
            return demo.run_alternating_projection(scores)["mos_j"]

    return {"exact model": solve}


# ---- timing ----------------------------------------------------------------------------------


def seconds(work: Peer, repeats: int) -> float:
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
        if best > SLOW:
            break
    return best


def agree(name: str, ours: Any, theirs: Any, votes: Votes) -> None:
    if name == "BT.500":  # theirs divides S by N, and counts unanimous stimuli against everybody
        ours = screen_bt500(votes.matrix(), AS_SUREAL).kept
        np.testing.assert_array_equal(ours, theirs)
    else:
        np.testing.assert_allclose(ours, theirs, atol=1e-6 if name == "exact model" else 1e-9)


def compare(votes: Votes, demo: Path | None) -> None:
    peers = {"pandas": pandas_work(votes), "loops": loop_work(votes), **sureal_work(votes)}
    if demo:
        peers["sureal's demo"] = demo_work(demo, votes)
    stimuli, viewers = votes.shape
    print(f"\n{viewers} viewers x {stimuli} stimuli (load {os.getloadavg()[0]:.1f})")
    for name, work in our_work(votes).items():
        found = work()
        for peer in peers.values():
            if name in peer:
                agree(name, found, peer[name](), votes)
        # In turns, so that whoever else uses the machine slows all alike.
        taken, others = seconds(work, 5), {}
        for peer_name, peer in peers.items():
            if name in peer:
                others[peer_name] = seconds(peer[name], 2)
                taken = min(taken, seconds(work, 3))
        line = f"  {name:22} {taken * 1000:9.2f} ms"
        for peer_name, slow in others.items():
            line += f"   {peer_name} {slow * 1000:.1f} ms = {slow / taken:.1f}x"
        print(line, flush=True)


def large() -> None:
    viewers, stimuli = LARGE
    votes = synthetic(viewers, stimuli, missing=0.3)
    print(f"\n{viewers} viewers x {stimuli} stimuli, 30 % missing, {len(votes.score)} votes")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    start = time.perf_counter()
    for name, work in our_work(votes).items():
        taken = seconds(work, 1)
        print(f"  {name:22} {taken:9.2f} s", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"  all {time.perf_counter() - start:.1f} s, peak memory {peak:.2f} GB "
        f"(making the votes alone {before:.2f} GB)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sureal-demo", type=Path, metavar="demo_bt500.py")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--only-large", action="store_true")
    options = parser.parse_args()
    if not options.only_large:
        for viewers, stimuli in SIZES:
            compare(synthetic(viewers, stimuli), options.sureal_demo)
    if options.large or options.only_large:
        large()


if __name__ == "__main__":
    main()
