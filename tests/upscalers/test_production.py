"""Low-resolution versions and PVSs, made in parts by real jobs on real clips."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from scoring.models import Measurement
from tests.waiting import wait_for
from tests.working import do_job, run_queued
from upscalers import jobs, production, services, store
from upscalers.core.errors import ClipError
from upscalers.methods import Method, built_in, get_method
from upscalers.models import (
    PVS,
    AuditEntry,
    Chunk,
    Clip,
    Hold,
    Job,
    JobKind,
    JobState,
    LowResolution,
    Rendition,
    Source,
)
from upscalers.services import Ingest

pytestmark = pytest.mark.django_db

MakeVideo = Callable[..., Path]
RunJobs = Callable[[], None]


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every method makes clips in parts of about three frames: three for a clip of ten."""

    def get(slug: str) -> Method:
        return replace(get_method(slug), chunk_frames=3)

    monkeypatch.setattr(production, "get_method", get)


def parts_on_disk() -> list[Path]:
    return sorted((store.root() / "chunks").glob("*"))


def unfinished() -> list[Path]:
    return sorted((store.root() / "work").glob("*"))


def chunk_jobs(pvs: PVS) -> list[Job]:
    return [chunk.job for chunk in pvs.chunks.select_related("job")]


def test_a_pvs_is_made_measured_and_made_playable(
    source: Source, owner: User, run_jobs: RunJobs
) -> None:
    production.request_pvss(source, ["lanczos3"], 2, owner)
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
        production.request_pvss(source, ["nearest", "bicubic"], 2, owner)
    run_jobs()
    production.request_pvss(source, ["nearest"], 2, owner)
    assert PVS.objects.count() == 2
    assert LowResolution.objects.count() == 1
    assert Job.objects.filter(kind=JobKind.UPSCALE).count() == 2


@pytest.mark.parametrize(
    ("methods", "scale", "complaint"),
    [
        (["nearest"], 1, "more than 1 and at most 8 times smaller"),
        (["magic"], 2, "there is no method 'magic'"),
    ],
)
def test_impossible_wishes_change_nothing(
    source: Source, methods: list[str], scale: int, complaint: str
) -> None:
    with pytest.raises(ClipError, match=complaint):
        production.request_pvss(source, methods, scale)
    assert not PVS.objects.exists()


@pytest.mark.parametrize(
    ("crop", "scale", "small"),
    [("62x46+0+0", 4, (16, 12)), ("64x48+0+0", 1.5, (43, 32)), ("64x48+0+0", 3, (22, 16))],
)
def test_a_size_that_does_not_divide_comes_back_whole(
    owner: User, make_video: MakeVideo, run_jobs: RunJobs, crop: str, scale: float,
    small: tuple[int, int],
) -> None:  # fmt: skip
    odd = services.ingest(
        make_video(), Ingest("odd.mkv", **services.ingest_options({"crop": crop})), owner
    )
    [kernel, network] = production.request_pvss(odd, ["bicubic", "span-x2"], scale, owner)
    run_jobs()
    for pvs in (kernel, network):
        pvs.refresh_from_db()
        low = pvs.low_resolution.clip
        assert (low.width, low.height) == small  # type: ignore[union-attr]
        assert (pvs.clip.width, pvs.clip.height) == (odd.clip.width, odd.clip.height)  # type: ignore[union-attr]
        assert pvs.measurements.filter(metric="psnr_y", mean__gt=5).exists()
    assert network.resampler.startswith("lanczos3") and not kernel.resampler


def test_cancelling_a_waiting_job_ends_it_at_once(source: Source, owner: User) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    services.cancel(pvs.job, owner)  # type: ignore[arg-type]
    pvs.job.refresh_from_db()  # type: ignore[union-attr]
    assert pvs.job.state == JobState.CANCELLED  # type: ignore[union-attr]


