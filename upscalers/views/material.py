"""A PVS beside its source, and single frames for looking."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from upscalers import production, stills
from upscalers.access import coordinator_required, member_required
from upscalers.core.errors import ClipError
from upscalers.methods import all_methods
from upscalers.models import PVS, Clip
from upscalers.streaming import as_attachment, send_stored


@member_required
@require_GET
def pvs(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(
        PVS.objects.select_related("low_resolution__source__clip", "clip", "job"), pk=pk
    )
    others = PVS.objects.filter(
        low_resolution=found.low_resolution, clip__isnull=False
    ).select_related("clip")  # fmt: skip
    if found.is_ready and request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Refresh": "true"})  # it was being made a moment ago
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
def still(request: HttpRequest, pk: int, frame: int, window: str = "") -> HttpResponse:
    """A frame, or what a window cuts out of it."""
    clip = get_object_or_404(Clip, pk=pk)
    try:
        png = stills.png(clip, frame, stills.Window.parse(window) if window else None)
    except ClipError as error:
        raise Http404(str(error)) from error
    caching = {"Cache-Control": "private, max-age=86400, immutable"}
    return HttpResponse(png, content_type="image/png", headers=caching)


@coordinator_required
@require_POST
def remove_pvs(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = get_object_or_404(PVS.objects.select_related("low_resolution__source"), pk=pk)
    source = found.source
    try:
        production.remove_pvs(found, request.user)
    except ClipError as error:
        messages.error(request, str(error))
        return redirect(found)
    messages.success(request, "The PVS is removed.")
    return redirect(source)


@member_required
@require_safe
def clip_file(request: HttpRequest, pk: int, name: str) -> HttpResponseBase:
    """The lossless file itself, for work outside Midgrey."""
    clip = get_object_or_404(Clip, pk=pk)
    if not clip.path.is_file():
        raise Http404("The file of this clip is not on the disk.")
    headers = {"Content-Type": "video/x-matroska", **as_attachment(name)}
    return send_stored(request, clip.path, clip.size_bytes, clip.sha256, headers)
