"""`manage.py ingest`: files, folders, picture sequences and raw video."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from upscalers.core.video import FFMPEG
from upscalers.models import Source

pytestmark = pytest.mark.django_db


def ingest(*arguments: object, **options: object) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("ingest", *map(str, arguments), stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_a_part_of_a_file(make_video: Callable[..., Path]) -> None:
    ingest(make_video(), start=2, frames=5, crop="32x24+8+8", name="window")
    source = Source.objects.get(name="window")
    assert (source.clip.frames, source.clip.width, source.clip.height) == (5, 32, 24)
    assert source.cut == {"start": 2, "frames": 5, "crop": [32, 24, 8, 8]}
    assert source.last_frame_of_file == 6


def test_a_folder_goes_on_after_a_bad_file(make_video: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("testsrc2", "mandelbrot"):
        (tmp_path / f"{name}.mkv").write_bytes(make_video(f"{name}.mkv", name).read_bytes())
    (tmp_path / "notes.txt").write_text("not video")
    with pytest.raises(CommandError, match="1 of 3 could not be ingested"):
        ingest(tmp_path)
    assert set(Source.objects.values_list("name", flat=True)) == {"testsrc2", "mandelbrot"}


def test_a_sequence_of_pictures(make_video: Callable[..., Path], tmp_path: Path) -> None:
    pattern = tmp_path / "shot_%03d.png"
    subprocess.run([FFMPEG, "-v", "error", "-i", make_video(), pattern], check=True)
    ingest(tmp_path, rate="50", name="shot")
    source = Source.objects.get()
    assert (source.clip.frames, source.clip.rate, source.clip.pix_fmt) == (10, 50, "yuv420p")
    assert "from RGB" in source.note


def test_raw_video(make_video: Callable[..., Path], tmp_path: Path) -> None:
    raw = tmp_path / "clip.yuv"
    subprocess.run([FFMPEG, "-v", "error", "-i", make_video(), "-f", "rawvideo", raw], check=True)
    ingest(raw, raw="64x48@30000/1001:yuv420p")
    source = Source.objects.get()
    assert (source.clip.frames, source.clip.rate_den) == (10, 1001)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"rate": "fast"}, "not a frame rate"), ({"crop": "all"}, "not a crop")],
)
def test_bad_options_are_explained(
    make_video: Callable[..., Path], options: dict[str, str], complaint: str
) -> None:
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command("ingest", str(make_video()), stdout=out, stderr=err, **options)
    assert complaint in err.getvalue() + str(refusal.value)
    assert not Source.objects.exists()
