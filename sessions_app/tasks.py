"""What this app adds to the queue."""

from upscalers import jobs
from upscalers.models import JobKind

jobs.register(JobKind.COUNTER, "sessions_app.services.commissioning.make_clip")
