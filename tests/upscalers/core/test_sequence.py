"""Recurrent networks over a clip: as if it lay in memory whole, without its lying there."""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.upscalers.core.clips import noise, small_format, write
from tests.upscalers.core.recurrent import seeded_state
from upscalers.core import accelerate, basicvsr, colour, engine, sequence
from upscalers.core.clip import ClipFormat, Part, Planes
from upscalers.core.errors import Cancelled, MethodError
from upscalers.core.sequence import SequenceUpscaler, Spool
from upscalers.core.upscaling import fitted
from upscalers.core.video import read_frames
from upscalers.methods import Method, get_method

CPU = torch.device("cpu")
FMT = small_format(frames=4, width=40, height=36)


def method(cleaning_blocks: int = 0, **changes: object) -> Method:
    def build(device: torch.device) -> SequenceUpscaler:
        return SequenceUpscaler(basicvsr.load(seeded_state(cleaning_blocks)), device)

    changes = {"slug": f"recurrent-{cleaning_blocks}", "scales": (4,), "temporal": True, **changes}
    return replace(get_method("bicubic"), family="video", build=build, **changes)  # type: ignore[arg-type]


def in_memory(frames: list[Planes], fmt: ClipFormat, cleaning_blocks: int = 0) -> torch.Tensor:
    """What the network makes of all frames at once, as float codes of luma."""
    network = basicvsr.load(seeded_state(cleaning_blocks))
    with torch.inference_mode():
        rgb = colour.to_rgb(colour.to_tensors(frames, CPU), fmt).clamp_(0, 1)
        made = fitted(network(rgb[None])[0], 4, Fraction(4), fmt.scaled(4))
        return colour.from_rgb(made, fmt.scaled(4))[0]


@pytest.mark.parametrize("cleaning_blocks", [0, 1])
def test_a_spooled_clip_becomes_what_the_network_makes_of_it_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cleaning_blocks: int
) -> None:
    frames = noise(FMT)
    seen: list[torch.Tensor] = []
    unrounded = colour.to_frames

    def keep(planes: tuple[torch.Tensor, ...], fmt: ClipFormat) -> list[Planes]:
        seen.append(planes[0].clone())
        return unrounded(planes, fmt)

    monkeypatch.setattr(colour, "to_frames", keep)
    upscaler = method(cleaning_blocks).build(CPU)
    assert isinstance(upscaler, SequenceUpscaler)
    large = FMT.scaled(4)
    made = list(upscaler.run(iter(frames), FMT, large, Fraction(4), tmp_path, lambda *_: None))
    wanted = in_memory(frames, FMT, cleaning_blocks)
    assert len(made) == 4 and torch.allclose(torch.cat(seen), wanted, atol=1e-5 * 255, rtol=0)


def test_a_clip_goes_through_the_engine_with_each_pass_counted(tmp_path: Path) -> None:
    frames, large = noise(FMT), FMT.scaled(4)
    write(tmp_path / "in.mkv", FMT, frames)
    seen: list[int] = []
    done = engine.upscale(
        tmp_path / "in.mkv", FMT, tmp_path / "out.mkv", method(1), 4, "cpu",
        on_progress=lambda number, of: seen.append(number),
    )  # fmt: skip
    assert done.format == large and done.cost.device_s > 0
    wanted = colour.to_frames((in_memory(frames, FMT, 1),) * 3, replace(large, pix_fmt="yuv444p"))
    for made, expected in zip(read_frames(tmp_path / "out.mkv", large), wanted, strict=True):
        assert np.abs(made[0].astype(int) - expected[0]).max() <= 1
    assert seen == sorted(seen) and seen[-1] == 4
    # a step is a fifth of a frame here: three times cleaned, once back, once ahead
    assert seen.count(4) == 1 and seen.count(1) == 5
    assert [path.name for path in tmp_path.iterdir()].count("out.mkv") == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_a_part_is_made_with_the_frames_around_it(tmp_path: Path) -> None:
    frames, large = noise(FMT), FMT.scaled(4)
    write(tmp_path / "in.mkv", FMT, frames)

    def luma(part: Part | None, overlap: int) -> list[np.ndarray]:
        out = tmp_path / "out.mkv"
        engine.upscale(
            tmp_path / "in.mkv", FMT, out, method(overlap_frames=overlap), 4, "cpu", part=part
        )  # fmt: skip
        count = part.frames if part else 4
        return [made[0].copy() for made in read_frames(out, replace(large, frames=count))]

    whole = luma(None, 0)
    with_all_around, alone = luma(Part(1, 2), 2), luma(Part(1, 2), 0)
    assert all(np.array_equal(*pair) for pair in zip(with_all_around, whole[1:3], strict=True))
    assert not any(np.array_equal(*pair) for pair in zip(alone, whole[1:3], strict=True))


