"""How long work runs: claimed by a worker, reporting progress, cancellable, never stuck.

A `Job` row is what people see; the queue's own row says which worker has it. This module keeps
the two in step. What a job does is registered by the app that knows it (`tasks.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import OperationalError, close_old_connections, connection, transaction
from django.db.models import F, Model, QuerySet
from django.dispatch import Signal
from django.utils import timezone
from django.utils.module_loading import import_string
from procrastinate.contrib.django import app as queue_app
from procrastinate.exceptions import ConnectorException
from procrastinate.job_context import JobContext

from upscalers.core.errors import Cancelled, ClipError
from upscalers.models import Job, JobKind, JobState

log = logging.getLogger("midgrey.jobs")

# Upscaling wants the accelerator to itself; everything else shares the processors.
QUEUES: dict[str, str] = {kind: ("gpu" if kind == JobKind.UPSCALE else "cpu") for kind in JobKind}

MOST_ATTEMPTS = 3
STALLED_AFTER_SECONDS = 15.0
REPORT_EVERY_SECONDS = 0.5
UPKEEP_EVERY_SECONDS = 5.0

# Sent when a job is over, however it ended.
job_ended = Signal()

Work = Callable[[Job, "Progress"], None]

# By dotted name, so that a process that never works never loads what work needs.
_works: dict[str, str] = {}


class WorkerStopping(Exception):
    """The worker was asked to stop in mid-job: another takes the job up from the start."""


def register(kind: JobKind, work: str) -> None:
    """Says which function does jobs of this kind; called in `tasks.py` of the app that has it."""
    _works[kind] = work


class Removed(Exception):
    """What the job was to work on is gone."""


Target = TypeVar("Target", bound=Model)


def target_of(rows: QuerySet[Target]) -> Target:
    """What a job works on: the one row that points at it."""
    found = rows.first()
    if found is None:
        raise Removed
    return found


@dataclass
class Progress:
    """Given to the pure core as `on_progress` and `should_stop`."""

    job: Job
    context: JobContext | None = None
    stop: bool = False
    _started: float = field(default_factory=time.monotonic)
    _reported: float = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self._reported < REPORT_EVERY_SECONDS:
            return
        self._reported = now
        fps = done / max(now - self._started, 1e-6)
        Job.objects.filter(pk=self.job.pk).update(done=done, total=total, fps=fps)
        self.stop = Job.objects.filter(pk=self.job.pk, cancel_requested=True).exists()

    def should_stop(self) -> bool:
        return self.stop or (self.context is not None and self.context.should_abort())


def enqueue(job: Job) -> None:
    """Puts a waiting job into the queue; commits or vanishes with the caller's transaction."""
    job.queue_id = queue_app.configure_task("midgrey.run_job", queue=QUEUES[job.kind]).defer(
        job_id=job.pk
    )
    job.save(update_fields=["queue_id"])


def claim(job_id: int, worker: str) -> Job | None:
    """Takes the job if it is still wanted: a cancelled or finished one is not run again."""
    taken = Job.objects.filter(
        pk=job_id, state__in=[JobState.WAITING, JobState.RUNNING], cancel_requested=False
    ).update(
        state=JobState.RUNNING,
        attempts=F("attempts") + 1,
        worker=worker,
        started_at=timezone.now(),
        done=0,
        fps=0.0,
        error="",
    )
    return Job.objects.get(pk=job_id) if taken else None


def run_job(context: JobContext, job_id: int) -> None:
    job = claim(job_id, context.worker_name or "worker")
    if job is None:
        finish(Job.objects.filter(pk=job_id, cancel_requested=True).first(), JobState.CANCELLED)
        return
    if job.attempts > MOST_ATTEMPTS:
        finish(
            job,
            JobState.FAILED,
            f"The worker died {MOST_ATTEMPTS} times while doing this, most likely for want of "
            "memory. Free some memory or use a smaller clip, then try again.",
        )
        return
    try:
        do(job, Progress(job, context))
    except WorkerStopping:
        with transaction.atomic():
            Job.objects.filter(pk=job.pk, state=JobState.RUNNING).update(
                state=JobState.WAITING, attempts=0, worker=""
            )
            enqueue(job)


def do(job: Job, progress: Progress) -> None:
    """Runs a claimed job here and now and records how it ended."""
    try:
        work: Work = import_string(_works[job.kind])
        work(job, progress)
    except Cancelled:
        if not progress.stop:
            raise WorkerStopping from None
        finish(job, JobState.CANCELLED)
    except ClipError as error:
        finish(job, JobState.FAILED, str(error))
    except Removed:
        finish(job, JobState.CANCELLED, "What it was about has been removed.")
    except (OperationalError, ConnectorException):
        # The database went away: nothing can be recorded now. Upkeep finds the job again.
        raise
    except Exception as error:
        log.exception("job %s (%s) failed", job.pk, job.title)
        finish(job, JobState.FAILED, f"Unexpected error: {type(error).__name__}: {error}")
    else:
        finish(job, JobState.DONE)


def finish(job: Job | None, state: JobState, error: str = "") -> None:
    if job is None:
        return
    with transaction.atomic():
        ended = Job.objects.filter(
            pk=job.pk, state__in=[JobState.WAITING, JobState.RUNNING]
        ).update(state=state, error=error, finished_at=timezone.now(), worker="")
        if ended:
            job_ended.send(Job, job=job, state=state)
    if ended:
        log.info("job %s (%s) %s %s", job.pk, job.title, state, error)


def recover() -> int:
    """Gives jobs of dead workers to living ones; returns how many were freed.

    A worker that was killed leaves its job 'doing' in the queue with an old heartbeat. A database
    that was killed can leave an open job with no live row in the queue at all.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT job.id FROM procrastinate_jobs job
            LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
            WHERE job.status = 'doing' AND job.task_name = 'midgrey.run_job'
              AND (worker.id IS NULL OR worker.last_heartbeat < now() - %s * interval '1 second')
            """,
            [STALLED_AFTER_SECONDS],
        )
        stalled = [row[0] for row in cursor.fetchall()]
    freed = sum(_retry_queued(queue_id) for queue_id in stalled)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM upscalers_job job
            WHERE job.state IN ('waiting', 'running') AND NOT EXISTS (
                SELECT 1 FROM procrastinate_jobs queued
                WHERE queued.id = job.queue_id AND queued.status IN ('todo', 'doing'))
              AND job.queue_id IS NOT NULL
            FOR UPDATE SKIP LOCKED
            """
        )
        for (job_id,) in cursor.fetchall():
            job = Job.objects.get(pk=job_id)
            log.warning("job %s (%s) was lost from the queue and is put back", job.pk, job.title)
            enqueue(job)
            freed += 1
    return freed


def _retry_queued(queue_id: int) -> bool:
    try:
        queue_app.job_manager.retry_job_by_id(queue_id, timezone.now())
    except ConnectorException:
        return False  # another worker was faster
    log.warning("queued job %s is taken back from a worker that stopped answering", queue_id)
    return True


def start_upkeep() -> threading.Thread:
    """Runs `recover` every few seconds for the life of this process, whatever the queue does."""

    def keep() -> None:
        while True:
            try:
                close_old_connections()
                recover()
            except Exception:
                log.exception("upkeep of jobs failed; trying again")
            time.sleep(UPKEEP_EVERY_SECONDS)

    thread = threading.Thread(target=keep, name="job-upkeep", daemon=True)
    thread.start()
    return thread
