"""Pages of results, for the members of a study."""

from __future__ import annotations

import math
import tempfile
from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from scoring import figures
from scoring.answer import EVERYBODY, Answer, Selection
from scoring.export import FORMATS, write_zip
from scoring.metrics import all_metrics
from scoring.results import Results
from scoring.rules import DEFAULT_SELECTION, RULES, SELECTIONS
from scoring.stats.mos import MosTable
from scoring.stats.screening import Verdict, number_beside
from scoring.study_scores import condition_name
from sessions_app.access import studies_for, study_for
from sessions_app.models import SessionState, Study
from upscalers import audit
from upscalers.access import member_required
from upscalers.methods import name_of
from upscalers.streaming import send_once

VERDICT_BADGES = {
    Verdict.ACCEPTED: "ok",
    Verdict.REJECTED: "bad",
    Verdict.FAILED_BUT_KEPT: "warn",
    Verdict.NOT_ASSESSED: "muted",
}


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
    found = Results(study)
    if not found.viewers:
        return render(request, "scoring/no_votes.html", _next_step(study, found))
    selection = request.GET.get("viewers", "")
    if selection not in found.answers:
        selection = DEFAULT_SELECTION
    return render(request, "scoring/results.html", _page(found, selection))


@member_required
@require_GET
def export(request: HttpRequest, slug: str) -> HttpResponseBase:
    study = study_for(request.user, slug)
    file_format = request.GET.get("format", "csv")
    if file_format not in FORMATS:
        return HttpResponseBadRequest(f"format is {' or '.join(FORMATS)}, not {file_format!r}")
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it is sent)
    write_zip(Results(study), file_format, file)
    size = file.tell()
    file.seek(0)
    audit.record(request.user, "export results", study, format=file_format)
    name = f"midgrey-{study.slug}-{file_format}.zip"
    return send_once(file, size, name, "application/zip")


def _next_step(study: Study, found: Results) -> dict[str, Any]:
    sessions = list(study.sessions.all())
    return {
        "study": study,
        "planned": bool(sessions),
        "next_session": next((one for one in sessions if not one.is_over), None),
        "votes": len(found.ratings),
        "reasons": found.ratings["not_counted_because"].value_counts().to_dict().items(),
    }


def _page(found: Results, selection: str) -> dict[str, Any]:
    # Beside "all viewers" the published rule is shown, so that both always stand side by side.
    rule = DEFAULT_SELECTION if selection == EVERYBODY else selection
    answer, name = found.answers[selection], condition_name(found.stimuli, name_of)
    return {
        "study": found.study,
        "rules": RULES,
        "selection": selection,
        "selections": [(key, SELECTIONS[key].label, SELECTIONS[key].rule) for key in found.answers],
        "label": SELECTIONS[selection].label,
        "rule_label": SELECTIONS[rule].label,
        "rule": rule,
        "answer": answer,
        "panel": len(found.viewers),
        "least": found.study.protocol.fewest_viewers,
        "counted": len(found.counted),
        "votes": len(found.ratings),
        "warnings": found.warnings(Selection(selection)),
        "mos_rows": _mos_rows(found, rule, name),
        "method_rows": _method_rows(found, rule, name),
        "screening": found.screenings[rule],
        "screening_rows": _screening_rows(found, rule),
        "metrics": _metrics(found, answer, name),
        "figure_sources": figures.mos_by_source(found, answer, name),
        "figure_methods": figures.mos_by_method(found, answer, name),
    }


def _mos_rows(found: Results, rule: str, name: Any) -> list[dict[str, Any]]:
    everybody, screened = found.answers[EVERYBODY].mos, found.answers[rule].mos
    return [
        {
            "source": stimulus.source,
            "pvs": stimulus.pvs,
            "method": name(stimulus.condition),
            "all": _estimate(everybody, j),
            "screened": _estimate(screened, j),
        }
        for j, stimulus in enumerate(found.stimuli)
    ]


def _method_rows(found: Results, rule: str, name: Any) -> list[dict[str, Any]]:
    everybody, screened = found.answers[EVERYBODY], found.answers[rule]
    return [
        {
            "method": name(condition),
            "all": _estimate(everybody.by_condition, j),
            "screened": _estimate(screened.by_condition, j),
        }
        for j, condition in enumerate(found.conditions)
    ]


def _estimate(table: MosTable, j: int) -> dict[str, Any]:
    """One MOS for the page; coordinates of its bar in hundredths of the scale."""
    mos, ci = _known(table.mos[j]), _known(table.ci_t[j])
    shown: dict[str, Any] = {
        "votes": int(table.votes[j]),
        "mos": mos,
        "ci": ci,
        "sd": _known(table.sd[j]),
    }
    if mos is not None:
        low, high = mos - (ci or 0), mos + (ci or 0)
        shown |= {
            "at": f"{mos * 10:.2f}",
            "low": f"{max(low, 0) * 10:.2f}",
            "high": f"{min(high, 10) * 10:.2f}",
        }
    return shown


def _screening_rows(found: Results, rule: str) -> list[dict[str, Any]]:
    return [
        {
            "code": code,
            "found": viewer,
            "statistic": ""
            if math.isnan(viewer.statistic)
            else number_beside(viewer.statistic, viewer.threshold),
            "badge": VERDICT_BADGES[viewer.verdict],
        }
        for code, viewer in zip(found.viewers, found.screenings[rule].viewers, strict=True)
    ]


def _metrics(found: Results, answer: Answer, name: Any) -> list[dict[str, Any]]:
    known = all_metrics()
    shown = []
    for slug, correlation in answer.correlations.items():
        title = known[slug].name if slug in known else slug
        unit = known[slug].unit if slug in known else ""
        axis = f"{title} ({unit})" if unit else title
        shown.append(
            {
                "slug": slug,
                "name": title,
                "description": known[slug].description if slug in known else "",
                "direction": known[slug].direction if slug in known else "",
                "correlation": correlation,
                "figure": figures.mos_against_metric(found, answer, slug, axis, name),
                "figure_id": f"figure-{slug}",
            }
        )
    return shown


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
