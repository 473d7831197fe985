"""Upscale one file, without a database: manage.py upscale IN OUT --method span-x2."""

import json
import os
import re
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from upscalers.core.clip import ClipFormat
from upscalers.core.errors import Cancelled, ClipError
from upscalers.methods import get_method

LARGEST_SCALE = 16
CONTAINERS = {".mkv": "", ".mp4": "mp4", ".h264": "h264"}


class Command(BaseCommand):
    help = (
        "Upscale a video file losslessly: .mkv becomes FFV1, .mp4 and .h264 lossless H.264. "
        "Sound is left out."
    )
    requires_system_checks = []  # needs no database and no web settings

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("input", type=Path)
        parser.add_argument("output", type=Path)
        parser.add_argument("--method", required=True, help="see manage.py methods")
        aim = parser.add_mutually_exclusive_group()
        aim.add_argument(
            "--scale", type=_scale, help="such as 2, 3/2 or 1.5; default: the method's own, or 2"
        )
        aim.add_argument("--size", type=_size, help="of the output instead, such as 3840x2160")
        parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
        parser.add_argument("--force", action="store_true", help="replace OUT if it is there")
        parser.add_argument("--json", action="store_true", help="print what was done as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        stopped = _stop_by_signal()
        try:
            result = self._upscale(stopped, **options)
        except ClipError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.strerror}: {error.filename}") from None
        except Cancelled as error:
            raise CommandError(str(error), returncode=130) from None
        if options["json"]:
            self.stdout.write(json.dumps(result, indent=2))
        else:
            self.stdout.write(
                f"{options['output']}: {result['width']}x{result['height']}, "
                f"{result['frames']} frames in {result['wall_s']:.1f} s on {result['device']}"
            )

    def _upscale(
        self, stopped: list[int], *, input: Path, output: Path, method: str,
        scale: Fraction | int | None, size: tuple[int, int] | None, device: str, force: bool,
        **_: Any,
    ) -> dict[str, Any]:  # fmt: skip
        source, out, by = input, output, get_method(method)
        _check_output(source, out, force)
        # torch takes a second to load: not before the arguments are known to be good
        from upscalers.core import engine, rendition, video
        from upscalers.core.cost import gflop_per_frame

        fmt = video.probe(source)
        own = by.scales[0] if by.scales else 2
        scale = Fraction(scale or _scale_to(size, fmt) or own)
        bar = _Bar()
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
            made = Path(folder) / "made.mkv"
            done = engine.upscale(
                source, fmt, made, by, scale, device, bar, lambda: bool(stopped), size=size
            )
            container = CONTAINERS[out.suffix.lower()]
            if container:
                encoded = Path(folder) / "made.encoded"
                rendition.encode_h264(
                    made, done.format, encoded, container, should_stop=lambda: bool(stopped)
                )
                made = encoded
            bar.end()
            made.replace(out)
        return {
            "output": str(out), "method": by.slug, "scale": str(scale),
            "resampler": done.resampler, "weights_sha256": by.weights_sha256,
            "frames_sha256": done.frames_sha256, "device": done.device, "versions": done.versions,
            **asdict(done.cost), "fps": round(done.cost.fps, 3),
            "gflop_per_frame": gflop_per_frame(by.flop_per_pixel, fmt),
            "parameters": by.parameters,
            **{key: str(value) if isinstance(value, Fraction) else value
               for key, value in asdict(done.format).items()},
        }  # fmt: skip


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is not a size: write WIDTHxHEIGHT, such as 3840x2160")
    return int(found[1]), int(found[2])


def _scale(text: str) -> Fraction:
    try:
        scale = Fraction(text).limit_denominator(64)  # 1.3333 is 4/3
    except (ValueError, ZeroDivisionError):
        raise ArgumentTypeError(f"{text!r} is not a scale: write 2, 1.5 or 3/2") from None
    if scale > LARGEST_SCALE:
        raise ArgumentTypeError(f"{text} is too large: {LARGEST_SCALE} is the largest scale")
    return scale


def _scale_to(size: tuple[int, int] | None, fmt: ClipFormat) -> Fraction | None:
    """By the side that is enlarged more; the other may miss the size by less than a sample."""
    return size and max(Fraction(size[0], fmt.width), Fraction(size[1], fmt.height))


def _check_output(source: Path, out: Path, force: bool) -> None:
    if out.suffix.lower() not in CONTAINERS:
        raise ClipError(f"{out} must end in {', '.join(CONTAINERS)}")
    if not out.parent.is_dir():
        raise ClipError(f"the folder {out.parent} does not exist")
    if out.exists():
        if not force:
            raise ClipError(f"{out} is already there; add --force to replace it")
        if not out.is_file() or (source.exists() and out.samefile(source)):
            raise ClipError(f"{out} cannot be replaced: it is the input, or not a file")


def _stop_by_signal() -> list[int]:
    """Ctrl-C and SIGTERM end the work after the frame at hand, so that nothing is left over."""
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            signal.signal(number, lambda received, _: stopped.append(received))
        except ValueError:
            break  # called from a thread that may not set handlers
    return stopped


class _Bar:
    """Progress on a terminal; a line every ten seconds where there is none."""

    def __init__(self) -> None:
        self._began, self._shown = time.monotonic(), 0.0
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._shown < (0.2 if self._terminal else 10):
            return
        self._shown = now
        rate = done / max(now - self._began, 1e-6)
        filled = 30 * done // total
        text = f"[{'#' * filled}{'.' * (30 - filled)}] {done}/{total} frames"
        if rate:
            text += f", {rate:.1f} per second, {(total - done) / rate:.0f} s left"
        if self._terminal:
            print(f"\r{text}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._terminal:
            print(file=sys.stderr)
