"""The dependence rule, read from the imports: qa_portal -> scoring -> sessions_app -> upscalers."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ["upscalers", "sessions_app", "scoring", "qa_portal"]  # each may use those before it
PURE_CORES = ["upscalers/core", "upscalers/methods", "sessions_app/core", "scoring/stats",
              "scoring/metrics"]  # fmt: skip
NOT_PURE = {"django", "channels", "procrastinate", "psycopg"}


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parent.parts
            inside = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*inside, *filter(None, [node.module])))
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("layer", LAYERS)
def test_no_package_imports_one_above_it(layer):
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    assert modules(layer)
    for path in modules(layer):
        used = {name.split(".")[0] for name in imported_modules(path)}
        assert not used & above, f"{path.relative_to(ROOT)} imports upward: {used & above}"


@pytest.mark.parametrize("core", PURE_CORES)
def test_a_pure_core_imports_no_framework(core):
    assert modules(core)
    for path in modules(core):
        used = {name.split(".")[0] for name in imported_modules(path)}
        assert not used & NOT_PURE, f"{path.relative_to(ROOT)} imports {used & NOT_PURE}"


@pytest.mark.parametrize("core", PURE_CORES)
def test_a_pure_core_uses_only_pure_cores_of_midgrey(core):
    allowed = tuple(name.replace("/", ".") for name in PURE_CORES)
    for path in modules(core):
        for name in imported_modules(path):
            if name.split(".")[0] in LAYERS and name not in LAYERS:  # below a package
                assert name.startswith(allowed), f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("layer", LAYERS)
def test_no_view_reads_a_whole_file_into_memory(layer):
    for path in modules(layer):  # under ASGI Django's FileResponse does; upscalers.streaming not
        assert "django.http.FileResponse" not in imported_modules(path), path
