"""From a study's design to sessions, cells, viewers and seats in the database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from sessions_app import hints
from sessions_app.models import CellKind, SessionState, Study
from sessions_app.services import planning
from sessions_app.services.planning import StudyError
from tests.factories import StudyFactory
from upscalers.models import Clip, Rendition


@pytest.fixture
def study(owner: User) -> Study:
    made = StudyFactory(owner).study
    made.pairs.all().delete()
    for clip in Clip.objects.all():
        Rendition.objects.create(clip=clip, sha256=clip.sha256)
    made.viewers_per_panel, made.panels = 2, 2
    made.save()
    return made


def layout(study: Study) -> list[tuple[int, str, str, str, str]]:
    return [
        (session.panel, cell.kind, cell.source.name, cell.a.method, cell.b.method)
        for session in study.sessions.all()
        for cell in session.cells.all()
    ]


def test_a_plan_makes_sessions_cells_viewers_and_seats(study: Study, owner: User) -> None:
    planning.plan_study(study, owner, seed=7)
    assert study.pairs.count() == 3 * 3  # three sources, the anchor against three methods
    assert study.sessions.count() == 2
    for session in study.sessions.all():
        kinds = list(session.cells.values_list("kind", flat=True))
        assert kinds == [CellKind.STABILISATION] * 4 + [CellKind.TEST] * 9
        assert session.seats.count() == 2
    assert [viewer.code for viewer in study.viewers.all()] == ["V01", "V02", "V03", "V04"]
    assert all("lanczos3" in (a, b) for *_, a, b in layout(study))


def test_the_same_seed_gives_the_same_cells(study: Study, owner: User) -> None:
    planning.plan_study(study, owner, seed=7)
    first = layout(study)
    planning.plan_study(study, owner, seed=8)
    assert layout(study) != first
    planning.plan_study(study, owner, seed=7)
    assert layout(study) == first
    assert study.seed == 7


def test_vmaf_chooses_the_stabilisation_cells(study: Study, owner: User) -> None:
    planning.plan_study(study, owner, seed=7)
    assert any("measured quality" in note for note in study.plan_notes)
    cells = study.sessions.first().cells.filter(kind=CellKind.STABILISATION)  # type: ignore[union-attr]
    quality = hints.quality_of(
        [pvs for pair in study.pairs.all() for pvs in (pair.first, pair.second)]
    )
    means = {p.pk: quality[p.first_id] + quality[p.second_id] for p in study.pairs.all()}
    shown = {cell.pair_id for cell in cells}
    assert {max(means, key=means.__getitem__), min(means, key=means.__getitem__)} <= shown


def test_a_plan_waits_for_missing_material(study: Study, owner: User) -> None:
    Rendition.objects.filter(clip__pvss__method="span-x2").update(sha256="")
    with pytest.raises(StudyError, match=r"3 PVSs are not ready .*SPAN x2, playback file"):
        planning.plan_study(study, owner)
    assert not study.sessions.exists()


def test_a_begun_study_cannot_be_planned_again(study: Study, owner: User) -> None:
    planning.plan_study(study, owner, seed=7)
    before = layout(study)
    study.sessions.filter(panel=1).update(state=SessionState.RUNNING)
    with pytest.raises(StudyError, match="can no longer change"):
        planning.plan_study(study, owner, seed=9)
    assert layout(study) == before


def test_an_impossible_plan_leaves_the_old_one(study: Study, owner: User) -> None:
    planning.plan_study(study, owner, seed=7)
    before = layout(study)
    study.sources.set(list(study.sources.all())[:1])
    with pytest.raises(StudyError, match="second source"):
        planning.plan_study(study, owner)
    assert layout(study) == before


@pytest.mark.slow
def test_making_material_orders_every_pvs_once_and_makes_it(
    owner: User, make_video: Callable[..., Path], run_jobs: Callable[[], None]
) -> None:
    from upscalers import services
    from upscalers.models import PVS

    sources = [
        services.ingest(make_video(f"{name}.mkv", name), services.Ingest(f"{name}.mkv"), owner)
        for name in ("testsrc2", "mandelbrot")
    ]
    study = planning.create_study("Small", owner, methods=["bicubic"])
    study.sources.set(sources)
    planning.make_material(study, owner)
    planning.make_material(study, owner)
    assert PVS.objects.count() == 4
    run_jobs()
    assert [wanted.problem for wanted in planning.wanted_pvss(study)] == [""] * 4
    planning.plan_study(study, owner, seed=1)
    assert study.sessions.count() == 1
