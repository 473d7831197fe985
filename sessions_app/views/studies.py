"""Studies: their design, the material they need, and their plan."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from sessions_app.access import sessions_for, studies_for, study_for, study_for_editing
from sessions_app.forms import StudyForm
from sessions_app.models import SessionState, Study
from sessions_app.services import planning
from sessions_app.services.planning import StudyError
from upscalers import audit
from upscalers.access import coordinator_required, member_required
from upscalers.models import Source


@member_required
@require_GET
def studies(request: HttpRequest) -> HttpResponse:
    found = studies_for(request.user).select_related("owner").annotate(
        source_count=Count("sources", distinct=True),
        session_count=Count("sessions", distinct=True),
        finished_count=Count(
            "sessions", filter=Q(sessions__state=SessionState.FINISHED), distinct=True
        ),
    )  # fmt: skip
    return render(
        request,
        "sessions_app/studies.html",
        {"studies": found, "source_count": Source.objects.count()},
    )


@coordinator_required
@require_http_methods(["GET", "POST"])
def new_study(request: HttpRequest) -> HttpResponseBase:
    form = StudyForm(request.POST or None, owner=request.user)
    if request.method == "POST" and form.is_valid():
        data = dict(form.cleaned_data)
        sources, members = data.pop("sources"), data.pop("members")
        with transaction.atomic():
            study = planning.create_study(data.pop("name"), request.user, **data)
            study.sources.set(sources)
            study.members.set(members)
        return redirect(study)
    return _design(request, form, None)


@member_required
@require_http_methods(["GET", "POST"])
def edit_study(request: HttpRequest, slug: str) -> HttpResponseBase:
    study = study_for_editing(request.user, slug)
    if planning.has_begun(study):
        messages.warning(request, "This study has begun: its design can no longer change.")
        return redirect(study)
    form = StudyForm(request.POST or None, instance=study, owner=study.owner)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                planning.drop_plan(study)
                form.save()
                audit.record(request.user, "study changed", study)
        except StudyError as error:
            messages.error(request, str(error))
        return redirect(study)
    return _design(request, form, study)


def _design(request: HttpRequest, form: StudyForm, study: Study | None) -> HttpResponse:
    return render(
        request,
        "sessions_app/study_form.html",
        {"form": form, "study": study},
        status=422 if form.errors else 200,
    )


@member_required
@require_GET
def study(request: HttpRequest, slug: str) -> HttpResponse:
    found = study_for(request.user, slug)
    return render(
        request,
        "sessions_app/study.html",
        {
            "study": found,
            "has_begun": planning.has_begun(found),
            "sessions": _sessions(found),
            "finished": found.test_sessions.filter(state=SessionState.FINISHED).count(),
            "untrained": _untrained(found),
            **_material(found),
        },
    )


def _untrained(study: Study) -> list[int]:
    """Panels without a training, as long as they have not begun."""
    begun = study.test_sessions.exclude(state__in=[SessionState.PLANNED, SessionState.READY])
    trained = study.sessions.filter(training=True)
    done = {*begun.values_list("panel", flat=True), *trained.values_list("panel", flat=True)}
    return sorted({*study.test_sessions.values_list("panel", flat=True)} - done)


def _sessions(study: Study) -> Any:
    return study.sessions.prefetch_related(
        "cells__a__low_resolution__source__clip", "cells__b", "seats__viewer", "study",
    )  # fmt: skip


def _material(study: Study) -> dict[str, Any]:
    """A row per source, a column per method."""
    wanted = planning.wanted_pvss(study)
    rows: dict[int, dict[str, Any]] = {}
    for one in wanted:
        rows.setdefault(one.source.pk, {"source": one.source, "cells": []})["cells"].append(one)
    return {
        "methods": planning.methods_of(study),
        "rows": list(rows.values()),
        "missing": sum(not one.is_ready for one in wanted),
        "unordered": any(one.can_order for one in wanted),
        "busy": any(one.job is not None and one.job.is_open for one in wanted),
    }


@member_required
@require_GET
def material(request: HttpRequest, slug: str) -> HttpResponse:
    """The polled table of what is being made; reloads the page when all is ready."""
    found = study_for(request.user, slug)
    table = _material(found)
    response = render(request, "sessions_app/_material.html", {"study": found, **table})
    if not table["missing"]:
        response["HX-Refresh"] = "true"
    return response


@member_required
@require_POST
def make_material(request: HttpRequest, slug: str) -> HttpResponseBase:
    found = study_for_editing(request.user, slug)
    try:
        planning.make_material(found, request.user)
    except StudyError as error:
        messages.error(request, str(error))
    return redirect(found)


@member_required
@require_POST
def make_plan(request: HttpRequest, slug: str) -> HttpResponseBase:
    found = study_for_editing(request.user, slug)
    typed = request.POST.get("seed", "").strip()
    if typed and not (typed.isdecimal() and int(typed) < 2**63):
        messages.error(request, "The seed is a whole number from 0 up, or empty to draw one.")
        return redirect(found)
    try:
        planning.plan_study(found, request.user, int(typed) if typed else None)
    except StudyError as error:
        messages.error(request, str(error))
    return redirect(found)


@member_required
@require_POST
def add_training(request: HttpRequest, slug: str, panel: int) -> HttpResponseBase:
    found = study_for_editing(request.user, slug)
    try:
        planning.add_training(found, panel, request.user)
    except StudyError as error:
        messages.error(request, str(error))
    return redirect(found)


@member_required
@require_POST
def remove_study(request: HttpRequest, slug: str) -> HttpResponseBase:
    found = study_for_editing(request.user, slug)
    try:
        with transaction.atomic():
            planning.drop_plan(found)
            audit.record(request.user, "study removed", found)
            found.delete()
    except StudyError as error:
        messages.error(request, str(error))
        return redirect(found)
    messages.success(request, f"The study “{found.name}” is removed. Its material is kept.")
    return redirect("sessions:studies")


@member_required
@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    found = sessions_for(request.user).annotate(
        cell_count=Count("cells", distinct=True), seat_count=Count("seats", distinct=True)
    )
    return render(request, "sessions_app/sessions.html", {"sessions": found})
