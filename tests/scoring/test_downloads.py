"""What the results page gives to take along; who may have it is in test_views."""

import io
import sys

import openpyxl
from django.urls import reverse

from tests.factories import make_panel
from tests.streaming import pieces_of
from upscalers.models import AuditEntry


def get(client, person, name, slug="first-look", **query):
    client.force_login(person)
    return client.get(reverse(name, args=[slug]), query)


def test_excel_comes_as_a_workbook_not_in_a_zip(client, people, study):
    response = get(client, people.colleague, "scoring:export", format="xlsx")
    assert response["Content-Disposition"].endswith('"midgrey-first-look.xlsx"')
    whole = b"".join(pieces_of(response))
    assert int(response["Content-Length"]) == len(whole)
    assert "ratings" in openpyxl.load_workbook(io.BytesIO(whole), read_only=True).sheetnames


def test_parquet_without_pyarrow_says_what_to_install(client, people, study, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    response = get(client, people.colleague, "scoring:export", format="parquet")
    assert response.status_code == 400 and "pip install" in response.content.decode()


def test_the_report_is_by_the_viewers_that_the_page_shows(client, people, study):
    response = get(client, people.colleague, "scoring:report", rule="all", without=["V03", "V99"])
    assert response["Content-Disposition"].endswith('"midgrey-first-look-report.html"')
    text = response.content.decode()
    assert "10 of 11 viewers" in text and "Left out by hand, not by a rule: V03." in text
    assert AuditEntry.objects.filter(action="export results").count() == 1


def test_the_page_offers_every_format_and_the_report(client, people, study):
    text = get(client, people.colleague, "scoring:results").content.decode()
    for form in ("csv", "json", "parquet", "xlsx"):
        assert f"{reverse('scoring:export', args=['first-look'])}?format={form}" in text
    assert f'formaction="{reverse("scoring:report", args=["first-look"])}"' in text


def test_nothing_to_report_is_said(client, people, empty_factory):
    response = get(client, people.owner, "scoring:report")
    assert response.status_code == 400 and "Nobody has voted" in response.content.decode()


def test_a_report_without_any_viewer_is_refused(client, people, empty_factory):
    empty_factory.run_session(make_panel(2))
    response = get(client, people.owner, "scoring:report", rule="all", without=["V01", "V02"])
    assert response.status_code == 400
