import pytest

from manage import needs_database

COMPUTING = ["upscale a.mkv b.mkv", "methods", "check", "help", "--version", "collectstatic", ""]


@pytest.mark.parametrize("command", COMPUTING)
def test_a_command_that_only_computes_or_prints_starts_no_server(command):
    assert not needs_database(command.split())


def test_asking_for_help_starts_no_server():
    assert not needs_database(["migrate", "--help"])


@pytest.mark.parametrize("command", ["serve", "demo --port 8001"])
def test_serving_looks_at_the_port_before_it_starts_a_server(command):
    assert not needs_database(command.split())


@pytest.mark.parametrize("command", ["web", "worker", "migrate", "ingest x", "export_mos s"])
def test_a_command_that_uses_rows_starts_a_server(command):
    assert needs_database(command.split())
