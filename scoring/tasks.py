"""What this app adds to the queue."""

from upscalers import jobs
from upscalers.models import JobKind

jobs.register(JobKind.MEASURE, "scoring.services.measure_pvs")
