"""Published ratings and worked examples with results computed elsewhere, where they are at hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "scores"


def load(name: str) -> Any:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return json.loads(path.read_text())


def ratings(name: str) -> pd.DataFrame:
    path = FOLDER / name / "raw.csv"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return pd.read_csv(path)


def matrix(name: str, viewer_columns: list[str] | None = None) -> tuple[np.ndarray, list[str]]:
    """Stimuli in order of appearance by viewers by code; repetitions as columns of their own."""
    columns = viewer_columns or ["subject"]
    table = ratings(name).pivot_table(index="stimulus", columns=columns, values="score", sort=False)
    table = table.sort_index(axis=1)
    return table.to_numpy(dtype=float), [str(c) for c in table.columns]
