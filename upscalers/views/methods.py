"""The Methods pages: what there is, what it costs here, how it looks; a lab's own come and go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from upscalers import intake, lab_methods, samples
from upscalers.access import coordinator_required, member_required
from upscalers.core.errors import MethodError
from upscalers.costs import MethodCost, lab_costs
from upscalers.methods import FAMILIES, Method, all_methods, built_in, lab
from upscalers.models import OPEN_STATES, PVS

ANCHOR = "lanczos3"  # what expert viewing compares against
ABOUT = "methods"  # what a job says that takes in weights
SMALL, LARGE = (140, 105), (188, 150)  # samples of a cut-out in the list, and on a method's page

PER_PAGE = 50
LONG = 3000  # frames, enough to see how long clips are cut into jobs

FAMILY_TEXTS = {
    "classical": ("Classical", "Kernels on each plane, at the clip's own bit depth."),
    "network": ("Networks", "Trained networks that see one frame at a time."),
    "video": ("Video networks", "Networks that see the frames before and after as well."),
    "external": ("Made elsewhere", "Methods that do not run here. Their PVSs are uploaded."),
}


@dataclass(frozen=True)
class Row:
    method: Method
    pvss: int
    cost: MethodCost | None


@dataclass(frozen=True)
class Family:
    slug: str
    title: str
    text: str
    rows: list[Row]


@member_required
@require_GET
def methods(request: HttpRequest) -> HttpResponse:
    return _list(request)


def _list(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    sample = samples.chosen(versions := samples.versions(), request.GET, *SMALL)
    cut_outs = samples.cut_outs(sample) if sample else []
    shown = {one.slug for one in cut_outs}
    costs = lab_costs()
    context: dict[str, Any] = {
        "families": _families(costs.by_method),
        "setting": costs.setting,
        "versions": versions,
        "sample": sample,
        "cut_outs": cut_outs,
        "not_shown": [m for m in all_methods().values() if m.slug not in shown],
        "entered": {},
        **_coming_in(),
    }
    return render(request, "upscalers/methods.html", context | more, status=status)


def _families(costs: dict[str, MethodCost]) -> list[Family]:
    counted = PVS.objects.filter(clip__isnull=False).values_list("method").annotate(Count("pk"))
    made = dict(counted)
    found = []
    for family in FAMILIES:
        rows = [
            Row(method, made.get(method.slug, 0), costs.get(method.slug))
            for method in all_methods().values()
            if method.family == family
        ]
        found.append(Family(family, *FAMILY_TEXTS[family], rows))
    return found


@member_required
@require_GET
def method(request: HttpRequest, slug: str) -> HttpResponse:
    found = all_methods().get(slug)
    if found is None:
        raise Http404(f"There is no method {slug}.")
    sample = samples.chosen(versions := samples.versions(slug), request.GET, *LARGE)
    beside = [ANCHOR] if slug == ANCHOR else [ANCHOR, slug]
    return render(
        request,
        "upscalers/method.html",
        {
            "method": found,
            "family": FAMILY_TEXTS[found.family][0],
            "added": _added(slug),
            "parts": found.parts(LONG),
            "kflop": found.flop_per_pixel / 1000,
            "versions": versions,
            "sample": sample,
            "cut_outs": samples.cut_outs(sample, beside) if sample else [],
            **_pvss(slug, request.GET.get("page")),
        },
    )


def _pvss(method: str, page: str | None) -> dict[str, Any]:
    """What is made of it, what is being made, and what was not made in the end."""
    found = PVS.objects.filter(method=method).select_related("clip", "low_resolution__source")
    found = found.defer("low_resolution__source__thumbnail")
    found = found.order_by("low_resolution__source__name", "low_resolution__scale", "pk")
    made, unmade = found.filter(clip__isnull=False), found.filter(clip=None)
    return {
        "page": Paginator(made, PER_PAGE).get_page(page),
        "energy_known": made.filter(joules__isnull=False).exists(),
        "open_count": unmade.filter(job__state__in=OPEN_STATES).count(),
        "ended": unmade.exclude(job__state__in=OPEN_STATES).select_related("job")[:PER_PAGE],
    }


def _added(slug: str) -> dict[str, Any] | None:
    """Who added it and what was found in its file; None for what comes with Midgrey."""
    if slug in built_in():
        return None
    try:
        added = lab.described(slug)
    except MethodError:
        return None  # removed just now
    return added | {"added_at": datetime.fromisoformat(added["added_at"])}


@coordinator_required
@require_GET
def methods_in(request: HttpRequest) -> HttpResponse:
    """The polled part of the list: weights on their way in. Says when the list is another."""
    coming = _coming_in()
    response = render(request, "upscalers/_methods_in.html", coming)
    if request.GET.get("listed") != str(coming["listed"]):
        response["HX-Trigger"] = "methods-changed"
    return response


def _coming_in() -> dict[str, Any]:
    jobs = intake.open_or_failed(ABOUT)
    return {
        "jobs": jobs,
        "busy": any(job.is_open for job in jobs),
        "listed": len(all_methods()),
    }


@coordinator_required
@require_POST
def add_external(request: HttpRequest) -> HttpResponseBase:
    fields = ("slug", "name", "licence", "citation", "description")
    entered = {field: request.POST.get(field, "") for field in fields}
    try:
        added = lab_methods.add_external(**entered, user=request.user)
    except MethodError as error:
        return _list(request, status=422, refusal=str(error), entered=entered)
    messages.success(request, f"{added.name} is added. Upload its PVSs on the pages of sources.")
    return redirect("upscalers:method", added.slug)


@coordinator_required
@require_POST
def remove(request: HttpRequest, slug: str) -> HttpResponseBase:
    try:
        lab_methods.remove(slug, request.user)
    except MethodError as error:
        messages.error(request, str(error))
        there = "upscalers:method" if slug in all_methods() else "upscalers:methods"
        return redirect(there, *([slug] if slug in all_methods() else []))
    messages.success(request, f"The method {slug} is removed.")
    return redirect("upscalers:methods")
