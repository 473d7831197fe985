"""The rule by which a study's showings count: chosen with the design, stated where it matters."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from sessions_app.models import SessionState, Study
from sessions_app.services import running
from tests.sessions_app.running.conftest import BAD_CHECK, FakeDisplay
from tests.sessions_app.running.material import make_session
from tests.sessions_app.test_study_pages import design, study, url

__all__ = ["study"]  # a fixture

LOOSE = {
    "least_shown_percent": 99.5, "late_allowed": 2, "missed_allowed": 3, "longest_gap_ms": 100,
}  # fmt: skip


def create(client: Client, study: Study, **changes: Any) -> Any:
    sources = [source.pk for source in study.sources.all()]
    return client.post(reverse("sessions:new-study"), design(sources=sources, **changes))


def test_a_study_has_the_exact_rule_unless_it_allows_something(
    client: Client, study: Study, owner: User
) -> None:
    client.force_login(owner)
    create(client, study)
    create(client, study, name="Empty", **dict.fromkeys(LOOSE, ""))
    create(client, study, name="Loose", **LOOSE)
    rules = {each.name: each.rule.name for each in Study.objects.all()}
    assert rules == {
        "First look": "exact", "Second look": "exact", "Empty": "exact", "Loose": "study"
    }  # fmt: skip
    page = client.get(Study.objects.get(name="Loose").get_absolute_url()).content.decode()
    assert "at least 99.5 % of the frames shown, at most 2 frames late, at most 3" in page
    assert "a publication has to state this" in page
    page = client.get(Study.objects.get(name="Empty").get_absolute_url()).content.decode()
    assert "by the exact rule: every frame shown" in page


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"least_shown_percent": 80}, "greater than or equal to 90"),
        ({"late_allowed": -1}, "greater than or equal to 0"),
        ({"missed_allowed": 51}, "less than or equal to 50"),
        ({"longest_gap_ms": 10, "missed_allowed": 1}, "greater than or equal to 40"),
        ({"longest_gap_ms": 100}, "allow some of those, or leave this empty"),
    ],
)
def test_allowances_that_make_no_sense_are_refused_beside_their_cause(
    client: Client, study: Study, owner: User, changes: dict[str, Any], complaint: str
) -> None:
    client.force_login(owner)
    answer = create(client, study, **changes)
    page = answer.content.decode()
    assert answer.status_code == 422 and complaint in page and "<details open>" in page


def test_the_rule_is_fixed_once_a_session_has_begun(
    client: Client, study: Study, owner: User
) -> None:
    client.force_login(owner)
    client.post(url("plan-study", study))
    study.sessions.update(state=SessionState.RUNNING)
    sources = [source.pk for source in study.sources.all()]
    client.post(url("edit-study", study), design(sources=sources, **LOOSE))
    study.refresh_from_db()
    assert study.rule.name == "exact"


@pytest.fixture
def display(owner: User) -> FakeDisplay:
    session = make_session(owner)
    Study.objects.update(**LOOSE)
    session.refresh_from_db()
    return FakeDisplay(session)


def test_each_showing_keeps_the_rule_it_was_judged_by(
    client: Client, owner: User, display: FakeDisplay
) -> None:
    display.ready()
    running.start(display.session.pk, owner)
    showing = display.show_cell(frames_late=2)
    showing.refresh_from_db()
    assert showing.valid and showing.verdict == "shown as the study allows: b: 2 frames late"
    assert (showing.evidence["rule"], showing.evidence["rule_terms"]["most_late"]) == ("study", 2)
    client.force_login(owner)
    page = client.get(f"/sessions/{display.session.pk}/evidence/").content.decode()
    assert "this study's own" in page
    assert "at most 2 frames late" in page


def test_accepted_failures_make_a_trial_of_it_all_the_same(
    owner: User, display: FakeDisplay
) -> None:
    display.hello()
    display.report(BAD_CHECK)
    running.overrule(display.session.pk, "only a laptop here", owner)
    running.start(display.session.pk, owner)
    showing = display.show_cell(frames_late=9)
    showing.refresh_from_db()
    assert showing.valid and showing.evidence["rule"] == "trial"
