"""Orders and keeps the measurement of PVSs by every registered metric."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.dispatch import receiver
from django.utils import timezone

from scoring.models import Measurement, MetricRun
from upscalers import jobs
from upscalers.jobs import Progress
from upscalers.models import PVS, Job, JobKind
from upscalers.production import pvs_ready, title_of
from upscalers.services import cancel_if_open, new_job, pvs_going, retry


@receiver(pvs_ready)
def measure_when_ready(sender: object, pvs: PVS, user: Any, **_: Any) -> None:
    request_measurement(pvs, user)


@receiver(pvs_going)
def measure_no_more(sender: object, pvs: PVS, user: Any, **_: Any) -> None:
    for run in MetricRun.objects.filter(pvs=pvs):
        cancel_if_open(run.job, user)


def request_measurement(pvs: PVS, user: Any = None) -> MetricRun:
    """Orders the metrics of a PVS, once; a failed or cancelled run is tried again."""
    with jobs.in_turn():
        run, created = MetricRun.objects.get_or_create(pvs=pvs)
        if created:
            run.job = new_job(
                JobKind.MEASURE, f"Measure {title_of(pvs)}", pvs.source.clip.frames, user
            )
            run.save(update_fields=["job"])
            jobs.enqueue(run.job)
        elif run.job is not None and run.job.can_retry:
            retry(run.job, user)
    return run


def measure_pvs(job: Job, progress: Progress) -> None:
    from scoring import metrics

    run = jobs.target_of(job.metric_runs.select_related("pvs__clip"))
    reference, clip = run.pvs.source.clip, run.pvs.clip
    assert clip is not None, "only a made PVS is measured"
    found = metrics.measure(reference.path, clip.path, clip.format, progress, progress.should_stop)
    with jobs.in_turn():
        run = jobs.target_of(MetricRun.objects.filter(pk=run.pk).select_related("pvs"))
        for one in found:
            Measurement.objects.update_or_create(
                pvs=run.pvs,
                metric=one.slug,
                defaults={
                    "mean": one.mean,
                    "values": list(one.values),
                    "note": one.note,
                    "measured_at": timezone.now(),
                },
            )
        MetricRun.objects.filter(pk=run.pk).update(finished_at=timezone.now())


def quality_hints(pvss: Iterable[PVS]) -> dict[int, float]:
    """Mean VMAF where it is known: enough for the planner to tell best from worst."""
    found = Measurement.objects.filter(pvs__in=list(pvss), metric="vmaf", mean__isnull=False)
    return {pvs: mean for pvs, mean in found.values_list("pvs_id", "mean") if mean is not None}
