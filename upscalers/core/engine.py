"""Upscaling a clip: decoding, computing and encoding side by side, with bounded queues between.

Knows files, threads, devices and lack of memory; what a method does to a frame it does not know.
"""

from __future__ import annotations

import platform
import queue
import resource
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import imageio_ffmpeg
import numpy
import psutil
import torch

from upscalers.core import accelerate, colour
from upscalers.core.clip import ClipFormat, OnProgress, Part, Planes, ShouldStop, report
from upscalers.core.cost import Cost, Meter
from upscalers.core.errors import Cancelled, ClipError, MethodError
from upscalers.core.process import thread_count
from upscalers.core.sequence import SequenceUpscaler
from upscalers.core.transfer import Finish, Tensors, transfer_for
from upscalers.core.upscaling import NetworkUpscaler, Upscaler, resampler_after
from upscalers.core.video import ClipWriter, read_frames, read_spread

if TYPE_CHECKING:
    from upscalers.methods import Method

T = TypeVar("T")

QUEUED = 4  # frames between two threads: they are large
TILES = (1024, 512, 256, 128)
_SIGNS_OF_NO_MEMORY = (
    "out of memory", "not enough memory", "can't allocate", "bad_alloc", "can't start new thread",
    "alloc_failed",  # cuBLAS and cuDNN
)  # fmt: skip


@dataclass(frozen=True)
class Upscaled:
    """The outcome, what it was made with and what it cost."""

    format: ClipFormat
    frames_sha256: str
    resampler: str
    device: str
    versions: dict[str, str]
    cost: Cost


def choose_device(wanted: str = "auto") -> torch.device:
    if wanted not in ("auto", "cpu", "cuda"):
        raise MethodError(f"device is auto, cpu or cuda, not {wanted!r}")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise MethodError("no GPU can be used here; choose device auto or cpu")
    return torch.device("cpu" if wanted == "cpu" or not torch.cuda.is_available() else "cuda")


def prepare(device: torch.device) -> None:
    torch.set_num_threads(thread_count())
    accelerate.prepare(device)


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def versions() -> dict[str, str]:
    found = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "ffmpeg": imageio_ffmpeg.get_ffmpeg_version(),
    }
    for package in ("ncnn", "spandrel"):
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    return found


def target_format(
    fmt: ClipFormat, scale: Fraction, size: tuple[int, int] | None = None
) -> ClipFormat:
    """The format of the large clip: `size` may cut off less than what one sample becomes."""
    large = fmt.scaled(scale)
    if size is None:
        return large
    width, height = size
    if not (0 <= large.width - width < scale and 0 <= large.height - height < scale):
        raise MethodError(
            f"{fmt.width}x{fmt.height} enlarged by {scale} is {large.width}x{large.height}, "
            f"not {width}x{height}"
        )
    return replace(large, width=width, height=height)