def test_cancelling_a_running_job_stops_it_and_leaves_no_file(
    source: Source, owner: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    monkeypatch.setattr(jobs, "REPORT_EVERY_SECONDS", 0.0)
    report = jobs.Progress.__call__

    def cancel_when_seen(self: jobs.Progress, done: int, total: int) -> None:
        if self.job.kind == JobKind.CHUNK and done == 2:
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
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    services.cancel(pvs.low_resolution.job, owner)  # type: ignore[arg-type]
    pvs.refresh_from_db()
    assert pvs.job.state == JobState.FAILED  # type: ignore[union-attr]
    assert "Retry" in pvs.job.error  # type: ignore[union-attr]
    services.retry(pvs.job, owner)  # type: ignore[arg-type]
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready


def test_a_method_asked_for_while_the_low_resolution_is_made_is_not_forgotten(
    source: Source, owner: User, run_jobs: RunJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    from upscalers.core import degrade

    make = degrade.make_low_resolution

    def ask_meanwhile(*args: Any) -> Any:
        made = make(*args)
        production.request_pvss(source, ["bicubic"], 2, owner)
        return made

    monkeypatch.setattr(degrade, "make_low_resolution", ask_meanwhile)
    production.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    assert all(pvs.is_ready for pvs in PVS.objects.all())
    assert PVS.objects.count() == 2


def test_a_failed_playback_file_is_made_when_the_pvs_is_asked_for_again(
    source: Source, owner: User, run_jobs: RunJobs
) -> None:
    production.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    made = PVS.objects.get().clip.rendition  # type: ignore[union-attr]
    Rendition.objects.filter(pk=made.pk).update(sha256="")
    Job.objects.filter(pk=made.job_id).update(state=JobState.FAILED)
    production.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    made.refresh_from_db()
    assert made.is_ready


def test_a_pvs_made_in_parts_is_the_same_clip(
    source: Source, owner: User, run_jobs: RunJobs, request: pytest.FixtureRequest
) -> None:
    [whole] = production.request_pvss(source, ["lanczos3"], 2, owner)
    run_jobs()
    whole.refresh_from_db()
    made, digest = whole.clip, whole.clip.frames_sha256  # type: ignore[union-attr]
    PVS.objects.all().delete()
    request.getfixturevalue("in_parts")
    [pvs] = production.request_pvss(source, ["lanczos3"], 2, owner)
    assert pvs.chunks.count() == 3
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.clip.frames_sha256 == digest  # type: ignore[union-attr]
    assert pvs.clip.format == made.format  # type: ignore[union-attr]
    assert not parts_on_disk() and not unfinished() and not Chunk.objects.exists()
    assert pvs.job.state == JobState.DONE and pvs.job.done == 10  # type: ignore[union-attr]


def test_what_the_parts_cost_adds_up(
    source: Source, owner: User, run_jobs: RunJobs, in_parts: None
) -> None:
    [pvs] = production.request_pvss(source, ["span-x2"], 2, owner)
    done = []
    while job := Job.objects.filter(kind=JobKind.DEGRADE, state=JobState.WAITING).first():
        do_job(job.pk)
    for job in chunk_jobs(pvs):
        do_job(job.pk)
        done.append(Chunk.objects.get(job=job))
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.wall_seconds == pytest.approx(sum(chunk.wall_seconds or 0 for chunk in done))
    assert pvs.peak_memory_bytes == max(chunk.peak_memory_bytes or 0 for chunk in done)
    assert pvs.joules is None, "nothing counts them on a processor"
    span = get_method("span-x2")
    assert pvs.gflop_per_frame == pytest.approx(span.flop_per_pixel * 32 * 24 / 1e9)
    assert pvs.parameters == span.parameters > 0


def test_the_job_of_a_pvs_shows_what_its_parts_have_done(
    source: Source, owner: User, in_parts: None
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    low_job = pvs.low_resolution.job
    do_job(low_job.pk)  # type: ignore[union-attr]
    first, *_ = chunk_jobs(pvs)
    assert Job.objects.get(pk=pvs.job_id).state == JobState.WAITING
    do_job(first.pk)
    job = Job.objects.get(pk=pvs.job_id)
    assert (job.state, job.done, job.total, job.queue_id) == (JobState.RUNNING, 3, 10, None)


def test_a_part_that_fails_ends_the_pvs_and_retry_makes_only_what_is_missing(
    source: Source, owner: User, run_jobs: RunJobs, in_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from upscalers.core import engine

    upscale, made = engine.upscale, []

    def full_disk(*args: Any, **more: Any) -> Any:
        if more["part"].start == 6:
            raise OSError(28, "No space left on device")
        made.append(more["part"].start)
        return upscale(*args, **more)

    monkeypatch.setattr(engine, "upscale", full_disk)
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    run_jobs()
    job = Job.objects.get(pk=pvs.job_id)
    assert (job.state, job.error) == (
        JobState.FAILED, "The disk is full. Free some space, then press Retry.",
    )  # fmt: skip
    assert made == [0, 3] and len(parts_on_disk()) == 2 and not unfinished()
    monkeypatch.setattr(
        engine, "upscale", lambda *a, **m: (made.append("again"), upscale(*a, **m))[1]
    )
    services.retry(job, owner)
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready and made == [0, 3, "again"]
    assert not parts_on_disk()


def test_cancelling_a_pvs_cancels_its_parts_and_removes_those_made(
    source: Source, owner: User, in_parts: None, django_capture_on_commit_callbacks: Any
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    do_job(pvs.low_resolution.job_id)
    parts = chunk_jobs(pvs)
    do_job(parts[0].pk)
    assert len(parts_on_disk()) == 1
    with django_capture_on_commit_callbacks(execute=True):
        services.cancel(parts[1], owner)  # as from the list of jobs: a part stands for the whole
    states = {job.state for job in Job.objects.filter(parent=pvs.job)}
    assert states == {JobState.DONE, JobState.CANCELLED}
    assert Job.objects.get(pk=pvs.job_id).state == JobState.CANCELLED
    assert not parts_on_disk() and not Chunk.objects.exists()


def test_a_part_still_running_when_its_pvs_was_cancelled_and_tried_again_harms_nothing(
    source: Source, owner: User, run_jobs: RunJobs, in_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from upscalers.core import engine

    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    do_job(pvs.low_resolution.job_id)
    upscale, first = engine.upscale, chunk_jobs(pvs)[0]

    def cancelled_and_retried_meanwhile(*args: Any, **more: Any) -> Any:
        monkeypatch.setattr(engine, "upscale", upscale)
        services.cancel(Job.objects.get(pk=pvs.job_id), owner)
        services.retry(Job.objects.get(pk=pvs.job_id), owner)
        return upscale(*args, **more)

    monkeypatch.setattr(engine, "upscale", cancelled_and_retried_meanwhile)
    do_job(first.pk)
    assert not unfinished()
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready and pvs.job.state == JobState.DONE  # type: ignore[union-attr]
    assert not parts_on_disk()


def test_a_part_lost_from_the_disk_is_made_again(
    source: Source, owner: User, run_jobs: RunJobs, in_parts: None
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    do_job(pvs.low_resolution.job_id)
    for job in chunk_jobs(pvs):
        do_job(job.pk)
    parts_on_disk()[1].unlink()
    run_jobs()
    job = Job.objects.get(pk=pvs.job_id)
    assert job.state == JobState.FAILED and "not on the disk any more" in job.error
    services.retry(job, owner)
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready
    assert not Job.objects.filter(kind=JobKind.CHUNK, parent=None).exists()


@pytest.mark.parametrize("parts", [1, 3])
def test_a_part_damaged_on_the_disk_is_noticed_and_made_again(
    source: Source, owner: User, run_jobs: RunJobs, request: pytest.FixtureRequest, parts: int
) -> None:
    if parts > 1:
        request.getfixturevalue("in_parts")
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    do_job(pvs.low_resolution.job_id)
    for job in chunk_jobs(pvs):
        do_job(job.pk)
    path = parts_on_disk()[-1]
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    path.write_bytes(data)
    run_jobs()
    job = Job.objects.get(pk=pvs.job_id)
    assert job.state == JobState.FAILED
    services.retry(job, owner)
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready


def test_a_worker_thought_dead_that_comes_back_changes_nothing(
    source: Source, owner: User, run_jobs: RunJobs, in_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from upscalers.core import engine

    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    do_job(pvs.low_resolution.job_id)
    upscale, first = engine.upscale, chunk_jobs(pvs)[0]

    def another_was_faster(*args: Any, **more: Any) -> Any:
        monkeypatch.setattr(engine, "upscale", upscale)
        run_again = Job.objects.filter(pk=first.pk)
        run_again.update(state=JobState.WAITING)
        run_jobs()
        return upscale(*args, **more)

    monkeypatch.setattr(engine, "upscale", another_was_faster)
    do_job(first.pk)
    pvs.refresh_from_db()
    assert pvs.is_ready and Clip.objects.filter(pvss=pvs).count() == 1
    assert not parts_on_disk() and not unfinished()


def test_two_workers_that_join_the_same_parts_leave_one_clip(
    source: Source, owner: User, run_jobs: RunJobs, in_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    join = production._join

    def another_was_faster(*args: Any) -> Any:
        monkeypatch.setattr(production, "_join", join)
        digest = join(*args)
        job = Job.objects.get(pk=pvs.job_id)
        production.join_chunks(job, jobs.Progress(job))
        return digest

    monkeypatch.setattr(production, "_join", another_was_faster)
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready and pvs.job.state == JobState.DONE  # type: ignore[union-attr]
    assert not parts_on_disk() and not unfinished()


def test_a_join_ordered_before_a_cancel_and_a_retry_does_nothing(
    source: Source, owner: User, run_jobs: RunJobs, in_parts: None
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    do_job(pvs.low_resolution.job_id)
    for job in chunk_jobs(pvs):
        do_job(job.pk)
    join = Job.objects.get(pk=pvs.job_id)
    assert join.queue_id is not None
    services.cancel(join, owner)
    services.retry(join, owner)
    run_queued(join.queue_id, join.pk)
    assert Job.objects.get(pk=join.pk).state == JobState.WAITING
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready


def test_an_upscale_ordered_before_there_were_parts_is_made_in_parts(
    source: Source, owner: User, run_jobs: RunJobs, in_parts: None
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    do_job(pvs.low_resolution.job_id)
    Job.objects.filter(parent=pvs.job_id).delete()
    assert pvs.job is not None and not pvs.chunks.exists()
    jobs.enqueue(pvs.job)
    do_job(pvs.job_id)
    job = Job.objects.get(pk=pvs.job_id)
    assert (job.state, job.queue_id, pvs.chunks.count()) == (JobState.RUNNING, None, 3)
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready


@pytest.mark.django_db(transaction=True)
def test_a_pvs_asked_for_in_the_moment_its_low_resolution_version_fails_ends_with_it(
    source: Source, owner: User
) -> None:
    [first] = production.request_pvss(source, ["nearest"], 2, owner)
    low_job = first.low_resolution.job
    assert low_job is not None
    Job.objects.filter(pk=low_job.pk).update(state=JobState.RUNNING, worker="w1")

    def fail() -> None:
        try:
            jobs.finish(low_job, JobState.FAILED, "The disk is full.")
        finally:
            connection.close()

    failing = threading.Thread(target=fail)
    with jobs.in_turn():
        failing.start()
        wait_for(someone_waits, 10, "the other to wait its turn")
        [second] = production.request_pvss(source, ["bicubic"], 2, owner)
    failing.join(10)
    states = {Job.objects.get(pk=pvs.job_id).state for pvs in (first, second)}
    assert states == {JobState.FAILED}


def someone_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone() is not None


def test_parts_of_a_failure_given_up_long_ago_are_removed(
    source: Source, owner: User, in_parts: None, django_capture_on_commit_callbacks: Any
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    do_job(pvs.low_resolution.job_id)
    do_job(chunk_jobs(pvs)[0].pk)
    failed = Job.objects.get(pk=pvs.job_id)
    jobs.finish(failed, JobState.FAILED, "The disk is full.")
    services.discard_abandoned()
    assert len(parts_on_disk()) == 1
    Job.objects.filter(pk=failed.pk).update(
        finished_at=timezone.now() - 2 * services.ABANDONED_PARTS
    )
    with django_capture_on_commit_callbacks(execute=True):
        services.discard_abandoned()
    assert not parts_on_disk() and not pvs.chunks.exists()


def test_the_file_of_a_part_that_nobody_knows_is_removed() -> None:
    for name, age in (("1-2-3.mkv", 2 * services.ABANDONED_WORK.total_seconds()), ("new.mkv", 0)):
        path = store.parts_folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age,) * 2)
    services.discard_abandoned()
    assert [path.name for path in parts_on_disk()] == ["new.mkv"]


def test_a_pvs_says_whether_several_kinds_of_device_made_it(
    source: Source, owner: User, run_jobs: RunJobs, in_parts: None
) -> None:
    [pvs, other] = production.request_pvss(source, ["nearest", "bicubic"], 2, owner)
    do_job(pvs.low_resolution.job_id)
    for job in chunk_jobs(pvs) + chunk_jobs(other):
        do_job(job.pk)
    Chunk.objects.filter(pvs=pvs, number=1).update(device="NVIDIA H200")
    run_jobs()
    pvs.refresh_from_db()
    other.refresh_from_db()
    assert pvs.made_on_several and pvs.device.endswith(" and NVIDIA H200")
    assert not other.made_on_several


def test_what_is_ordered_cancelled_and_tried_again_names_who_did_it(
    source: Source, owner: User
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    ordered = AuditEntry.objects.get(action="PVSs ordered")
    assert ordered.detail == {"scale": 2, "degradation": "bicubic", "methods": ["nearest"]}
    services.cancel(pvs.low_resolution.job, owner)  # type: ignore[arg-type]
    services.retry(Job.objects.get(pk=pvs.job_id), owner)
    production.remove_low_resolution(pvs.low_resolution, owner)
    assert set(AuditEntry.objects.values_list("who", flat=True)) == {"olga"}
    assert AuditEntry.objects.filter(action="job retried").count() == 2


def test_a_pvs_removed_while_its_last_part_is_made_is_no_error(
    source: Source, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    do_job(pvs.low_resolution.job_id)
    do_job(chunk_jobs(pvs)[0].pk)
    join = production._join

    def removed_meanwhile(*args: Any) -> str:
        digest = join(*args)
        production.remove_pvs(PVS.objects.get(pk=pvs.pk), owner)
        return digest

    monkeypatch.setattr(production, "_join", removed_meanwhile)
    do_job(pvs.job_id)
    job = Job.objects.get(pk=pvs.job_id)
    assert (job.state, job.error) == (JobState.CANCELLED, "What it was about has been removed.")


def test_a_held_queue_begins_nothing_until_it_is_released(
    source: Source, owner: User, run_jobs: RunJobs, in_parts: None
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    services.hold("gpu", owner)
    do_job(pvs.low_resolution.job_id)
    first, *_ = chunk_jobs(pvs)
    assert queue_of(first) == "held-gpu"
    do_job(first.pk)  # it slipped through
    first.refresh_from_db()
    assert first.state == JobState.WAITING and queue_of(first) == "held-gpu"
    services.release("gpu", owner)
    first.refresh_from_db()
    assert queue_of(first) == "gpu" and not Hold.objects.exists()
    run_jobs()
    pvs.refresh_from_db()
    assert pvs.is_ready


def queue_of(job: Job) -> str:
    return _queued(job, "queue_name")


def _queued(job: Job, column: str) -> Any:
    from procrastinate.contrib.django.models import ProcrastinateJob

    return ProcrastinateJob.objects.values_list(column, flat=True).get(pk=job.queue_id)


def test_priority_reaches_the_parts_and_the_queue(
    source: Source, owner: User, in_parts: None
) -> None:
    [pvs] = production.request_pvss(source, ["nearest"], 2, owner)
    services.prioritise(pvs.job, 10, owner)  # type: ignore[arg-type]
    do_job(pvs.low_resolution.job_id)
    first, second, _ = chunk_jobs(pvs)
    assert first.priority == 10 and _queued(first, "priority") == 10
    services.prioritise(pvs.job, -10, owner)  # type: ignore[arg-type]
    assert _queued(second, "priority") == -10


def test_cancelling_all_spares_what_is_being_brought_in(
    source: Source, owner: User, make_video: MakeVideo
) -> None:
    production.request_pvss(source, ["nearest", "bicubic"], 2, owner)
    ingest = services.new_job(JobKind.INGEST, "Ingest x", 0, owner)
    services.cancel_all(owner)
    ingest.refresh_from_db()
    assert ingest.state == JobState.WAITING
    open_jobs = Job.objects.filter(state__in=[JobState.WAITING, JobState.RUNNING])
    assert list(open_jobs) == [ingest]


@pytest.mark.slow
def test_every_method_makes_a_pvs(source: Source, owner: User, run_jobs: RunJobs) -> None:
    wanted = list(built_in())
    production.request_pvss(source, wanted, 2, owner)
    run_jobs()
    made = {pvs.method: pvs for pvs in PVS.objects.select_related("clip")}
    assert set(made) == set(wanted)
    for slug, pvs in made.items():
        assert pvs.clip is not None, (slug, pvs.job and pvs.job.error)
        assert (pvs.clip.width, pvs.clip.height, pvs.clip.frames) == (64, 48, 10)
        own = get_method(slug).scales
        assert bool(pvs.resampler) == (own is not None and 2 not in own), slug
