"""DMOS: its direction is stated, its reference may be missing, and sureal's numbers come out."""

import math

import numpy as np
import pytest

from scoring.stats.differential import Direction, differential_scores
from scoring.stats.mos import mean_opinion_scores

from . import published

SCORES = np.array([[10.0, 8.0], [7.0, 8.0], [5.0, math.nan]])
REFERENCE = np.array([0, 0, -1])


def test_higher_is_better_puts_a_stimulus_like_its_reference_at_the_top():
    found = differential_scores(SCORES, REFERENCE, top=10)
    np.testing.assert_array_equal(found, [[10, 10], [7, 10], [math.nan, math.nan]])


def test_lower_is_better_says_how_much_worse_it_looks():
    found = differential_scores(SCORES, REFERENCE, direction=Direction.LOWER_IS_BETTER)
    np.testing.assert_array_equal(found, [[0, 0], [3, 0], [math.nan, math.nan]])


def test_a_viewer_who_did_not_score_the_reference_has_no_difference():
    found = differential_scores(np.array([[math.nan, 9.0], [5.0, 5.0]]), np.array([0, 0]))
    assert np.isnan(found[1, 0])
    assert found[1, 1] == 6


def test_dmos_of_published_ratings_is_that_of_sureal():
    reference = published.load("nflx_public/reference_sureal.json")
    content, is_reference = np.array(reference["content"]), np.array(reference["is_reference"])
    row = {name: int(np.flatnonzero((content == name) & is_reference)[0]) for name in set(content)}
    scores, _ = published.matrix("nflx_public")
    differences = differential_scores(
        scores, np.array([row[name] for name in content]), top=reference["ref_score"]
    )
    expected = np.array(reference["models"]["DMOS"]["quality_scores"])
    np.testing.assert_allclose(mean_opinion_scores(differences).mos, expected, atol=1e-9)


def test_the_interval_of_a_dmos_holds_the_references_uncertainty_too():
    # One viewer's reference differs: sureal's interval of row 1 would have no width.
    scores = np.array([[9.0, 9.0, 6.0], [5.0, 5.0, 5.0]])
    table = mean_opinion_scores(differential_scores(scores, np.array([0, 0])))
    assert table.sd[1] == pytest.approx(np.std([6, 6, 9], ddof=1))
