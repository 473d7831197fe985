"""Study pages: what coordinators can do there, and who may not."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from sessions_app.models import Session, SessionState, Study
from tests.factories import StudyFactory, make_pvs, make_source, make_user
from upscalers.models import Clip, Rendition


@pytest.fixture
def study(owner: User, colleague: User) -> Study:
    made = StudyFactory(owner).study
    made.pairs.all().delete()
    made.members.add(colleague)
    for clip in Clip.objects.all():
        Rendition.objects.create(clip=clip, sha256=clip.sha256)
    return made


def url(name: str, study: Study) -> str:
    return reverse(f"sessions:{name}", args=[study.slug])


PAGES = ["study", "edit-study", "study-material"]
ACTIONS = ["make-material", "plan-study", "remove-study"]


@pytest.mark.parametrize("name", PAGES)
def test_anonymous_people_are_sent_to_sign_in(client: Client, study: Study, name: str) -> None:
    response = client.get(url(name, study))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("login"))


@pytest.mark.parametrize("name", PAGES)
def test_strangers_do_not_learn_that_a_study_exists(
    client: Client, study: Study, stranger: User, name: str
) -> None:
    client.force_login(stranger)
    assert client.get(url(name, study)).status_code == 404


@pytest.mark.parametrize("name", ACTIONS)
def test_strangers_and_analysts_change_nothing(
    client: Client, study: Study, stranger: User, colleague: User, name: str
) -> None:
    client.force_login(stranger)
    assert client.post(url(name, study)).status_code == 404
    client.force_login(colleague)
    assert client.post(url(name, study)).status_code == 403
    assert Study.objects.filter(pk=study.pk, planned_at=None).exists()


@pytest.mark.parametrize("name", ACTIONS)
def test_actions_take_no_get(client: Client, study: Study, owner: User, name: str) -> None:
    client.force_login(owner)
    assert client.get(url(name, study)).status_code == 405


def test_a_member_sees_the_study_without_its_buttons(
    client: Client, study: Study, colleague: User
) -> None:
    client.force_login(colleague)
    page = client.get(url("study", study)).content.decode()
    assert study.name in page
    assert "Plan the sessions" not in page
    assert "Remove" not in page


def test_people_without_a_role_are_told_whom_to_ask(client: Client, db: None) -> None:
    client.force_login(make_user("new"))
    response = client.get(reverse("sessions:studies"))
    assert response.status_code == 403
    assert "Ask an administrator" in response.content.decode()


def test_lists_hold_only_what_one_may_see(
    client: Client, study: Study, owner: User, stranger: User
) -> None:
    Session.objects.create(study=study, number=1)
    for name in ("sessions:studies", "sessions:sessions"):
        client.force_login(stranger)
        assert study.name not in client.get(reverse(name)).content.decode()
        client.force_login(owner)
        assert study.name in client.get(reverse(name)).content.decode()


def design(**changes: object) -> dict[str, object]:
    return {
        "name": "Second look", "scale": 2, "degradation": "bicubic",
        "anchor": "lanczos3", "methods": ["bicubic"],
        "vote_seconds": 5, "panels": 1, "viewers_per_panel": 3, **changes,
    }  # fmt: skip


def test_a_coordinator_creates_a_study(client: Client, study: Study, owner: User) -> None:
    client.force_login(owner)
    sources = [source.pk for source in study.sources.all()]
    response = client.post(reverse("sessions:new-study"), design(sources=sources))
    made = Study.objects.get(name="Second look")
    assert response.headers["Location"] == made.get_absolute_url()
    assert (made.owner, made.methods) == (owner, ["bicubic"])
    assert made.sources.count() == 3
    assert "Plan the sessions" in client.get(made.get_absolute_url()).content.decode()


def test_an_analyst_creates_none(client: Client, colleague: User) -> None:
    client.force_login(colleague)
    assert client.get(reverse("sessions:new-study")).status_code == 403


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"methods": []}, "Choose at least one method"),
        ({"methods": ["lanczos3"]}, "is the anchor: it is not compared with itself"),
        ({"vote_seconds": 0}, "greater than or equal to 1"),
        ({"viewers_per_panel": 10}, "less than or equal to 9"),
    ],
)
def test_a_bad_design_is_refused_beside_its_cause(
    client: Client, study: Study, owner: User, changes: dict[str, object], complaint: str
) -> None:
    client.force_login(owner)
    sources = [source.pk for source in study.sources.all()]
    response = client.post(reverse("sessions:new-study"), design(sources=sources, **changes))
    assert response.status_code == 422
    assert complaint in response.content.decode()
    assert Study.objects.count() == 1


def test_one_source_is_too_few(client: Client, study: Study, owner: User) -> None:
    client.force_login(owner)
    only = [study.sources.first().pk]  # type: ignore[union-attr]
    response = client.post(reverse("sessions:new-study"), design(sources=only))
    assert "at least two sources" in response.content.decode()


def test_planning_shows_the_timeline_and_says_what_it_did(
    client: Client, study: Study, owner: User
) -> None:
    client.force_login(owner)
    response = client.post(url("plan-study", study), {"seed": "11"}, follow=True)
    page = response.content.decode()
    assert "seed 11" in page
    assert "No source is shown twice in a row." in page
    assert page.count("<li class=") == 13


def test_a_seed_that_is_no_number_is_refused(client: Client, study: Study, owner: User) -> None:
    client.force_login(owner)
    page = client.post(url("plan-study", study), {"seed": "-3"}, follow=True).content.decode()
    assert "The seed is a whole number" in page
    assert not study.sessions.exists()


def test_a_begun_study_keeps_its_design(client: Client, study: Study, owner: User) -> None:
    client.force_login(owner)
    client.post(url("plan-study", study))
    study.sessions.update(state=SessionState.RUNNING)
    assert client.get(url("edit-study", study)).status_code == 302
    client.post(url("remove-study", study))
    assert Study.objects.filter(pk=study.pk).exists()


def test_changing_the_design_drops_the_plan(client: Client, study: Study, owner: User) -> None:
    client.force_login(owner)
    client.post(url("plan-study", study))
    for source in study.sources.all():
        make_pvs(source, "bicubic")
    kept = [source.pk for source in study.sources.all()] + [make_source("quay").pk]
    client.post(url("edit-study", study), design(sources=kept, name="First look"))
    study.refresh_from_db()
    assert study.planned_at is None
    assert not study.sessions.exists()
    assert study.sources.count() == 4
