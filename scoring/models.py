"""What objective metrics measured on a PVS."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from upscalers.models import PVS, Job


class MetricRun(models.Model):
    """The job that measures a PVS with every registered metric."""

    pvs = models.OneToOneField(PVS, on_delete=models.CASCADE, related_name="metric_run")
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="metric_runs")
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"metrics of {self.pvs}"


class Measurement(models.Model):
    """One metric on one PVS, per frame and pooled; no value where the metric has none."""

    pvs = models.ForeignKey(PVS, on_delete=models.CASCADE, related_name="measurements")
    metric = models.CharField(max_length=40)
    mean = models.FloatField(null=True)
    values = ArrayField(models.FloatField(null=True), default=list)
    note = models.CharField(max_length=200, blank=True)
    measured_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pvs", "metric"]
        constraints = [
            models.UniqueConstraint(fields=["pvs", "metric"], name="one_measurement_each")
        ]

    def __str__(self) -> str:
        return f"{self.metric} of {self.pvs}"
