import pytest

from manage import needs_database


@pytest.mark.parametrize("command", ["upscale a.mkv b.mkv --method span-x2", "methods", "check",
                                     "help", "migrate --help", "--version", "collectstatic", ""])  # fmt: skip
def test_a_command_that_only_computes_or_prints_starts_no_server(command):
    assert not needs_database(command.split())


@pytest.mark.parametrize("command", ["serve", "demo --port 8001", "worker", "migrate", "ingest x"])
def test_a_command_that_uses_rows_does(command):
    assert needs_database(command.split())
