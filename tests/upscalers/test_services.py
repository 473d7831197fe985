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

from scoring.models import Measurement
from upscalers import jobs, services, store
from upscalers.core.errors import ClipError
from upscalers.core.video import frames_sha256
from upscalers.models import (
    PVS,
    AuditEntry,
    Clip,
    Job,
    JobKind,
    JobState,
    LowResolution,
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


def test_a_pvs_is_made_measured_and_made_playable(
    source: Source, owner: User, run_jobs: RunJobs
) -> None:
    services.request_pvss(source, ["lanczos3"], 2, owner)
    run_jobs()
    pvs = PVS.objects.get()
    assert (pvs.clip.width, pvs.clip.height, pvs.clip.frames) == (64, 48, 10)  # type: ignore[union-attr]
    assert pvs.low_resolution.clip.width == 32  # type: ignore[union-attr]
    assert pvs.wall_seconds > 0  # type: ignore[operator]
    assert pvs.versions["torch"]
    assert pvs.clip.rendition.is_ready  # type: ignore[union-attr]
    assert set(Measurement.objects.values_list("metric", flat=True)) >= {"psnr_y", "ssim"}
    assert set(Job.objects.values_list("state", flat=True)) == {JobState.DONE}


def test_the_same_pvs_is_never_made_twice(source: Source, owner: User, run_jobs: RunJobs) -> None:
    for _ in range(2):
        services.request_pvss(source, ["nearest", "bicubic"], 2, owner)
    run_jobs()
    services.request_pvss(source, ["nearest"], 2, owner)
    assert PVS.objects.count() == 2
    assert LowResolution.objects.count() == 1
    assert Job.objects.filter(kind=JobKind.UPSCALE).count() == 2


@pytest.mark.parametrize(
    ("methods", "scale", "complaint"),
    [(["span-x4"], 2, "upscales by x4 only"), (["nearest"], 3, "scale of 2 or 4")],
)
def test_impossible_wishes_change_nothing(
    source: Source, methods: list[str], scale: int, complaint: str
) -> None:
    with pytest.raises(ClipError, match=complaint):
        services.request_pvss(source, methods, scale)
    assert not PVS.objects.exists()


def test_a_size_that_does_not_divide_is_refused_with_the_crop_that_would(
    owner: User, make_video: MakeVideo
) -> None:
    odd = services.ingest(
        make_video(), Ingest("odd.mkv", **services.ingest_options({"crop": "62x46+0+0"})), owner
    )
    with pytest.raises(ClipError, match="crop to 60x44"):
        services.request_pvss(odd, ["nearest"], 2)


def test_cancelling_a_waiting_job_ends_it_at_once(source: Source, owner: User) -> None:
    [pvs] = services.request_pvss(source, ["nearest"], 2, owner)
    services.cancel(pvs.job, owner)  # type: ignore[arg-type]
    pvs.job.refresh_from_db()  # type: ignore[union-attr]
    assert pvs.job.state == JobState.CANCELLED  # type: ignore[union-attr]


def test_cancelling_a_running_job_stops_it_and_leaves_no_file(
    source: Source, owner: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    [pvs] = services.request_pvss(source, ["nearest"], 2, owner)
    monkeypatch.setattr(jobs, "REPORT_EVERY_SECONDS", 0.0)
    report = jobs.Progress.__call__

    def cancel_when_seen(self: jobs.Progress, done: int, total: int) -> None:
        if self.job.kind == JobKind.UPSCALE and done == 2:
            services.cancel(self.job, owner)
        report(self, done, total)

    monkeypatch.setattr(jobs.Progress, "__call__", cancel_when_seen)
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.job.state == JobState.CANCELLED  # type: ignore[union-attr]
    assert pvs.clip is None
    assert not any((store.root() / "work").iterdir())
    services.retry(pvs.job, owner)  # type: ignore[arg-type]
    monkeypatch.setattr(jobs.Progress, "__call__", report)
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready


def test_without_its_low_resolution_version_a_pvs_fails_and_retry_makes_both(
    source: Source, owner: User, run_jobs: RunJobs
) -> None:
    [pvs] = services.request_pvss(source, ["nearest"], 2, owner)
    services.cancel(pvs.low_resolution.job, owner)  # type: ignore[arg-type]
    pvs.refresh_from_db()
    assert pvs.job.state == JobState.FAILED  # type: ignore[union-attr]
    assert "Retry" in pvs.job.error  # type: ignore[union-attr]
    services.retry(pvs.job, owner)  # type: ignore[arg-type]
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready


def test_removing_a_source_removes_what_was_made_from_it(
    source: Source, owner: User, run_jobs: RunJobs
) -> None:
    services.request_pvss(source, ["nearest"], 2, owner)
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


def test_a_method_asked_for_while_the_low_resolution_is_made_is_not_forgotten(
    source: Source, owner: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from upscalers.core import degrade

    make = degrade.make_low_resolution

    def ask_meanwhile(*args: Any) -> Any:
        made = make(*args)
        services.request_pvss(source, ["bicubic"], 2, owner)
        return made

    monkeypatch.setattr(degrade, "make_low_resolution", ask_meanwhile)
    services.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    assert all(pvs.is_ready for pvs in PVS.objects.all())
    assert PVS.objects.count() == 2


def test_two_workers_on_one_pvs_leave_one_clip(
    source: Source, owner: User, run_jobs: RunJobs
) -> None:
    [pvs] = services.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    pvs.refresh_from_db()
    first, clips = pvs.clip, Clip.objects.count()
    PVS.objects.filter(pk=pvs.pk).update(clip=None)  # as the second worker saw it
    Job.objects.filter(pk=pvs.job_id).update(state=JobState.WAITING)
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.clip == first, "the same frames make the same file"
    assert Clip.objects.count() == clips


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
    services.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    measuring = Job.objects.get(kind=JobKind.MEASURE)
    Job.objects.filter(pk=measuring.pk).update(state=JobState.WAITING)
    services.remove_source(source, owner)
    measuring.refresh_from_db()
    assert measuring.state == JobState.CANCELLED


def test_a_failed_playback_file_is_made_when_the_pvs_is_asked_for_again(
    source: Source, owner: User, run_jobs: RunJobs
) -> None:
    services.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    made = PVS.objects.get().clip.rendition  # type: ignore[union-attr]
    Rendition.objects.filter(pk=made.pk).update(sha256="")
    Job.objects.filter(pk=made.job_id).update(state=JobState.FAILED)
    services.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    made.refresh_from_db()
    assert made.is_ready
