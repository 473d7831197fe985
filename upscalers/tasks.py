"""What the queue can run; found by Procrastinate in every process, so it loads nothing heavy."""

from procrastinate.contrib.django import app

from upscalers import jobs
from upscalers.models import JobKind

app.task(name="midgrey.run_job", queue="cpu", pass_context=True)(jobs.run_job)

jobs.register(JobKind.INGEST, "upscalers.services.ingest_upload")
jobs.register(JobKind.DEGRADE, "upscalers.services.make_low_resolution")
jobs.register(JobKind.UPSCALE, "upscalers.services.upscale")
jobs.register(JobKind.RENDER, "upscalers.services.render")
