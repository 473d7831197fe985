"""The Sources pages: what is there, what is on its way in, and the PVSs of one source."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.db.models import Count, Prefetch, Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from upscalers import intake, production, services
from upscalers.access import coordinator_required, member_required
from upscalers.core.errors import ClipError
from upscalers.forms import MaterialForm
from upscalers.methods import all_methods
from upscalers.models import PVS, Job, JobKind, JobState, LowResolution, Source


@member_required
@require_GET
def sources(request: HttpRequest) -> HttpResponse:
    found = Source.objects.select_related("clip").defer("thumbnail").annotate(
        pvs_count=Count(
            "low_resolutions__pvss", filter=Q(low_resolutions__pvss__clip__isnull=False)
        ),
        pvs_open=Count(
            "low_resolutions__pvss", filter=Q(low_resolutions__pvss__clip__isnull=True)
        ),
    )  # fmt: skip
    return render(request, "upscalers/sources.html", {"sources": found, "jobs": _ingest_jobs()})


@member_required
@require_GET
def ingest_progress(request: HttpRequest) -> HttpResponse:
    """The polled part of the Sources page; says when there are new sources to be fetched."""
    jobs = _ingest_jobs()
    response = render(request, "upscalers/_ingest.html", {"jobs": jobs})
    since = timezone.now() - timedelta(seconds=3)
    if Job.objects.filter(
        kind=JobKind.INGEST, state=JobState.DONE, finished_at__gte=since
    ).exists():
        response["HX-Trigger"] = "sources-changed"
    return response


def _ingest_jobs() -> list[Job]:
    return list(
        Job.objects.filter(kind=JobKind.INGEST).exclude(
            state__in=[JobState.DONE, JobState.CANCELLED]
        )
    )


def _source(name: str) -> Source:
    return get_object_or_404(Source.objects.select_related("clip").defer("thumbnail"), name=name)


@member_required
@require_GET
def source(request: HttpRequest, name: str) -> HttpResponse:
    found = _source(name)
    return render(
        request,
        "upscalers/source.html",
        {"source": found, "form": MaterialForm(), **_material(found)},
    )


def _material(source: Source) -> dict[str, object]:
    pvss = PVS.objects.select_related("job", "clip__rendition")
    lows = LowResolution.objects.filter(source=source).select_related("job", "clip")
    lows = lows.prefetch_related(Prefetch("pvss", pvss))
    return {
        "low_resolutions": lows,
        "methods": list(all_methods().values()),
        "ready_lows": [low for low in lows if low.clip_id],
        "taken_in": intake.open_or_failed(intake.about_source(source)),
    }


@member_required
@require_GET
def pvs_table(request: HttpRequest, name: str) -> HttpResponse:
    found = _source(name)
    return render(request, "upscalers/_pvss.html", {"source": found, **_material(found)})


@member_required
@require_GET
def thumbnail(request: HttpRequest, name: str) -> HttpResponse:
    picture = get_object_or_404(Source, name=name).thumbnail
    return HttpResponse(
        bytes(picture), content_type="image/jpeg", headers={"Cache-Control": "private, max-age=600"}
    )


@coordinator_required
@require_POST
def make_pvss(request: HttpRequest, name: str) -> HttpResponseBase:
    found = _source(name)
    form = MaterialForm(request.POST)
    if form.is_valid():
        try:
            wish = form.cleaned_data
            production.request_pvss(
                found, wish["methods"], wish["scale"], request.user, wish["degradation"]
            )
            return redirect(found)
        except ClipError as error:
            form.add_error(None, str(error))
    return render(
        request,
        "upscalers/source.html",
        {"source": found, "form": form, **_material(found)},
        status=422,
    )


@coordinator_required
@require_POST
def rename(request: HttpRequest, name: str) -> HttpResponseBase:
    found = _source(name)
    try:
        services.rename_source(found, request.POST.get("name", ""), request.user)
    except ClipError as error:
        messages.error(request, str(error))
        return redirect("upscalers:source", name)
    return redirect(found)


@coordinator_required
@require_POST
def remove(request: HttpRequest, name: str) -> HttpResponseBase:
    found = _source(name)
    try:
        services.remove_source(found, request.user)
    except ClipError as error:
        messages.error(request, str(error))
        return redirect(found)
    messages.success(request, f"{name} and its PVSs are removed.")
    return redirect("upscalers:sources")


@member_required
@require_GET
def low_resolution(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(LowResolution.objects.select_related("source", "clip"), pk=pk)
    return render(request, "upscalers/low_resolution.html", {"low": found})


@coordinator_required
@require_POST
def remove_low_resolution(request: HttpRequest, pk: int) -> HttpResponseBase:
    low = get_object_or_404(LowResolution.objects.select_related("source"), pk=pk)
    source = low.source
    try:
        production.remove_low_resolution(low, request.user)
    except ClipError as error:
        messages.error(request, str(error))
    return redirect(source)
