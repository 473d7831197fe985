"""Packaged networks: equal to the ncnn runtime, exact in tiles, described by the right numbers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.upscalers.core.clips import noise, small_format
from tests.upscalers.methods.packaged import CPU, built, by_ncnn, by_torch, chelsea, run
from upscalers.core import upscaling
from upscalers.core.colour import to_tensors
from upscalers.core.compact import compact_state
from upscalers.core.errors import MethodError
from upscalers.core.ncnn_network import NcnnNetwork
from upscalers.core.rrdb import rrdb_state
from upscalers.core.span import span_state
from upscalers.core.weights import Layer
from upscalers.methods import all_methods

ROOT = Path(__file__).resolve().parents[3]
SMALL = [
    "span-x2", "span-x4", "span52-x2", "span52-x4", "realesr-animevideov3-x2",
    "realesr-animevideov3-x3", "realesr-animevideov3-x4",
]  # fmt: skip
LARGE = ["realesrgan-x4plus", "realesrgan-x4plus-anime"]


@pytest.mark.parametrize("slug", SMALL + LARGE)
def test_the_torch_form_equals_ncnn_on_a_real_picture(slug: str) -> None:
    picture = chelsea(48, 65) if slug in SMALL else chelsea(12, 17)
    ours, theirs = run(by_torch, slug, picture), run(by_ncnn, slug, picture)
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5


@pytest.mark.parametrize("slug", ["span-x2", "span52-x4", "realesr-animevideov3-x3"])
def test_tiles_with_the_halo_equal_the_whole_picture(slug: str) -> None:
    """Odd sizes, so that edges, corners and inner tiles all differ."""
    picture = chelsea(47, 115)
    for make in (by_torch, by_ncnn):
        upscaler = make(slug)
        with torch.inference_mode():
            whole, tiled = upscaler.run(picture), upscaler.run_tiled(picture, 40)
        assert (whole - tiled).abs().max() < 1e-5


@pytest.mark.parametrize(
    "slug", ["span-x2", "span-x4", "span52-x2", "span52-x4", "realesr-animevideov3-x3", *LARGE]
)
def test_parameters_and_arithmetic_are_those_of_the_network(slug: str) -> None:
    method, network = all_methods()[slug], by_torch(slug).network
    assert method.parameters == sum(tensor.numel() for tensor in network.parameters())
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, 16, 16))
    assert method.flop_per_pixel == counter.get_total_flops() / (16 * 16)


def reach(network: torch.nn.Module) -> int:
    """How far to the left and right the result depends on the picture, by its gradient."""
    strip = chelsea(8, 351).clone().requires_grad_()
    middle = strip.shape[-1] // 2
    network.requires_grad_(False)
    made = network(strip)
    scale = made.shape[-1] // strip.shape[-1]
    made[..., middle * scale : (middle + 1) * scale].sum().backward()
    assert strip.grad is not None
    touched = strip.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    return int((touched - middle).abs().max())


@pytest.mark.parametrize(
    "slug", ["realesr-animevideov3-x2", "realesr-animevideov3-x4", "realesrgan-x4plus-anime"]
)
def test_the_halo_covers_all_that_a_sample_depends_on(slug: str) -> None:
    halo = all_methods()[slug].halo
    assert halo is not None and halo - 8 <= reach(by_torch(slug).network) <= halo


def test_on_a_cpu_ncnn_runs_them_and_gives_the_same_bytes_each_time() -> None:
    pytest.importorskip("ncnn")
    upscaler, picture = built("span-x2"), chelsea(45, 61).repeat(2, 1, 1, 1)
    assert isinstance(upscaler.network, NcnnNetwork)
    with torch.inference_mode():
        first, second = upscaler.run(picture), upscaler.run(picture)
    assert torch.equal(first, second) and torch.equal(first[0], first[1])


@pytest.mark.parametrize(
    ("columns", "rows", "count"), [(320, 180, 4), (960, 540, 2), (1280, 720, 1), (3840, 2160, 4)]
)
def test_threads_are_shared_among_as_many_pictures_as_are_small_enough(
    monkeypatch: pytest.MonkeyPatch, columns: int, rows: int, count: int
) -> None:
    pytest.importorskip("ncnn")
    monkeypatch.setenv("MIDGREY_THREADS", "4")
    upscaler = built("span-x2")  # it cuts the largest into tiles
    assert upscaler.portion(small_format(width=columns, height=rows), 1).frames == count


def test_the_same_comes_of_one_picture_and_of_several_side_by_side() -> None:
    pytest.importorskip("ncnn")
    upscaler, pictures = built("span-x2"), torch.cat([chelsea(45, 61), chelsea(45, 61).flip(3)])
    assert isinstance(upscaler.network, NcnnNetwork)
    with torch.inference_mode():
        alone = torch.cat([upscaler.run(picture[None]) for picture in pictures])
        upscaler.network.arrange(45 * 61)
        beside = upscaler.run(pictures)
    assert torch.allclose(alone, beside, atol=1e-5)


def test_large_pictures_are_cut_into_tiles_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ncnn")
    upscaler, fmt = built("span-x2"), small_format(width=96, height=64)
    planes, sizes, run = to_tensors(noise(fmt)[:1], CPU), [], upscaler.run
    monkeypatch.setattr(upscaler, "run", lambda rgb: sizes.append(rgb.shape[2:]) or run(rgb))
    monkeypatch.setattr(upscaling, "LARGE_PICTURE", 96 * 64 - 1)
    with torch.inference_mode():
        assert upscaler.portion(replace(fmt, width=95), 1).tile is None
        monkeypatch.setattr(upscaler, "tile", 64)
        assert upscaler.portion(fmt, 1).tile == 64
        whole = upscaler(planes, fmt, fmt.scaled(2), Fraction(2), None)
        cut = upscaler(planes, fmt, fmt.scaled(2), Fraction(2), 64)
    assert sizes == [(64, 96), (64, 88), (64, 56)]
    for one, other in zip(whole, cut, strict=True):
        assert (one - other).abs().max() < 1e-3 * 255  # of noise, which is the worst case
    assert by_torch("span-x2").tile is None


def test_where_ncnn_is_missing_torch_runs_them() -> None:
    code = (
        "import sys; sys.modules['ncnn'] = None\n"
        "import torch; from upscalers.methods import get_method\n"
        "network = get_method('span-x2').build(torch.device('cpu')).network\n"
        "sys.exit(type(network).__name__ != 'Span')"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_lack_of_memory_in_ncnn_is_reported_as_such() -> None:
    pytest.importorskip("ncnn")
    code = (
        "import resource, torch; from upscalers.methods import get_method\n"
        "run = get_method('span-x2').build(torch.device('cpu')).run\n"
        "run(torch.rand(1, 3, 16, 16))\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20),) * 2)\n"
        "try: run(torch.rand(1, 3, 720, 1280))\n"
        "except (MemoryError, RuntimeError) as error: print(type(error).__name__, error)\n"
        "print(run(torch.rand(1, 3, 16, 16)).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("MemoryError ncnn is out of memory\ntorch.Size([1, 3, 32, 32])")


@pytest.mark.parametrize("convert", [span_state, compact_state, rrdb_state])
def test_layers_of_another_network_are_refused(convert: object) -> None:
    layers = [Layer("Convolution", str(n), {}, (torch.zeros(1),)) for n in range(10)]
    with pytest.raises(MethodError, match="the weights are not those of"):
        convert(layers)  # type: ignore[operator]
