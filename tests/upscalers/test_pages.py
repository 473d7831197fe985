"""Pages of sources, PVSs, methods and jobs: what they show, and who may not see them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions_app.models import Pair, Study
from tests.factories import make_clip, make_pvs, make_source, make_user
from tests.streaming import pieces_of
from upscalers import intake, jobs, production, services, streaming
from upscalers.methods import all_methods, lab
from upscalers.models import (
    PVS,
    Clip,
    Job,
    JobKind,
    JobState,
    LowResolution,
    Rendition,
    Source,
    Worker,
)
from upscalers.services import Ingest
from upscalers.views import jobs as jobs_views
from upscalers.views import sources as sources_views

WISH = {"scale": 2, "degradation": "bicubic", "degradation_seed": ""}


@pytest.fixture
def source(owner: User, make_video: Callable[..., Path]) -> Source:
    return services.ingest(make_video(), Ingest("harbour.mkv"), owner)


def pages(source: Source) -> list[str]:
    [pvs] = production.request_pvss(source, ["nearest"], 2)
    return [
        *(reverse(f"upscalers:{name}") for name in
          ("sources", "sources-in", "methods", "jobs", "jobs-list", "jobs-indicator")),
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
    assert "is used by a study" in page.content.decode()
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
    file = b"".join(pieces_of(client.get(url)))
    assert hashlib.sha256(file).hexdigest() == low.clip.sha256  # type: ignore[union-attr]


def test_a_download_comes_in_pieces_whole_or_from_where_it_stopped(
    client: Client, source: Source, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(owner)
    monkeypatch.setattr(streaming, "PIECE", 1000)
    file = source.clip.path.read_bytes()
    url = reverse("upscalers:clip-file", args=[source.clip_id, "harbour.mkv"])
    response = client.get(url)
    assert response["Content-Disposition"] == 'attachment; filename="harbour.mkv"'
    assert int(response["Content-Length"]) == len(file)
    pieces = pieces_of(response)
    assert b"".join(pieces) == file
    assert max(map(len, pieces)) == 1000 < len(file)
    rest = client.get(url, headers={"Range": "bytes=1500-"})
    assert (rest.status_code, b"".join(pieces_of(rest))) == (206, file[1500:])
    assert client.get(url, headers={"If-None-Match": response["ETag"]}).status_code == 304
    assert client.head(url)["Content-Length"] == response["Content-Length"]


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


# ---- what was not made in the end --------------------------------------------------------------


@pytest.fixture
def failed(source: Source, owner: User) -> PVS:
    """Its low-resolution version failed, and it with that."""
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    jobs.finish(pvs.low_resolution.job, JobState.FAILED, "The disk is full.")
    pvs.refresh_from_db()
    assert pvs.job is not None and pvs.job.state == JobState.FAILED
    return pvs


def opener(page: str, url: str) -> str:
    """The button that opens the dialog which asks about posting to this address."""
    found = [tag for tag in re.findall(r"<button[^>]*>", page) if f'data-post="{url}"' in tag]
    return found[0] if found else ""


def test_what_failed_is_removed_from_its_row(client: Client, failed: PVS, owner: User) -> None:
    client.force_login(owner)
    page = client.get(failed.source.get_absolute_url()).content.decode()
    low = failed.low_resolution
    remove_pvs = reverse("upscalers:remove-pvs", args=[failed.pk])
    remove_low = reverse("upscalers:remove-low-resolution", args=[low.pk])
    for dialog, url in (("remove-pvs", remove_pvs), ("remove-low", remove_low)):
        assert f'data-open-dialog="{dialog}"' in opener(page, url)
        assert f'<dialog id="{dialog}"' in page
    assert f'href="{failed.get_absolute_url()}"' in page
    client.post(remove_pvs)
    client.post(remove_low)
    assert not PVS.objects.exists() and not LowResolution.objects.exists()


def test_what_is_being_made_is_cancelled_rather_than_removed(
    client: Client, source: Source, owner: User
) -> None:
    client.force_login(owner)
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    page = client.get(source.get_absolute_url()).content.decode()
    assert not opener(page, reverse("upscalers:remove-pvs", args=[pvs.pk]))
    assert f'id="cancel-{pvs.job_id}"' in page


def test_a_failed_pvs_and_its_low_resolution_version_have_pages_that_say_so(
    client: Client, failed: PVS, owner: User
) -> None:
    client.force_login(owner)
    low = reverse("upscalers:low-resolution", args=[failed.low_resolution_id])
    assert "The disk is full." in client.get(low).content.decode()
    page = client.get(failed.get_absolute_url()).content.decode()
    assert "failed" in page and reverse("upscalers:remove-pvs", args=[failed.pk]) in page


def test_the_list_counts_as_being_made_only_what_is(
    client: Client, failed: PVS, owner: User
) -> None:
    client.force_login(owner)
    page = client.get(reverse("upscalers:sources")).content.decode()
    assert "being made" not in page and "1 failed" in page
    services.retry(failed.job, owner)  # type: ignore[arg-type]
    page = client.get(reverse("upscalers:sources")).content.decode()
    assert "1 being made" in page and "failed" not in page


def test_a_failure_that_was_read_is_put_away_and_still_said_where_it_happened(
    client: Client, failed: PVS, owner: User
) -> None:
    client.force_login(owner)
    indicator = reverse("upscalers:jobs-indicator")
    Job.objects.filter(state="waiting").update(state="cancelled")
    assert "2 failed" in client.get(indicator).content.decode()
    page = client.get(reverse("upscalers:jobs")).content.decode()
    for job in (failed.job, failed.low_resolution.job):
        url = reverse("upscalers:dismiss-job", args=[job.pk])  # type: ignore[union-attr]
        assert url in page
        client.post(url)
    assert "failed" not in client.get(indicator).content.decode()
    assert "dismiss" not in client.get(reverse("upscalers:jobs")).content.decode()
    assert "failed" in client.get(failed.get_absolute_url()).content.decode()


def test_a_job_that_is_tried_again_and_fails_again_is_shown_again(
    client: Client, failed: PVS, owner: User
) -> None:
    client.force_login(owner)
    job = failed.low_resolution.job
    assert job is not None
    client.post(reverse("upscalers:dismiss-job", args=[job.pk]))
    services.retry(job, owner)
    jobs.finish(job, JobState.FAILED, "Still full.")
    assert Job.objects.filter(pk=job.pk, state="failed", dismissed=False).exists()


def test_only_failures_are_dismissed(client: Client, owner: User) -> None:
    client.force_login(owner)
    job = Job.objects.create(kind=JobKind.RENDER, title="x")
    client.post(reverse("upscalers:dismiss-job", args=[job.pk]))
    assert not Job.objects.filter(dismissed=True).exists()


def test_retrying_what_was_removed_says_so(client: Client, failed: PVS, owner: User) -> None:
    client.force_login(owner)
    job = failed.job_id
    production.remove_pvs(failed, owner)
    url = reverse("upscalers:retry-job", args=[job])
    assert "has been removed" in client.post(url, follow=True).content.decode()


def test_a_playback_file_that_failed_is_tried_again_from_the_source_s_page(
    client: Client, source: Source, owner: User
) -> None:
    client.force_login(owner)
    job = source.clip.rendition.job
    assert job is not None
    for page in (source.get_absolute_url(), reverse("upscalers:pvs-table", args=[source.name])):
        assert "waiting" in playback(client, page)
    jobs.finish(job, JobState.FAILED, "The disk is full.")
    for page in (source.get_absolute_url(), reverse("upscalers:pvs-table", args=[source.name])):
        shown = playback(client, page)
        assert "The disk is full." in shown
        assert reverse("upscalers:retry-job", args=[job.pk]) in shown


def playback(client: Client, url: str) -> str:
    return client.get(url).content.decode().split('<dd id="playback"')[1].split("</dd>")[0]


# ---- polling -----------------------------------------------------------------------------------


def test_pages_ask_often_while_something_is_made_and_seldom_else(
    client: Client, source: Source, owner: User
) -> None:
    client.force_login(owner)
    urls = [source.get_absolute_url(), reverse("upscalers:jobs")]
    for url in urls:
        assert 'hx-trigger="every 2s' in client.get(url).content.decode()
    Job.objects.update(state=JobState.DONE)
    for url in [*urls, reverse("upscalers:sources"), reverse("upscalers:methods")]:
        page = client.get(url).content.decode()
        assert 'hx-trigger="every 10s' in page and 'hx-trigger="every 2s' not in page


def test_what_a_polled_part_lets_one_focus_can_be_found_again(
    client: Client, failed: PVS, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(owner)
    monkeypatch.setattr(jobs_views, "PER_PAGE", 1)
    production.request_pvss(failed.source, ["bicubic"], 4, owner)
    Job.objects.create(kind=JobKind.INGEST, title="Ingest x.mkv", state=JobState.FAILED)
    Job.objects.create(
        kind=JobKind.IMPORT, title="Recording", state=JobState.FAILED,
        about=intake.about_source(failed.source),
    )  # fmt: skip
    table = reverse("upscalers:pvs-table", args=[failed.source.name])
    second = reverse("upscalers:jobs-list") + "?page=2"
    indicator = reverse("upscalers:jobs-indicator")
    for url in (table, second, indicator, reverse("upscalers:sources-in")):
        part = client.get(url).content.decode()
        assert len(re.findall(r"<(?:a|button) ", part)) > 0
        for tag in re.findall(r"<(?:a|button) [^>]*>", part):
            assert re.search(r' id="[\w-]+"', tag), (url, tag)


def test_a_source_that_came_while_nobody_looked_is_still_fetched(
    client: Client, source: Source, owner: User, make_video: Callable[..., Path]
) -> None:
    client.force_login(owner)
    part = client.get(reverse("upscalers:sources-in")).content.decode()
    asks = re.findall(r'hx-get="([^"]+)"', part)[0]
    assert "HX-Trigger" not in client.get(asks)
    services.ingest(make_video("second.mkv", "mandelbrot"), Ingest("second.mkv"), owner)
    assert client.get(asks)["HX-Trigger"] == "sources-changed"


def test_very_many_sources_are_listed_page_by_page(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(owner)
    monkeypatch.setattr(sources_views, "PER_PAGE", 2)
    for name in ("quay", "bikes", "market"):
        make_source(name)
    first, second = (
        client.get(reverse("upscalers:sources"), {"page": page}).content.decode() for page in (1, 2)
    )
    assert re.findall(r'card-link"[^>]*>(\w+)', first) == ["bikes", "market"]
    assert re.findall(r'card-link"[^>]*>(\w+)', second) == ["quay"]
    assert 'href="/sources/?page=2"' in first


def test_a_row_of_the_source_s_page_costs_no_query_of_its_own(
    client: Client, owner: User, django_assert_max_num_queries: Any
) -> None:
    client.force_login(owner)
    source = make_source("bikes")
    for method in all_methods():
        clip = make_pvs(source, method).clip
        job = Job.objects.create(kind=JobKind.RENDER, title="x", state=JobState.FAILED)
        Rendition.objects.create(clip=clip, job=job)
    assert len(all_methods()) > 8
    with django_assert_max_num_queries(12):
        client.get(reverse("upscalers:pvs-table", args=[source.name]))


def test_the_folder_of_methods_is_looked_through_once_for_a_page(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(owner)
    source = make_source("bikes")
    looked = []
    seen = lab.seen
    monkeypatch.setattr(lab, "seen", lambda: looked.append(1) or seen())
    client.get(reverse("upscalers:pvs-table", args=[source.name]))
    once = len(looked)
    for method in all_methods():
        make_pvs(source, method)
    looked.clear()
    client.get(reverse("upscalers:pvs-table", args=[source.name]))
    assert len(looked) <= once + 1


@pytest.mark.parametrize("name", ["progress", "uploads", "in"])
def test_a_source_may_have_any_name(client: Client, owner: User, name: str) -> None:
    client.force_login(owner)
    page = client.get(make_source(name).get_absolute_url()).content.decode()
    assert f"<h1>{name}</h1>" in page


# ---- recordings at factors of their own ----------------------------------------------------------


def test_a_recording_s_own_factor_can_be_chosen_on_the_page_of_its_source(
    client: Client, source: Source, owner: User
) -> None:
    client.force_login(owner)
    low = LowResolution.objects.create(
        source=source, scale=4 / 3, degradation="recorded", clip=make_clip("low", 48, 36)
    )
    page = client.get(source.get_absolute_url()).content.decode()
    assert '<option value="4/3">1.33 times, as recorded</option>' in page
    assert '<option value="2" selected>2 times</option>' in page
    wish = {"scale": "4/3", "degradation": "recorded", "methods": ["nearest"]}
    client.post(reverse("upscalers:make-pvss", args=[source.name]), wish)
    assert PVS.objects.get().low_resolution == low
    other = make_source("quay")
    assert "4/3" not in client.get(other.get_absolute_url()).content.decode()
