"""Fixtures for all tests. tests/settings.py chose the throw-away data folder."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """The embedded server starts only if a test asks for the database."""
    from django.conf import settings

    if settings.EMBEDDED_POSTGRES:
        settings.EMBEDDED_POSTGRES.use()


def pytest_unconfigure(config: pytest.Config) -> None:
    from django.conf import settings

    if settings.configured:
        if settings.EMBEDDED_POSTGRES:
            settings.EMBEDDED_POSTGRES.leave()
        shutil.rmtree(settings.DATA_DIR, ignore_errors=True)
