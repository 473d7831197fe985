"""Pages of sources, PVSs, methods and jobs: what they show, and who may not see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from sessions_app.models import Study
from tests.factories import make_user
from upscalers import production, services
from upscalers.models import PVS, Job, JobKind, JobState, Source
from upscalers.services import Ingest


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
        reverse("upscalers:still", args=[source.clip_id, 0]),
    ]  # fmt: skip


def actions(source: Source) -> list[str]:
    job = Job.objects.create(kind=JobKind.RENDER, title="x")
    return [
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
    client.post(url, {"scale": 2, "methods": ["nearest", "lanczos3"]})
    assert PVS.objects.count() == 2
    run_jobs()
    page = client.get(source.get_absolute_url()).content.decode()
    assert page.count("badge--ok") >= 4
    pvs = PVS.objects.get(method="lanczos3")
    assert "How it was made" in client.get(pvs.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({"scale": 2}, "Choose at least one method"),
        ({"scale": 7, "methods": ["nearest"]}, "7 is not one of the available choices"),
        ({"scale": 2, "methods": ["magic"]}, "magic is not one of the available choices"),
    ],
)
def test_impossible_wishes_are_refused_beside_the_form(
    client: Client, source: Source, owner: User, wish: dict[str, object], complaint: str
) -> None:
    client.force_login(owner)
    response = client.post(reverse("upscalers:make-pvss", args=[source.name]), wish)
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
