"""The engine: the right frames in the right order, whatever memory or people do to it."""

from __future__ import annotations

import threading
import weakref
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from tests.upscalers.core.clips import draw, noise, sha256_of, small_format, write
from upscalers.core import engine, upscaling
from upscalers.core.clip import ClipFormat, Planes
from upscalers.core.colour import to_frames, to_tensors
from upscalers.core.errors import Cancelled, ClipError, MethodError
from upscalers.core.resample import resample_picture
from upscalers.core.upscaling import (
    KernelUpscaler,
    NetworkUpscaler,
    Portion,
    Tensors,
    Upscaler,
)
from upscalers.core.video import ClipWriter, probe, read_frames
from upscalers.methods import Method, get_method

CPU = torch.device("cpu")


def method(upscaler: object, **changes: object) -> Method:
    base = replace(get_method("bicubic"), build=lambda device: upscaler)  # type: ignore[arg-type]
    return replace(base, **changes)  # type: ignore[arg-type]


def computed(upscaler: Upscaler, fmt: ClipFormat) -> list[Planes]:
    """All frames of a clip, handed over at once."""
    compute = engine.Compute(upscaler, CPU, fmt, fmt.scaled(2), Fraction(2), 1)
    return list(compute.frames([compute.upload(noise(fmt))], lambda _: None))


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
    assert done.device.startswith("CPU") and done.cost.frames == 11
    assert 0 < done.cost.device_s < done.cost.wall_s
    assert done.cost.peak_memory_bytes > 1 << 20 and done.cost.joules is None


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

    def portion(self, fmt: ClipFormat, frames: int) -> Portion:
        return Portion(5)

    def __call__(self, planes: Tensors, *more: Any) -> Tensors:
        self.tried.append(len(planes[0]))
        if len(planes[0]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().__call__(planes, *more)


def test_lack_of_memory_halves_the_batch_and_keeps_the_order() -> None:
    fmt = small_format(frames=5)
    upscaler = OneAtATime()
    made = computed(upscaler, fmt)
    assert upscaler.tried == [5, 2, 1, 1, 1, 1, 1]
    calm = KernelUpscaler("bicubic")
    wanted = computed(calm, fmt)
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
    limited = small_tiles_only(largest=152 * 140)
    made = computed(limited, fmt)
    whole = get_method("span-x2").build(CPU)
    wanted = computed(whole, fmt)
    for ours, theirs in zip(made[0], wanted[0], strict=True):
        difference = np.abs(ours.astype(int) - theirs.astype(int))
        assert difference.max() <= 1 and (difference > 0).mean() < 1e-3  # last bits of floats


def test_what_lack_of_memory_taught_is_known_for_the_next_part() -> None:
    fmt = small_format(width=200, height=140, frames=1)
    limited = small_tiles_only(largest=152 * 140)
    computed(limited, fmt)
    assert limited.portion(fmt, 1).tile == 128
    sizes, run = [], limited.run
    limited.run = lambda rgb: sizes.append(tuple(rgb.shape[2:])) or run(rgb)  # type: ignore[method-assign, func-returns-value]
    computed(limited, fmt)
    assert sizes[0] == (140, 152)


def test_tiles_only_get_smaller_where_a_picture_is_cut_into_tiles_already() -> None:
    fmt = small_format(width=160, height=150, frames=1)
    tiles: list[int | None] = []

    class NeverEnough(KernelUpscaler):
        can_tile = True

        def portion(self, fmt: ClipFormat, frames: int) -> Portion:
            return Portion(1, 512)

        def __call__(self, planes: Tensors, *more: Any) -> Tensors:
            tiles.append(more[-1])
            raise MemoryError

    with pytest.raises(engine._OutOfMemory):
        computed(NeverEnough("bicubic"), fmt)
    assert tiles == [512, 256, 128]


def test_lack_of_memory_for_the_smallest_tile_says_what_to_do(
    clip: tuple[Path, ClipFormat], tmp_path: Path
) -> None:
    limited = small_tiles_only(largest=100)
    with pytest.raises(MethodError, match=r"needs more memory .* 32x24: end other work"):
        engine.upscale(*clip, tmp_path / "out.mkv", method(limited), 2, "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_lack_of_memory_while_frames_are_read_says_what_to_do(
    clip: tuple[Path, ClipFormat], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upload(self: engine.Compute, batch: list[Planes]) -> Tensors:
        raise MemoryError

    monkeypatch.setattr(engine.Compute, "upload", upload)
    with pytest.raises(MethodError, match="needs more memory"):
        engine.upscale(*clip, tmp_path / "out.mkv", get_method("bicubic"), 2, "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_what_a_failed_attempt_held_is_free_before_less_is_tried() -> None:
    class Big:
        pass

    held: list[weakref.ref[Big]] = []

    class Wasteful(OneAtATime):
        def __call__(self, planes: Tensors, *more: Any) -> Tensors:
            assert not any(each() for each in held)
            big = Big()
            held.append(weakref.ref(big))
            return super().__call__(planes, *more)

    fmt = small_format(frames=5)
    computed(Wasteful(), fmt)
    assert len(held) == 7


class Overflowing(nn.Module):
    """Larger than half precision can hold where the picture is not black."""

    def forward(self, rgb: torch.Tensor) -> torch.Tensor:
        large = (rgb * 1e6).to(rgb.dtype) / 1e6
        return nn.functional.interpolate(large, scale_factor=2)


def test_what_overflows_in_half_precision_is_made_in_single(
    clip: tuple[Path, ClipFormat], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = [torch.float16, torch.float32]
    monkeypatch.setattr(upscaling, "precision", lambda device, half_ok: kinds[not half_ok])
    monkeypatch.setattr(upscaling, "prepared", lambda network, device, half_ok: network)
    upscaler = NetworkUpscaler(Overflowing(), 2, 1, CPU)
    done = engine.upscale(*clip, tmp_path / "out.mkv", method(upscaler, scales=(2,)), 2, "cpu")
    assert done.versions["precision"] == "float32"
    single = NetworkUpscaler(Overflowing(), 2, 1, CPU, half_ok=False)
    wanted = engine.upscale(*clip, tmp_path / "2.mkv", method(single, scales=(2,)), 2, "cpu")
    assert done.frames_sha256 == wanted.frames_sha256


def test_a_network_that_makes_no_numbers_is_refused(
    clip: tuple[Path, ClipFormat], tmp_path: Path
) -> None:
    class Nothing(nn.Module):
        def forward(self, rgb: torch.Tensor) -> torch.Tensor:
            return nn.functional.interpolate(rgb, scale_factor=2) * float("nan")

    broken = method(NetworkUpscaler(Nothing(), 2, 1, CPU), scales=(2,))
    with pytest.raises(MethodError, match="values that are no numbers"):
        engine.upscale(*clip, tmp_path / "out.mkv", broken, 2, "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


def test_a_signal_that_ends_ffmpeg_first_is_still_a_wish_to_stop(
    clip: tuple[Path, ClipFormat], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(self: ClipWriter, planes: Planes) -> None:
        raise ClipError("the video could not be written: received signal 2")

    monkeypatch.setattr(ClipWriter, "write", write)
    asked = iter([False, *[True] * 20])
    with pytest.raises(Cancelled):
        engine.upscale(
            *clip, tmp_path / "out.mkv", get_method("bicubic"), 2, "cpu",
            should_stop=lambda: next(asked),
        )  # fmt: skip


def test_other_errors_of_a_network_are_not_taken_for_lack_of_memory() -> None:
    class Broken(KernelUpscaler):
        def __call__(self, *_: object) -> Tensors:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        computed(Broken("bicubic"), small_format())


@pytest.mark.parametrize(
    ("scale", "resampler"),
    [
        (2, ""),
        (4, "lanczos3 2"),
        (Fraction(3, 2), "lanczos3 3/4"),
        (Fraction(5, 2), "lanczos3 5/4"),
    ],
)
def test_a_network_reaches_any_scale_with_a_resampler_that_is_named(
    clip: tuple[Path, ClipFormat], tmp_path: Path, scale: Fraction, resampler: str
) -> None:
    out = tmp_path / "out.mkv"
    done = engine.upscale(*clip, out, get_method("span-x2"), scale, "cpu")
    assert done.resampler == resampler
    assert done.format == clip[1].scaled(scale) == probe(out)


def test_a_network_followed_by_a_resampler_stays_in_place(tmp_path: Path) -> None:
    """A smooth picture, enlarged both ways, comes out the same but for the network's own touch."""
    fmt = small_format(width=48, height=32, frames=1)
    rows, columns = np.mgrid[0:32, 0:48]
    planes = (
        (60 + 3 * rows + columns).astype(np.uint8),
        *(np.full(shape, 128, np.uint8) for shape in fmt.plane_shapes[1:]),
    )
    write(tmp_path / "in.mkv", fmt, [planes])
    made = []
    for slug in ("span-x2", "bicubic"):
        out = tmp_path / f"{slug}.mkv"
        engine.upscale(tmp_path / "in.mkv", fmt, out, get_method(slug), Fraction(3, 2), "cpu")
        made.append(next(iter(read_frames(out, fmt.scaled(Fraction(3, 2)))))[0].astype(int))
    inner = (slice(6, -6), slice(6, -6))
    assert np.abs(made[0][inner] - made[1][inner]).max() <= 1


@pytest.mark.parametrize("slug", ["lanczos3", "span-x2"])
def test_a_clip_of_odd_size_is_made_whole_again_to_the_sample(tmp_path: Path, slug: str) -> None:
    fmt = small_format(width=33, height=27, frames=2)
    write(tmp_path / "in.mkv", fmt, noise(fmt))
    out = tmp_path / "out.mkv"
    done = engine.upscale(
        tmp_path / "in.mkv", fmt, out, get_method(slug), 2, "cpu", size=(65, 53)
    )  # fmt: skip
    assert (done.format.width, done.format.height) == (65, 53)
    assert probe(out) == done.format
    whole = tmp_path / "whole.mkv"
    engine.upscale(tmp_path / "in.mkv", fmt, whole, get_method(slug), 2, "cpu")
    cut, uncut = (
        next(iter(read_frames(path, probe(path))))[0] for path in (out, whole)
    )  # fmt: skip
    assert np.array_equal(cut, uncut[:53, :65])


def test_a_size_that_the_scale_does_not_give_is_refused(
    clip: tuple[Path, ClipFormat], tmp_path: Path
) -> None:
    with pytest.raises(MethodError, match=r"enlarged by 2 is .* not 50x50"):
        engine.upscale(*clip, tmp_path / "out.mkv", get_method("bicubic"), 2, size=(50, 50))
    with pytest.raises(MethodError, match="makes pictures larger: x1 does not"):
        engine.upscale(*clip, tmp_path / "out.mkv", get_method("bicubic"), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


@pytest.mark.parametrize(("frames", "length", "count"), [(11, 0, 1), (11, 4, 3), (3, 4, 1)])
def test_parts_follow_each_other_and_make_the_whole_clip(
    frames: int, length: int, count: int
) -> None:
    cut = replace(get_method("bicubic"), chunk_frames=length).parts(frames)
    assert len(cut) == count
    assert [n for part in cut for n in range(part.start, part.start + part.frames)] == list(
        range(frames)
    )
    assert max(part.frames for part in cut) - min(part.frames for part in cut) <= 1


def test_parts_put_together_are_the_clip_made_in_one_go(
    clip: tuple[Path, ClipFormat], tmp_path: Path
) -> None:
    path, fmt = clip
    method = replace(get_method("bicubic"), chunk_frames=4, overlap_frames=2)
    frames = []
    for number, part in enumerate(method.parts(fmt.frames)):
        out = tmp_path / f"{number}.mkv"
        done = engine.upscale(path, fmt, out, method, 2, "cpu", part=part)
        assert done.cost.frames == done.format.frames == part.frames
        frames += list(read_frames(out, done.format))
    whole = engine.upscale(path, fmt, tmp_path / "whole.mkv", method, 2, "cpu")
    assert sha256_of(frames) == whole.frames_sha256


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
