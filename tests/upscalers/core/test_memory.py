"""What the engine does when the machine has too little memory for a picture: it tiles."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from tests.upscalers.core.clips import noise, write
from upscalers.core.clip import ClipFormat

ROOT = Path(__file__).resolve().parents[3]
FORMAT = ClipFormat(640, 480, Fraction(25), 1, "yuv420p")

# The network in torch: a picture of this size wants about 600 MB, tiles of 128 a tenth of that.
PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
import psutil, torch
from tests.upscalers.core.test_memory import FORMAT
from upscalers.core import engine, span
from upscalers.core.errors import MethodError
from upscalers.core.upscaling import NetworkUpscaler
from upscalers.methods import get_method

folder, free = Path(sys.argv[1]), int(sys.argv[2])
build = lambda device: NetworkUpscaler(span.Span(48, 2), 2, 24, device)
method = replace(get_method("span-x2"), build=build)
build(torch.device("cpu")).run(torch.zeros(1, 3, 64, 64))  # what is loaded once
memory = psutil.virtual_memory()
psutil.virtual_memory = lambda: memory._replace(available=free)
tiles = []
run_tiled = NetworkUpscaler.run_tiled
NetworkUpscaler.run_tiled = lambda self, rgb, tile: (
    tiles.append(tile) or run_tiled(self, rgb, tile)
)
try:
    done = engine.upscale(folder / "in.mkv", FORMAT, folder / "out.mkv", method, 2, "cpu")
    print("tiles", tiles[-1] if tiles else 0)
except MethodError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("megabytes", "said"),
    [(8000, "tiles 0"), (400, "tiles "), (60, "needs more memory than there is for 640x480")],
)
def test_a_picture_larger_than_memory_is_tiled_or_refused_with_advice(
    tmp_path: Path, megabytes: int, said: str
) -> None:
    write(tmp_path / "in.mkv", FORMAT, noise(FORMAT))
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), str(megabytes << 20)], cwd=ROOT,
        env={**os.environ, "MIDGREY_THREADS": "1"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert said in result.stdout, result.stdout + result.stderr
    if said == "tiles ":
        assert "tiles 0" not in result.stdout
    left = {path.name for path in tmp_path.iterdir()}
    assert left == ({"in.mkv", "out.mkv"} if "tiles" in said else {"in.mkv"})
