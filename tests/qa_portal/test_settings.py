import re
import subprocess
import sys

import pytest
from django.conf import settings

from qa_portal import environment

DOCUMENT = settings.BASE_DIR / "docs" / "settings.md"


def documented() -> dict[str, str]:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", DOCUMENT.read_text(), flags=re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


def test_every_setting_is_documented_and_every_documented_setting_exists():
    assert documented().keys() == environment.KNOWN.keys()


def test_the_documented_defaults_are_those_of_the_code():
    described = ("none", "generated")
    for name, default in environment.KNOWN.items():
        shown = documented()[name]
        if default == "":
            assert shown.startswith(described), name
        else:
            assert shown.strip("`") == default.strip("`") or default == shown, name


def start(tmp_path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from django.conf import settings; settings.DEBUG"],
        cwd=settings.BASE_DIR,
        env={
            "DJANGO_SETTINGS_MODULE": "qa_portal.settings",
            "PATH": "/usr/bin:/bin",
            "MIDGREY_DATA_DIR": str(tmp_path / "data"),
            **variables,
        },
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MIDGREY_DEBUG", "maybe"),
        ("MIDGREY_HSTS_SECONDS", "a year"),
        ("MIDGREY_LOG_LEVEL", "LOUD"),
        ("DATABASE_URL", "sqlite:///db.sqlite3"),
    ],
)
def test_a_bad_value_stops_the_start_with_its_name(tmp_path, name, value):
    result = start(tmp_path, **{name: value})
    assert result.returncode != 0
    assert name in result.stderr


def test_without_any_setting_a_secret_is_made_and_no_server_started(tmp_path):
    result = start(tmp_path)
    assert result.returncode == 0, result.stderr
    made = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    assert made == {"media": 0o700, "secret_key": 0o600}  # no database
