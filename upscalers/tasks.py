"""What the queue can run; found by Procrastinate in every process, so it loads nothing heavy."""

from django.db import close_old_connections
from procrastinate.contrib.django import app
from procrastinate.job_context import JobContext

from upscalers import jobs
from upscalers.models import JobKind


@app.task(name="midgrey.run_job", queue="cpu", pass_context=True)
def run_job(context: JobContext, job_id: int) -> None:
    close_old_connections()  # the database may have been restarted since the last job
    jobs.run_job(context, job_id)


@app.periodic(cron="41 3 * * *")
@app.task(name="midgrey.discard_abandoned", queue="cpu", queueing_lock="discard_abandoned")
def discard_abandoned(timestamp: int) -> None:
    from upscalers import services

    close_old_connections()
    services.discard_abandoned()


jobs.register(JobKind.INGEST, "upscalers.services.ingest_upload")
jobs.register(JobKind.DEGRADE, "upscalers.production.make_low_resolution")
jobs.register(
    JobKind.UPSCALE, "upscalers.production.join_chunks", begin="upscalers.production.begin_job"
)
jobs.register(JobKind.CHUNK, "upscalers.production.make_chunk")
jobs.register(JobKind.IMPORT, "upscalers.intake.take_in")
jobs.register(JobKind.RENDER, "upscalers.services.render")