def test_all_parts_of_a_clip_are_cleaned_equally_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dark frames hardly change by cleaning, and bright ones do: on average it goes on."""
    fmt = replace(FMT, frames=8)
    dark, bright = (
        tuple(
            np.full(shape, code, np.uint8)
            for shape, code in zip(fmt.plane_shapes, codes, strict=True)
        )
        for codes in ((30, 128, 128), (220, 128, 128))
    )
    write(tmp_path / "in.mkv", fmt, [dark] * 4 + [bright] * 4)
    residues: list[int] = []

    def residue(_: basicvsr.BasicVSR, frame: torch.Tensor) -> torch.Tensor:
        residues.append(1)
        return torch.zeros_like(frame) + 0.08 * frame.mean()

    monkeypatch.setattr(basicvsr.BasicVSR, "residue", residue)
    counts = []
    for part in (Part(0, 4), Part(4, 4)):
        residues.clear()
        engine.upscale(
            tmp_path / "in.mkv", fmt, tmp_path / "out.mkv", method(1, overlap_frames=0), 4, "cpu",
            part=part,
        )  # fmt: skip
        counts.append(len(residues))
    # eight frames of the clip twice, to see that two times do not do; then each frame three times
    assert counts == [2 * 8 + 3 * 4] * 2


def test_ten_seconds_are_one_part_at_every_usual_rate() -> None:
    for rate in (24, 25, 30, 50, 60):
        assert len(replace(get_method("bicubic"), family="video").parts(10 * rate)) == 1


@pytest.fixture
def half_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def precision(device: torch.device, half_ok: bool = True) -> torch.dtype:
        return torch.float16 if half_ok else torch.float32

    monkeypatch.setattr(accelerate, "precision", precision)
    monkeypatch.setattr(sequence, "precision", precision)
    engine._built.cache_clear()


@pytest.mark.usefixtures("half_on_a_cpu")
def test_flow_is_computed_in_single_precision_by_the_weights_as_they_are() -> None:
    state, upscaler = seeded_state(), method().build(CPU)
    assert isinstance(upscaler, SequenceUpscaler)
    for name, tensor in upscaler.network.state_dict().items():
        assert tensor.dtype == (torch.float32 if name.startswith("spynet.") else torch.float16)
        if name.startswith("spynet."):
            assert torch.equal(tensor, state[name])


@pytest.mark.usefixtures("half_on_a_cpu")
def test_what_overflows_in_half_precision_is_made_in_single_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_back = basicvsr.BasicVSR.look_back
    tried: list[torch.dtype] = []

    def overflowing(
        network: basicvsr.BasicVSR, frame: torch.Tensor, *rest: torch.Tensor | None
    ) -> torch.Tensor:
        tried.append(frame.dtype)
        return look_back(network, frame, *rest) + (torch.inf if frame.dtype == torch.float16 else 0)

    monkeypatch.setattr(basicvsr.BasicVSR, "look_back", overflowing)
    write(tmp_path / "in.mkv", FMT, noise(FMT))
    done = engine.upscale(tmp_path / "in.mkv", FMT, tmp_path / "out.mkv", method(), 4, "cpu")
    assert tried == [torch.float16] + 4 * [torch.float32]
    assert done.versions["precision"] == "float32"


def test_a_network_that_makes_no_numbers_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        basicvsr.BasicVSR, "enlarged", lambda *_: torch.full((1, 3, 144, 160), torch.nan)
    )
    write(tmp_path / "in.mkv", FMT, noise(FMT))
    with pytest.raises(MethodError, match="makes values that are no numbers"):
        engine.upscale(tmp_path / "in.mkv", FMT, tmp_path / "out.mkv", method(), 4, "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    """What lives between two frames is counted as tensors, since a small clip hides in noise."""

    def alive() -> int:
        tensors = (thing for thing in gc.get_objects() if type(thing) is torch.Tensor)
        return sum(tensor.numel() for tensor in tensors)

    def most_alive(count: int) -> int:
        fmt = replace(FMT, frames=count)
        upscaler = method().build(CPU)
        assert isinstance(upscaler, SequenceUpscaler)
        counts: list[int] = []

        def frames() -> Iterator[Planes]:
            one = noise(replace(fmt, frames=1))[0]
            for _ in range(count):
                yield one

        before = alive()
        for _ in upscaler.run(
            frames(), fmt, fmt.scaled(4), Fraction(4), tmp_path,
            lambda *_: counts.append(alive() - before),
        ):  # fmt: skip
            pass
        return max(counts)

    assert most_alive(3) == most_alive(7) > 0


@pytest.mark.parametrize("at", [2, 6, 10])  # while reading, looking back, looking ahead
def test_it_stops_in_every_pass_and_leaves_nothing(tmp_path: Path, at: int) -> None:
    write(tmp_path / "in.mkv", FMT, noise(FMT))
    asked: list[bool] = []

    def should_stop() -> bool:
        asked.append(len(asked) + 1 == at)
        return asked[-1]

    with pytest.raises(Cancelled):
        engine.upscale(
            tmp_path / "in.mkv", FMT, tmp_path / "out.mkv", method(), 4, "cpu",
            should_stop=should_stop,
        )  # fmt: skip
    assert len(asked) == at
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_a_disk_without_room_is_told_of_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    write(tmp_path / "in.mkv", FMT, noise(FMT))
    with pytest.raises(MethodError, match=r"GB are needed in .*free space there"):
        engine.upscale(tmp_path / "in.mkv", FMT, tmp_path / "out.mkv", method(), 4, "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_lack_of_memory_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(basicvsr.BasicVSR, "look_back", none_left)
    write(tmp_path / "in.mkv", FMT, noise(FMT))
    with pytest.raises(MethodError, match="needs more memory than there is for 40x36"):
        engine.upscale(tmp_path / "in.mkv", FMT, tmp_path / "out.mkv", method(), 4, "cpu")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_spool_gives_back_what_was_put_into_it(tmp_path: Path, dtype: torch.dtype) -> None:
    drawn = torch.rand(3, 2, 5, 7, generator=torch.Generator().manual_seed(1)).to(dtype)
    with Spool(tmp_path, 3, (2, 5, 7), dtype) as spool:
        for number in (2, 0, 1, 0):
            spool[number] = drawn[number].to(memory_format=torch.preserve_format)
        assert all(torch.equal(spool[number], drawn[number]) for number in (1, 2, 0))
        assert not list(tmp_path.iterdir())  # unnamed: nothing is left of it whatever happens
