"""What a second worker brings: python bench/bench_scale_out.py [--frames 24] [--json]

One clip is upscaled by one process, and by two that make half of it each as the jobs of two workers
do; every process computes with one thread. The two take turns, so load hits both alike. Loading
the method is not counted: workers stay.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

METHOD, SCALE = "span-x2", 2


def worker(orders: Connection, source: Path, out: Path, fmt: object) -> None:
    os.environ["MIDGREY_THREADS"] = "1"
    from upscalers.core import engine
    from upscalers.core.clip import ClipFormat, Part
    from upscalers.methods import get_method

    assert isinstance(fmt, ClipFormat)
    while (order := orders.recv()) is not None:
        part = Part(*order)
        done = engine.upscale(source, fmt, out, get_method(METHOD), SCALE, "cpu", part=part)
        orders.send(done.cost.frames)


def seconds(workers: list[Connection], parts: list[tuple[int, int]]) -> float:
    began = time.perf_counter()
    for connection, part in zip(workers, parts, strict=False):
        connection.send(part)
    for connection, _ in zip(workers, parts, strict=False):
        connection.recv()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    from bench_sr import moving

    from upscalers.core.clip import ClipFormat

    fmt = ClipFormat(320, 180, Fraction(25), options.frames, "yuv420p")
    half = options.frames // 2
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mkv"
        moving(fmt, source)
        ours, processes = [], []
        for number in range(2):
            here, there = spawn.Pipe()
            out = Path(folder) / f"{number}.mkv"
            processes.append(spawn.Process(target=worker, args=(there, source, out, fmt)))
            processes[-1].start()
            ours.append(here)
        seconds(ours, [(0, 2), (2, 2)])  # load and warm up
        one, two = [], []
        for _ in range(options.turns):
            one.append(seconds(ours, [(0, options.frames)]))
            two.append(seconds(ours, [(0, half), (half, options.frames - half)]))
        for connection, process in zip(ours, processes, strict=True):
            connection.send(None)
            process.join()
    ratio = statistics.median(one) / statistics.median(two)
    result = {
        "method": METHOD,
        "one_worker_fps": round(options.frames / statistics.median(one), 3),
        "two_workers_fps": round(options.frames / statistics.median(two), 3),
        "ratio": round(ratio, 2),
        "ratios_by_turn": [round(a / b, 2) for a, b in zip(one, two, strict=True)],
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{METHOD}, 320x180, {options.frames} frames, one thread each: "
          f"1 worker {result['one_worker_fps']} fps, 2 workers {result['two_workers_fps']} fps, "
          f"{ratio:.2f}x {result['ratios_by_turn']}")  # fmt: skip


if __name__ == "__main__":
    main()
