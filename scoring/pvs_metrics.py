"""The metrics of one PVS, pooled and per frame, as a part of its page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from scoring import services
from scoring.metrics import Metric, all_metrics
from scoring.models import Measurement
from upscalers.access import coordinator_required, member_required
from upscalers.models import PVS


@member_required
@require_GET
def pvs_metrics(request: HttpRequest, pk: int) -> HttpResponse:
    pvs = get_object_or_404(PVS.objects.select_related("metric_run__job"), pk=pk)
    known = all_metrics()
    rows = [
        {
            "metric": known[one.metric],
            **_summary(known[one.metric], one),
            "figure": _figure(known[one.metric], one),
        }
        for one in pvs.measurements.all()
        if one.metric in known
    ]
    run = getattr(pvs, "metric_run", None)
    job = run.job if run and not rows else None
    return render(request, "scoring/_pvs_metrics.html", {"pvs": pvs, "rows": rows, "job": job})


def _summary(metric: Metric, measurement: Measurement) -> dict[str, Any]:
    found = [value for value in measurement.values if value is not None]
    worst = min if metric.higher_is_better else max
    return {
        "mean": measurement.mean,
        "lowest": min(found, default=None),
        "highest": max(found, default=None),
        "worst_frame": measurement.values.index(worst(found)) if found else None,
        "note": measurement.note,
    }


def _figure(metric: Metric, measurement: Measurement) -> dict[str, Any] | None:
    if measurement.mean is None:
        return None
    unit = f" ({metric.unit})" if metric.unit else ""
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": metric.name,
        "x": list(range(len(measurement.values))),
        "y": measurement.values,
        "meta": {"series": 0},
    }
    layout = {
        "xaxis": {"title": {"text": "frame"}, "zeroline": False},
        "yaxis": {"title": {"text": f"{metric.name}{unit}"}, "zeroline": False},
        "showlegend": False,
    }
    return {"data": [trace], "layout": layout, "lines": 9}


@coordinator_required
@require_POST
def measure(request: HttpRequest, pk: int) -> HttpResponseBase:
    pvs = get_object_or_404(PVS, pk=pk, clip__isnull=False)
    services.request_measurement(pvs, request.user)
    return redirect(pvs)
