"""Commissioning a display: playing the counter clip on it and entering what was measured."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from sessions_app.core.commissioning import Log
from sessions_app.forms import MeasurementForm
from sessions_app.models import Commissioning, CounterClip
from sessions_app.services import commissioning
from sessions_app.services.commissioning import CommissioningError, Run
from sessions_app.snapshots import played
from upscalers.access import coordinator_required
from upscalers.streaming import as_attachment, send_stored


@coordinator_required
@require_http_methods(["GET", "POST"])
def commission(request: HttpRequest) -> HttpResponseBase:
    """The page that plays the clip; a finished run is posted to it."""
    if request.method == "POST":
        return _keep_run(request)
    runs = Commissioning.objects.select_related("clip", "by", "measured_by").defer("log")
    labels = Commissioning.objects.order_by("display").values_list("display", flat=True).distinct()
    context = {
        "runs": runs[:100],
        "labels": labels,
        "sizes": commissioning.SIZES,
        "rates": commissioning.RATES,
        "seconds": commissioning.SECONDS,
        "longest_label": commissioning.LABEL_LENGTH,
    }
    return render(request, "sessions_app/commission.html", context)


def _keep_run(request: HttpRequest) -> HttpResponseBase:
    try:
        told = json.loads(request.body)
        clip = CounterClip.objects.get(sha256=str(told["clip"]))
        texts = {name: str(told[name]) for name in ("display", "browser", "screen", "window")}
        made = commissioning.record_run(
            clip, Run(**texts, evidence=told["evidence"], log=told["log"]), request.user
        )
    except CommissioningError as error:
        return JsonResponse({"error": str(error)}, status=422)
    except (ValueError, KeyError, TypeError, CounterClip.DoesNotExist):
        reason = "This run is not understood. Reload the page and play the clip again."
        return JsonResponse({"error": reason}, status=400)
    return JsonResponse({"url": made.get_absolute_url()}, status=201)


@coordinator_required
@require_POST
def counter_clip(request: HttpRequest) -> HttpResponseBase:
    """Orders the clip that is wished for, or says how far it is."""
    try:
        width, height = (int(part) for part in request.POST["size"].split("x"))
        rate, seconds = int(request.POST["rate"]), int(request.POST["seconds"])
        clip = commissioning.request_clip((width, height), rate, seconds, request.user)
    except CommissioningError as error:
        return JsonResponse({"error": str(error)}, status=422)
    except (ValueError, KeyError):
        return JsonResponse({"error": "Choose a size, a rate and a length."}, status=400)
    if not clip.is_ready:
        job = clip.job
        told = {"done": job.done, "total": job.total, "state": job.state} if job else {}
        return JsonResponse({"ready": False, **told})
    return JsonResponse({"ready": True, "clip": _playable(clip)})


def _playable(clip: CounterClip) -> dict[str, Any]:
    """What the player needs, as for the clips of a session."""
    return {
        "id": clip.sha256[:32],
        "url": reverse("sessions:counter-clip-file", args=[clip.pk]),
        "bytes": clip.size_bytes,
        "sha256": clip.sha256,
        "manifest": played(clip.manifest),
    }


@coordinator_required
@require_safe
def counter_clip_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    clip = get_object_or_404(CounterClip, pk=pk)
    if not clip.is_ready or not clip.path.is_file():
        raise Http404("The file of this clip is not on the disk.")
    headers = {"Cache-Control": "private, no-store"}  # the display keeps its own, checked copy
    return send_stored(request, clip.path, clip.size_bytes, clip.sha256, headers)


@coordinator_required
@require_http_methods(["GET", "POST"])
@never_cache
def commissioned(request: HttpRequest, pk: int) -> HttpResponseBase:
    """A run, what was measured of it, or the form that asks for that."""
    run = get_object_or_404(Commissioning.objects.select_related("clip", "by"), pk=pk)
    form = None if run.measured_at else MeasurementForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form is None:
        messages.error(request, "This run is measured already. Play the clip again.")
    elif request.method == "POST" and form is not None and form.is_valid():
        try:
            commissioning.record_measurement(run.pk, form.measurement(), request.user)
            return redirect(run)
        except CommissioningError as error:
            form.add_error(None, str(error))
    log = run.told
    context = {
        "run": run,
        "form": form,
        "log": log,
        "phase": run.phase,
        "flips": _flips(log),
        "held": [
            (int(key), count) for key, count in run.measured.get("refreshes_held", {}).items()
        ],
    }
    status = 422 if form is not None and form.errors else 200
    return render(request, "sessions_app/commissioned.html", context, status=status)


def _flips(log: Log) -> list[dict[str, Any]]:
    """Each change of the square's light, by the refresh at which it was painted."""
    holds = log.holds
    return [
        {
            "frame": each.frame,
            "white": each.frame % 2 == 0,
            "planned": each.planned,
            "refresh": each.refresh,
            "late": each.refresh - each.planned,
            "painted_ms": each.painted_ms,
            "screen_ms": each.screen_ms,
            "held": holds.get(each.frame, 0),
        }
        for each in log.painted
    ]


LOG_COLUMNS = (
    "frame", "square", "planned_refresh", "refresh", "refresh_at_ms", "painted_at_ms",
    "on_screen_at_ms",
)  # fmt: skip


@coordinator_required
@require_GET
def commissioning_log(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(Commissioning.objects.select_related("clip"), pk=pk)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(LOG_COLUMNS)
    for one in run.told.painted:
        square = "white" if one.frame % 2 == 0 else "black"
        times = (one.refresh_ms, one.painted_ms, one.screen_ms)
        writer.writerow((one.frame, square, one.planned, one.refresh, *times))
    headers = as_attachment(f"midgrey-log-{run.pk}.csv")
    return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)
