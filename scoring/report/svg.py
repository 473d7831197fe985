"""Drawing for print: points with intervals as plain SVG, no scripts, no fonts of its own.

Series differ by shape and by colour (Okabe and Ito's, which the colour-blind can tell apart), so a
figure is readable in grey too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from scoring.wording import minus

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
SHAPES = ("circle", "square", "diamond", "up", "down", "cross")
WIDTH = 720
CHARACTER = 6.7  # width at 11 px, on the safe side of the mean
CLOUD_HEIGHT = 220.0
WIDEST_LABEL = 260.0


@dataclass(frozen=True)
class Point:
    at: float  # NaN is not drawn
    half: float  # half of its interval; NaN for none
    series: int = 0


@dataclass(frozen=True)
class Row:
    label: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    half: float
    series: int


@dataclass(frozen=True)
class Axis:
    label: str
    low: float
    high: float

    def ticks(self) -> list[float]:
        step = 10 ** math.floor(math.log10((self.high - self.low) / 4))
        for times in (1, 2, 5, 10):
            if (self.high - self.low) / (step * times) <= 10:
                step *= times
                break
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


def rows_of_points(
    rows: Sequence[Row], axis: Axis, series: Sequence[str], title: str, limit: float | None = None
) -> str:
    """A row per label, points side by side in it; `limit` is drawn as a dashed line."""
    height = [max(20.0, 9.0 * max(len(row.points), 1) + 8) for row in rows]
    left = min(WIDEST_LABEL, 14 + CHARACTER * max((len(row.label) for row in rows), default=0))
    legend, top = _legend(series, left)
    right, bottom = WIDTH - 14.0, top + sum(height)
    to_x = _scale(axis.low, axis.high, left, right)
    parts = [legend, _vertical_grid(axis, to_x, top, bottom)]
    if limit is not None and axis.low <= limit <= axis.high:
        x = to_x(limit)
        parts.append(f'<path class="limit" d="M{x:.1f} {top}V{bottom:.1f}"/>')
    y = top
    for row, high in zip(rows, height, strict=True):
        parts.append(f'<path class="line" d="M{left:.1f} {y + high:.1f}H{right:.1f}"/>')
        label = _cut(row.label, int((left - 10) / CHARACTER))
        parts.append(_text(left - 6, y + high / 2 + 4, label, "end"))
        for k, point in enumerate(row.points):
            at = y + high * (k + 0.5 + 0.35) / (len(row.points) + 0.7)
            parts.append(_interval(point, to_x, at))
        y += high
    return _svg(title, bottom + 34, parts)


def cloud(
    dots: Sequence[Dot],
    x_axis: Axis,
    y_axis: Axis,
    series: Sequence[str],
    title: str,
    curve: Iterable[tuple[float, float]] = (),
) -> str:
    left, right = 48.0, WIDTH - 14.0
    legend, top = _legend(series, left)
    bottom = top + CLOUD_HEIGHT
    to_x = _scale(x_axis.low, x_axis.high, left, right)
    to_y = _scale(y_axis.low, y_axis.high, bottom, top)
    parts = [legend, _vertical_grid(x_axis, to_x, top, bottom)]
    for tick in y_axis.ticks():
        y = to_y(tick)
        parts.append(f'<path class="line" d="M{left} {y:.1f}H{right}"/>')
        parts.append(_text(left - 6, y + 4, f"{tick:g}", "end"))
    parts.append(_text(left + 5, top + 13, y_axis.label, "start"))
    line = " ".join(f"{to_x(x):.1f},{to_y(y):.1f}" for x, y in curve)
    if line:
        parts.append(f'<polyline class="curve" points="{line}"/>')
    for dot in dots:
        if math.isfinite(dot.x) and math.isfinite(dot.y):
            parts.append(_standing(dot, to_x, to_y))
    return _svg(title, bottom + 34, parts)


def _standing(dot: Dot, to_x: _Scale, to_y: _Scale) -> str:
    x, y = to_x(dot.x), to_y(dot.y)
    bar = ""
    if math.isfinite(dot.half):
        low, high = to_y(dot.y - dot.half), to_y(dot.y + dot.half)
        bar = f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{_colour(dot.series)}"/>'
    return bar + _marker(dot.series, x, y)


def _interval(point: Point, to_x: _Scale, y: float) -> str:
    if not math.isfinite(point.at):
        return ""
    bar, colour = "", _colour(point.series)
    if math.isfinite(point.half):
        low, high = to_x(point.at - point.half), to_x(point.at + point.half)
        bar = (
            f'<path d="M{low:.1f} {y:.1f}H{high:.1f}M{low:.1f} {y - 3:.1f}v6'
            f'M{high:.1f} {y - 3:.1f}v6" stroke="{colour}"/>'
        )
    return bar + _marker(point.series, to_x(point.at), y)


class _Scale:
    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.start = low, start
        self.by = (end - start) / ((high - low) or 1.0)
        self.ends = sorted((start, end))

    def __call__(self, value: float) -> float:
        return min(max(self.start + (value - self.low) * self.by, self.ends[0]), self.ends[1])


def _scale(low: float, high: float, start: float, end: float) -> _Scale:
    return _Scale(low, high, start, end)


def _vertical_grid(axis: Axis, to_x: _Scale, top: float, bottom: float) -> str:
    parts = [_text((to_x.ends[0] + to_x.ends[1]) / 2, bottom + 30, axis.label, "middle")]
    for tick in axis.ticks():
        x = to_x(tick)
        parts.append(f'<path class="line" d="M{x:.1f} {top}V{bottom:.1f}"/>')
        parts.append(_text(x, bottom + 15, minus(f"{tick:.10g}"), "middle"))
    return "".join(parts)


def _legend(series: Sequence[str], left: float) -> tuple[str, float]:
    """And where the drawing begins below it."""
    if len(series) < 2:
        return "", 16.0
    parts, x, y = [], left, 12.0
    for number, name in enumerate(series):
        wide = 22 + CHARACTER * len(name)
        if x + wide > WIDTH and x > left:
            x, y = left, y + 16
        parts.append(_marker(number, x + 5, y))
        parts.append(_text(x + 13, y + 4, name, "start"))
        x += wide
    return "".join(parts), y + 20


def _marker(series: int, x: float, y: float) -> str:
    paths = {
        "circle": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
        "square": "m-3.6-3.6h7.2v7.2h-7.2z",
        "diamond": "m0-5l5 5l-5 5l-5-5z",
        "up": "m0-5l4.6 8.4h-9.2z",
        "down": "m0 5l4.6-8.4h-9.2z",
        "cross": "m-1.6-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z",
    }
    path = paths[SHAPES[series % len(SHAPES)]]
    return f'<path class="mark" d="M{x:.1f} {y:.1f}{path}" fill="{_colour(series)}"/>'


def _colour(series: int) -> str:
    return COLOURS[series % len(COLOURS)]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _cut(text: str, characters: int) -> str:
    """Without its middle: names that are alike mostly differ at their ends."""
    if len(text) <= characters:
        return text
    end = max((characters - 1) // 2, 1)
    return f"{text[: max(characters - 1 - end, 1)]}…{text[-end:]}"


def _svg(title: str, height: float, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
