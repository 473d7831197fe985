"""How long work runs: claimed by a worker, reporting progress, cancellable, never stuck.

A `Job` row is what people see; the queue's own row says which worker has it. This module keeps
the two in step: a job has many rows in the queue over its life, and only the one in `queue_id`
counts. What a job does is registered by the app that knows it (`tasks.py`).
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db import OperationalError, close_old_connections, connection, transaction
from django.db.models import F, Model, Q, QuerySet, Sum
from django.db.models.functions import Least, Now
from django.dispatch import Signal
from django.utils.module_loading import import_string
from procrastinate.contrib.django import app as queue_app
from procrastinate.exceptions import ConnectorException
from procrastinate.job_context import JobContext

from upscalers.core.errors import Cancelled, ClipError
from upscalers.models import Hold, Job, JobKind, JobState, Worker

log = logging.getLogger("midgrey.jobs")

# The parts of an upscale want the accelerator; everything else shares the processors.
QUEUES: dict[str, str] = {kind: ("gpu" if kind == JobKind.CHUNK else "cpu") for kind in JobKind}

HELD = "held-"  # before the name of a queue: where its jobs wait while it is held

MOST_ATTEMPTS = 3
STALLED_AFTER_SECONDS = 15.0
REPORT_EVERY_SECONDS = 0.5
UPKEEP_EVERY_SECONDS = 5.0
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)  # by whichever clock

# Sent when a job is over, however it ended.
job_ended = Signal()

Work = Callable[[Job, "Progress"], None]
User = Any  # an account, or None on the command line

# By dotted name, so that a process that never works never loads what work needs.
_works: dict[str, str] = {}
_beginnings: dict[str, str] = {}


# Any number that nothing else in this database locks.
_TURN = 0x6D696467726579


@contextmanager
def in_turn() -> Iterator[None]:
    """A transaction that waits for the others of its kind: for whatever orders, begins, ends or
    removes things. Jobs, parts, PVSs and low-resolution versions hang on one another both ways, so
    that locks on their rows would be taken in opposite orders. Nothing long is done inside."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])
        yield


class WorkerStopping(Exception):
    """The worker was asked to stop in mid-job: another takes the job up from the start."""


def register(kind: JobKind, work: str, begin: str = "") -> None:
    """Says which function does jobs of this kind; called in `tasks.py` of the app that has it.

    `begin` names the function that gets a job on its way where more is needed than the queue.
    """
    _works[kind] = work
    if begin:
        _beginnings[kind] = begin


def begin(job: Job, user: User) -> None:
    if job.kind not in _beginnings:
        enqueue(job)
        return
    beginning: Callable[[Job, User], None] = import_string(_beginnings[job.kind])
    beginning(job, user)


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
        if self.job.parent_id:
            _sum_up(self.job.parent_id)
        # A job whose row is gone is not wanted either.
        self.stop = not Job.objects.filter(pk=self.job.pk, cancel_requested=False).exists()

    def should_stop(self) -> bool:
        return self.stop or (self.context is not None and self.context.should_abort())


def _sum_up(parent_id: int) -> None:
    """A job that is made in parts shows their sum."""
    running = Q(state=JobState.RUNNING)
    sums = Job.objects.filter(parent=parent_id).aggregate(
        done=Sum("done"), fps=Sum("fps", filter=running)
    )
    Job.objects.filter(pk=parent_id, queue_id=None).update(
        done=Least(sums["done"] or 0, F("total")), fps=sums["fps"] or 0.0
    )


def enqueue(job: Job) -> None:
    """Puts a waiting job into the queue; commits or vanishes with the caller's transaction."""
    queue = QUEUES[job.kind]
    if Hold.objects.filter(queue=queue).exists():
        queue = HELD + queue
    task = queue_app.configure_task("midgrey.run_job", queue=queue, priority=job.priority)
    job.queue_id = task.defer(job_id=job.pk)
    job.save(update_fields=["queue_id"])


def reset(job: Job) -> bool:
    """Makes an ended job ready to be done again; whether it was ended."""
    if not job.can_retry:
        return False
    job.state, job.error, job.attempts = JobState.WAITING, "", 0
    job.cancel_requested, job.finished_at, job.done, job.fps = False, None, 0, 0.0
    job.queue_id, job.dismissed = None, False
    job.save()
    return True


def hold(queue: str, user_name: str) -> None:
    """From now on nothing of the queue is begun; what runs goes on to its end."""
    with in_turn():
        Hold.objects.get_or_create(queue=queue, defaults={"by": user_name})
        _move_waiting(queue, HELD + queue)


def release(queue: str) -> None:
    with in_turn():
        Hold.objects.filter(queue=queue).delete()
        _move_waiting(HELD + queue, queue)


def _move_waiting(old: str, new: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET queue_name = %s"
            " WHERE queue_name = %s AND status = 'todo' AND task_name = 'midgrey.run_job'",
            [new, old],
        )


def prioritise(job: Job, priority: int) -> None:
    """Also for its parts, and also if it is in the queue already."""
    with in_turn():
        group = Job.objects.filter(Q(pk=job.pk) | Q(parent=job.pk))
        group.update(priority=priority)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE procrastinate_jobs SET priority = %s"
                " WHERE status = 'todo' AND id = ANY(%s)",
                [priority, [j.queue_id for j in group if j.queue_id is not None]],
            )


