"""What tests about material share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from upscalers import services
from upscalers.models import Source


@pytest.fixture(autouse=True)
def empty_store(settings: Any, tmp_path: Path) -> None:
    """Each test has a store of its own, so that it can say what is left in it."""
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def source(owner: User, make_video: Callable[..., Path]) -> Source:
    return services.ingest(make_video(), services.Ingest("holiday clip.mkv"), owner)
