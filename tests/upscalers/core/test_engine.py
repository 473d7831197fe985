"""The engine: the right frames in the right order, whatever memory or people do to it."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from tests.upscalers.core.clips import draw, noise, sha256_of, small_format, write
from upscalers.core import engine
from upscalers.core.clip import ClipFormat
from upscalers.core.colour import to_frames, to_tensors
from upscalers.core.errors import Cancelled, ClipError, MethodError
from upscalers.core.resample import resample_picture
from upscalers.core.upscaling import KernelUpscaler, NetworkUpscaler, Tensors
from upscalers.core.video import probe, read_frames
from upscalers.methods import Method, get_method

CPU = torch.device("cpu")


def method(upscaler: object, **changes: object) -> Method:
    base = replace(get_method("bicubic"), build=lambda device: upscaler)  # type: ignore[arg-type]
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture
def clip(tmp_path: Path) -> tuple[Path, ClipFormat]:
    fmt = small_format(frames=11)
    write(tmp_path / "in.mkv", fmt, noise(fmt))
    return tmp_path / "in.mkv", fmt


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p"])
def test_a_clip_is_upscaled_frame_by_frame_in_its_own_format(tmp_path: Path, pix_fmt: str) -> None:
    fmt = small_format(pix_fmt, frames=11, range="pc")
    frames = noise(fmt)
    write(tmp_path / "in.mkv", fmt, frames)
    seen: list[tuple[int, int]] = []
    done = engine.upscale(
        tmp_path / "in.mkv", fmt, tmp_path / "out.mkv", get_method("lanczos3"), 3, "cpu",
        on_progress=lambda *now: seen.append(now),
    )  # fmt: skip
    large = fmt.scaled(3)
    wanted = []
    for frame in frames:  # one by one, as on a CPU: another batch size may round a tie differently
        tensors = to_tensors([frame], CPU)
        shapes = large.plane_shapes
        made = resample_picture(tensors, fmt.chroma, "lanczos3", Fraction(3), shapes)
        wanted += to_frames(made, large)
    assert done.frames_sha256 == sha256_of(wanted)
    assert done.frames_sha256 == sha256_of(read_frames(tmp_path / "out.mkv", large))
    assert done.format == large == probe(tmp_path / "out.mkv")
    assert seen == [(n, 11) for n in range(1, 12)]


def test_what_it_was_made_with_is_recorded(clip: tuple[Path, ClipFormat], tmp_path: Path) -> None:
    done = engine.upscale(*clip, tmp_path / "out.mkv", get_method("bicubic"), 2, "cpu")
    assert done.versions["torch"] == torch.__version__ and "ffmpeg" in done.versions
    assert done.device.startswith("CPU") and done.frames == 11
    assert 0 < done.device_s < done.wall_s


def test_the_same_clip_gives_the_same_result(tmp_path: Path) -> None:
    fmt = small_format()
    write(tmp_path / "in.mkv", fmt, noise(fmt))
    digests = {
        engine.upscale(
            tmp_path / "in.mkv", fmt, tmp_path / f"{n}.mkv", get_method("span-x2"), 2, "cpu"
        ).frames_sha256
        for n in range(2)
    }
    assert len(digests) == 1


def test_cancelling_leaves_no_file_no_process_and_no_thread(
    clip: tuple[Path, ClipFormat], tmp_path: Path
) -> None:
    done: list[int] = []
    before = threading.enumerate()
    with pytest.raises(Cancelled, match="stopped after 4 of 11"):
        engine.upscale(
            *clip, tmp_path / "out.mkv", get_method("bicubic"), 2, "cpu",
            on_progress=lambda n, _: done.append(n), should_stop=lambda: len(done) == 4,
        )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]
    assert not [p for p in psutil.Process().children() if "ffmpeg" in p.name()]
    assert not [t for t in threading.enumerate() if t not in before and t.is_alive()]


def test_a_damaged_clip_ends_in_an_error_and_no_file(tmp_path: Path) -> None:
    clip = draw(tmp_path / "in.mkv", "-pix_fmt", "yuv420p", "-c:v", "ffv1", frames=30)
    fmt = probe(clip)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.raises(ClipError, match="is damaged"):
        engine.upscale(clip, fmt, tmp_path / "out.mkv", get_method("bicubic"), 2, "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


class OneAtATime(KernelUpscaler):
    """Runs out of memory on more than one frame."""

    def __init__(self) -> None:
        super().__init__("bicubic")
        self.tried: list[int] = []

    def __call__(self, planes: Tensors, fmt: ClipFormat, scale: int, tile: int | None) -> Tensors:
        self.tried.append(len(planes[0]))
        if len(planes[0]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().__call__(planes, fmt, scale, tile)


def test_lack_of_memory_halves_the_batch_and_keeps_the_order() -> None:
    fmt = small_format(frames=5)
    upscaler = OneAtATime()
    compute = engine.Compute(upscaler, CPU, fmt, 2, method(upscaler))
    made = compute(noise(fmt))
    assert upscaler.tried == [5, 2, 1, 1, 1, 1, 1]
    calm = KernelUpscaler("bicubic")
    wanted = engine.Compute(calm, CPU, fmt, 2, method(calm))(noise(fmt))
    assert sha256_of(made) == sha256_of(wanted)


def small_tiles_only(largest: int) -> NetworkUpscaler:
    """SPAN that runs out of memory on pictures of more than `largest` samples."""
    upscaler = get_method("span-x2").build(CPU)
    assert isinstance(upscaler, NetworkUpscaler)
    run = upscaler.run

    def limited(rgb: torch.Tensor) -> torch.Tensor:
        if rgb.shape[2] * rgb.shape[3] > largest:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return run(rgb)

    upscaler.run = limited  # type: ignore[method-assign]
    return upscaler


def test_lack_of_memory_for_one_frame_is_met_with_tiles_that_leave_no_seam() -> None:
    fmt = small_format(width=200, height=140, frames=1)
    limited = small_tiles_only(largest=(128 + 48) * (128 + 48))
    made = engine.Compute(limited, CPU, fmt, 2, method(limited))(noise(fmt))
    whole = get_method("span-x2").build(CPU)
    wanted = engine.Compute(whole, CPU, fmt, 2, method(whole))(noise(fmt))
    for ours, theirs in zip(made[0], wanted[0], strict=True):
        difference = np.abs(ours.astype(int) - theirs.astype(int))
        assert difference.max() <= 1 and (difference > 0).mean() < 1e-4  # last bits of floats


def test_lack_of_memory_for_the_smallest_tile_says_what_to_do() -> None:
    fmt = small_format(width=300, height=260, frames=1)
    limited = small_tiles_only(largest=100)
    with pytest.raises(MethodError, match=r"needs more memory .* 300x260: end other work"):
        engine.Compute(limited, CPU, fmt, 2, method(limited))(noise(fmt))


def test_other_errors_of_a_network_are_not_taken_for_lack_of_memory() -> None:
    class Broken(KernelUpscaler):
        def __call__(self, *_: object) -> Tensors:
            raise RuntimeError("shapes do not match")

    fmt, broken = small_format(), Broken("bicubic")
    with pytest.raises(RuntimeError, match="shapes do not match"):
        engine.Compute(broken, CPU, fmt, 2, method(broken))(noise(fmt))


def test_a_scale_the_method_does_not_have_is_refused(
    clip: tuple[Path, ClipFormat], tmp_path: Path
) -> None:
    with pytest.raises(MethodError, match="SPAN x2 does not upscale by 4; it does by 2"):
        engine.upscale(*clip, tmp_path / "out.mkv", get_method("span-x2"), 4)
    with pytest.raises(MethodError, match="any whole number from 2"):
        engine.upscale(*clip, tmp_path / "out.mkv", get_method("bicubic"), 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_asking_for_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(MethodError, match="no GPU can be used here"):
        engine.choose_device("cuda")
    assert engine.choose_device("auto") == CPU


def test_threads_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDGREY_THREADS", "3")
    assert engine.thread_count() == 3
    monkeypatch.setenv("MIDGREY_THREADS", "many")
    assert engine.thread_count() >= 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_half_precision_on_a_gpu_stays_close_to_the_cpu(tmp_path: Path) -> None:
    fmt = small_format(width=64, height=48, frames=9)
    write(tmp_path / "in.mkv", fmt, noise(fmt))
    lumas = []
    for device in ("cpu", "cuda"):
        out = tmp_path / f"{device}.mkv"
        engine.upscale(tmp_path / "in.mkv", fmt, out, get_method("span-x2"), 2, device)
        lumas.append([planes[0].astype(int) for planes in read_frames(out, fmt.scaled(2))])
    difference = np.abs(np.array(lumas[0]) - np.array(lumas[1]))
    assert difference.max() <= 3 and (difference > 0).mean() < 0.15