def upscale(
    path: Path,
    fmt: ClipFormat,
    out: Path,
    method: Method,
    scale: Fraction | int,
    device: str = "auto",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    *,
    size: tuple[int, int] | None = None,
    part: Part | None = None,
) -> Upscaled:
    """Upscale a clip, or a part of it, into a lossless FFV1 file in the clip's sample format."""
    scale = Fraction(scale)
    own = method.own_scale(scale)
    large = target_format(fmt, scale, size)
    part = part or Part(0, fmt.frames)
    seen = part.with_overlap(method.overlap, fmt.frames)
    where = choose_device(device)
    prepare(where)
    upscaler = _built(method, where)
    meter = Meter(where)

    def on_step(done: int) -> None:
        report(done, seen.frames, on_progress, should_stop)

    def run() -> tuple[str, float]:
        work: Compute | Sequence
        if isinstance(upscaler, SequenceUpscaler):
            here = replace(fmt, frames=seen.frames)
            sample = None if part.frames == fmt.frames else read_spread(path, fmt)
            work = Sequence(upscaler, here, large, scale, out.parent, sample)
        else:
            work = Compute(upscaler, where, fmt, large, scale, method.batch)
        upload: Callable[[list[Planes]], Any] = work.upload
        batch = work.frames_at_once
        with (
            _in_plain_words(method, fmt, should_stop),
            _within_memory(where),
            closing(read_frames(path, fmt, seen.start, seen.frames)) as frames,
            ClipWriter(out, replace(large, frames=part.frames)) as writer,
            _Ahead(map(upload, _batches(frames, batch)), max(1, QUEUED // batch)) as ahead,
            _Behind(writer.write) as behind,
            closing(work.frames(ahead, on_step)) as made,
        ):
            for number, planes in enumerate(made, seen.start):
                if part.start <= number < part.start + part.frames:
                    behind.put(planes)
            behind.finish()
        return writer.frames_sha256, work.seconds

    while True:
        try:
            digest, seconds = run()
            break
        except OverflowError:  # as some networks make in half precision
            if not upscaler.use_single_precision():
                raise MethodError(f"{method.name} makes values that are no numbers") from None
    return Upscaled(
        format=replace(large, frames=part.frames), frames_sha256=digest,
        resampler=resampler_after(own, scale) if own else "", device=device_name(where),
        versions=versions() | _execution(upscaler), cost=meter.read(seconds, part.frames),
    )  # fmt: skip


class _OutOfMemory(Exception):
    """Less must be worked on at once; whatever the attempt held is free when this is caught."""


@contextmanager
def _in_plain_words(
    method: Method, fmt: ClipFormat, should_stop: ShouldStop | None
) -> Iterator[None]:
    try:
        yield
    except ClipError:
        # A signal to all processes of a group ends ffmpeg before we look whether to stop.
        if should_stop is not None and should_stop():
            raise Cancelled("stopped") from None
        raise
    except (MemoryError, RuntimeError, _OutOfMemory) as error:
        if not _is_out_of_memory(error):
            raise
        raise MethodError(
            f"{method.name} needs more memory than there is for {fmt.width}x{fmt.height}: end "
            "other work on this machine, take one with more memory, or cut the clip to a smaller "
            "window"
        ) from error


@contextmanager
def _within_memory(device: torch.device) -> Iterator[None]:
    """On a CPU too much becomes an error, which smaller tiles meet, and not a killed process.

    As far as can be told when the work begins: others may take memory later.
    """
    if device.type != "cpu":
        yield
        return
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process().memory_info().vms + _free_memory()
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))


def _free_memory() -> int:
    """Of the machine, or of the container if that allows less."""
    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # no such limit, or "max"
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / "memory.current").read_text()) - int(statistics["inactive_file"])
        free = min(free, int((group / "memory.max").read_text()) - used)
    return free


def _execution(upscaler: Upscaler | SequenceUpscaler) -> dict[str, str]:
    """How a network was run in the end, if one was."""
    if isinstance(upscaler, NetworkUpscaler):
        precision = str(upscaler.dtype).removeprefix("torch.")
        return {"execution": upscaler.execution, "precision": precision}
    if isinstance(upscaler, SequenceUpscaler):
        return {"execution": "eager", "precision": str(upscaler.dtype).removeprefix("torch.")}
    return {}


@lru_cache(maxsize=1)
def _built(method: Method, device: torch.device) -> Upscaler | SequenceUpscaler:
    """Kept for the next part of the same clip: loading and compiling take long."""
    accelerate.forget(device)
    return method.build(device)


class Compute:
    """Runs a method on batches; when memory is short, on smaller ones, then on tiles."""

    def __init__(
        self,
        upscaler: Upscaler,
        device: torch.device,
        fmt: ClipFormat,
        large: ClipFormat,
        scale: Fraction,
        batch: int,
    ) -> None:
        self._upscaler, self._device = upscaler, device
        self._fmt, self._large, self._scale = fmt, large, scale
        self._portion = upscaler.portion(fmt, batch if device.type == "cuda" else 1)
        self.frames_at_once = self._portion.frames
        self._transfer = transfer_for(device)
        self.seconds = 0.0

    def upload(self, batch: list[Planes]) -> Tensors:
        """Bring a batch to the device; belongs into the thread that reads the frames."""
        return self._transfer.up(batch)

    def frames(
        self, batches: Iterable[Tensors], on_step: Callable[[int], None]
    ) -> Generator[Planes, None, None]:
        """What is made of uploaded batches; the device goes on while the last one is fetched."""
        under_way: deque[Finish] = deque()
        done = 0
        for codes in batches:
            under_way.append(self._begin(codes))
            if len(under_way) > self._transfer.in_flight:
                done += yield from _told(under_way.popleft()(), done, on_step)
        while under_way:
            done += yield from _told(under_way.popleft()(), done, on_step)
        if self._upscaler.overflowed():
            raise OverflowError("the network makes values that are no numbers")

    def _begin(self, codes: Tensors) -> Finish:
        count, begun = len(codes[0]), 0
        finish: list[Finish] = []
        while begun < count:
            part = tuple(each[begun : begun + self._portion.frames] for each in codes)
            try:
                finish.append(self._attempt(part))
                begun += len(part[0])
            except _OutOfMemory:
                self._take_less(len(part[0]))
        return lambda: [planes for each in finish for planes in each()]

    def _attempt(self, codes: Tensors) -> Finish:
        try:
            return self._run(codes)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            reason = str(error)
        raise _OutOfMemory(reason)  # the caught error would keep all that was allocated

    def _run(self, codes: Tensors) -> Finish:
        transfer = self._transfer
        began = transfer.mark()
        with torch.inference_mode():
            planes = tuple(each.float() for each in transfer.taken(codes))
            made = self._upscaler(planes, self._fmt, self._large, self._scale, self._portion.tile)
            rounded = colour.rounded(made, self._large)
            ended = transfer.mark()
            fetch = transfer.down(rounded, self._large)

        def finish() -> list[Planes]:
            frames = fetch()
            self.seconds += transfer.seconds(began, ended)
            return frames

        return finish

    def _take_less(self, tried: int) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        portion = self._portion
        if tried > 1:
            portion.frames = tried // 2
            return
        side = portion.tile or max(self._fmt.width, self._fmt.height)
        smaller = [tile for tile in TILES if tile < side]
        if not self._upscaler.can_tile or not smaller:
            raise _OutOfMemory
        portion.tile = smaller[0]


