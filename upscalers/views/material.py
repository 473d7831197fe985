"""A PVS beside its source, single frames for looking, and the list of methods."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from upscalers import stills
from upscalers.access import member_required
from upscalers.methods import all_methods
from upscalers.models import PVS, Clip


@member_required
@require_GET
def pvs(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(
        PVS.objects.select_related("low_resolution__source__clip", "clip", "job"), pk=pk
    )
    others = PVS.objects.filter(
        low_resolution=found.low_resolution, clip__isnull=False
    ).select_related("clip")  # fmt: skip
    methods = all_methods()
    sides = [{"name": "Source", "clip": found.source.clip_id}]
    sides += [
        {"name": methods[p.method].name if p.method in methods else p.method, "clip": p.clip_id}
        for p in others
    ]
    return render(
        request,
        "upscalers/pvs.html",
        {
            "pvs": found,
            "method": methods.get(found.method),
            "sides": sides,
            "last_frame": found.source.clip.frames - 1,
            "middle_frame": found.source.clip.frames // 2,
        },
    )


@member_required
@require_GET
def still(request: HttpRequest, pk: int, frame: int) -> HttpResponse:
    clip = get_object_or_404(Clip, pk=pk)
    if frame >= clip.frames:
        raise Http404(f"The clip has frames 0 to {clip.frames - 1}.")
    return HttpResponse(
        stills.png(clip, frame),
        content_type="image/png",
        headers={"Cache-Control": "private, max-age=86400, immutable"},
    )


@member_required
@require_GET
def methods(request: HttpRequest) -> HttpResponse:
    return render(request, "upscalers/methods.html", {"methods": all_methods().values()})
