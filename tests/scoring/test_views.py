"""Who sees results, and what the pages say."""

import io
import zipfile

import pytest
from django.urls import reverse

from sessions_app.models import CellKind, Session
from tests.factories import StudyFactory, make_panel
from tests.streaming import pieces_of
from upscalers.models import AuditEntry

PAGES = ("scoring:results", "scoring:export", "scoring:report")


def page(client, person, name, slug="first-look", **query):
    client.force_login(person)
    return client.get(reverse(name, args=[slug]), query)


@pytest.mark.parametrize("name", PAGES)
def test_a_visitor_is_sent_to_the_login(client, study, name):
    response = client.get(reverse(name, args=[study.slug]))
    assert response.status_code == 302
    assert response.url.startswith(reverse("login"))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("who", ["owner", "colleague", "administrator"])
def test_members_and_administrators_are_served(client, people, study, name, who):
    assert page(client, getattr(people, who), name).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_a_stranger_does_not_learn_that_the_study_exists(client, people, study, name):
    assert page(client, people.stranger, name).status_code == 404
    assert page(client, people.stranger, name, slug="no-such").status_code == 404


@pytest.mark.parametrize("name", PAGES)
def test_an_account_without_a_role_is_refused(client, people, study, name):
    assert page(client, people.nobody, name).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_results_are_only_read(client, people, study, name):
    client.force_login(people.owner)
    assert client.post(reverse(name, args=[study.slug])).status_code == 405


def test_the_list_shows_ones_own_studies_only(client, people, study):
    StudyFactory(people.stranger, "Second look", seed=2)
    client.force_login(people.colleague)
    text = client.get(reverse("scoring:results-list")).content.decode()
    assert "First look" in text
    assert "Second look" not in text
    assert "286" in text  # (4 + 9 cells) x 2 boxes x 11 viewers


def test_the_list_sends_a_visitor_to_the_login(client, db):
    response = client.get(reverse("scoring:results-list"))
    assert response.url.startswith(reverse("login"))


def test_an_empty_list_says_how_to_begin(client, people):
    client.force_login(people.owner)
    text = client.get(reverse("scoring:results-list")).content.decode()
    assert reverse("sessions:new-study") in text


def test_a_small_panel_is_warned_of(client, people, empty_factory):
    empty_factory.run_session(make_panel(3))
    text = page(client, people.owner, "scoring:results").content.decode()
    assert "3 viewers gave counted votes. The protocol asks for at least 9" in text


def test_one_viewer_gets_a_page_without_intervals(client, people, empty_factory):
    empty_factory.run_session(make_panel(1))
    response = page(client, people.owner, "scoring:results")
    assert response.context["sources"]["rows"][0]["all"]["ci"] is None
    assert "Not screened" in response.content.decode()


def test_without_a_plan_the_page_leads_to_planning(client, people, empty_factory):
    response = page(client, people.owner, "scoring:results")
    assert "not planned yet" in response.content.decode()
    assert reverse("sessions:study", args=["first-look"]) in response.content.decode()


def test_without_votes_the_page_leads_to_the_next_session(client, people, empty_factory):
    Session.objects.create(study=empty_factory.study, number=0, training=True)
    assert "Run the training" in page(client, people.owner, "scoring:results").content.decode()
    Session.objects.update(training=False, number=2)
    assert "Run session 2" in page(client, people.owner, "scoring:results").content.decode()


def test_votes_that_do_not_count_are_explained(client, people, empty_factory):
    session = empty_factory.run_session({})
    pair = empty_factory.study.pairs.first()
    cell = empty_factory.add_cell(session, 90, CellKind.TEST, pair)
    showing = empty_factory.add_showing(cell, valid=False, verdict="a: 3 frames late")
    seat = empty_factory._seat(session, "V01", 1)
    empty_factory.add_votes(showing, {seat: "good"})
    text = page(client, people.owner, "scoring:results").content.decode()
    assert "No vote counts yet" in text
    assert "a: 3 frames late" in text


@pytest.mark.parametrize(("file_format", "one"), [("csv", "mos.csv"), ("json", "results.json")])
def test_the_download_is_a_zip_of_the_export(client, people, study, file_format, one):
    response = page(client, people.colleague, "scoring:export", format=file_format)
    assert response["Content-Disposition"].endswith(f'"midgrey-first-look-{file_format}.zip"')
    whole = b"".join(pieces_of(response))
    assert int(response["Content-Length"]) == len(whole)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert f"first-look/{one}" in archive.namelist()
        assert archive.read(f"first-look/{one}")


def test_a_download_is_recorded(client, people, study):
    page(client, people.colleague, "scoring:export")
    assert (
        AuditEntry.objects.filter(who=people.colleague.username, action="export results").count()
        == 1
    )


def test_an_unknown_format_is_refused_with_those_there_are(client, people, study):
    response = page(client, people.owner, "scoring:export", format="xls")
    assert response.status_code == 400
    assert "csv or json" in response.content.decode()
