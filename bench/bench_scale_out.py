"""What a second worker brings: python bench/bench_scale_out.py [--frames 24] [--json]

One clip is upscaled by one process, and by two that make half of it each as the jobs of two
workers do. Every process has a processor to itself, its ffmpeg included, as on a machine of its
own; but memory and caches are shared, so a control tells what they leave: the network alone, once
and twice at the same time. All take turns, so load hits them alike. Loading the method is not
counted: workers stay.
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
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# method, columns, rows: a network that leaves the caches, and one whose layers fit in
CASES = (("span-x2", 320, 180), ("realesrgan-x4plus-anime", 80, 46))

Orders = list[Any]  # for each worker, a part to make, or how often to run the network


def worker(orders: Connection, source: Path, out: Path, fmt: Any, slug: str, cpu: int) -> None:
    os.environ["MIDGREY_THREADS"] = "1"
    os.sched_setaffinity(0, {cpu})
    import torch

    from upscalers.core import engine
    from upscalers.core.clip import Part
    from upscalers.core.upscaling import NetworkUpscaler
    from upscalers.methods import get_method

    method, device = get_method(slug), engine.choose_device("cpu")
    engine.prepare(device)
    upscaler = method.build(device)
    assert isinstance(upscaler, NetworkUpscaler) and method.scales
    upscaler.portion(fmt, 1)
    picture = torch.rand(1, 3, fmt.height, fmt.width)
    while (order := orders.recv()) is not None:
        if isinstance(order, int):
            with torch.inference_mode():
                for _ in range(order):
                    upscaler.run(picture)
        else:
            scale = method.scales[0]
            engine.upscale(source, fmt, out, method, scale, "cpu", part=Part(*order))
        orders.send(None)


def seconds(workers: list[Connection], orders: Orders) -> float:
    began = time.perf_counter()
    busy = workers[: len(orders)]
    for connection, order in zip(busy, orders, strict=True):
        connection.send(order)
    for connection in busy:
        connection.recv()
    return time.perf_counter() - began


def measured(slug: str, columns: int, rows: int, frames: int, turns: int) -> dict[str, Any]:
    from bench_sr import moving

    from upscalers.core.clip import ClipFormat

    fmt = ClipFormat(columns, rows, Fraction(25), frames, "yuv420p")
    half = frames // 2
    runs: dict[str, Orders] = {
        "one worker": [(0, frames)],
        "two workers": [(0, half), (half, frames - half)],
        "one network": [frames],
        "two networks": [half, frames - half],
    }
    spawn = multiprocessing.get_context("spawn")
    took: dict[str, list[float]] = {name: [] for name in runs}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mkv"
        moving(fmt, source)
        ours, processes = [], []
        for number, cpu in enumerate(sorted(os.sched_getaffinity(0))[:2]):
            here, there = spawn.Pipe()
            out = Path(folder) / f"{number}.mkv"
            arguments = (there, source, out, fmt, slug, cpu)
            processes.append(spawn.Process(target=worker, args=arguments))
            processes[-1].start()
            ours.append(here)
        seconds(ours, [(0, 2), (2, 2)])  # load and warm up
        for _ in range(turns):
            for name, orders in runs.items():
                took[name].append(seconds(ours, orders))
        for connection, process in zip(ours, processes, strict=True):
            connection.send(None)
            process.join()
    ratios = {
        what: [a / b for a, b in zip(took[f"one {what}"], took[f"two {what}s"], strict=True)]
        for what in ("worker", "network")
    }
    return {
        "method": slug,
        "size": f"{columns}x{rows}",
        "fps": {name: round(frames / statistics.median(times), 3) for name, times in took.items()},
        "workers": round(statistics.median(ratios["worker"]), 2),
        "networks": round(statistics.median(ratios["network"]), 2),
        "workers_by_turn": [round(ratio, 2) for ratio in ratios["worker"]],
        "networks_by_turn": [round(ratio, 2) for ratio in ratios["network"]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("two processors are needed to see what a second worker brings")
    found = []
    for case in CASES:
        found.append(measured(*case, options.frames, options.turns))
        if not options.json:
            one = found[-1]
            print(
                f"{one['method']}, {one['size']}, {options.frames} frames: 2 workers "
                f"{one['workers']}x {one['workers_by_turn']}, their networks alone "
                f"{one['networks']}x {one['networks_by_turn']}; frames per second {one['fps']}",
                flush=True,
            )
    if options.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
