"""What every answer carries, and the files that pages load."""

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.urls import reverse


@pytest.fixture
def page(client, db):
    return client.get(reverse("login"))


def test_pages_are_isolated_from_other_origins(page):
    assert page["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert page["X-Frame-Options"] == "DENY"


def test_nothing_inline_and_nothing_from_elsewhere_may_run(page):
    policy = page["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy


def test_cookies_are_secure_behind_tls(client, settings, db):
    settings.CSRF_COOKIE_SECURE = True
    cookie = client.get(reverse("login")).cookies["csrftoken"]
    assert cookie["secure"] and cookie["samesite"] == "Lax"


def test_libraries_come_from_the_wheels():
    for name in ("django_htmx/htmx-2.min.js", "vendor/plotly/plotly.min.js"):
        assert finders.find(name), name


def test_static_files_can_all_be_renamed_by_their_hash(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "qa_portal.static_files.HashedStaticFiles"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    names = [path.name for path in (tmp_path / "js").iterdir()]
    assert any(name.startswith("theme.") and name.count(".") == 2 for name in names)


def test_templates_name_only_static_files_that_exist():
    import re

    for template in (settings.BASE_DIR / "templates").rglob("*.html"):
        for name in re.findall(r"""{%\s*static\s+['"]([^'"]+)['"]""", template.read_text()):
            assert finders.find(name), f"{template.name}: {name}"
