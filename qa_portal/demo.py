"""The demo: two accounts and real material to try everything with.

Doing it again changes nothing that is there. It only asks services, as a person would.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction

from qa_portal.accounts import new_password
from upscalers.access import ANALYST, COORDINATOR

PEOPLE = {"demo-coordinator": COORDINATOR, "demo-analyst": ANALYST}


@dataclass(frozen=True)
class Account:
    username: str
    password: str
    role: str


def passwords_file() -> Path:
    return Path(settings.DATA_DIR) / "demo_passwords.json"


@transaction.atomic
def make_accounts() -> list[Account]:
    """Passwords are made once and kept beside the data, readable by the installation's owner."""
    try:
        passwords = json.loads(passwords_file().read_text())
    except FileNotFoundError:
        passwords = {}
    accounts = []
    for username, role in PEOPLE.items():
        password = passwords.setdefault(username, new_password())
        person, is_new = User.objects.get_or_create(username=username)
        if is_new:
            person.set_password(password)
            person.save()
            person.groups.set([Group.objects.get(name=role)])
        accounts.append(Account(username, password, role))
    _keep(passwords)
    return accounts


def _keep(passwords: dict[str, str]) -> None:
    draft = passwords_file().with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(passwords, file, indent=1)
    draft.replace(passwords_file())