def claim(job_id: int, queue_id: int, worker: str) -> Job | None:
    """Takes the job if it is still wanted: a cancelled or finished one is not run again."""
    taken = Job.objects.filter(
        pk=job_id,
        queue_id=queue_id,
        state__in=[JobState.WAITING, JobState.RUNNING],
        cancel_requested=False,
    ).update(
        state=JobState.RUNNING,
        attempts=F("attempts") + 1,
        worker=worker,
        started_at=Now(),
        done=0,
        fps=0.0,
        error="",
    )
    if not taken:
        return None
    job = Job.objects.get(pk=job_id)
    if job.parent_id:
        Job.objects.filter(pk=job.parent_id, state=JobState.WAITING).update(
            state=JobState.RUNNING, started_at=Now(), error=""
        )
    return job


def run_job(context: JobContext, job_id: int) -> None:
    queue_id = context.job.id
    assert queue_id is not None, "it came from the queue"
    mine = Job.objects.filter(pk=job_id, queue_id=queue_id)
    if not mine.exists() or _put_back_if_held(job_id):
        return  # or it was cancelled since this row was written, and perhaps ordered anew
    job = claim(job_id, queue_id, context.worker_name or "worker")
    if job is None:
        finish(mine.filter(cancel_requested=True).first(), JobState.CANCELLED)
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
        with in_turn():
            still_mine = mine.filter(state=JobState.RUNNING, worker=job.worker)
            if still_mine.update(state=JobState.WAITING, attempts=0, worker=""):
                enqueue(job)


def stop(job: Job) -> None:
    """Ends it at once, or at its next frame where a worker has it."""
    with in_turn():
        mine = Job.objects.filter(pk=job.pk)
        mine.update(cancel_requested=True)  # from here on no worker can claim it
        finish(mine.filter(worker="").first(), JobState.CANCELLED)


def _put_back_if_held(job_id: int) -> bool:
    """For the job that slipped through while its queue was being held."""
    job = Job.objects.filter(pk=job_id, state=JobState.WAITING).first()
    if job is None or not Hold.objects.filter(queue=QUEUES[job.kind]).exists():
        return False
    with in_turn():
        enqueue(job)
    return True


def do(job: Job, progress: Progress) -> None:
    """Runs a claimed job here and now and records how it ended.

    Unless it was put into the queue again meanwhile: then the end is not for this worker to tell.
    """
    try:
        work: Work = import_string(_works[job.kind])
        work(job, progress)
    except Cancelled:
        if not progress.stop:
            raise WorkerStopping from None
        _end(job, JobState.CANCELLED)
    except ClipError as error:
        _end(job, JobState.FAILED, str(error))
    except Removed:
        _end(job, JobState.CANCELLED, "What it was about has been removed.")
    except (OperationalError, ConnectorException):
        # The database went away: nothing can be recorded now. Upkeep finds the job again.
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            _end(job, JobState.FAILED, "The disk is full. Free some space, then press Retry.")
            return
        log.exception("job %s (%s) failed", job.pk, job.title)
        _end(job, JobState.FAILED, f"Unexpected error: {type(error).__name__}: {error}")
    else:
        _end(job, JobState.DONE)


def _end(job: Job, state: JobState, error: str = "") -> None:
    with in_turn():
        if Job.objects.filter(pk=job.pk, queue_id=job.queue_id).exists():
            finish(job, state, error)


def finish(job: Job | None, state: JobState, error: str = "") -> None:
    if job is None:
        return
    with in_turn():
        ended = Job.objects.filter(
            pk=job.pk, state__in=[JobState.WAITING, JobState.RUNNING]
        ).update(state=state, error=error, finished_at=Now(), worker="")
        if ended:
            job_ended.send(Job, job=job, state=state)
    if ended:
        log.info("job %s (%s) %s %s", job.pk, job.title, state, error)


def recover() -> int:
    """Gives jobs of dead workers to living ones; returns how many were freed.

    A worker that was killed leaves its job 'doing' in the queue with an old heartbeat. A database
    that was killed can leave an open job with no live row in the queue at all. What was put into
    a held queue in the moment of its release would wait there for ever.
    """
    with in_turn(), connection.cursor() as cursor:
        for queue in {*QUEUES.values()} - {*Hold.objects.values_list("queue", flat=True)}:
            _move_waiting(HELD + queue, queue)
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


def report_worker(name: str, queues: Sequence[str], device: str = "") -> None:
    """Says that a worker is alive; those that were silent for a day are forgotten.

    By the database's clock, since those of the machines may differ.
    """
    said = {"seen_at": Now(), "queues": ", ".join(queues), "device": device}
    Worker.objects.update_or_create(name=name, defaults=said)
    Worker.objects.filter(seen_at__lt=Now() - timedelta(days=1)).delete()


def living_workers() -> QuerySet[Worker]:
    return Worker.objects.filter(seen_at__gte=Now() - timedelta(seconds=STALLED_AFTER_SECONDS))


def _device_of(queues: Sequence[str]) -> str:
    if "gpu" not in queues:
        return ""
    from upscalers.core import engine

    return engine.device_name(engine.choose_device())


def _retry_queued(queue_id: int) -> bool:
    try:
        with transaction.atomic():
            queue_app.job_manager.retry_job_by_id(queue_id, AT_ONCE)
    except ConnectorException:
        return False  # its worker came back
    log.warning("queued job %s is taken back from a worker that stopped answering", queue_id)
    return True


def start_upkeep(name: str, queues: Sequence[str]) -> threading.Thread:
    """Runs `recover` every few seconds for the life of this worker, whatever the queue does."""

    def keep() -> None:
        device = ""
        while True:
            try:
                close_old_connections()
                recover()
                device = device or _device_of(queues)
                report_worker(name, queues, device)
            except Exception:
                log.exception("upkeep of jobs failed; trying again")
            time.sleep(UPKEEP_EVERY_SECONDS)

    thread = threading.Thread(target=keep, name="job-upkeep", daemon=True)
    thread.start()
    return thread
