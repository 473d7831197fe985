"""Uploads in pieces: resumed where they stopped, refused when they make no sense."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.factories import make_source
from upscalers import intake, services, store
from upscalers.models import Job, JobState, Source, Upload

BEGIN = reverse("upscalers:upload-begin")


def begin(client: Client, size: int, name: str = "clip.mkv", **options: str) -> dict[str, object]:
    wish = {"file_name": name, "size": size, "fingerprint": f"{name}/{size}/1", "options": options}
    response = client.post(BEGIN, json.dumps(wish), content_type="application/json")
    return {"status": response.status_code, **response.json()}


def send(client: Client, pk: object, offset: int, data: bytes) -> dict[str, object]:
    response = client.patch(
        f"{BEGIN}{pk}/", data, "application/octet-stream", headers={"Upload-Offset": str(offset)}
    )
    return {"status": response.status_code, **response.json()}


@pytest.fixture
def coordinator(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def test_a_file_in_two_pieces_becomes_a_source(
    coordinator: Client, make_video: Callable[..., Path], run_jobs: Callable[[], None]
) -> None:
    data = make_video().read_bytes()
    pk = begin(coordinator, len(data), "bikes.mkv")["id"]
    assert send(coordinator, pk, 0, data[:1000])["received"] == 1000
    assert send(coordinator, pk, 1000, data[1000:])["complete"] is True
    run_jobs()
    assert Source.objects.get().name == "bikes"
    assert not Upload.objects.exists()
    assert not list(store.incoming_folder().iterdir())


def test_the_same_file_goes_on_where_it_stopped(coordinator: Client) -> None:
    first = begin(coordinator, 5000)
    send(coordinator, first["id"], 0, b"x" * 1200)
    again = begin(coordinator, 5000)
    assert (again["id"], again["received"]) == (first["id"], 1200)


def test_the_same_file_with_other_options_is_another_upload(coordinator: Client) -> None:
    first = begin(coordinator, 5000, start="10")
    send(coordinator, first["id"], 0, b"x" * 1200)
    other = begin(coordinator, 5000, start="20")
    assert other["id"] != first["id"] and other["received"] == 0
    assert begin(coordinator, 5000, start="10")["id"] == first["id"]
    starts = {upload.options["start"] for upload in Upload.objects.all()}
    assert starts == {"10", "20"}


def recording_of(source: Source) -> dict[str, str]:
    return {"purpose": "recording", "source": source.name}


def test_a_source_may_be_renamed_while_a_recording_of_it_is_sent(
    coordinator: Client, owner: User
) -> None:
    source = make_source("harbour")
    pk = begin(coordinator, 10, "beside.mkv", **recording_of(source))["id"]
    services.rename_source(source, "pier", owner)
    assert send(coordinator, pk, 0, b"x" * 10)["complete"] is True
    job = Job.objects.get()
    assert (job.title, job.about) == (
        "Recording beside.mkv beside pier", intake.about_source(source),
    )  # fmt: skip


def test_what_is_sent_for_a_source_that_is_removed_meanwhile_ends_with_the_reason(
    coordinator: Client, django_capture_on_commit_callbacks: Any
) -> None:
    source = make_source("harbour")
    pk = begin(coordinator, 10, "beside.mkv", **recording_of(source))["id"]
    source.delete()
    with django_capture_on_commit_callbacks(execute=True):
        answer = send(coordinator, pk, 0, b"x" * 10)
    assert answer["status"] == 422 and "not there any more" in str(answer["error"])
    assert not Upload.objects.exists() and not list(store.incoming_folder().iterdir())


def test_a_full_disk_ends_the_upload_with_the_reason_and_it_goes_on_later(
    coordinator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    pk = begin(coordinator, 5000)["id"]
    send(coordinator, pk, 0, b"x" * 1200)
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        answer = send(coordinator, pk, 1200, b"x" * 100)
    assert answer["status"] == 422 and "Free some space" in str(answer["error"])
    assert begin(coordinator, 5000)["received"] == 1200
    assert send(coordinator, pk, 1200, b"x" * 100)["received"] == 1300


def test_a_piece_at_the_wrong_place_is_refused_and_told_where(coordinator: Client) -> None:
    pk = begin(coordinator, 5000)["id"]
    answer = send(coordinator, pk, 700, b"x")
    assert (answer["status"], answer["received"]) == (409, 0)


def test_more_than_was_announced_is_refused(coordinator: Client) -> None:
    pk = begin(coordinator, 10)["id"]
    assert send(coordinator, pk, 0, b"x" * 11)["status"] == 400
    assert Upload.objects.get().received == 0


def test_a_file_that_is_no_video_says_so_by_its_own_name_and_when_dismissed_leaves_nothing(
    coordinator: Client, run_jobs: Callable[[], None], django_capture_on_commit_callbacks: Any
) -> None:
    pk = begin(coordinator, 9, "thesis.docx")["id"]
    send(coordinator, pk, 0, b"not video")
    run_jobs()
    job = Job.objects.get()
    assert job.state == JobState.FAILED
    assert job.error.startswith("thesis.docx")
    page = coordinator.get(reverse("upscalers:sources")).content.decode()
    assert "thesis.docx" in page and f'id="retry-{job.pk}"' in page
    with django_capture_on_commit_callbacks(execute=True):
        coordinator.post(reverse("upscalers:dismiss-job", args=[job.pk]))
    assert "thesis.docx" not in coordinator.get(reverse("upscalers:sources")).content.decode()
    assert not Upload.objects.exists()
    assert not list(store.incoming_folder().iterdir())
    page = coordinator.get(reverse("upscalers:jobs")).content.decode()
    assert f'id="retry-{job.pk}"' not in page, "there is nothing left to retry with"


def test_an_empty_file_is_refused_at_once(coordinator: Client) -> None:
    assert "empty" in str(begin(coordinator, 0)["error"])


def test_a_file_larger_than_the_disk_is_refused_at_once(coordinator: Client) -> None:
    answer = begin(coordinator, 10**18)
    assert answer["status"] == 422
    assert "Free some space" in str(answer["error"])


@pytest.mark.parametrize("options", [{"crop": "640x360"}, {"raw": "1920x1080"}, {"frames": "ten"}])
def test_options_that_make_no_sense_are_refused_at_once(
    coordinator: Client, options: dict[str, str]
) -> None:
    assert begin(coordinator, 10, **options)["status"] == 422
    assert not Upload.objects.exists()


def test_a_path_in_a_name_is_only_a_name(coordinator: Client) -> None:
    begin(coordinator, 10, "../../etc/passwd")
    assert Upload.objects.get().file_name == "passwd"


def test_giving_up_removes_the_pieces(
    coordinator: Client, django_capture_on_commit_callbacks: Any
) -> None:
    pk = begin(coordinator, 5000)["id"]
    send(coordinator, pk, 0, b"x" * 100)
    with django_capture_on_commit_callbacks(execute=True):
        coordinator.delete(f"{BEGIN}{pk}/")
    assert not Upload.objects.exists()
    assert not list(store.incoming_folder().iterdir())


def test_nobody_else_can_touch_an_upload(
    coordinator: Client, stranger: User, colleague: User
) -> None:
    pk = begin(coordinator, 5000)["id"]
    other = Client()
    other.force_login(stranger)
    assert send(other, pk, 0, b"x")["status"] == 404
    assert other.delete(f"{BEGIN}{pk}/").status_code == 404
    analyst = Client()
    analyst.force_login(colleague)
    assert analyst.post(BEGIN, "{}", content_type="application/json").status_code == 403
    assert Client().post(BEGIN).status_code == 302
    assert Upload.objects.get().received == 0
