"""What the results page gives to take along: all tables in a format, and the report."""

from __future__ import annotations

import tempfile

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from scoring.export import ExportError, write_stream, write_zip
from scoring.formats import FORMATS
from scoring.ratings import one_moment
from scoring.report import NothingToReport, report_html
from scoring.results import Results
from scoring.sections import selection_of
from sessions_app.access import study_for
from upscalers import audit
from upscalers.access import member_required
from upscalers.streaming import as_attachment, send_once

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@member_required
@require_GET
def export(request: HttpRequest, slug: str) -> HttpResponseBase:
    study = study_for(request.user, slug)
    file_format = request.GET.get("format", "csv")
    if file_format not in FORMATS:
        return HttpResponseBadRequest(f"format is {' or '.join(FORMATS)}, not {file_format!r}")
    name, content_type = f"midgrey-{study.slug}-{file_format}.zip", "application/zip"
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it is sent)
    try:
        with one_moment():
            results = Results(study)
            if file_format == "xlsx":  # which is a zip of its own
                name, content_type = f"midgrey-{study.slug}.xlsx", EXCEL
                write_stream(results, file_format, file)
            else:
                write_zip(results, file_format, file)
    except ExportError as error:
        return HttpResponseBadRequest(str(error))
    size = file.tell()
    file.seek(0)
    audit.record(request.user, "export results", study, format=file_format)
    return send_once(file, size, name, content_type)


@member_required
@require_GET
def report(request: HttpRequest, slug: str) -> HttpResponseBase:
    """By the viewers that the page was showing."""
    study = study_for(request.user, slug)
    try:
        with one_moment():
            results = Results(study)
            chosen = selection_of(
                results, request.GET.get("rule", ""), request.GET.getlist("without")
            )
            html = report_html(results, chosen)
    except NothingToReport as error:
        return HttpResponseBadRequest(str(error))
    audit.record(request.user, "export results", study, format="report")
    return HttpResponse(html, headers=as_attachment(f"midgrey-{study.slug}-report.html"))
