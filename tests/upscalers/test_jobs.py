"""Jobs end well whatever happens to the worker or the database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from tests.working import do_job, run_queued
from upscalers import jobs, services
from upscalers.core.errors import Cancelled, ClipError
from upscalers.jobs import Progress
from upscalers.models import Hold, Job, JobKind, JobState

pytestmark = pytest.mark.django_db

WORKER = SimpleNamespace(worker_name="w1", should_abort=lambda: False)


def work_that(action: object) -> None:
    """Registers what the next job does; found by name like any other work."""
    global behaviour
    behaviour = action


behaviour: object = None


def behave(job: Job, progress: Progress) -> None:
    if isinstance(behaviour, BaseException):
        raise behaviour
    behaviour(job, progress)  # type: ignore[operator]


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    monkeypatch.setitem(jobs._works, JobKind.RENDER, f"{__name__}.behave")
    made = Job.objects.create(kind=JobKind.RENDER, title="Something long", total=100)
    jobs.enqueue(made)
    yield made


def test_a_job_that_ends_well_is_done(job: Job) -> None:
    work_that(lambda job, progress: progress(100, 100))
    do_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done, job.attempts) == (JobState.DONE, 100, 1)


def test_a_known_problem_is_told_in_its_own_words(job: Job) -> None:
    work_that(ClipError("clip.mov has 240 frames, its source has 250: trim it or re-export"))
    do_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error[:23]) == (JobState.FAILED, "clip.mov has 240 frames")


def test_an_unknown_problem_fails_the_job_and_not_the_worker(job: Job) -> None:
    work_that(ZeroDivisionError("oops"))
    do_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "ZeroDivisionError: oops" in job.error


def test_a_stopping_worker_puts_its_job_back(job: Job) -> None:
    work_that(Cancelled())
    first = job.queue_id
    do_job(job.pk, stopping=True)
    job.refresh_from_db()
    assert job.state == JobState.WAITING
    assert job.queue_id != first


def test_a_stopping_worker_does_not_put_back_what_another_has_taken_over(job: Job) -> None:
    def taken_over(job: Job, progress: Progress) -> None:
        Job.objects.filter(pk=job.pk).update(worker="w2")
        raise Cancelled

    work_that(taken_over)
    first = job.queue_id
    do_job(job.pk, stopping=True)
    job.refresh_from_db()
    assert (job.state, job.worker, job.queue_id) == (JobState.RUNNING, "w2", first)


def test_of_a_job_ordered_anew_only_the_newest_row_in_the_queue_counts(job: Job) -> None:
    first = job.queue_id
    services.cancel(job)
    services.retry(job)
    work_that(AssertionError("must not run"))
    run_queued(first, job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.WAITING, 0)
    work_that(lambda job, progress: None)
    do_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.DONE, 1)


def test_the_end_of_work_that_was_ordered_anew_meanwhile_is_not_the_end_of_the_job(
    job: Job,
) -> None:
    work_that(lambda job, progress: jobs.enqueue(Job.objects.get(pk=job.pk)))
    do_job(job.pk)
    job.refresh_from_db()
    assert job.is_open


def test_a_job_that_was_claimed_just_now_is_stopped_by_its_worker(job: Job) -> None:
    seen = Job.objects.get(pk=job.pk)  # waiting
    assert jobs.claim(job.pk, job.queue_id or 0, "w1")
    jobs.stop(seen)
    job.refresh_from_db()
    assert (job.state, job.cancel_requested) == (JobState.RUNNING, True)


def test_what_ended_by_itself_just_now_is_not_cancelled_and_no_error(job: Job) -> None:
    seen = Job.objects.get(pk=job.pk)
    Job.objects.filter(pk=job.pk).update(state=JobState.DONE)
    assert not services.cancel_if_open(seen)
    job.refresh_from_db()
    assert job.state == JobState.DONE
    with pytest.raises(ClipError, match="is done already"):
        services.cancel(seen)


def test_a_job_that_keeps_killing_workers_is_given_up_with_advice(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(attempts=3, state=JobState.RUNNING)
    work_that(lambda job, progress: None)
    do_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "memory" in job.error


def test_a_finished_job_is_not_run_again(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(state=JobState.DONE)
    work_that(AssertionError("must not run"))
    do_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.DONE


def test_progress_tells_speed_and_time_left(job: Job) -> None:
    progress = Progress(job, WORKER)  # type: ignore[arg-type]
    progress._started -= 10
    progress(50, 100)
    job.refresh_from_db()
    job.state = JobState.RUNNING
    assert job.fps == pytest.approx(5, rel=0.05)
    assert job.seconds_left == pytest.approx(10, rel=0.05)


def queue_status(job: Job) -> str:
    job.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM procrastinate_jobs WHERE id = %s", [job.queue_id])
        return str(cursor.fetchone()[0])


def take(job: Job, heartbeat_age_seconds: float) -> None:
    """What the queue looks like while a worker has the job."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - %s * interval '1 second') RETURNING id",
            [heartbeat_age_seconds],
        )
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE id = %s",
            [cursor.fetchone()[0], job.queue_id],
        )
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING)


def test_a_dead_workers_job_is_given_to_another(job: Job) -> None:
    take(job, heartbeat_age_seconds=60)
    assert jobs.recover() == 1
    assert queue_status(job) == "todo"


def test_a_living_workers_job_is_left_alone(job: Job) -> None:
    take(job, heartbeat_age_seconds=1)
    assert jobs.recover() == 0
    assert queue_status(job) == "doing"


def test_a_job_lost_from_the_queue_is_put_back(job: Job) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_events WHERE job_id = %s", [job.queue_id])
        cursor.execute("DELETE FROM procrastinate_jobs WHERE id = %s", [job.queue_id])
    assert jobs.recover() == 1
    assert queue_status(job) == "todo"


def queue_of(job: Job) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT queue_name FROM procrastinate_jobs WHERE id = %s", [job.queue_id])
        return str(cursor.fetchone()[0])


def test_what_was_put_into_a_held_queue_while_it_was_released_is_found(job: Job) -> None:
    hold = Hold.objects.create(queue="cpu", by="olga")
    jobs.enqueue(job)
    jobs.recover()
    assert queue_of(job) == "held-cpu"
    hold.delete()
    jobs.recover()
    assert queue_of(job) == "cpu"


def test_a_worker_whose_clock_is_wrong_is_running(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.report_worker("render-1", ["gpu"], "NVIDIA H200")
    with monkeypatch.context() as there:
        there.setattr(timezone, "now", lambda: datetime.now(UTC) - timedelta(hours=1))
        jobs.report_worker("render-1", ["gpu"], "NVIDIA H200")
    assert [worker.device for worker in jobs.living_workers()] == ["NVIDIA H200"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_upkeep_goes_on_whatever_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    recovered: list[int] = []

    def sleep(seconds: float) -> None:
        if len(recovered) == 3:
            raise SystemExit  # ends the thread

    def no_device(queues: object) -> str:
        raise OSError("no driver")

    monkeypatch.setattr(jobs, "_device_of", no_device)
    monkeypatch.setattr(jobs, "recover", lambda: recovered.append(1))
    monkeypatch.setattr(jobs, "close_old_connections", lambda: None)
    monkeypatch.setattr(jobs, "time", SimpleNamespace(sleep=sleep))
    jobs.start_upkeep("render-1", ["gpu"]).join(10)
    assert len(recovered) == 3


def test_a_lost_database_leaves_the_job_open_for_recovery(job: Job) -> None:
    work_that(OperationalError("the server went away"))
    with pytest.raises(OperationalError):
        do_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.RUNNING
