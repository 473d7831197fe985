"""The benchmark of networks can be carried to a machine that has torch and numpy alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from upscalers.methods import get_method

BENCH = Path(__file__).resolve().parents[3] / "bench"
# What it imports of all that such a machine has not, and the work per pixel of each network.
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import network
missing = {"django", "ffmpeg", "imageio_ffmpeg", "av", "safetensors", "ncnn", "spandrel"}
assert not missing & set(sys.modules), missing & set(sys.modules)
print(json.dumps({name: network.flop_per_pixel(make) for name, make in network.NETWORKS.items()}))
"""


@pytest.fixture(scope="module")
def flop() -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(BENCH)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("name", "slug"),
    [("SPAN 48 x2", "span-x2"), ("SPAN 48 x4", "span-x4"), ("SPAN 52 x2", "span52-x2"),
     ("Compact x4", "realesr-animevideov3-x4"), ("RRDB 6 x4", "realesrgan-x4plus-anime"),
     ("RRDB 23 x4", "realesrgan-x4plus")],
)  # fmt: skip
def test_its_count_of_operations_is_that_of_the_method(
    flop: dict[str, float], name: str, slug: str
) -> None:
    assert flop[name] == pytest.approx(get_method(slug).flop_per_pixel, rel=0.01)


def test_a_compact_network_of_its_own_scale_needs_less_than_a_halved_one(
    flop: dict[str, float],
) -> None:
    # 64 channels, 18 convolutions of 3x3, the last to 3 * 2 * 2 channels; 2 per multiply-add
    by_hand = 2 * 9 * (3 * 64 + 16 * 64 * 64 + 64 * 12)
    assert flop["Compact x2"] == by_hand < flop["Compact x4, halved"]
