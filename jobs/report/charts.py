"""The report's few charts as inline SVG: no script, no fonts, no network; colours come from the page's style sheet, so
they follow its light and dark themes.

Every text that reaches the SVG is escaped here.
"""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

WIDTH, HEIGHT = 460, 270
LEFT, RIGHT, TOP, BOTTOM = 42, 12, 12, 44
"""Margins in a view box that is narrow enough for its 13 px text to stay readable on a phone."""

NOTE_WIDTH = 32
"""Width of `100%` above a column."""
LABEL_WIDTH = 9
"""Width of a digit below a column, in the larger letters of a phone."""
MAX_COLUMNS = (WIDTH - LEFT - RIGHT) // NOTE_WIDTH
"""Largest number of columns; with more there is no room for their notes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    low: float
    high: float
    exact: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One curve with its band; `colour` is a class of the style sheet."""

    name: str
    colour: str
    dots: Sequence[Dot]


def pass_curve(lines: Sequence[Line]) -> Markup:
    """pass@k over k on a logarithmic axis; parts that are lower bounds are dashed."""
    ks = sorted({dot.x for line in lines for dot in line.dots})
    if not ks:
        return Markup("")
    last = math.log2(max(ks[-1], 2))

    def x(k: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log2(k) / last

    def y(share: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    parts = [_grid_line(y(share), f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    shown = -math.inf
    for k in ks:
        if x(k) - shown >= 24:
            parts.append(_text(x(k), HEIGHT - 25, f"{k:g}", "tick", "middle"))
            shown = x(k)
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "samples k", "axis", "middle"))
    for line in lines:
        upper = [(x(dot.x), y(dot.high)) for dot in line.dots]
        lower = [(x(dot.x), y(dot.low)) for dot in line.dots]
        parts.append(f'<polygon class="band {line.colour}" points="{_points([*upper, *reversed(lower)])}"/>')
        for before, after in pairwise(line.dots):
            dashed = "" if after.exact else " dashed"
            points = _points([(x(before.x), y(before.y)), (x(after.x), y(after.y))])
            parts.append(f'<polyline class="curve {line.colour}{dashed}" points="{points}"/>')
        if len(line.dots) == 1:  # a band has no width here
            parts.append(f'<polyline class="curve thin {line.colour}" points="{_points([*upper, *lower])}"/>')
        for dot in line.dots:
            title = f"pass@{dot.x:g} {'' if dot.exact else '≥ '}{dot.y:.1%} [{dot.low:.1%}, {dot.high:.1%}]"
            label = html.escape(f"{line.name}: {title}" if line.name else title)
            parts.append(
                f'<circle class="dot {line.colour}" cx="{x(dot.x):.1f}" cy="{y(dot.y):.1f}" r="3.5">'
                f"<title>{label}</title></circle>"
            )
    return _svg(parts, "pass@k by number of samples, with intervals")


def dollars_chart(points: Sequence[tuple[float, float]]) -> Markup:
    """The share of problems solved over the dollars spent, from nothing to the whole run."""
    if len(points) < 2 or points[-1][0] <= 0:
        return Markup("")
    end = points[-1][0]

    def at(point: tuple[float, float]) -> tuple[float, float]:
        usd, share = point
        return LEFT + (WIDTH - LEFT - RIGHT) * usd / end, TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)

    parts = [_grid_line(at((0, share))[1], f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    ticks = _ticks(end)
    digits = max(0, 1 - math.floor(math.log10(ticks[1]))) if len(ticks) > 1 and ticks[1] < 1 else 0
    parts += [_text(at((tick, 0))[0], HEIGHT - 25, f"{tick:,.{digits}f}", "tick", "middle") for tick in ticks]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "dollars", "axis", "middle"))
    parts.append(f'<polyline class="curve first" points="{_points([at(point) for point in points])}"/>')
    for number, point in enumerate(points[1:], 1):
        x, y = at(point)
        title = html.escape(f"first {number} samples of every problem: ${point[0]:.4g}, {point[1]:.1%} solved")
        parts.append(f'<circle class="dot first" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{title}</title></circle>')
    return _svg(parts, "problems solved against dollars")


def share_chart(lines: Sequence[Line], labels: Sequence[str], axis: str) -> Markup:
    """Shares at evenly spaced places, for instance nights; a dot's `x` is its place among the labels."""
    if not labels:
        return Markup("")
    step = (WIDTH - LEFT - RIGHT) / max(len(labels) - 1, 1)

    def at(dot: Dot) -> tuple[float, float]:
        return LEFT + step * dot.x, TOP + (HEIGHT - TOP - BOTTOM) * (1 - dot.y)

    parts = [_grid_line(TOP + (HEIGHT - TOP - BOTTOM) * (1 - share), f"{share:.0%}") for share in (0, 0.5, 1)]
    # Of many labels the first and the last are enough, and these two do not meet.
    parts.append(_text(LEFT, HEIGHT - 25, labels[0], "tick", "start"))
    if len(labels) > 1:
        parts.append(_text(WIDTH - RIGHT, HEIGHT - 25, labels[-1], "tick", "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, axis, "axis", "middle"))
    for line in lines:
        parts.append(f'<polyline class="curve {line.colour}" points="{_points([at(dot) for dot in line.dots])}"/>')
        for dot in line.dots:
            x, y = at(dot)
            title = html.escape(f"{labels[int(dot.x)]}: {line.name} {dot.y:.1%}")
            parts.append(
                f'<circle class="dot {line.colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{title}</title></circle>'
            )
    return _svg(parts, " and ".join(line.name for line in lines))


def occupancy_chart(points: Sequence[tuple[float, float, float]]) -> Markup:
    """Samples in engines over time (seconds, running, capacity), thinned to what a screen can show."""
    if len(points) < 2:
        return Markup("")
    step = max(1, len(points) // 400)
    points = [*points[::step], points[-1]]
    start, end = points[0][0], max(points[-1][0], points[0][0] + 1e-9)
    top = max(1.0, *(max(running, capacity) for _, running, capacity in points)) * 1.05

    def x(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (seconds - start) / (end - start)

    def y(count: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - count / top)

    unit, size = next((u for u in (("h", 3600), ("min", 60)) if end - start >= 3 * u[1]), ("s", 1))
    parts = [_grid_line(y(count), _short(count)) for count in _ticks(top)]
    for tick in _ticks((end - start) / size):
        parts.append(_text(x(start + tick * size), HEIGHT - 25, f"{tick:g}", "tick", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, unit, "axis", "middle"))
    area = [(x(points[0][0]), y(0)), *((x(t), y(running)) for t, running, _ in points), (x(points[-1][0]), y(0))]
    parts.append(f'<polygon class="band first" points="{_points(area)}"/>')
    parts.append(f'<polyline class="curve first thin" points="{_points([(x(t), y(r)) for t, r, _ in points])}"/>')
    parts.append(f'<polyline class="limit" points="{_points([(x(t), y(c)) for t, _, c in points])}"/>')
    return _svg(parts, "samples in the engines over time, and how many these run at once")


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A stack of (class, count), and the share written above it."""

    label: str
    stack: Sequence[tuple[str, int]]
    note: str = ""

    @property
    def total(self) -> int:
        return sum(count for _, count in self.stack)


def column_chart(columns: Sequence[Column], axis: str) -> Markup:
    """Stacked columns, for instance a histogram by status."""
    if not columns:
        return Markup("")
    top = max(1, *(column.total for column in columns)) * 1.08
    slot = (WIDTH - LEFT - RIGHT) / len(columns)

    def y(count: float) -> float:
        return TOP + 8 + (HEIGHT - TOP - 8 - BOTTOM) * (1 - count / top)

    parts = [_grid_line(y(count), _short(count)) for count in _ticks(top)]
    every = math.ceil(max(8 + LABEL_WIDTH * len(column.label) for column in columns) / slot)
    for number, column in enumerate(columns):
        left = LEFT + slot * number + slot * 0.12
        base = 0
        for colour, count in column.stack:
            if not count:
                continue
            title = html.escape(f"{column.label}: {colour} {count:,}")
            parts.append(
                f'<rect class="fill {colour}" x="{left:.1f}" y="{y(base + count):.1f}" width="{slot * 0.76:.1f}" '
                f'height="{y(base) - y(base + count):.2f}"><title>{title}</title></rect>'
            )
            base += count
        centre = LEFT + slot * (number + 0.5)
        if number % every == 0:
            parts.append(_text(centre, HEIGHT - 25, column.label, "tick", "middle"))
        if column.note and slot >= NOTE_WIDTH:
            parts.append(_text(centre, y(base) - 4, column.note, "note", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, axis, "axis", "middle"))
    return _svg(parts, axis)


def _ticks(top: float) -> list[float]:
    """Round values from zero, about four of them."""
    rough = top / 4
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough * 0.999)
    if top >= 4:
        step = max(1.0, step)
    return [step * number for number in range(int(top / step) + 1)]


def _short(count: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:g}{suffix}"
    return f"{count:g}"


def _grid_line(y: float, label: str) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(LEFT - 6, y + 4, label, "tick", "end")


def _text(x: float, y: float, text: str, colour: str, anchor: str) -> str:
    return f'<text class="{colour}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _points(pairs: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _svg(parts: Sequence[str], label: str) -> Markup:
    body = "".join(parts)
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(label)}">{body}</svg>')
