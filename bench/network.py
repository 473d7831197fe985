"""Speed of the networks alone: python bench/network.py [--device cuda] [--seconds 5] [--json]

Needs torch and numpy and the folder upscalers/core beside this one, nothing else, so that it can
be carried to any machine. Weights are drawn at random: speed does not depend on them. Candidates
take turns within one run, so that their ratios hold whatever else the machine does.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from upscalers.core import accelerate
from upscalers.core.compact import Compact
from upscalers.core.rrdb import Rrdb
from upscalers.core.span import Span

Run = Callable[[], object]

TURN = 1.0

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "Compact x2": lambda: Compact(scale=2, own=2),
    "Compact x4": lambda: Compact(),
    "Compact x4, halved": lambda: Compact(scale=2),
    "SPAN 48 x2": lambda: Span(48, 2),
    "SPAN 48 x2, 64 wide": lambda: Span(48, 2).widened(64),
    "SPAN 52 x2": lambda: Span(52, 2),
    "SPAN 48 x4": lambda: Span(48, 4),
    "RRDB 6 x4": lambda: Rrdb(6),
    "RRDB 23 x4": lambda: Rrdb(23),
}
# network, columns, rows
ON_GPU = (
    ("Compact x2", 1920, 1080),
    ("Compact x4, halved", 1920, 1080),
    ("SPAN 48 x2", 1920, 1080),
    ("SPAN 48 x2, 64 wide", 1920, 1080),
    ("SPAN 52 x2", 1920, 1080),
    ("Compact x4", 960, 540),
    ("SPAN 48 x4", 960, 540),
    ("RRDB 6 x4", 960, 540),
    ("RRDB 23 x4", 960, 540),
)
ON_CPU = (
    ("Compact x2", 320, 180),
    ("SPAN 48 x2", 320, 180),
    ("SPAN 48 x4", 160, 90),
    ("RRDB 6 x4", 80, 45),
)


@dataclass(frozen=True)
class Ceilings:
    """What the card was measured to do at most: half-precision products, copies within it."""

    tflop_per_s: float
    gb_per_s: float


@dataclass(frozen=True)
class Rate:
    """Runs per second, and seconds of one core that a run took, ffmpeg's included.

    On a machine that does other things too, the second is the steadier measure.
    """

    fps: float
    core_s: float

    def per(self, frames: int) -> Rate:
        return Rate(self.fps * frames, self.core_s / frames)


def core_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def turns(runs: dict[str, Run], seconds: float, turn: float = TURN) -> dict[str, Rate]:
    """The rate of each candidate: the median over turns, each of `turn` seconds or more."""
    repeats: dict[str, int] = {}
    for name, run in runs.items():
        for _ in range(4 if torch.cuda.is_available() else 1):  # compiling and recording a graph
            run()
        synchronise()
        began = time.perf_counter()
        run()
        synchronise()
        repeats[name] = max(1, math.ceil(turn / (time.perf_counter() - began)))
    took: dict[str, list[float]] = {name: [] for name in runs}
    used: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + seconds * len(runs)
    order = list(runs)
    while time.perf_counter() < end or any(len(times) < 3 for times in took.values()):
        order.append(order.pop(0))  # or what runs before a candidate would favour it every time
        for name in order:
            began, spent = time.perf_counter(), core_seconds()
            for _ in range(repeats[name]):
                runs[name]()
            synchronise()
            took[name].append((time.perf_counter() - began) / repeats[name])
            used[name].append((core_seconds() - spent) / repeats[name])
    middle = statistics.median
    return {name: Rate(1 / middle(took[name]), middle(used[name])) for name in runs}


def flop_per_pixel(make: Callable[[], nn.Module]) -> float:
    """Of the small picture, in its convolutions; a multiply-add counts as two."""
    total, size = 0, 8

    def count(layer: nn.Module, _: object, made: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d)
        total += 2 * made.numel() * layer.weight[0].numel()

    network = drawn(make)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.zeros(1, 3, size, size))
    return total / size**2


def drawn(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(1)
    return make().eval()


def candidates(
    make: Callable[[], nn.Module], columns: int, rows: int, device: torch.device
) -> dict[str, Run]:
    rgb = torch.rand(1, 3, rows, columns, generator=torch.Generator().manual_seed(1)).to(device)
    plain = drawn(make).to(device).requires_grad_(False)
    network = accelerate.prepared(drawn(make), device)
    fast = rgb.to(accelerate.precision(device), memory_format=torch.channels_last)
    runner = accelerate.Runner(network, device)
    runs: dict[str, Run] = {"midgrey": lambda: runner(fast), "eager": lambda: plain(rgb)}
    if device.type == "cuda":  # what half precision and memory order give without compiling
        runs["half, uncompiled"] = lambda: network(fast)
    return runs


def ceilings(device: torch.device, seconds: float) -> Ceilings:
    size = 8192
    a, b = (torch.randn(size, size, device=device, dtype=torch.float16) for _ in range(2))
    source = torch.empty(1 << 30, device=device, dtype=torch.uint8)
    copy = torch.empty_like(source)
    rates = turns({"product": lambda: a @ b, "copy": lambda: copy.copy_(source)}, seconds)
    # a copy reads and writes
    return Ceilings(
        2 * size**3 * rates["product"].fps / 1e12, 2 * (1 << 30) * rates["copy"].fps / 1e9
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--seconds", type=float, default=5, help="for each candidate")
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wanted = options.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(wanted)
    accelerate.prepare(device)
    with torch.inference_mode():
        result = measured(device, options.seconds, options.only)
    print(json.dumps(result, indent=2) if options.json else table(result))


def measured(device: torch.device, seconds: float, only: str) -> dict[str, object]:
    on_gpu = device.type == "cuda"
    top = ceilings(device, seconds) if on_gpu else None
    rows = []
    for name, columns, lines in ON_GPU if on_gpu else ON_CPU:
        if only.lower() not in name.lower():
            continue
        make = NETWORKS[name]
        rates = turns(candidates(make, columns, lines, device), seconds)
        fps = {each: rate.fps for each, rate in rates.items()}
        tflop = flop_per_pixel(make) * columns * lines / 1e12
        row: dict[str, object] = {
            "network": name,
            "size": f"{columns}x{lines}",
            "gflop": round(tflop * 1000, 1),
            "fps": {each: round(value, 3) for each, value in fps.items()},
            "to_eager": round(fps["midgrey"] / fps["eager"], 2),
        }
        if top is not None:
            row["of_product_ceiling"] = round(tflop * fps["midgrey"] / top.tflop_per_s, 3)
        rows.append(row)
        torch.compiler.reset()  # the next network's graphs need the memory
    return {
        "device": torch.cuda.get_device_name(device)
        if on_gpu
        else f"CPU, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "ceilings": vars(top) if top is not None else None,
        "networks": rows,
    }


def table(result: dict[str, object]) -> str:
    lines = [f"{result['device']}, torch {result['torch']}"]
    if result["ceilings"]:
        lines.append("ceilings: {tflop_per_s:.0f} TFLOP/s, {gb_per_s:.0f} GB/s".format(
            **result["ceilings"]))  # type: ignore[arg-type]  # fmt: skip
    for row in result["networks"]:  # type: ignore[attr-defined]
        rates = ", ".join(f"{name} {value:.2f}" for name, value in row["fps"].items())
        ceiling = row.get("of_product_ceiling")
        lines.append(
            f"{row['network']:<20} {row['size']:>9}  fps: {rates}; {row['to_eager']:.2f}x eager"
            + (f", {ceiling:.0%} of the product ceiling" if ceiling else "")
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
