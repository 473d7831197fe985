"""Designing a study and turning it into sessions, cells, viewers and seats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.dispatch import receiver
from django.utils import timezone
from django.utils.text import slugify

from sessions_app import hints
from sessions_app.core.planner import ImpossiblePlan, Plan, PlannablePair, plan
from sessions_app.models import (
    Cell,
    CellKind,
    Pair,
    Seat,
    Session,
    SessionState,
    Study,
    Viewer,
    Vote,
    new_seed,
)
from upscalers import audit
from upscalers.core.errors import ClipError
from upscalers.lab_methods import asked_for_uses
from upscalers.methods import all_methods, name_of
from upscalers.models import PVS, Job, Source
from upscalers.production import request_pvss, title_of
from upscalers.services import request_rendition

TRAINING_CELLS = 3


class StudyError(Exception):
    """Why a study cannot be changed or planned, for the coordinator who can mend it."""


@dataclass(frozen=True)
class Wanted:
    """One PVS a study needs, and what stands in the way of showing it."""

    source: Source
    method: str
    pvs: PVS | None
    problem: str = ""
    can_order: bool = False

    @property
    def is_ready(self) -> bool:
        return not self.problem

    @property
    def job(self) -> Job | None:
        """Of what is not ready: the PVS, or a playback file."""
        if self.is_ready or self.pvs is None:
            return None
        if self.pvs.clip is None:
            return self.pvs.job
        renditions = [
            getattr(clip, "rendition", None) for clip in (self.source.clip, self.pvs.clip)
        ]
        return next((one.job for one in renditions if one is not None and not one.is_ready), None)


def create_study(name: str, owner: Any, **design: Any) -> Study:
    stem = slugify(name)[:70] or "study"
    slug, number = stem, 2
    while slug == "new" or Study.objects.filter(slug=slug).exists():  # /studies/new/ is a form
        slug, number = f"{stem}-{number}", number + 1
    study = Study.objects.create(name=name.strip(), slug=slug, owner=owner, **design)
    audit.record(owner, "study created", study)
    return study


def has_begun(study: Study) -> bool:
    return study.test_sessions.exclude(
        state__in=[SessionState.PLANNED, SessionState.READY]
    ).exists()  # fmt: skip


def refuse_if_begun(study: Study) -> None:
    if has_begun(study):
        raise StudyError(
            "A session of this study has been started, so its design and plan can no longer "
            "change: votes must stay comparable. Create a new study for another design."
        )


def drop_plan(study: Study) -> None:
    """A changed design makes the plan void; nothing has been shown yet, or this refuses."""
    refuse_if_begun(study)
    with transaction.atomic():
        # Votes of a training: those of a test would have refused above.
        Vote.objects.filter(showing__cell__session__study=study).delete()
        Cell.objects.filter(session__study=study, repeats__isnull=False).delete()
        Cell.objects.filter(session__study=study).delete()
        Seat.objects.filter(session__study=study).delete()
        study.sessions.all().delete()
        study.viewers.all().delete()
        study.pairs.all().delete()
        study.planned_at, study.plan_notes = None, []
        study.save(update_fields=["planned_at", "plan_notes"])


def methods_of(study: Study) -> list[str]:
    return [study.anchor, *(slug for slug in study.methods if slug != study.anchor)]


def wanted_pvss(study: Study) -> list[Wanted]:
    """Everything the study needs, with what is missing for each."""
    pvss = {
        (pvs.low_resolution.source_id, pvs.method): pvs
        for pvs in PVS.objects.filter(
            low_resolution__source__studies=study,
            low_resolution__scale=study.scale,
            low_resolution__degradation=study.degradation,
            method__in=methods_of(study),
        ).select_related(
            "low_resolution__source__clip__rendition", "clip__rendition__job", "job"
        )
    }  # fmt: skip
    sources = study.sources.select_related("clip__rendition__job").defer("thumbnail")
    return [
        Wanted(source, slug, pvs, *_problem(source, slug, pvs))
        for source in sources
        for slug in methods_of(study)
        for pvs in [pvss.get((source.pk, slug))]
    ]


def _runs_here(slug: str) -> bool:
    method = all_methods().get(slug)
    return method is not None and method.runs_here


def _problem(source: Source, slug: str, pvs: PVS | None) -> tuple[str, bool]:
    """What is missing to show it, and whether ordering it (again) would help."""
    if source.clip.why_not_displayable:
        return source.clip.why_not_displayable, False
    if pvs is None and slug not in all_methods():
        return "its method was removed", False
    if pvs is None and not _runs_here(slug):
        return "to be uploaded on the source's page", False
    if pvs is None:
        return "not made yet", True
    if pvs.clip is None:
        return _open_or_ended("PVS", pvs.job)
    for clip in (source.clip, pvs.clip):
        rendition = getattr(clip, "rendition", None)
        if rendition is None:
            return "no playback file", True
        if not rendition.is_ready:
            return _open_or_ended("playback file", rendition.job)
    return "", False


def _open_or_ended(what: str, job: Job | None) -> tuple[str, bool]:
    if job is None or job.can_retry:
        return f"{what} {job.get_state_display() if job else 'missing'}", True
    return f"{what} being made", False


def make_material(study: Study, user: Any) -> None:
    """Orders every PVS the study lacks, and the playback files of those that were uploaded."""
    made_here = [slug for slug in methods_of(study) if _runs_here(slug)]
    with transaction.atomic():
        for pvs in (one.pvs for one in wanted_pvss(study) if one.method not in made_here):
            if pvs is not None and pvs.clip is not None:
                request_rendition(pvs.clip, title_of(pvs), user)
        for source in study.sources.select_related("clip"):
            try:
                request_pvss(source, made_here, study.scale, user, study.degradation)
            except ClipError as error:
                raise StudyError(str(error)) from error


def plan_study(study: Study, user: Any, seed: int | None = None) -> Plan:
    """Replaces the plan of a study that has not begun; the same seed gives the same plan."""
    refuse_if_begun(study)
    missing = [wanted for wanted in wanted_pvss(study) if not wanted.is_ready]
    if missing:
        first = missing[0]
        raise StudyError(
            f"{len(missing)} PVS{'s are' if len(missing) > 1 else ' is'} not ready to be shown "
            f"(first: {first.source} {name_of(first.method)}, {first.problem}). Make the material "
            "and wait until everything is ready."
        )
    with transaction.atomic():
        drop_plan(study)
        study.seed = new_seed() if seed is None else seed
        pairs = _make_pairs(study)
        try:
            made = plan(_plannable(study, pairs), study.protocol, study.seed, study.panels)
        except ImpossiblePlan as error:
            raise StudyError(str(error)) from error
        _write(study, made, {pair.pk: pair for pair in pairs})
        study.planned_at, study.plan_notes = timezone.now(), list(made.notes)
        study.save(update_fields=["seed", "planned_at", "plan_notes"])
        audit.record(user, "study planned", study, seed=study.seed)
    return made


def add_training(study: Study, panel: int, user: Any) -> Session:
    """A short session before a panel's first one: the same page, seats and scale; nothing counts.

    It shows stabilisation cells, which the first session begins with too.
    """
    first = study.test_sessions.filter(panel=panel).order_by("number").first()
    if first is None:
        raise StudyError("Plan the sessions first: a training shows some of their cells.")
    shown = list(first.cells.filter(kind=CellKind.STABILISATION).select_related("pair"))
    cells = (shown or list(first.cells.select_related("pair")))[:TRAINING_CELLS]
    with transaction.atomic():
        training, created = Session.objects.get_or_create(
            study=study, panel=panel, number=0, defaults={"training": True}
        )
        if not created:
            raise StudyError(f"Panel {panel} has a training already.")
        for position, cell in enumerate(cells, start=1):
            Cell.objects.create(
                session=training, position=position, kind=CellKind.TRAINING,
                pair=cell.pair, a=cell.a, b=cell.b,
            )  # fmt: skip
        for seat in first.seats.filter(revoked_at=None):
            Seat.objects.create(session=training, viewer=seat.viewer, kind=seat.kind)
        audit.record(user, "training added", training)
    return training


@receiver(asked_for_uses)
def _studies_that_name(sender: object, slug: str, **_: Any) -> list[str]:
    """By number: not everybody may know of all of them."""
    count = Study.objects.filter(Q(anchor=slug) | Q(methods__contains=[slug])).count()
    return [f"{count} studies" if count > 1 else "a study"] if count else []


def _make_pairs(study: Study) -> list[Pair]:
    """The anchor against each other method, for every source."""
    ready = {(w.source.pk, w.method): w.pvs for w in wanted_pvss(study) if w.pvs}
    return [
        Pair.objects.create(
            study=study, first=ready[source.pk, study.anchor], second=ready[source.pk, slug]
        )
        for source in study.sources.order_by("pk").defer("thumbnail")  # names may change
        for slug in methods_of(study)[1:]
    ]


def _plannable(study: Study, pairs: list[Pair]) -> list[PlannablePair]:
    quality = hints.quality_of([pvs for pair in pairs for pvs in (pair.first, pair.second)])
    found = []
    for pair in pairs:
        both = [quality.get(pair.first_id), quality.get(pair.second_id)]
        known = [value for value in both if value is not None]
        found.append(
            PlannablePair(
                id=pair.pk,
                source=pair.source.name,
                condition=pair.second.method,
                seconds=study.protocol.cell_seconds(pair.source.clip.seconds),
                quality=sum(known) / 2 if len(known) == 2 else None,
            )
        )
    return found


def _write(study: Study, made: Plan, pairs: dict[int, Pair]) -> None:
    viewers = _make_viewers(study)
    for planned in made.sessions:
        session = Session.objects.create(study=study, panel=planned.panel, number=planned.number)
        cells = []
        for position, cell in enumerate(planned.cells, start=1):
            pair = pairs[cell.pair.id]
            a, b = (pair.second, pair.first) if cell.swapped else (pair.first, pair.second)
            kind = CellKind.STABILISATION if cell.stabilisation else CellKind.TEST
            cells.append(Cell(session=session, position=position, kind=kind, pair=pair, a=a, b=b))
        Cell.objects.bulk_create(cells)
        for viewer in viewers[planned.panel]:
            Seat.objects.create(session=session, viewer=viewer)


def _make_viewers(study: Study) -> dict[int, list[Viewer]]:
    panels: dict[int, list[Viewer]] = {}
    number = 0
    for panel in range(1, study.panels + 1):
        for _ in range(study.viewers_per_panel):
            number += 1
            viewer = Viewer.objects.create(study=study, code=f"V{number:02}", panel=panel)
            panels.setdefault(panel, []).append(viewer)
    return panels
