"""Methods are found, described, and unknown to everybody else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from upscalers.core.errors import MethodError
from upscalers.methods import all_methods, get_method

ROOT = Path(__file__).resolve().parents[3]


def test_the_methods_are_there_classical_ones_first() -> None:
    families = [method.family for method in all_methods().values()]
    assert families == sorted(families)
    assert {"nearest", "bicubic", "lanczos3", "span-x2", "span-x4"} <= set(all_methods())


def test_each_method_says_what_it_is() -> None:
    for slug, method in all_methods().items():
        assert slug == method.slug and method.name and method.description and method.licence
        assert bool(re.fullmatch("[0-9a-f]{64}", method.weights_sha256)) == (
            method.family == "network"
        )


def test_an_unknown_method_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        MethodError, match="there is no method 'magic'; there are nearest, bilinear"
    ):
        get_method("magic")


def test_listing_methods_does_not_load_torch() -> None:
    code = "import sys, upscalers.methods as m; m.all_methods(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_core_knows_no_method_by_name() -> None:
    for path in (ROOT / "upscalers" / "core").glob("*.py"):
        assert not re.search(r"span-x|spanx", path.read_text()), path


def test_the_core_imports_no_django() -> None:
    code = (
        "import sys, upscalers.core.engine, upscalers.core.rendition, upscalers.core.degrade,"
        " scoring.metrics; sys.exit(any(m.split('.')[0] == 'django' for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
