"""Pages of results, for the members of a study."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from scoring.formats import FORMATS
from scoring.ratings import one_moment
from scoring.results import Results
from scoring.sections import page, selection_of
from sessions_app.access import studies_for, study_for
from sessions_app.models import SessionState, Study
from upscalers.access import member_required


@member_required
@require_GET
def results_list(request: HttpRequest) -> HttpResponse:
    counts = Q(sessions__training=False)
    over = counts & Q(sessions__state__in=(SessionState.FINISHED, SessionState.ABORTED))
    studies = studies_for(request.user).annotate(
        session_count=Count("sessions", filter=counts, distinct=True),
        over_count=Count("sessions", filter=over, distinct=True),
        vote_count=Count("sessions__cells__showings__votes", filter=counts, distinct=True),
        viewer_count=Count(
            "sessions__cells__showings__votes__seat__viewer", filter=counts, distinct=True
        ),
    )
    return render(request, "scoring/results_list.html", {"studies": studies})


@member_required
@require_GET
def results(request: HttpRequest, slug: str) -> HttpResponse:
    study = study_for(request.user, slug)
    with one_moment():
        found = Results(study)
        if not found.viewers:
            return render(request, "scoring/no_votes.html", _next_step(study, found))
        selection = selection_of(found, request.GET.get("rule", ""), request.GET.getlist("without"))
        shown = page(found, selection) | {"formats": list(FORMATS)}
    return render(request, "scoring/results.html", shown)


def _next_step(study: Study, found: Results) -> dict[str, Any]:
    sessions = list(study.sessions.all())
    return {
        "study": study,
        "planned": bool(sessions),
        "next_session": next((one for one in sessions if not one.is_over), None),
        "votes": len(found.ratings),
        "reasons": found.ratings["not_counted_because"].value_counts().to_dict().items(),
    }
