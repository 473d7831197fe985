"""What tests about material share."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def empty_store(settings: Any, tmp_path: Path) -> None:
    """Each test has a store of its own, so that it can say what is left in it."""
    settings.MEDIA_ROOT = tmp_path / "media"
