"""The script in the documentation makes the published numbers again, from the votes alone."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from django.core.management import call_command

from sessions_app.models import CellKind

ANALYST = Path(__file__).parents[2] / "docs" / "analyst.md"


def script_of(path: Path) -> str:
    _, _, after = path.read_text(encoding="utf-8").partition("## Doing it again")
    found = re.search(r"```python\n(.*?)```", after, re.DOTALL)
    assert found, f"{path.name} has no script under 'Doing it again'"
    return found[1]


def test_the_documented_script_makes_mos_interval_and_screened_mos_again(factory, tmp_path):
    session = factory.study.sessions.first()  # votes that do not count, and a viewer with gaps
    cell = factory.add_cell(session, 90, CellKind.TEST, factory.study.pairs.first())
    late = factory.add_showing(cell, valid=False, verdict="a: 3 frames late")
    factory.add_votes(late, dict.fromkeys(session.seats.all(), "random"))
    early = factory.study.viewers.create(code="V12", panel=1)  # left early, so nobody judges them
    shown = factory.add_showing(factory.add_cell(session, 91, CellKind.TEST, cell.pair))
    factory.add_votes(shown, {session.seats.create(viewer=early): "reversed"})
    tables = ("--table", "ratings", "--table", "mos")
    call_command("export_mos", factory.study.slug, "-o", str(tmp_path / "out"), *tables)
    (tmp_path / "again.py").write_text(script_of(ANALYST), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-I", "again.py", "out"],  # Midgrey cannot be imported
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    again = pd.concat(
        pd.read_csv(io.StringIO(part)) for part in told.split("\n\n") if part.strip()
    ).set_index(["selection", "pvs"])
    mos = pd.read_csv(tmp_path / "out" / "mos.csv").set_index(["selection", "pvs"])
    assert again.index.get_level_values("selection").value_counts().to_dict() == {
        "all": 12, "pearson_iterative": 12,
    }  # fmt: skip
    for name in ("mos", "ci95_t"):
        expected = mos.loc[again.index, name]
        assert (again[name] - expected).abs().max() < 1e-9
    by = again["mos"].unstack("selection")
    assert (by["all"] != by["pearson_iterative"]).any(), "screening changed nothing: a weak test"


def test_the_script_is_about_ten_lines():
    lines = [line for line in script_of(ANALYST).splitlines() if line.strip()]
    assert len(lines) == pytest.approx(10, abs=1)
