"""How networks are run: fast where that works, never other than they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from upscalers.core.accelerate import Runner, prepared
from upscalers.core.span import Span

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def picture(rows: int = 12, columns: int = 16) -> Tensor:
    return torch.rand(1, 3, rows, columns, generator=torch.Generator().manual_seed(1))


def span(channels: int, scale: int = 2) -> Span:
    """With weights large enough for every layer to matter."""
    network = Span(channels, scale).eval()
    generator = torch.Generator().manual_seed(channels)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
    return network


class Doubled(nn.Module):
    def forward(self, rgb: Tensor) -> Tensor:
        return rgb * 2


def counting(calls: list[tuple[int, ...]]) -> Callable[[nn.Module], Callable[[Tensor], Tensor]]:
    def compiler(network: nn.Module) -> Callable[[Tensor], Tensor]:
        def compiled(rgb: Tensor) -> Tensor:
            calls.append(tuple(rgb.shape))
            made: Tensor = network(rgb)
            return made

        return compiled

    return compiler


def failing(error: Exception) -> Callable[[nn.Module], Callable[[Tensor], Tensor]]:
    def compiler(network: nn.Module) -> Callable[[Tensor], Tensor]:
        def compiled(rgb: Tensor) -> Tensor:
            raise error

        return compiled

    return compiler


def test_the_last_batch_of_a_part_needs_no_code_of_its_own() -> None:
    calls: list[tuple[int, ...]] = []
    runner = Runner(Doubled(), CPU, counting(calls))
    four = picture().expand(4, -1, -1, -1)
    for count in (4, 4, 2, 4, 1):
        assert torch.equal(runner(four[:count]), four[:count] * 2)
    assert calls == [(4, 3, 12, 16)] * 4


def test_a_batch_that_was_too_large_is_not_filled_up_to_again() -> None:
    tried: list[int] = []

    class Limited(Doubled):
        def forward(self, rgb: Tensor) -> Tensor:
            tried.append(len(rgb))
            if len(rgb) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(rgb)

    runner = Runner(Limited(), CPU, lambda network: network)
    with pytest.raises(torch.OutOfMemoryError):
        runner(picture().expand(4, -1, -1, -1))
    for _ in range(3):
        runner(picture().expand(2, -1, -1, -1))
    assert tried == [4, 2, 2, 2]


def test_more_sizes_than_torch_compiles_are_begun_anew() -> None:
    calls: list[tuple[int, ...]] = []
    runner = Runner(Doubled(), CPU, counting(calls))
    for rows in range(1, 10):
        runner(picture(rows))
    runner(picture(1))
    runner(picture(9))
    assert calls == [(1, 3, 9, 16)]


def test_only_sizes_that_come_again_are_compiled() -> None:
    calls: list[tuple[int, ...]] = []
    runner = Runner(Doubled(), CPU, counting(calls))
    for rgb in (picture(), picture(), picture(8, 8), picture()):
        assert torch.equal(runner(rgb), rgb * 2)
    assert calls == [(1, 3, 12, 16)] * 2
    assert runner.execution == "compiled"


def test_a_network_that_cannot_be_compiled_runs_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runner = Runner(Doubled(), CPU, failing(RuntimeError("Cannot find a working triton\nmore")))
    for _ in range(3):
        assert torch.equal(runner(picture()), picture() * 2)
    assert runner.execution == "eager, not compiled: Cannot find a working triton"
    assert len(caplog.records) == 1 and "slower" in caplog.text


def test_lack_of_memory_is_not_taken_for_a_failure_to_compile() -> None:
    runner = Runner(Doubled(), CPU, failing(torch.OutOfMemoryError("CUDA out of memory")))
    runner(picture())
    with pytest.raises(torch.OutOfMemoryError):
        runner(picture())
    assert runner.execution == "eager"


@pytest.mark.parametrize(("device", "setting", "compiles"), [
    (CPU, "", False), (GPU, "", True), (GPU, "false", True), (GPU, "true", False),
])  # fmt: skip
def test_compiled_is_for_gpus_unless_runs_must_repeat(
    monkeypatch: pytest.MonkeyPatch, device: torch.device, setting: str, compiles: bool
) -> None:
    monkeypatch.setenv("MIDGREY_DETERMINISTIC", setting)
    calls: list[tuple[int, ...]] = []
    monkeypatch.setattr(torch, "compile", lambda network, **options: counting(calls)(network))
    runner = Runner(Doubled(), device)
    runner(picture()), runner(picture())
    assert bool(calls) is compiles


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a CPU with g++")
def test_a_compiled_network_makes_the_same_picture() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.SiLU()).eval()
    runner = Runner(network, CPU, partial(torch.compile, dynamic=False))
    with torch.inference_mode():
        made = [runner(picture()).clone() for _ in range(3)]
        assert runner.execution == "compiled"
        assert all(torch.allclose(each, network(picture()), atol=1e-5) for each in made)


@pytest.mark.parametrize(("channels", "wide"), [(52, 64), (48, 64)])
@pytest.mark.parametrize("scale", [2, 4])
def test_empty_channels_change_nothing(channels: int, wide: int, scale: int) -> None:
    network = span(channels, scale)
    with torch.inference_mode():
        plain, widened = network(picture()), network.widened(wide)(picture())
    assert torch.allclose(plain, widened, atol=1e-6 * plain.abs().max().item())


def test_only_awkward_numbers_of_channels_are_widened() -> None:
    assert span(52).aligned().conv_1.out_channels == 64
    even = span(48)
    assert even.aligned() is even


def test_a_prepared_network_is_in_the_order_that_is_fast() -> None:
    network = prepared(span(16), CPU)
    weight = dict(network.named_parameters())["conv_2.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last) and not weight.requires_grad
    assert weight.dtype == torch.float32 and not network.training
