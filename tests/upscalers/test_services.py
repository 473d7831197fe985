"""Sources, low-resolution versions and PVSs, made by real jobs on real clips."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import ProtectedError
from django.utils import timezone

from tests.factories import StudyFactory, make_clip
from upscalers import jobs, production, services, store
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
    source: Source, owner: User, run_jobs: RunJobs, django_capture_on_commit_callbacks: Any
) -> None:
    production.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    with django_capture_on_commit_callbacks(execute=True):
        services.remove_source(source, owner)
    assert not Clip.objects.exists()
    assert not [path for path in stored_files() if path.suffix in (".mkv", ".h264")]


def test_a_source_that_studies_use_stays_and_does_not_tell_which(
    source: Source, owner: User, stranger: User
) -> None:
    for name in ("Secret one", "Secret two"):
        study = StudyFactory(owner, name, sources=(), methods=("lanczos3", "nearest")).study
        study.sources.add(source)
    with pytest.raises(ClipError, match="holiday-clip is used by 2 studies"):
        services.remove_source(source, stranger)
    assert Source.objects.exists()


def test_a_clip_taken_into_use_again_while_things_are_swept_stays_whole(
    source: Source, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    run_jobs()
    lost, clip = make_clip("lost"), source.clip
    Source.objects.all().delete()
    delete = Clip.delete

    def in_use_again(self: Clip) -> None:
        if self == clip:
            raise ProtectedError("used by a source", set())
        delete(self)

    monkeypatch.setattr(Clip, "delete", in_use_again)
    with django_capture_on_commit_callbacks(execute=True):
        services.sweep()
    assert list(Clip.objects.all()) == [clip] and lost != clip
    assert clip.path.exists() and Rendition.objects.get().path.exists()


def test_a_clip_damaged_on_the_disk_gets_no_playback_file(
    source: Source, run_jobs: RunJobs
) -> None:
    Clip.objects.filter(pk=source.clip_id).update(frames_sha256="0" * 64)
    run_jobs()
    job = Job.objects.get(kind=JobKind.RENDER)
    assert job.state == JobState.FAILED and "not what was written any more" in job.error
    assert not Rendition.objects.get().is_ready


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


def test_an_ingest_that_met_a_full_disk_is_tried_again_without_sending_it_again(
    owner: User, make_video: MakeVideo, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_video().read_bytes()
    upload = Upload.objects.create(
        owner=owner, file_name="a.mkv", fingerprint="a", size_bytes=len(data), received=len(data)
    )
    upload.path.write_bytes(data)
    job = services.request_ingest(upload)
    with monkeypatch.context() as full:
        full.setattr(store, "seal", raise_full)
        run_jobs()
    job.refresh_from_db()
    assert (job.state, job.offers_retry) == (JobState.FAILED, True)
    assert "press Retry" in job.error
    services.retry(job, owner)
    run_jobs()
    assert Source.objects.get().name == "a"
    assert not Upload.objects.exists() and not list(store.incoming_folder().iterdir())


def raise_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_failure_that_is_dismissed_or_forgotten_keeps_no_file(
    owner: User, django_capture_on_commit_callbacks: Any
) -> None:
    for name in ("dismissed", "forgotten", "young"):
        upload = Upload.objects.create(owner=owner, file_name=name, fingerprint=name, size_bytes=1)
        upload.path.write_bytes(b"x")
        jobs.finish(services.request_ingest(upload), JobState.FAILED, "It is no video.")
    assert Upload.objects.count() == 3
    failed = {upload.file_name: upload.job for upload in Upload.objects.all()}
    Job.objects.filter(pk=failed["forgotten"].pk).update(  # type: ignore[union-attr]
        finished_at=timezone.now() - 2 * services.ABANDONED_UPLOAD
    )
    with django_capture_on_commit_callbacks(execute=True):
        services.dismiss(failed["dismissed"])  # type: ignore[arg-type]
        services.discard_abandoned()
    assert [upload.file_name for upload in Upload.objects.all()] == ["young"]
    assert len(list(store.incoming_folder().iterdir())) == 1


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
    assert set(AuditEntry.objects.values_list("who", flat=True)) == {"olga"}
