"""Who may log in, and as what: one function per action an administrator takes.

Viewers have no account. Passwords made here are shown once, to be handed over in person.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from qa_portal.models import FailedLogin
from upscalers import audit
from upscalers.access import ADMINISTRATOR, ROLES

FORGET_FAILURES_AFTER = timedelta(minutes=15)
FAILURES_PER_ADDRESS = 5  # times what one name is allowed: a lab may share one address


class AccountError(Exception):
    """The message is for the administrator."""


def role_of(user: User) -> str:
    held = {group.name for group in user.groups.all()}
    if user.is_superuser:
        held.add(ADMINISTRATOR)
    return next((role for role in ROLES if role in held), "")


def new_password() -> str:
    """Twelve letters in groups, easy to read aloud; about 58 bits."""
    letters = "abcdefghijkmnpqrstuvwxyz23456789"  # none that look alike
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(3))


@transaction.atomic
def add_person(by: Any, username: str, role: str) -> tuple[User, str]:
    password = new_password()
    person = User.objects.create_user(username, password=password)
    person.groups.set([Group.objects.get(name=role)])
    audit.record(by, "account added", person, role=role)
    return person, password


@transaction.atomic
def change_person(by: Any, person: User, role: str, is_active: bool) -> None:
    _keep_an_administrator(person, stays=role == ADMINISTRATOR and is_active)
    person.groups.set([Group.objects.get(name=role)])
    person.is_active = is_active
    person.is_superuser = person.is_superuser and role == ADMINISTRATOR
    person.save()
    if not is_active:
        _end_logins(person)
    audit.record(by, "account changed", person, role=role, active=is_active)


@transaction.atomic
def reset_password(by: Any, person: User) -> str:
    password = new_password()
    person.set_password(password)  # ends the person's logins: their session hash changes
    person.save(update_fields=["password"])
    FailedLogin.objects.filter(username=person.username).delete()
    audit.record(by, "password reset", person)
    return password


def _keep_an_administrator(person: User, stays: bool) -> None:
    if stays:
        return
    others = User.objects.select_for_update().filter(is_active=True).exclude(pk=person.pk)
    if not any(role_of(other) == ADMINISTRATOR for other in others):
        raise AccountError(
            f"{person.username} is the last active administrator. Make somebody else one first."
        )


def _end_logins(person: User) -> None:
    for session in Session.objects.filter(expire_date__gt=timezone.now()):
        if session.get_decoded().get("_auth_user_id") == str(person.pk):
            session.delete()


# -- guessing ------------------------------------------------------------------------------


def note_failed_login(username: str, address: str) -> None:
    FailedLogin.objects.filter(at__lt=timezone.now() - FORGET_FAILURES_AFTER).delete()
    FailedLogin.objects.create(username=username[:150], address=address)


def forgive_failed_logins(username: str, address: str) -> None:
    FailedLogin.objects.filter(username=username[:150], address=address).delete()


def must_wait(username: str, address: str) -> bool:
    """Counted by name and address together, so that nobody can lock somebody else out."""
    recent = FailedLogin.objects.filter(
        address=address, at__gte=timezone.now() - FORGET_FAILURES_AFTER
    )
    allowed = settings.LOGIN_FAILURES_ALLOWED
    if recent.count() >= allowed * FAILURES_PER_ADDRESS:
        return True
    return recent.filter(username=username[:150]).count() >= allowed
