"""The Sources pages: what is there, what is on its way in, and the PVSs of one source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Max, Prefetch, Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from upscalers import intake, production, services
from upscalers.access import coordinator_required, member_required
from upscalers.core.errors import ClipError
from upscalers.forms import MaterialForm
from upscalers.methods import all_methods
from upscalers.models import (
    OPEN_STATES,
    PVS,
    Clip,
    Job,
    JobKind,
    JobState,
    LowResolution,
    Source,
)

PER_PAGE = 60


@member_required
@require_GET
def sources(request: HttpRequest) -> HttpResponse:
    coming = _coming_in()
    unmade = Q(low_resolutions__pvss__clip__isnull=True)
    found = Source.objects.select_related("clip").defer("thumbnail").annotate(
        pvs_count=Count(
            "low_resolutions__pvss", filter=Q(low_resolutions__pvss__clip__isnull=False)
        ),
        pvs_open=Count(
            "low_resolutions__pvss",
            filter=unmade & Q(low_resolutions__pvss__job__state__in=OPEN_STATES),
        ),
        pvs_failed=Count(
            "low_resolutions__pvss",
            filter=unmade & Q(low_resolutions__pvss__job__state=JobState.FAILED),
        ),
    )  # fmt: skip
    page = Paginator(found.order_by("name"), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "upscalers/sources.html", {"page": page, **coming})


@member_required
@require_GET
def sources_in(request: HttpRequest) -> HttpResponse:
    """The polled part of the Sources page; says when there are new sources to be fetched."""
    coming = _coming_in()
    response = render(request, "upscalers/_ingest.html", coming)
    if request.GET.get("newest") != str(coming["newest"]):
        response["HX-Trigger"] = "sources-changed"
    return response


def _coming_in() -> dict[str, object]:
    """What is on its way in, and up to which source the page shows them."""
    newest = Source.objects.aggregate(newest=Max("pk"))["newest"] or 0
    ended_well = (JobState.DONE, JobState.CANCELLED)
    jobs = list(
        Job.objects.filter(kind=JobKind.INGEST, dismissed=False).exclude(state__in=ended_well)
    )
    return {"newest": newest, "jobs": jobs, "busy": any(job.is_open for job in jobs)}


def _source(name: str) -> Source:
    found = Source.objects.select_related("clip__rendition__job").defer("thumbnail")
    return get_object_or_404(found, name=name)


@member_required
@require_GET
def source(request: HttpRequest, name: str) -> HttpResponse:
    found = _source(name)
    return render(
        request,
        "upscalers/source.html",
        {"source": found, "form": MaterialForm(source=found), **_material(found)},
    )


def _material(source: Source) -> dict[str, object]:
    pvss = PVS.objects.select_related("job", "clip__rendition__job")
    lows = LowResolution.objects.filter(source=source).select_related("job", "clip")
    lows = lows.prefetch_related(Prefetch("pvss", pvss))
    taken_in = intake.open_or_failed(intake.about_source(source))
    return {
        "low_resolutions": lows,
        "methods": list(all_methods().values()),
        "ready_lows": [low for low in lows if low.clip_id],
        "taken_in": taken_in,
        "busy": any(job is not None and job.is_open for job in _jobs(source, lows, taken_in)),
    }


def _jobs(
    source: Source, lows: Iterable[LowResolution], taken_in: Iterable[Job]
) -> Iterator[Job | None]:
    """All that may change what the page of the source shows."""
    yield from taken_in
    yield _playback(source.clip)
    for low in lows:
        yield low.job
        for pvs in low.pvss.all():
            yield pvs.job
            yield _playback(pvs.clip)


def _playback(clip: Clip | None) -> Job | None:
    rendition = getattr(clip, "rendition", None)
    return rendition.job if rendition else None


@member_required
@require_GET
def pvs_table(request: HttpRequest, name: str) -> HttpResponse:
    """The polled part of the page, and what else of it changes while things are made."""
    found = _source(name)
    context = {"source": found, "polled": True, **_material(found)}
    return render(request, "upscalers/_pvss.html", context)


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
    form = MaterialForm(request.POST, source=found)
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
    found = get_object_or_404(LowResolution.objects.select_related("source", "clip", "job"), pk=pk)
    if found.clip and request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Refresh": "true"})  # it was being made a moment ago
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
    else:
        messages.success(request, "The low-resolution version is removed, with its PVSs.")
    return redirect(source)
