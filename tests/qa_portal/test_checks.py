"""Each misconfiguration is said with its id, and a good configuration says nothing."""

import subprocess

import pytest
from django.core.checks import run_checks

from qa_portal import checks


def ids() -> set[str]:
    return {message.id for message in run_checks() if message.id.startswith("midgrey")}


@pytest.fixture(autouse=True)
def enough_disk(settings):
    settings.DISK_LOW_GB = 0


def test_a_good_configuration_says_nothing():
    assert ids() == set()


def test_each_message_says_what_to_do(settings):
    settings.SECRET_KEY, settings.ALLOWED_HOSTS, settings.TLS = "short", [], True
    found = [message for message in run_checks() if message.id.startswith("midgrey")]
    assert len(found) == 3
    assert all(message.hint for message in found)


def test_e001_an_ffmpeg_that_does_not_run(monkeypatch):
    def fail(kind):
        raise FileNotFoundError("no such file")

    monkeypatch.setattr(checks, "ffmpeg_list", fail)
    assert ids() == {"midgrey.E001"}


def test_e001_an_ffmpeg_that_fails(monkeypatch):
    def fail(kind):
        raise subprocess.CalledProcessError(1, "ffmpeg")

    monkeypatch.setattr(checks, "ffmpeg_list", fail)
    assert ids() == {"midgrey.E001"}


def test_e002_an_ffmpeg_without_libvmaf(monkeypatch):
    monkeypatch.setattr(checks, "ffmpeg_list", lambda kind: "V..... libx264\nV..... ffv1\n")
    found = run_checks()
    assert [message.id for message in found] == ["midgrey.E002"]
    assert "libvmaf" in found[0].msg and "ffv1" not in found[0].msg


def test_e003_a_data_folder_that_cannot_be_written(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "missing"
    assert ids() == {"midgrey.E003"}


def test_e004_a_database_that_is_not_postgresql(settings, monkeypatch):
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    assert "midgrey.E004" in ids()


def test_e005_a_short_secret_key(settings):
    settings.SECRET_KEY = "x" * 39
    assert ids() == {"midgrey.E005"}


def test_e006_no_host_allowed(settings):
    settings.DEBUG, settings.ALLOWED_HOSTS = False, []
    assert ids() == {"midgrey.E006"}


def test_e007_debug_pages_for_other_machines(settings):
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["lab.example"]
    assert ids() == {"midgrey.E007"}


def test_e008_tls_that_nobody_ends(settings):
    settings.TLS, settings.BEHIND_PROXY = True, False
    assert ids() == {"midgrey.E008"}


def test_e009_hsts_without_tls(settings):
    settings.SECURE_HSTS_SECONDS = 3600
    assert ids() == {"midgrey.E009"}


def test_w001_little_disk_left(settings):
    settings.DISK_LOW_GB = 10**9
    assert ids() == {"midgrey.W001"}


def test_w002_no_pretrained_weights(monkeypatch):
    monkeypatch.setattr(checks, "WEIGHTS_PACKAGE", "a_package_that_is_not_there")
    assert ids() == {"midgrey.W002"}
