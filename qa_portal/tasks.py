"""Upkeep of the queue itself; found by Procrastinate in every worker."""

from __future__ import annotations

from procrastinate.contrib.django import app

KEEP_FINISHED_HOURS = 7 * 24  # what people see of a job is kept elsewhere


# Having a periodic task also matters to the worker: without one it stops watching the tasks that
# send its heartbeat, and would go on silently after a long loss of the database.
@app.periodic(cron="17 3 * * *")
@app.task(name="midgrey.forget_finished_jobs", queue="cpu", queueing_lock="forget_finished_jobs")
async def forget_finished_jobs(timestamp: int) -> None:
    await app.job_manager.delete_old_jobs(
        KEEP_FINISHED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )
