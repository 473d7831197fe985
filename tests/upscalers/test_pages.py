"""Pages of sources, PVSs, methods and jobs: what they show, and who may not see them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions_app.models import Pair, Study
from tests.factories import make_user
from upscalers import jobs, production, services
from upscalers.models import (
    PVS,
    Clip,
    Job,
    JobKind,
    JobState,
    LowResolution,
    Source,
    Worker,
)
from upscalers.services import Ingest

WISH = {"scale": 2, "degradation": "bicubic", "degradation_seed": ""}


@pytest.fixture
def source(owner: User, make_video: Callable[..., Path]) -> Source:
    return services.ingest(make_video(), Ingest("harbour.mkv"), owner)


def pages(source: Source) -> list[str]:
    [pvs] = production.request_pvss(source, ["nearest"], 2)
    return [
        *(reverse(f"upscalers:{name}") for name in
          ("sources", "ingest-progress", "methods", "jobs", "jobs-list", "jobs-indicator")),
        *(reverse(f"upscalers:{name}", args=[source.name]) for name in
          ("source", "thumbnail", "pvs-table")),
        reverse("upscalers:pvs", args=[pvs.pk]),
        reverse("upscalers:low-resolution", args=[pvs.low_resolution_id]),
        reverse("upscalers:clip-file", args=[source.clip_id, "harbour.mkv"]),
        reverse("upscalers:still", args=[source.clip_id, 0]),
    ]  # fmt: skip


def actions(source: Source) -> list[str]:
    job = Job.objects.create(kind=JobKind.RENDER, title="x")
    [pvs] = production.request_pvss(source, ["nearest"], 2)
    return [
        *(reverse(f"upscalers:{name}") for name in
          ("hold-jobs", "release-jobs", "cancel-all-jobs")),
        reverse("upscalers:remove-pvs", args=[pvs.pk]),
        reverse("upscalers:remove-low-resolution", args=[pvs.low_resolution_id]),
        reverse("upscalers:prioritise-job", args=[job.pk]),
        *(reverse(f"upscalers:{name}", args=[source.name]) for name in
          ("make-pvss", "rename-source", "remove-source")),
        *(reverse(f"upscalers:{name}", args=[job.pk]) for name in
          ("cancel-job", "retry-job", "dismiss-job")),
    ]  # fmt: skip


def test_the_public_sees_nothing(client: Client, source: Source) -> None:
    for url in pages(source):
        response = client.get(url)
        assert response.status_code == 302, url
        assert response["Location"].startswith(reverse("login"))


def test_a_polled_part_makes_the_page_reload_when_the_login_has_expired(
    client: Client, db: None
) -> None:
    response = client.get(reverse("upscalers:jobs-indicator"), headers={"HX-Request": "true"})
    assert (response.status_code, response["HX-Refresh"]) == (204, "true")


def test_an_account_without_a_role_sees_nothing(client: Client, source: Source) -> None:
    client.force_login(make_user("new"))
    for url in pages(source):
        assert client.get(url).status_code == 403, url


def test_analysts_look_and_do_not_touch(client: Client, source: Source, colleague: User) -> None:
    client.force_login(colleague)
    for url in pages(source):
        assert client.get(url).status_code == 200, url
    for url in actions(source):
        assert client.post(url).status_code == 403, url
    assert Source.objects.filter(name="harbour").exists()


def test_actions_take_no_get(client: Client, source: Source, owner: User) -> None:
    client.force_login(owner)
    for url in actions(source):
        assert client.get(url).status_code == 405, url


def test_an_empty_lab_is_told_what_to_do_first(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert "Add a source" in client.get(reverse("upscalers:sources")).content.decode()
    assert "No jobs yet" in client.get(reverse("upscalers:jobs")).content.decode()


def test_making_pvss_from_the_page(
    client: Client, source: Source, owner: User, run_jobs: Callable[[], None]
) -> None:
    client.force_login(owner)
    url = reverse("upscalers:make-pvss", args=[source.name])
    client.post(url, {**WISH, "methods": ["nearest", "lanczos3"]})
    assert PVS.objects.count() == 2
    run_jobs()
    page = client.get(source.get_absolute_url()).content.decode()
    assert page.count("badge--ok") >= 4
    pvs = PVS.objects.get(method="lanczos3")
    assert "How it was made" in client.get(pvs.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({}, "Choose at least one method"),
        (
            {"methods": ["nearest"], "degradation": "real-world", "degradation_seed": -1},
            "greater than or equal",
        ),
        (
            {"methods": ["nearest"], "degradation": "recorded"},
            "no recording that is 2 times smaller",
        ),
        ({"scale": 7, "methods": ["nearest"]}, "7 is not one of the available choices"),
        ({"methods": ["magic"]}, "magic is not one of the available choices"),
    ],
)
def test_impossible_wishes_are_refused_beside_the_form(
    client: Client, source: Source, owner: User, wish: dict[str, object], complaint: str
) -> None:
    client.force_login(owner)
    url = reverse("upscalers:make-pvss", args=[source.name])
    response = client.post(url, {**WISH, **wish})
    assert response.status_code == 422
    assert complaint in response.content.decode()
    assert not PVS.objects.exists()


def test_a_used_source_is_not_removed(client: Client, source: Source, owner: User) -> None:
    Study.objects.create(name="Dusk", slug="dusk", owner=owner).sources.add(source)
    client.force_login(owner)
    page = client.post(reverse("upscalers:remove-source", args=[source.name]), follow=True)
    assert "is used by “Dusk”" in page.content.decode()
    assert Source.objects.exists()


def test_a_still_is_the_frame_asked_for(
    client: Client, owner: User, make_video: Callable[..., Path]
) -> None:
    client.force_login(owner)
    source = services.ingest(make_video("moving.mkv", "mandelbrot"), Ingest("moving.mkv"), owner)
    stills = [
        client.get(reverse("upscalers:still", args=[source.clip_id, n])).content for n in range(10)
    ]
    assert all(still.startswith(b"\x89PNG") for still in stills)
    assert len(set(stills)) == 10
    assert client.get(reverse("upscalers:still", args=[source.clip_id, 10])).status_code == 404


def test_job_actions_go_back_to_the_page_they_came_from_and_nowhere_else(
    client: Client, source: Source, owner: User
) -> None:
    client.force_login(owner)
    job = Job.objects.create(kind=JobKind.RENDER, title="x")
    url = reverse("upscalers:cancel-job", args=[job.pk])
    response = client.post(url, {"next": "https://elsewhere.example/"})
    assert response["Location"] == reverse("upscalers:jobs")
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_the_real_world_chain_is_asked_for_by_its_seed(
    client: Client, source: Source, owner: User
) -> None:
    client.force_login(owner)
    wish = {**WISH, "degradation": "real-world", "degradation_seed": 7, "methods": ["nearest"]}
    client.post(reverse("upscalers:make-pvss", args=[source.name]), wish)
    assert PVS.objects.get().low_resolution.degradation == "real-world-7"


def test_a_low_resolution_version_says_how_it_was_made(
    client: Client, source: Source, owner: User, run_jobs: Callable[[], None]
) -> None:
    client.force_login(owner)
    production.request_pvss(source, ["nearest"], 2, owner, "real-world-3")
    run_jobs()
    low = LowResolution.objects.get()
    page = client.get(reverse("upscalers:low-resolution", args=[low.pk])).content.decode()
    assert "Drawn from seed 3" in page and low.clip.frames_sha256 in page  # type: ignore[union-attr]
    assert "codec" in page.lower() or "h.264" in page.lower() or "crf" in page.lower()
    url = reverse("upscalers:clip-file", args=[low.clip_id, f"{low.file_stem}.mkv"])
    file = b"".join(client.get(url).streaming_content)  # type: ignore[attr-defined]
    assert hashlib.sha256(file).hexdigest() == low.clip.sha256  # type: ignore[union-attr]


def test_a_pvs_is_removed_with_its_clip_unless_a_comparison_needs_it(
    client: Client, source: Source, owner: User, run_jobs: Callable[[], None]
) -> None:
    client.force_login(owner)
    kept, gone = production.request_pvss(source, ["nearest", "bicubic"], 2, owner)
    run_jobs()
    study = Study.objects.create(name="S", slug="s", owner=owner)
    Pair.objects.create(study=study, first=kept, second=kept)
    for pvs in (kept, gone):
        client.post(reverse("upscalers:remove-pvs", args=[pvs.pk]))
    assert list(PVS.objects.all()) == [kept]
    client.post(reverse("upscalers:remove-low-resolution", args=[kept.low_resolution_id]))
    assert PVS.objects.filter(pk=kept.pk).exists()
    Pair.objects.all().delete()
    client.post(reverse("upscalers:remove-low-resolution", args=[kept.low_resolution_id]))
    assert not PVS.objects.exists() and not LowResolution.objects.exists()
    assert list(Clip.objects.all()) == [source.clip]


def test_the_jobs_page_shows_workers_parts_and_what_is_paused(
    client: Client, source: Source, owner: User
) -> None:
    client.force_login(owner)
    jobs_url = reverse("upscalers:jobs-list")
    assert "No worker is running" in client.get(jobs_url).content.decode()
    jobs.report_worker("render-1", ["gpu"], "NVIDIA H200")
    whole = Job.objects.create(
        kind=JobKind.UPSCALE, title="Upscale harbour", state="running", total=9
    )
    Job.objects.create(
        kind=JobKind.CHUNK, title="harbour, frames 0 to 4", parent=whole, state="running",
        worker="render-1", done=2, total=5, fps=3.4,
    )  # fmt: skip
    Job.objects.create(kind=JobKind.CHUNK, title="harbour, frames 5 to 8", parent=whole)
    page = client.get(jobs_url).content.decode()
    assert "NVIDIA H200" in page and "harbour, frames 0 to 4" in page and "3.4 fps" in page
    assert "0 of 2 parts made" in page
    client.post(reverse("upscalers:hold-jobs"))
    assert "Upscaling is paused" in client.get(jobs_url).content.decode()
    client.post(reverse("upscalers:release-jobs"))
    assert "Upscaling is paused" not in client.get(jobs_url).content.decode()


def test_a_worker_that_fell_silent_is_not_shown(client: Client, owner: User, db: None) -> None:
    client.force_login(owner)
    jobs.report_worker("render-1", ["gpu"])
    silent = timezone.now() - timedelta(seconds=2 * jobs.STALLED_AFTER_SECONDS)
    Worker.objects.update(seen_at=silent)
    assert "render-1" not in client.get(reverse("upscalers:jobs-list")).content.decode()


def test_jobs_are_moved_forward_and_back_and_cancelled_all_at_once(
    client: Client, source: Source, owner: User
) -> None:
    client.force_login(owner)
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    url = reverse("upscalers:prioritise-job", args=[pvs.job_id])
    client.post(url, {"way": "sooner"})
    client.post(url, {"way": "sooner"})
    assert Job.objects.get(pk=pvs.job_id).priority == 2
    client.post(url, {"way": "later"})
    assert Job.objects.get(pk=pvs.job_id).priority == 1
    response = client.post(reverse("upscalers:cancel-all-jobs"), follow=True)
    assert "cancelled" in response.content.decode()
    assert not Job.objects.filter(state__in=["waiting", "running"]).exists()
