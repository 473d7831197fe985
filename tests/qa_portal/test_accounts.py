"""The door: logging in, roles, and what administrators may do about people."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from django.utils import timezone

from qa_portal import accounts
from qa_portal.models import FailedLogin
from tests.factories import make_user
from upscalers.models import AuditEntry

pytestmark = pytest.mark.django_db
PASSWORD = "grey-in-grey"  # of make_user


@pytest.fixture
def administrator():
    return make_user("ada", "administrator")


@pytest.fixture
def as_administrator(client, administrator):
    client.force_login(administrator)
    return client


def log_in(client, username: str, password: str, **more):
    return client.post(reverse("login"), {"username": username, "password": password}, **more)


def test_the_three_roles_exist_after_migration():
    names = {"administrator", "coordinator", "analyst"}
    assert set(Group.objects.values_list("name", flat=True)) >= names


def test_logging_in_leads_to_the_start(client):
    make_user("cora", "coordinator")
    response = log_in(client, "cora", PASSWORD)
    assert response.status_code == 302
    assert response.url == reverse("home")


def test_a_page_asked_for_before_logging_in_is_reached_afterwards(client):
    make_user("cora", "coordinator")
    asked = client.get(reverse("upscalers:sources"))
    assert asked.status_code == 302
    response = client.post(asked.url, {"username": "cora", "password": PASSWORD})
    assert response.url == reverse("upscalers:sources")


def test_a_deactivated_account_cannot_log_in(client):
    make_user("cora", "coordinator", is_active=False)
    assert log_in(client, "cora", PASSWORD).status_code == 200


@pytest.fixture
def few_failures(settings):
    settings.LOGIN_FAILURES_ALLOWED = 3


def test_too_many_wrong_passwords_must_wait_even_with_the_right_one(client, few_failures):
    make_user("cora", "coordinator")
    for _ in range(3):
        assert log_in(client, "cora", "wrong").status_code == 200
    response = log_in(client, "cora", PASSWORD)
    assert response.status_code == 429
    assert "Wait a quarter of an hour" in response.content.decode()


def test_waiting_is_over_after_a_quarter_of_an_hour(client, few_failures):
    make_user("cora", "coordinator")
    for _ in range(3):
        log_in(client, "cora", "wrong")
    FailedLogin.objects.update(at=timezone.now() - timedelta(minutes=16))
    assert log_in(client, "cora", PASSWORD).status_code == 302


def test_nobody_can_lock_somebody_else_out_from_another_address(client, few_failures):
    make_user("cora", "coordinator")
    for _ in range(3):
        log_in(client, "cora", "wrong", REMOTE_ADDR="198.51.100.7")
    assert log_in(client, "cora", PASSWORD).status_code == 302


def test_guessing_many_names_from_one_address_is_slowed_down_too(client, few_failures):
    for number in range(3 * accounts.FAILURES_PER_ADDRESS):
        log_in(client, f"name{number}", "wrong")
    assert log_in(client, "another", "wrong").status_code == 429


def test_a_right_password_forgives_the_wrong_ones(client, few_failures):
    make_user("cora", "coordinator")
    log_in(client, "cora", "wrong")
    log_in(client, "cora", PASSWORD)
    assert not FailedLogin.objects.exists()


@pytest.mark.parametrize("role", ["coordinator", "analyst", ""])
def test_only_administrators_see_people(client, role):
    client.force_login(make_user("nina", role))
    person = make_user("paul", "analyst")
    assert client.get(reverse("people")).status_code == 403
    assert client.get(reverse("person", args=[person.pk])).status_code == 403
    assert client.post(reverse("reset_password", args=[person.pk])).status_code == 403


def test_people_without_login_are_sent_to_log_in(client):
    for name in ("people", "password_change", "home"):
        response = client.get(reverse(name), follow=True)
        assert response.redirect_chain[-1][0].startswith(reverse("login")), name


def test_an_added_person_can_log_in_with_the_password_shown_once(as_administrator, client):
    form = {"username": "cora", "role": "coordinator"}
    page = as_administrator.post(reverse("people"), form)
    person = User.objects.get(username="cora")
    password = page.context["password"]
    assert password in page.content.decode()
    assert page["Cache-Control"] == "no-store"
    assert person.check_password(password)
    assert accounts.role_of(person) == "coordinator"
    assert AuditEntry.objects.get(action="account added").who == "ada"
    assert password not in as_administrator.get(reverse("people")).content.decode()


def test_a_name_is_taken_whatever_its_case(as_administrator):
    make_user("cora", "analyst")
    page = as_administrator.post(reverse("people"), {"username": "Cora", "role": "analyst"})
    assert "There is an account" in page.content.decode()
    assert User.objects.filter(username__iexact="cora").count() == 1


def test_a_changed_role_replaces_the_old_one(as_administrator):
    person = make_user("paul", "coordinator")
    form = {"role": "analyst", "is_active": "on"}
    as_administrator.post(reverse("person", args=[person.pk]), form)
    assert [group.name for group in person.groups.all()] == ["analyst"]


def test_deactivating_ends_the_persons_open_logins(as_administrator, django_user_model):
    from django.test import Client

    person = make_user("paul", "coordinator")
    theirs = Client()
    theirs.force_login(person)
    assert theirs.get(reverse("upscalers:sources")).status_code == 200
    as_administrator.post(reverse("person", args=[person.pk]), {"role": "coordinator"})
    assert theirs.get(reverse("upscalers:sources")).status_code == 302
    assert AuditEntry.objects.get(action="account changed").detail["active"] is False


@pytest.mark.parametrize("form", [{"role": "analyst", "is_active": "on"},
                                  {"role": "administrator"}])  # fmt: skip
def test_the_last_administrator_cannot_step_down(as_administrator, administrator, form):
    page = as_administrator.post(reverse("person", args=[administrator.pk]), form)
    assert "last active administrator" in page.content.decode()
    administrator.refresh_from_db()
    assert administrator.is_active
    assert accounts.role_of(administrator) == "administrator"


def test_a_reset_password_replaces_the_old_one(as_administrator):
    person = make_user("paul", "analyst")
    page = as_administrator.post(reverse("reset_password", args=[person.pk]))
    person.refresh_from_db()
    assert not person.check_password(PASSWORD)
    assert person.check_password(page.context["password"])


def test_people_change_their_own_password(client):
    person = make_user("paul", "analyst")
    client.force_login(person)
    new = "a much longer phrase"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post(reverse("password_change"), form).status_code == 302
    person.refresh_from_db()
    assert person.check_password(new)


def test_made_passwords_differ_and_have_no_letters_that_look_alike():
    made = {accounts.new_password() for _ in range(100)}
    assert len(made) == 100
    assert not set("".join(made)) & set("l1o0")
