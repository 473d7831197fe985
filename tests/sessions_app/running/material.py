"""A session with real, tiny clips behind it: everything a display needs to show it."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from django.contrib.auth.models import User

from sessions_app.models import Cell, CellKind, Pair, Seat, Session, Study, Viewer
from upscalers import store
from upscalers.core.clip import ClipFormat
from upscalers.core.rendition import Manifest, make_rendition
from upscalers.core.video import FFMPEG, probe
from upscalers.models import PVS, Clip, LowResolution, Rendition, Source

FRAMES = 10
# Words that must never reach a display or a seat.
SOURCES = ("zebrasource", "quaggasource")
METHODS = ("lanczos3", "span-x2")


@cache
def _made(picture: str, pix_fmt: str) -> tuple[Path, ClipFormat, Path, Manifest]:
    """Encoded once per test run, copied into the store of each test."""
    folder = Path(mkdtemp(prefix="midgrey-clips-"))
    path = folder / "clip.mkv"
    tags = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    subprocess.run(
        [FFMPEG, "-v", "error", "-f", "lavfi", "-i", _with_size(picture),
         "-frames:v", str(FRAMES), "-vf", f"format={pix_fmt},{tags}", "-c:v", "ffv1", str(path)],
        check=True,
    )  # fmt: skip
    fmt = probe(path)
    out = folder / "clip.h264"
    return path, fmt, out, make_rendition(path, fmt, out)


def _with_size(picture: str) -> str:
    name, _, filters = picture.partition(",")
    return f"{name}=size=160x90:rate=25,{filters}"


def make_clip(picture: str, pix_fmt: str = "yuv420p") -> Clip:
    path, fmt, rendition, manifest = _made(picture, pix_fmt)
    sha256, size = _adopt(path, ".mkv")
    clip, created = Clip.objects.get_or_create(
        sha256=sha256,
        defaults={
            "size_bytes": size, "frames_sha256": manifest.frames_sha256,
            "width": fmt.width, "height": fmt.height, "frames": fmt.frames,
            "rate_num": fmt.rate.numerator, "rate_den": fmt.rate.denominator,
            "pix_fmt": fmt.pix_fmt, "matrix": fmt.matrix, "range": fmt.range,
            "primaries": fmt.primaries, "transfer": fmt.transfer,
        },
    )  # fmt: skip
    if created:
        sha256, size = _adopt(rendition, Rendition.SUFFIX)
        Rendition.objects.create(
            clip=clip, sha256=sha256, size_bytes=size, manifest=manifest.as_json()
        )
    return clip


def _adopt(path: Path, suffix: str) -> tuple[str, int]:
    with store.workspace() as folder:
        copy = folder / f"copy{suffix}"
        copy.write_bytes(path.read_bytes())
        sealed = store.seal(copy)
        sealed.keep()
        return sealed.sha256, sealed.size


def make_session(owner: User, cells: int = 2, vote_seconds: float = 1.0) -> Session:
    """Planned, with seats V01 and V02, alternating between two sources."""
    study = Study.objects.create(
        name="Does span-x2 beat lanczos3", slug="beat", owner=owner, vote_seconds=vote_seconds,
        methods=list(METHODS),
    )  # fmt: skip
    session = Session.objects.create(study=study, number=1)
    pairs = [_make_pair(study, name) for name in SOURCES]
    for position in range(1, cells + 1):
        pair = pairs[position % 2]
        boxes = (pair.second, pair.first) if position % 3 else (pair.first, pair.second)
        kind = CellKind.STABILISATION if position == 1 else CellKind.TEST
        Cell.objects.create(
            session=session, position=position, kind=kind, pair=pair, a=boxes[0], b=boxes[1]
        )
    for code in ("V01", "V02"):
        viewer = Viewer.objects.create(study=study, code=code)
        Seat.objects.create(session=session, viewer=viewer)
    return session


def _make_pair(study: Study, name: str) -> Pair:
    seed = SOURCES.index(name)
    pix_fmt = ("yuv420p", "yuv420p10le")[seed]  # displays meet both
    clip = make_clip(f"testsrc2,hue=h={90 * seed}", pix_fmt)
    source = Source.objects.create(
        name=name, clip=clip, file_name=f"{name}.mov", file_sha256=clip.sha256, thumbnail=b""
    )
    low = LowResolution.objects.create(source=source, scale=2, clip=clip)
    first, second = (
        PVS.objects.create(
            low_resolution=low, method=method,
            clip=make_clip(f"testsrc2,hue=h={90 * seed}:b={number}", pix_fmt),
        )
        for number, method in enumerate(METHODS, start=1)
    )  # fmt: skip
    return Pair.objects.create(study=study, first=first, second=second)
