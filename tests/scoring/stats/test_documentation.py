"""What docs/statistics.md promises: its script runs, and its constants are those of the code."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scoring.stats import bootstrap, mos, power, screening, subject_model
from scoring.stats.agreement import SPLITS
from scoring.stats.mapping import DEGREES, Kind
from scoring.stats.screening import Bt500, Bt1788, VqegMultimedia
from scoring.stats.signed import EXACT_UP_TO

PAGE = Path(__file__).resolve().parents[3] / "docs" / "statistics.md"


def test_the_script_recomputes_a_study_from_its_ratings_alone(tmp_path, monkeypatch):
    script = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    assert script
    generator = np.random.default_rng(1)
    rows = [
        {"pvs": pvs, "viewer": f"V{viewer}", "score": score, "counted": counted}
        for pvs in range(12)
        for viewer in range(9)
        for score, counted in (
            (10 - pvs // 2 if viewer == 8 else int(generator.integers(0, 2)) + pvs // 2, True),
            (0, False),
        )
    ]
    monkeypatch.chdir(tmp_path)
    ratings = pd.DataFrame(rows)
    ratings.to_csv("ratings.csv", index=False)
    found: dict = {}
    exec(script.group(1), found)
    expected = ratings[ratings.counted].groupby("pvs").score.mean()
    np.testing.assert_allclose(found["everybody"].mos, expected)
    assert found["screening"].kept.tolist() == [True] * 8 + [False]
    assert found["kept"].votes.tolist() == [8] * 12


@pytest.mark.parametrize(
    ("constant", "said"),
    [
        (mos.Z, "1.96 · SD / √N"),
        (bootstrap.RESAMPLES, "replacement, 2000 times"),
        (screening.THRESHOLD, "r < 0.75"),
        (screening.FLOOR, "never below 3 viewers"),
        (screening.MINIMUM_STIMULI, "fewer than 10 stimuli"),
        (screening.REVERSED_BELOW, "r ≤ −0.5"),
        (Bt500().share, "votes > 0.05"),
        (Bt500().imbalance, "< 0.3"),
        (Bt1788().criterion, "min(0.85,"),
        (VqegMultimedia().condition_threshold, "below 0.8 "),
        (subject_model.PSEUDO_VOTES, "(n · own + 5 · panel's)"),
        (subject_model.ITERATIONS, "or 1000 times"),
        (SPLITS, "200 random halves"),
        (EXACT_UP_TO, "up to 50 differences"),
        (DEGREES[Kind.CUBIC], "| `cubic`, the default | 4 |"),
        (power.ALPHA, "level 0.05 divided"),
    ],
)
def test_constants_are_those_of_the_code(constant, said):
    assert f"{abs(constant):g}" in said
    assert said in PAGE.read_text()
