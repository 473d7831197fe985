"""Curves from metric to MOS: the worked cases, and that none ever turns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from scoring.stats.mapping import Curve, Kind, MappingUndefined, Polarity, fit_curve

from . import published

# A cloud that an unconstrained cubic bends back: numbers by numpy.polyfit and SLSQP.
X = np.array([20.0, 22, 24, 26, 28, 30, 32, 34, 36, 50])
Y = np.array([1.0, 2, 3.5, 5, 6.5, 7.5, 8.2, 8.6, 8.8, 8.0])


def slopes(curve: Curve) -> np.ndarray:
    t = np.linspace(curve.start - curve.span / 5, curve.start + 1.2 * curve.span, 2001)
    return np.diff(curve(t))


def rmse(curve: Curve, x: np.ndarray, y: np.ndarray) -> float:
    return float(np.sqrt(np.mean((curve(x) - y) ** 2)))


def test_a_cubic_that_would_turn_is_kept_from_it_and_says_so():
    free = np.polynomial.Polynomial.fit(X, Y, 3)
    assert free.deriv()(np.linspace(20, 50, 999)).min() == pytest.approx(-0.334, abs=5e-4)
    assert np.sqrt(((free(X) - Y) ** 2).sum() / 6) == pytest.approx(0.3165, abs=5e-5)
    curve = fit_curve(X, Y, Kind.CUBIC)
    assert curve.constrained
    assert slopes(curve).min() >= -1e-9
    # Divided by N - d. Theirs, 0.6062299390, falls by up to 1e-5 per unit, ours nowhere.
    assert np.sqrt(curve.squares / 6) == pytest.approx(0.6062299390, abs=1e-4)
    assert np.sqrt(curve.squares / 6) >= 0.6062299390


def test_the_constrained_cubic_is_that_of_the_reference():
    expected = published.load("worked_examples.json")["cubic_mono"]
    np.testing.assert_allclose(fit_curve(X, Y)(X), expected["monotone"], rtol=0, atol=2e-3)


@pytest.mark.parametrize("metric", ["vmaf", "psnr"])
def test_a_cubic_that_does_not_turn_is_plain_least_squares(metric):
    example = published.load("worked_examples.json")["p1401"]
    x, y = np.array(example["metrics"][metric]["x"]), np.array(example["mos"])
    curve = fit_curve(x, y)
    assert not curve.constrained
    np.testing.assert_allclose(
        curve(x), example["metrics"][metric]["cubic_pred"], rtol=0, atol=1e-9
    )


def test_beyond_the_data_the_curve_goes_on_straight():
    curve = fit_curve(X, Y)
    steps = np.diff(curve(np.array([50.0, 55.0, 60.0, 65.0])))
    np.testing.assert_allclose(steps, steps[0], atol=1e-12)


def test_a_metric_where_less_is_better_gets_a_falling_curve():
    falling = fit_curve(-X, Y)
    assert not falling.increasing
    assert slopes(falling).max() <= 1e-9
    np.testing.assert_allclose(falling(-X), fit_curve(X, Y)(X), atol=1e-6)


def test_a_known_polarity_is_held_even_where_the_cloud_says_otherwise():
    wrong = fit_curve(X, -Y, Kind.CUBIC, Polarity.INCREASING)
    assert wrong.constrained
    assert slopes(wrong).min() >= -1e-9
    flat = fit_curve(X, -Y, Kind.LINEAR, Polarity.INCREASING)
    assert flat.constrained
    np.testing.assert_allclose(flat(X), -Y.mean())


def test_a_logistic_finds_the_logistic_it_is_given():
    x = np.linspace(0, 100, 40)
    y = 1 + 8 / (1 + np.exp(-(x - 55) / 9))
    curve = fit_curve(x, y, Kind.LOGISTIC)
    np.testing.assert_allclose(curve(x), y, atol=1e-6)
    assert not curve.constrained
    np.testing.assert_allclose(fit_curve(-x, y, Kind.LOGISTIC)(-x), y, atol=1e-6)


def test_the_ends_of_a_logistic_through_a_straight_cloud_stay_near_the_data():
    x = np.linspace(0, 10, 30)
    curve = fit_curve(x, x, Kind.LOGISTIC)
    assert curve.constrained
    assert np.abs(curve.coefficients[:2]).max() <= 31
    assert rmse(curve, x, x) < 0.1


@pytest.mark.parametrize(("kind", "least"), [(Kind.LINEAR, 2), (Kind.CUBIC, 4), (Kind.LOGISTIC, 4)])
def test_a_curve_needs_as_many_different_values_as_coefficients(kind, least):
    few = np.repeat(np.arange(least - 1.0), 4)
    with pytest.raises(MappingUndefined, match=f"{least} coefficients"):
        fit_curve(few, few, kind)


clouds = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 20)), min_size=5, max_size=25
).filter(lambda points: len({x for x, _ in points}) >= 4)


@settings(max_examples=60, deadline=None)
@given(clouds, st.sampled_from([Kind.LINEAR, Kind.CUBIC, Kind.LOGISTIC]))
def test_no_curve_ever_turns(points, kind):
    x, y = (np.array(axis, dtype=float) for axis in zip(*points, strict=True))
    steps = slopes(fit_curve(x, y, kind))
    assert steps.min() >= -1e-9 or steps.max() <= 1e-9


@settings(max_examples=25, deadline=None)
@given(clouds)
def test_no_other_rising_cubic_fits_better(points):
    x, y = (np.array(axis, dtype=float) for axis in zip(*points, strict=True))
    t = (x - x.min()) / np.ptp(x)
    grid = np.linspace(0, 1, 201)
    design = np.vander(t, 4, increasing=True)
    slope = np.column_stack([np.zeros(201), np.ones(201), 2 * grid, 3 * grid**2])
    theirs = minimize(
        lambda c: ((design @ c - y) ** 2).sum(),
        [y.mean(), 0, 0, 0],
        jac=lambda c: 2 * design.T @ (design @ c - y),
        constraints={"type": "ineq", "fun": lambda c: slope @ c, "jac": lambda c: slope},
        method="SLSQP",
        options={"maxiter": 400, "ftol": 1e-12},
    )
    ours = fit_curve(x, y, Kind.CUBIC, Polarity.INCREASING)
    # Theirs heeds the constraint at 201 places and may dip between them.
    assert ours.squares <= theirs.fun * (1 + 1e-3) + 1e-3