def _told(
    frames: list[Planes], before: int, on_step: Callable[[int], None]
) -> Generator[Planes, None, int]:
    yield from frames
    on_step(before + len(frames))
    return len(frames)


class Sequence:
    """Runs a method that looks along the clip; files in `folder` hold what it saw."""

    frames_at_once = 1

    def __init__(
        self,
        upscaler: SequenceUpscaler,
        fmt: ClipFormat,
        large: ClipFormat,
        scale: Fraction,
        folder: Path,
        sample: Iterable[Planes] | None,
    ) -> None:
        self._upscaler, self._folder, self._sample = upscaler, folder, sample
        self._fmt, self._large, self._scale = fmt, large, scale
        self.seconds = 0.0

    def upload(self, batch: list[Planes]) -> list[Planes]:
        return batch  # it goes to the disk first

    def frames(
        self, batches: Iterable[list[Planes]], on_step: Callable[[int], None]
    ) -> Generator[Planes, None, None]:
        count = self._fmt.frames
        made = self._upscaler.run(
            (planes for batch in batches for planes in batch),
            self._fmt, self._large, self._scale, self._folder,
            lambda done, of: on_step(done * count // of), self._sample,
        )  # fmt: skip
        began = time.perf_counter()
        for planes in made:
            self.seconds += time.perf_counter() - began
            yield planes
            began = time.perf_counter()


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError | _OutOfMemory):
        return True
    text = str(error).lower()
    return any(each in text for each in _SIGNS_OF_NO_MEMORY)


def _batches(frames: Iterator[Planes], size: int) -> Iterator[list[Planes]]:
    batch: list[Planes] = []
    for planes in frames:
        batch.append(planes)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class _Ahead(Generic[T]):
    """Iterates over something in a thread of its own, a few items ahead of who takes them."""

    def __init__(self, source: Iterator[T], most: int) -> None:
        self._source = source
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(most)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        end: BaseException = StopIteration()
        try:
            for item in self._source:
                if not self._offer((item, None)):
                    return
        except BaseException as error:
            end = error
        self._offer((None, end))

    def _offer(self, entry: tuple[T | None, BaseException | None]) -> bool:
        while not self._stopping.is_set():
            try:
                self._queue.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[T]:
        while True:
            item, error = self._queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            assert item is not None
            yield item

    def __enter__(self) -> _Ahead[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


class _Behind(Generic[T]):
    """Does something with each item in a thread of its own; its error comes up at the next put."""

    def __init__(self, action: Callable[[T], None]) -> None:
        self._action = action
        self._queue: queue.Queue[T | None] = queue.Queue(QUEUED)
        self._error: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    item = self._queue.get(timeout=0.1)
                except queue.Empty:
                    continue
                if item is None:
                    return
                self._action(item)
        except BaseException as error:
            self._error = error

    def put(self, item: T | None) -> None:
        while self._error is None:
            try:
                return self._queue.put(item, timeout=0.1)
            except queue.Full:
                continue
        raise self._error

    def finish(self) -> None:
        """Wait until everything is done."""
        self.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> _Behind[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
