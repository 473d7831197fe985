"""Fixtures for all tests. tests/settings.py chose the throw-away data folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db.models import Q

from tests.factories import make_user
from tests.working import do_job
from upscalers.core.video import FFMPEG
from upscalers.models import Job, JobKind, JobState


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright keeps an event loop in this thread, and other tests need one
    of their own."""
    items.sort(key=lambda item: "playwright" in getattr(item, "fixturenames", ()))


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


@pytest.fixture
def owner(db: None) -> User:
    """A coordinator who owns what the test is about."""
    return make_user("olga", "coordinator")


@pytest.fixture
def colleague(db: None) -> User:
    """An analyst who may be made a member."""
    return make_user("carl", "analyst")


@pytest.fixture
def stranger(db: None) -> User:
    """A coordinator of another study."""
    return make_user("sven", "coordinator")


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Real video files of any content ffmpeg can draw, losslessly."""
    folder = tmp_path_factory.mktemp("video")

    def make(name: str = "clip.mkv", picture: str = "testsrc2", *more: str) -> Path:
        path = folder / name
        if not path.exists():
            source = f"{picture}=size=64x48:rate=25"
            options = ["-f", "lavfi", "-i", source, "-frames:v", "10"]
            options += ["-pix_fmt", "yuv420p", "-c:v", "ffv1", *more]
            subprocess.run([FFMPEG, "-v", "error", *options, str(path)], check=True)
        return path

    return make


@pytest.fixture
def run_jobs(
    db: None, django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]]
) -> Callable[[], None]:
    """Does the work of the queue here and now, in order, until nothing waits."""

    def run() -> None:
        # A PVS's own job is running while its parts are, and in the queue when they are made.
        queued = Q(state=JobState.WAITING) | Q(state=JobState.RUNNING, kind=JobKind.UPSCALE)
        while job := Job.objects.filter(queued).exclude(queue_id=None).last():
            with django_capture_on_commit_callbacks(execute=True):
                do_job(job.pk)

    return run
