"""The mixed model: what it finds, and what is said where statsmodels is not installed."""

import sys

import numpy as np
import pytest

from scoring.stats.mixed_model import (
    MixedModelUnavailable,
    MixedModelUndefined,
    fit_mixed_model,
)


def crossed(contents: int = 8, methods: int = 3, viewers: int = 9):
    """Method 1 is 2 better than method 0 and method 2 as good; viewers and contents differ."""
    generator = np.random.default_rng(7)
    content, method = (grid.ravel() for grid in np.indices((contents, methods)))
    of_content, of_viewer = generator.normal(0, 1.0, contents), generator.normal(0, 0.7, viewers)
    scores = 5 + np.array([0, 2, 0])[method][:, None] + of_content[content][:, None] + of_viewer
    return scores + generator.normal(0, 0.8, scores.shape), content, method


def test_effects_variances_and_missing_votes():
    pytest.importorskip("statsmodels", reason="statsmodels is optional")
    scores, content, method = crossed()
    scores[3, 4] = np.nan
    found = fit_mixed_model(scores, content, method, reference=0)
    assert found.converged
    assert found.methods.tolist() == [1, 2]
    assert found.effect[0] == pytest.approx(2, abs=0.4)
    assert found.low[0] < 2 < found.high[0]
    assert found.p[0] < 1e-6 < found.p[1]
    assert found.residual_variance == pytest.approx(0.64, rel=0.3)
    assert 0.1 < found.viewer_variance < 2
    assert 0.2 < found.content_variance < 4
    assert found.votes == 8 * 3 * 9 - 1


def test_with_complete_data_effects_and_errors_are_those_of_the_balanced_formula():
    pytest.importorskip("statsmodels", reason="statsmodels is optional")
    scores, content, method = crossed()
    found = fit_mixed_model(scores, content, method, reference=0)
    means = np.array([scores[method == k].mean() for k in range(3)])
    np.testing.assert_allclose(found.effect, means[1:] - means[0], atol=1e-6)
    # Viewers and contents are common to all methods and fall out of a difference.
    n = 8 * 9
    np.testing.assert_allclose(found.se, np.sqrt(2 * found.residual_variance / n), rtol=1e-4)


def test_without_statsmodels_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels.regression.mixed_linear_model", None)
    scores, content, method = crossed()
    with pytest.raises(MixedModelUnavailable, match="pip install"):
        fit_mixed_model(scores, content, method, reference=0)


def test_what_has_no_answer_is_refused():
    pytest.importorskip("statsmodels", reason="statsmodels is optional")
    scores, content, method = crossed()
    with pytest.raises(MixedModelUndefined, match="no votes"):
        fit_mixed_model(scores, content, method, reference=9)
    with pytest.raises(MixedModelUndefined, match="two contents"):
        fit_mixed_model(scores[:3], content[:3], method[:3], reference=0)
    with pytest.raises(MixedModelUndefined, match="equal"):
        fit_mixed_model(np.full_like(scores, 5), content, method, reference=0)
