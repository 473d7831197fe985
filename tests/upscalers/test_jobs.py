"""Jobs end well whatever happens to the worker or the database."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection

from upscalers import jobs
from upscalers.core.errors import Cancelled, ClipError
from upscalers.jobs import Progress
from upscalers.models import Job, JobKind, JobState

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
    jobs.run_job(WORKER, job.pk)  # type: ignore[arg-type]
    job.refresh_from_db()
    assert (job.state, job.done, job.attempts) == (JobState.DONE, 100, 1)


def test_a_known_problem_is_told_in_its_own_words(job: Job) -> None:
    work_that(ClipError("clip.mov has 240 frames, its source has 250: trim it or re-export"))
    jobs.run_job(WORKER, job.pk)  # type: ignore[arg-type]
    job.refresh_from_db()
    assert (job.state, job.error[:23]) == (JobState.FAILED, "clip.mov has 240 frames")


def test_an_unknown_problem_fails_the_job_and_not_the_worker(job: Job) -> None:
    work_that(ZeroDivisionError("oops"))
    jobs.run_job(WORKER, job.pk)  # type: ignore[arg-type]
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "ZeroDivisionError: oops" in job.error


def test_a_stopping_worker_puts_its_job_back(job: Job) -> None:
    work_that(Cancelled())
    first = job.queue_id
    jobs.run_job(SimpleNamespace(worker_name="w1", should_abort=lambda: True), job.pk)  # type: ignore[arg-type]
    job.refresh_from_db()
    assert job.state == JobState.WAITING
    assert job.queue_id != first


def test_a_job_that_keeps_killing_workers_is_given_up_with_advice(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(attempts=3, state=JobState.RUNNING)
    work_that(lambda job, progress: None)
    jobs.run_job(WORKER, job.pk)  # type: ignore[arg-type]
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "memory" in job.error


def test_a_finished_job_is_not_run_again(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(state=JobState.DONE)
    work_that(AssertionError("must not run"))
    jobs.run_job(WORKER, job.pk)  # type: ignore[arg-type]
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


def test_a_lost_database_leaves_the_job_open_for_recovery(job: Job) -> None:
    work_that(OperationalError("the server went away"))
    with pytest.raises(OperationalError):
        jobs.run_job(WORKER, job.pk)  # type: ignore[arg-type]
    job.refresh_from_db()
    assert job.state == JobState.RUNNING
