"""Makes sources of files, folders, PNG sequences or raw YUV, here and now."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from fractions import Fraction
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from upscalers import services
from upscalers.core.errors import ClipError
from upscalers.services import Ingest


class Command(BaseCommand):
    help = (
        "Make sources of video files. PATH may be a file, a folder of video files, a folder or "
        "printf pattern of PNG pictures (with --rate), or raw YUV (with --raw)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--name", default="", help="name of the source (one PATH only)")
        parser.add_argument("--start", type=int, default=0, help="first frame to take, from 0")
        parser.add_argument("--frames", type=int, help="how many frames to take (default: all)")
        parser.add_argument("--crop", help="window to take, WIDTHxHEIGHT+X+Y")
        parser.add_argument("--raw", help="headerless video: WIDTHxHEIGHT@RATE:FORMAT")
        parser.add_argument(
            "--rate", help="frames per second of a PNG sequence, as 25 or 30000/1001"
        )

    def handle(self, *args: Any, paths: list[Path], **options: Any) -> None:
        found = [path for given in paths for path in _expand(given)]
        if options["name"] and len(found) > 1:
            raise CommandError("--name is for one clip, and there are several.")
        failures = 0
        for path in found:
            try:
                source = self._ingest(path, options)
                self.stdout.write(self.style.SUCCESS(f"{path}: source {source.name}"))
            except ClipError as error:
                failures += 1
                self.stderr.write(self.style.ERROR(str(error)))
        if failures:
            raise CommandError(f"{failures} of {len(found)} could not be ingested.")

    def _ingest(self, path: Path, options: dict[str, Any]) -> Any:
        wish = Ingest(path.name, **services.ingest_options(options), rate=_rate(options["rate"]))
        return services.ingest(path, wish, None, _bar(path.name), None)


def _rate(text: str | None) -> Fraction | None:
    try:
        return Fraction(text) if text else None
    except (ValueError, ZeroDivisionError) as error:
        raise CommandError(
            f"--rate {text} is not a frame rate such as 25 or 30000/1001."
        ) from error


def _expand(path: Path) -> list[Path]:
    """A folder of videos is its files; a folder of pictures is one sequence."""
    if not path.is_dir():
        return [path]
    files = sorted(child for child in path.iterdir() if child.is_file())
    if any(file.suffix.lower() == ".png" for file in files):
        return [path]
    if not files:
        raise CommandError(f"{path} is an empty folder.")
    return files


def _bar(name: str) -> Any:
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        filled = 30 * done // max(total, 1)
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{name[:30]:30} [{'#' * filled:30}] {done}/{total}{end}")
        sys.stderr.flush()

    return show
