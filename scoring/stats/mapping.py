"""From an objective metric to the scale of the MOS, by a curve that never turns (P.1401).

Least squares alone may bend a cubic back within the data; then the best cubic that does not is
taken, found exactly: it lies on the border of the monotone ones, and each piece of that border is
a small problem with one answer. A logistic cannot turn; its ends are kept within a scale's width
of the data, where a nearly straight cloud would push them to infinity.

Beyond the data a curve goes on straight with the slope of its end.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.optimize import least_squares, minimize_scalar, nnls
from scipy.special import expit

from .matrix import FloatArray

SLACK = 1e-10  # of the steepest slope: a slope this far below 0 is rounding
ANGLES = 181


class Kind(StrEnum):
    NONE = "none"
    LINEAR = "linear"
    CUBIC = "cubic"
    LOGISTIC = "logistic"


class Polarity(StrEnum):
    EITHER = "either"  # whichever fits better
    INCREASING = "increasing"
    DECREASING = "decreasing"


DEGREES = {Kind.NONE: 1, Kind.LINEAR: 2, Kind.CUBIC: 4, Kind.LOGISTIC: 4}  # d of P.1401


class MappingUndefined(Exception):
    """There are too few points, or too few different ones, for such a curve."""


@dataclass(frozen=True)
class Curve:
    kind: Kind
    coefficients: FloatArray  # of c0 + c1 t + c2 t^2 + c3 t^3, or low end, rise, middle, width
    start: float  # t is (metric - start) / span
    span: float
    constrained: bool  # the free fit would have turned or pointed the other way
    squares: float  # what is left, summed over the points fitted

    @property
    def increasing(self) -> bool:
        low, high = self(np.array([self.start, self.start + self.span]))
        return bool(high >= low)

    def __call__(self, metric: FloatArray) -> FloatArray:
        t = (np.asarray(metric, dtype=np.float64) - self.start) / self.span
        inside = np.clip(t, 0.0, 1.0)
        value, slope = self._at(inside)
        return np.asarray(value + slope * (t - inside))

    def _at(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        c = self.coefficients
        if self.kind is Kind.LOGISTIC:
            share = expit((t - c[2]) / c[3])
            return c[0] + c[1] * share, c[1] * share * (1 - share) / c[3]
        value = np.polynomial.polynomial.polyval(t, c)
        slope = np.polynomial.polynomial.polyval(t, np.polynomial.polynomial.polyder(c))
        return np.asarray(value), np.asarray(slope)


def fit_curve(
    metric: FloatArray,
    mos: FloatArray,
    kind: Kind = Kind.CUBIC,
    polarity: Polarity = Polarity.EITHER,
) -> Curve:
    """Both without missing or infinite values."""
    least = DEGREES[kind]
    if len(np.unique(metric)) < least:
        raise MappingUndefined(
            f"A {kind} mapping has {least} coefficients and needs as many different values of the "
            f"metric; there are {len(np.unique(metric))}."
        )
    start, span = float(metric.min()), float(np.ptp(metric))
    t = (metric - start) / span
    signs = {Polarity.EITHER: (1, -1), Polarity.INCREASING: (1,), Polarity.DECREASING: (-1,)}
    found = []
    for sign in signs[polarity]:
        coefficients, constrained = _FIT[kind](t, sign * mos)
        if kind is Kind.LOGISTIC:
            coefficients[:2] *= sign
        else:
            coefficients *= sign
        curve = Curve(kind, coefficients, start, span, constrained, 0.0)
        found.append(replace(curve, squares=float(((mos - curve(metric)) ** 2).sum())))
    return min(found, key=lambda curve: (curve.squares, curve.constrained))


def _line(t: FloatArray, y: FloatArray) -> tuple[FloatArray, bool]:
    dt, dy = t - t.mean(), y - y.mean()
    slope = float(dt @ dy) / float(dt @ dt)
    rising = max(slope, 0.0)
    return np.array([y.mean() - rising * t.mean(), rising]), slope < 0


def _cubic(t: FloatArray, y: FloatArray) -> tuple[FloatArray, bool]:
    """The slope is a (1-t)^2 + 2 b t (1-t) + c t^2: nowhere below 0 if a, c >= 0 and
    b >= -sqrt(a c)."""
    parts = np.column_stack([(1 - (1 - t) ** 3) / 3, t**2 - 2 * t**3 / 3, t**3 / 3])
    centred, wanted = parts - parts.mean(axis=0), y - y.mean()
    free = np.linalg.lstsq(centred, wanted, rcond=None)[0]
    if _never_falls(free):
        return _coefficients(free, parts, y), False
    candidates = [
        np.array([0.0, *nnls(centred[:, 1:], wanted)[0]]),
        np.array([*nnls(centred[:, :2], wanted)[0], 0.0]),
        _touching(centred, wanted),
    ]
    best = min(candidates, key=lambda abc: float(((wanted - centred @ abc) ** 2).sum()))
    return _coefficients(best, parts, y), True


def _never_falls(abc: FloatArray) -> bool:
    a, b, c = abc
    slack = SLACK * float(np.abs(abc).max())
    return bool(a >= -slack and c >= -slack and b >= -np.sqrt(max(a, 0) * max(c, 0)) - slack)


def _touching(centred: FloatArray, wanted: FloatArray) -> FloatArray:
    """Slopes that touch 0 between the ends: k (cos w (1-t) - sin w t)^2, best k for each w."""

    def direction(angle: float) -> FloatArray:
        along, across = np.cos(angle), np.sin(angle)
        return np.array([along**2, -along * across, across**2])

    def scale(angle: float) -> float:
        column = centred @ direction(angle)
        return max(float(column @ wanted) / float(column @ column), 0.0)

    def left(angle: float) -> float:
        rest = wanted - scale(angle) * (centred @ direction(angle))
        return float(rest @ rest)

    angles = np.linspace(0, np.pi / 2, ANGLES)
    nearest = int(np.argmin([left(angle) for angle in angles]))
    bounds = (angles[max(nearest - 1, 0)], angles[min(nearest + 1, ANGLES - 1)])
    best = float(minimize_scalar(left, bounds=bounds, method="bounded", options={"xatol": 1e-13}).x)
    return np.asarray(scale(best) * direction(best))


def _coefficients(abc: FloatArray, parts: FloatArray, y: FloatArray) -> FloatArray:
    a, b, c = abc
    return np.array([y.mean() - parts.mean(axis=0) @ abc, a, b - a, (a - 2 * b + c) / 3])


def _logistic(t: FloatArray, y: FloatArray) -> tuple[FloatArray, bool]:
    """low + rise / (1 + exp(-(t - middle) / width)) with rise >= 0; width as its logarithm."""
    low, spread = float(y.min()), max(float(np.ptp(y)), 1e-9)
    bounds = (
        [low - spread, 0.0, -2.0, np.log(1e-3)],
        [low + 2 * spread, 3 * spread, 3.0, np.log(10.0)],
    )

    def rest(p: FloatArray) -> FloatArray:
        return np.asarray(p[0] + p[1] * expit((t - p[2]) / np.exp(p[3])) - y)

    found = [
        least_squares(
            rest,
            [low, spread, float(np.median(t)), np.log(width)],
            bounds=bounds,
            xtol=1e-12,
            ftol=1e-12,
            gtol=1e-12,
        )
        for width in (0.05, 0.15, 0.5)
    ]
    best = min(found, key=lambda one: float(one.cost)).x
    at_bound = bool((np.isclose(best, bounds[0]) | np.isclose(best, bounds[1]))[:2].any())
    return np.array([best[0], best[1], best[2], np.exp(best[3])]), at_bound


_FIT: dict[Kind, Callable[[FloatArray, FloatArray], tuple[FloatArray, bool]]] = {
    Kind.LINEAR: _line,
    Kind.CUBIC: _cubic,
    Kind.LOGISTIC: _logistic,
}
