"""Builds studies with material, cells and votes for tests, from a seed; test use only.

Rows without video behind them: clips are named by made-up digests, so nothing can be played.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.contrib.auth.models import Group, User

from scoring.models import Measurement
from sessions_app.models import (
    Cell,
    CellKind,
    Pair,
    Seat,
    Session,
    SessionState,
    Showing,
    ShowingState,
    Slot,
    Study,
    Viewer,
    Vote,
)
from upscalers.models import PVS, Clip, LowResolution, Source

METHODS = ("lanczos3", "nearest", "bicubic", "span-x2")
QUALITY = {"lanczos3": 5.2, "nearest": 2.6, "bicubic": 4.4, "span-x2": 7.6}
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def make_user(name: str, role: str = "", **more: Any) -> User:
    user = User.objects.create_user(name, password="grey-in-grey", **more)
    if role:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def make_clip(name: str, width: int = 1280, height: int = 720) -> Clip:
    digest = hashlib.sha256(name.encode()).hexdigest()
    clip, _ = Clip.objects.get_or_create(
        sha256=digest,
        defaults={
            "size_bytes": 1000,
            "frames_sha256": digest,
            "width": width,
            "height": height,
            "frames": 50,
            "rate_num": 25,
            "pix_fmt": "yuv420p",
            "matrix": "bt709",
            "range": "tv",
            "primaries": "bt709",
            "transfer": "bt709",
        },
    )
    return clip


def make_source(name: str) -> Source:
    clip = make_clip(name)
    source, _ = Source.objects.get_or_create(
        name=name,
        defaults={
            "clip": clip,
            "file_name": f"{name}.mov",
            "file_sha256": clip.sha256,
            "thumbnail": b"",
        },
    )
    return source


def make_pvs(source: Source, method: str, scale: int = 2, degradation: str = "bicubic") -> PVS:
    low, _ = LowResolution.objects.get_or_create(
        source=source,
        scale=scale,
        degradation=degradation,
        defaults={"clip": make_clip(f"{source} {degradation} x{scale}", 640, 360)},
    )
    pvs, _ = PVS.objects.get_or_create(
        low_resolution=low,
        method=method,
        defaults={"clip": make_clip(f"{source} {degradation} x{scale} {method}"), "device": "cpu"},
    )
    return pvs


def measure(pvs: PVS, quality: float) -> None:
    """Plausible metric values for a PVS of that quality, without measuring anything."""
    for metric, mean in (
        ("psnr_y", 24 + 1.6 * quality),
        ("ssim", 1 - 0.25 / (1 + quality)),
        ("vmaf", min(100.0, 18 + 9 * quality)),
    ):
        values = {"mean": mean, "values": [mean] * 50}
        Measurement.objects.update_or_create(pvs=pvs, metric=metric, defaults=values)


class StudyFactory:
    """A study of some sources with every method against the anchor, one panel, one session.

    `viewers` maps a code to how that viewer scores: "good", "random", "reversed" or "constant".
    """

    def __init__(
        self,
        owner: User,
        name: str = "First look",
        sources: Sequence[str] = ("bikes", "harbour", "market"),
        methods: Sequence[str] = METHODS,
        seed: int = 1,
    ) -> None:
        self.generator = np.random.default_rng(seed)
        self.study = Study.objects.create(
            name=name,
            slug=name.lower().replace(" ", "-"),
            owner=owner,
            methods=list(methods),
            anchor=methods[0],
            seed=seed,
        )
        self.quality: dict[int, float] = {}
        for source in sources:
            self._add_source(make_source(source), methods)

    def _add_source(self, source: Source, methods: Sequence[str]) -> None:
        self.study.sources.add(source)
        difficulty = self.generator.normal(0, 0.8)
        pvss = [make_pvs(source, method) for method in methods]
        for pvs in pvss:
            quality = QUALITY.get(pvs.method, 5.0) + difficulty + self.generator.normal(0, 0.3)
            self.quality[pvs.pk] = float(np.clip(quality, 0, 10))
            measure(pvs, self.quality[pvs.pk])
        for other in pvss[1:]:
            Pair.objects.create(study=self.study, first=pvss[0], second=other)

    def run_session(
        self, viewers: Mapping[str, str], panel: int = 1, state: str = SessionState.FINISHED
    ) -> Session:
        """A session in which every cell was shown properly and everybody voted."""
        session = Session.objects.create(
            study=self.study,
            panel=panel,
            number=self.study.sessions.filter(panel=panel).count() + 1,
            state=state,
            started_at=START,
        )
        seats = {self._seat(session, code, panel): manner for code, manner in viewers.items()}
        pairs = list(self.study.pairs.all())
        for position, pair in enumerate(pairs[:4] + pairs, start=1):
            kind = CellKind.STABILISATION if position <= 4 else CellKind.TEST
            cell = self.add_cell(session, position, kind, pair)
            self.add_votes(self.add_showing(cell), seats)
        return session

    def _seat(self, session: Session, code: str, panel: int) -> Seat:
        viewer, _ = Viewer.objects.get_or_create(
            study=self.study, code=code, defaults={"panel": panel}
        )
        return Seat.objects.create(session=session, viewer=viewer)

    def add_cell(self, session: Session, position: int, kind: str, pair: Pair) -> Cell:
        boxes = [pair.first, pair.second]
        self.generator.shuffle(boxes)  # type: ignore[arg-type]
        return Cell.objects.create(
            session=session, position=position, kind=kind, pair=pair, a=boxes[0], b=boxes[1]
        )

    def add_showing(self, cell: Cell, valid: bool | None = True, verdict: str = "") -> Showing:
        began = START + timedelta(seconds=37 * cell.position)
        return Showing.objects.create(
            cell=cell,
            state=ShowingState.SHOWN,
            started_at=began,
            ended_at=began + timedelta(seconds=36.5),
            valid=valid,
            verdict=verdict or ("shown exactly" if valid else ""),
            evidence={"refresh_hz": 50.0, "largest_gap_ms": 20.0},
        )

    def add_votes(self, showing: Showing, seats: Mapping[Seat, str]) -> None:
        at = showing.started_at + timedelta(seconds=33)
        Vote.objects.bulk_create(
            Vote(
                seat=seat,
                showing=showing,
                slot=slot,
                score=self._score(pvs, manner),
                cast_at=at,
                received_at=at + timedelta(milliseconds=80),
            )
            for seat, manner in seats.items()
            for slot, pvs in ((Slot.A, showing.cell.a), (Slot.B, showing.cell.b))
        )

    def _score(self, pvs: PVS, manner: str) -> int:
        seen = self.quality[pvs.pk] + self.generator.normal(0, 0.9)
        score = {
            "good": seen,
            "reversed": 10 - seen,
            "random": self.generator.integers(0, 11),
            "constant": 5,
        }[manner]
        return int(np.clip(round(float(score)), 0, 10))


def make_panel(good: int = 9, **others: str) -> dict[str, str]:
    """V01, V02 ... who score well, then others by code and manner."""
    return {f"V{number:02}": "good" for number in range(1, good + 1)} | others
