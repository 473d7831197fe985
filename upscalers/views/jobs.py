"""The Jobs page: long work with its progress, to be cancelled or tried again."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, Count, F, Prefetch, Q, When
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from upscalers import jobs as jobs_module
from upscalers import services
from upscalers.access import coordinator_required, member_required
from upscalers.core.errors import ClipError
from upscalers.models import OPEN_STATES, Hold, Job, JobState, Worker

PER_PAGE = 50


@member_required
@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    return render(request, "upscalers/jobs.html", _list(request))


@member_required
@require_GET
def jobs_list(request: HttpRequest) -> HttpResponse:
    return render(request, "upscalers/_jobs.html", _list(request))


def _list(request: HttpRequest) -> dict[str, object]:
    first = Case(
        When(state=JobState.RUNNING, then=0), When(state=JobState.WAITING, then=1), default=2
    )
    found = (
        Job.objects.filter(parent=None)
        .order_by(
            first,
            Case(When(finished_at=None, then=-F("priority")), default=0),
            F("finished_at").desc(nulls_last=True),
            "pk",
        )
        .prefetch_related(Prefetch("parts", Job.objects.order_by("pk")))
    )
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    open_jobs = found.filter(state__in=OPEN_STATES)
    return {
        "page": page,
        "busy": open_jobs.exists(),
        "workers": _workers(),
        "hold": Hold.objects.filter(queue="gpu").first(),
        "can_cancel": open_jobs.exclude(kind__in=services.NEVER_CANCELLED_WITH_ALL).count(),
    }


def _workers() -> list[tuple[Worker, Job | None]]:
    running = Job.objects.filter(state=JobState.RUNNING).exclude(worker="")
    doing = {job.worker: job for job in running}
    return [(worker, doing.get(worker.name)) for worker in jobs_module.living_workers()]


@member_required
@require_GET
def indicator(request: HttpRequest) -> HttpResponse:
    """How many jobs are open, for the head of every page."""
    shown = (JobState.RUNNING, JobState.WAITING, JobState.FAILED)
    counts = Job.objects.filter(parent=None, dismissed=False).aggregate(
        **{state.value: Count("pk", filter=Q(state=state)) for state in shown}
    )
    return render(request, "upscalers/_indicator.html", counts)


def _back(request: HttpRequest) -> HttpResponseBase:
    goal = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(goal, {request.get_host()}):
        return redirect(goal)
    return redirect("upscalers:jobs")


@coordinator_required
@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponseBase:
    try:
        services.cancel(get_object_or_404(Job, pk=pk), request.user)
    except ClipError as error:
        messages.error(request, str(error))
    return _back(request)


@coordinator_required
@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponseBase:
    job = get_object_or_404(Job, pk=pk)
    try:
        services.retry(job, request.user)
    except ClipError as error:
        messages.error(request, str(error))
    except jobs_module.Removed:
        messages.error(request, f"“{job.title}”: what it was about has been removed.")
    return _back(request)


@coordinator_required
@require_POST
def prioritise(request: HttpRequest, pk: int) -> HttpResponseBase:
    job = get_object_or_404(Job, pk=pk, parent=None)
    step = {"sooner": 1, "later": -1}.get(request.POST.get("way", ""), 0)
    try:
        services.prioritise(job, max(-9, min(9, job.priority + step)), request.user)
    except ClipError as error:
        messages.error(request, str(error))
    return _back(request)


@coordinator_required
@require_POST
def hold(request: HttpRequest) -> HttpResponseBase:
    services.hold("gpu", request.user)
    return _back(request)


@coordinator_required
@require_POST
def release(request: HttpRequest) -> HttpResponseBase:
    services.release("gpu", request.user)
    return _back(request)


@coordinator_required
@require_POST
def cancel_all(request: HttpRequest) -> HttpResponseBase:
    count = services.cancel_all(request.user)
    messages.success(request, f"{count} job{'' if count == 1 else 's'} cancelled.")
    return _back(request)


@coordinator_required
@require_POST
def dismiss(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Puts a failure that has been read out of sight. What it is about stays as it is."""
    services.dismiss(get_object_or_404(Job, pk=pk))
    return _back(request)
