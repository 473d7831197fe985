"""Does a job of the queue here and now, as a worker would that has just fetched it."""

from __future__ import annotations

from types import SimpleNamespace

from upscalers import jobs
from upscalers.models import Job


def do_job(pk: int | None, worker: str = "test-worker", stopping: bool = False) -> None:
    """In its place in the queue as it is now."""
    run_queued(Job.objects.values_list("queue_id", flat=True).get(pk=pk), pk, worker, stopping)


def run_queued(
    queue_id: int | None, pk: int | None, worker: str = "test-worker", stopping: bool = False
) -> None:
    """By a row of the queue, which may be one that is out of date."""
    row = SimpleNamespace(id=queue_id)
    context = SimpleNamespace(worker_name=worker, should_abort=lambda: stopping, job=row)
    jobs.run_job(context, pk)  # type: ignore[arg-type]
