"""Sources, low-resolution versions and PVSs, made by real jobs on real clips."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from upscalers import production, services, store
from upscalers.core.errors import ClipError
from upscalers.core.video import frames_sha256
from upscalers.models import (
    AuditEntry,
    Clip,
    Job,
    JobKind,
    JobState,
    Rendition,
    Source,
    Upload,
)
from upscalers.services import Ingest

pytestmark = pytest.mark.django_db

MakeVideo = Callable[..., Path]
RunJobs = Callable[[], None]


@pytest.fixture
def source(owner: User, make_video: MakeVideo) -> Source:
    return services.ingest(make_video(), Ingest("holiday clip.mkv"), owner)


def stored_files() -> set[Path]:
    return {path for path in store.root().rglob("*") if path.is_file()}


def test_ingest_keeps_the_pictures_losslessly(source: Source, make_video: MakeVideo) -> None:
    assert source.name == "holiday-clip"
    clip = source.clip
    assert (clip.width, clip.height, clip.frames, clip.rate) == (64, 48, 10, 25)
    assert frames_sha256(clip.path, clip.format) == frames_sha256(make_video(), clip.format)
    assert store.file_sha256(clip.path) == clip.sha256
    assert bytes(source.thumbnail)[:2] == b"\xff\xd8"  # JPEG
    assert AuditEntry.objects.get().action == "source added"


def test_ingest_orders_the_playback_file(source: Source, run_jobs: RunJobs) -> None:
    run_jobs()
    made = Rendition.objects.get(clip=source.clip)
    assert store.file_sha256(made.path) == made.sha256
    assert len(made.manifest["frame_sha256"]) == 10


def test_the_same_file_is_recognised(source: Source, owner: User, make_video: MakeVideo) -> None:
    before = stored_files()
    with pytest.raises(ClipError, match="already here as source “holiday-clip”"):
        services.ingest(make_video(), Ingest("other name.mkv"), owner)
    assert stored_files() == before


def test_the_same_pictures_in_another_file_are_recognised(
    source: Source, owner: User, make_video: MakeVideo
) -> None:
    twin = make_video("twin.avi")
    with pytest.raises(ClipError, match="exactly the same pictures"):
        services.ingest(twin, Ingest("twin.avi"), owner)
    assert Source.objects.count() == 1


def test_a_damaged_file_leaves_nothing_behind(owner: User, make_video: MakeVideo) -> None:
    whole = make_video().read_bytes()
    broken = make_video().with_name("broken.mkv")
    broken.write_bytes(whole[: len(whole) // 2])
    before = stored_files()
    with pytest.raises(ClipError, match=r"broken\.mkv"):
        services.ingest(broken, Ingest("broken.mkv"), owner)
    assert not Source.objects.exists()
    assert not Clip.objects.exists()
    assert stored_files() == before


def test_names_never_clash(owner: User, make_video: MakeVideo, source: Source) -> None:
    other = services.ingest(
        make_video("b.mkv", "mandelbrot"), Ingest("x.mkv", name="holiday clip"), owner
    )
    assert other.name == "holiday-clip-2"


def test_removing_a_source_removes_what_was_made_from_it(
    source: Source, owner: User, run_jobs: RunJobs
) -> None:
    production.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    services.remove_source(source, owner)
    assert not Clip.objects.exists()
    assert not [path for path in stored_files() if path.suffix in (".mkv", ".h264")]


def test_renaming_keeps_names_unique(source: Source, owner: User, make_video: MakeVideo) -> None:
    services.ingest(make_video("b.mkv", "mandelbrot"), Ingest("b.mkv"), owner)
    with pytest.raises(ClipError, match="already a source"):
        services.rename_source(source, "B", owner)
    services.rename_source(source, "Old Harbour", owner)
    assert Source.objects.filter(name="old-harbour").exists()


def test_what_a_killed_worker_left_is_removed_and_work_in_progress_is_not() -> None:
    old, young = store.root() / "work" / "old", store.root() / "work" / "young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "half.mkv").write_bytes(b"x")
    long_ago = time.time() - 2 * services.ABANDONED_WORK.total_seconds()
    for path in (old / "half.mkv", old, young):
        os.utime(path, (long_ago, long_ago))
    services.discard_abandoned()
    assert not old.exists()
    assert young.exists(), "its file is still being written"


def test_an_upload_given_up_long_ago_is_removed(
    owner: User, django_capture_on_commit_callbacks: Any
) -> None:
    old, young = (
        Upload.objects.create(owner=owner, file_name=name, fingerprint=name, size_bytes=9)
        for name in ("old", "young")
    )
    old.path.write_bytes(b"x")
    Upload.objects.filter(pk=old.pk).update(
        updated_at=timezone.now() - 2 * services.ABANDONED_UPLOAD
    )
    with django_capture_on_commit_callbacks(execute=True):
        services.discard_abandoned()
    assert list(Upload.objects.all()) == [young]
    assert not list(store.incoming_folder().iterdir())


def test_an_ingest_whose_worker_died_after_the_commit_is_done(
    owner: User, make_video: MakeVideo, run_jobs: RunJobs
) -> None:
    data = make_video().read_bytes()
    upload = Upload.objects.create(
        owner=owner, file_name="a.mkv", fingerprint="a", size_bytes=len(data), received=len(data)
    )
    upload.path.write_bytes(data)
    job = services.request_ingest(upload)
    run_jobs()
    Job.objects.filter(pk=job.pk).update(state=JobState.WAITING)
    run_jobs()
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.DONE, "")
    assert Source.objects.count() == 1


def test_a_cancelled_ingest_keeps_no_file(
    owner: User, django_capture_on_commit_callbacks: Any
) -> None:
    upload = Upload.objects.create(owner=owner, file_name="a", fingerprint="a", size_bytes=1)
    upload.path.write_bytes(b"x")
    job = services.request_ingest(upload)
    with django_capture_on_commit_callbacks(execute=True):
        services.cancel(job, owner)
    assert not Upload.objects.exists()
    assert not list(store.incoming_folder().iterdir())


def test_removing_a_source_cancels_what_was_still_to_be_measured(
    source: Source, owner: User, run_jobs: RunJobs
) -> None:
    production.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    measuring = Job.objects.get(kind=JobKind.MEASURE)
    Job.objects.filter(pk=measuring.pk).update(state=JobState.WAITING)
    services.remove_source(source, owner)
    measuring.refresh_from_db()
    assert measuring.state == JobState.CANCELLED
