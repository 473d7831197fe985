"""The demo's accounts: made once, and never announced with a password that does not work."""

import pytest
from django.contrib.auth.models import User

from qa_portal import demo
from qa_portal.management.commands.demo import Command

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path


def announced(capsys) -> str:
    command = Command()
    command.accounts = demo.make_accounts()
    command.address = "http://127.0.0.1:8000/"
    command.announce(f"Midgrey is at {command.address}")
    return capsys.readouterr().out


def test_the_accounts_are_made_once_and_announced_with_passwords_that_work(client, capsys):
    first = demo.make_accounts()
    assert demo.make_accounts() == first
    assert demo.passwords_file().stat().st_mode & 0o777 == 0o600
    said = announced(capsys)
    for account in first:
        assert client.login(username=account.username, password=account.password)
        assert f"{account.password}   ({account.role})" in said
    assert "changepassword" not in said


def test_a_changed_password_is_not_announced_and_how_to_reset_it_is(capsys):
    analyst = next(one for one in demo.make_accounts() if one.username == "demo-analyst")
    person = User.objects.get(username="demo-analyst")
    person.set_password("one of my own")
    person.save()
    said = announced(capsys)
    assert analyst.password not in said
    assert "demo-analyst       (changed)" in said
    assert "manage.py changepassword demo-analyst" in said
    assert "demo-coordinator   (changed)" not in said


def test_passwords_whose_file_was_lost_are_not_invented(client):
    made = demo.make_accounts()
    demo.passwords_file().unlink()
    for _ in range(2):  # not kept for the next start either
        assert [account.password for account in demo.make_accounts()] == ["", ""]
    assert all(client.login(username=one.username, password=one.password) for one in made)


def test_a_new_database_beside_kept_passwords_gets_those(client):
    made = demo.make_accounts()
    User.objects.all().delete()
    assert demo.make_accounts() == made
    assert all(client.login(username=one.username, password=one.password) for one in made)
