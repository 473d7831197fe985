"""Study pages: what coordinators can do there, and who may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from sessions_app.models import Session, SessionState, Study
from tests.factories import StudyFactory, make_pvs, make_source, make_user
from upscalers.methods import lab
from upscalers.models import Clip, Job, JobKind, JobState, LowResolution, Rendition


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
    wanted = design(sources=sources, wait_for_votes="on")
    response = client.post(reverse("sessions:new-study"), wanted)
    made = Study.objects.get(name="Second look")
    assert response.headers["Location"] == made.get_absolute_url()
    assert (made.owner, made.methods, made.wait_for_votes) == (owner, ["bicubic"], True)
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


# ---- a design that names what is gone -----------------------------------------------------------


@pytest.fixture
def orphaned(study: Study) -> Study:
    """Its anchor and one of its methods are not there any more."""
    study.anchor, study.methods = "gone-anchor", ["nearest", "gone-net"]
    study.save()
    return study


def fields_of(page: str) -> dict[str, list[str]]:
    """What a browser would send of the selects and checkboxes as the page comes."""
    sent: dict[str, list[str]] = {}
    for name, options in re.findall(r'<select name="(\w+)".*?>(.*?)</select>', page, re.DOTALL):
        chosen = re.findall(r'<option value="([^"]*)" selected', options)
        sent[name] = chosen or re.findall(r'<option value="([^"]*)"', options)[:1]
    for tag in re.findall(r'<input type="checkbox"[^>]*>', page):
        if " checked" in tag:
            name, value = (re.findall(rf'{key}="([^"]*)"', tag)[0] for key in ("name", "value"))
            sent.setdefault(name, []).append(value)
    return sent


def test_saving_a_design_unchanged_changes_nothing_though_methods_are_gone(
    client: Client, orphaned: Study, owner: User
) -> None:
    client.force_login(owner)
    page = client.get(url("edit-study", orphaned)).content.decode()
    assert "gone-anchor (removed)" in page and "gone-net (removed)" in page
    numbers = {"name": "Renamed", "vote_seconds": 5, "panels": 1, "viewers_per_panel": 3}
    response = client.post(url("edit-study", orphaned), {**fields_of(page), **numbers})
    assert response.status_code == 302
    orphaned.refresh_from_db()
    assert (orphaned.name, orphaned.anchor) == ("Renamed", "gone-anchor")
    assert orphaned.methods == ["nearest", "gone-net"]


def test_what_is_gone_is_offered_to_no_new_study(
    client: Client, orphaned: Study, owner: User
) -> None:
    client.force_login(owner)
    assert "gone" not in client.get(reverse("sessions:new-study")).content.decode()
    sources = [source.pk for source in orphaned.sources.all()]
    wrong = design(sources=sources, anchor="gone-anchor")
    assert client.post(reverse("sessions:new-study"), wrong).status_code == 422


@pytest.mark.parametrize("scale", [1.5, 3, 4 / 3])
def test_saving_a_design_unchanged_keeps_its_scale(
    client: Client, study: Study, owner: User, scale: float
) -> None:
    Study.objects.filter(pk=study.pk).update(scale=scale)
    client.force_login(owner)
    page = client.get(url("edit-study", study)).content.decode()
    numbers = {"name": "Renamed", "vote_seconds": 5, "panels": 1, "viewers_per_panel": 3}
    client.post(url("edit-study", study), {**fields_of(page), **numbers, "methods": ["bicubic"]})
    study.refresh_from_db()
    assert (study.name, study.scale) == ("Renamed", scale)


def test_a_study_can_be_of_recordings_at_a_factor_of_their_own(
    client: Client, study: Study, owner: User
) -> None:
    first = study.sources.first()
    LowResolution.objects.create(source=first, scale=8 / 3, degradation="recorded")
    client.force_login(owner)
    page = client.get(reverse("sessions:new-study")).content.decode()
    assert '<option value="8/3">2.67 times, as recorded</option>' in page
    sources = [source.pk for source in study.sources.all()]
    wish = design(sources=sources, scale="8/3", degradation="recorded")
    client.post(reverse("sessions:new-study"), wish)
    assert Study.objects.get(name="Second look").scale == 8 / 3


def test_a_study_called_new_has_a_page(client: Client, study: Study, owner: User) -> None:
    client.force_login(owner)
    sources = [source.pk for source in study.sources.all()]
    client.post(reverse("sessions:new-study"), design(name="New", sources=sources))
    made = Study.objects.get(name="New")
    assert "<h1>New</h1>" in client.get(made.get_absolute_url()).content.decode()


def test_making_what_is_missing_tries_failed_playback_files_of_uploads_again(
    client: Client, study: Study, owner: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDGREY_DATA_DIR", str(tmp_path))
    vendor = lab.add_external(
        slug="vendor-net", name="Vendor net", licence="Commercial", citation="Vendor, 2026"
    ).slug
    study.methods = ["nearest", vendor]
    study.save()
    job = Job.objects.create(
        kind=JobKind.RENDER, title="x", state=JobState.FAILED, error="The disk is full."
    )
    for source in study.sources.all():
        Rendition.objects.create(clip=make_pvs(source, vendor).clip, job=job)
    client.force_login(owner)
    page = client.get(study.get_absolute_url()).content.decode()
    assert "Make what is missing" in page
    assert "The disk is full." in page and 'hx-trigger="every 10s"' in page
    client.post(url("make-material", study))
    job.refresh_from_db()
    assert job.state == JobState.WAITING
    page = client.get(study.get_absolute_url()).content.decode()
    assert "Make what is missing" not in page and 'hx-trigger="every 3s"' in page
