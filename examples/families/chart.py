"""The three pictures of the example as SVG, in the reader's light or dark scheme: no plotting library for some dots."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 48, 64
APART = 20.0
"""Pixels between the models of one field."""
STYLE = """<style>
svg { --paper: #fff; --ink: #1b1f24; --grid: #d9dce1; --a: #1f5fa8; --b: #c2571a; --c: #5a7d2a; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --ink: #e6edf3; --grid: #30363d; --a: #6cb2ff; --b: #ff9d5c; --c: #a5d46a; }
}
rect.paper { fill: var(--paper); } text { fill: var(--ink); } path.grid { stroke: var(--grid); }
.a { --own: var(--a); } .b { --own: var(--b); } .c { --own: var(--c); }
.line { stroke: var(--own); stroke-width: 2; fill: none; } .mark { fill: var(--own); }
</style>"""
SERIES = (("a", ""), ("b", "6 4"), ("c", "2 3"))
"""Class and dashes of each series: told apart without colour too."""


class Dot(NamedTuple):
    """A measured share with its interval, at a place from left to right."""

    x: float
    value: float
    low: float
    high: float
    label: str


def pictures(found: Mapping[str, Any]) -> dict[str, str]:
    """File name → SVG, from what results.json holds."""
    return {
        "fields.svg": fields(found["fields"]),
        "cascade.svg": cascade(found["cascade"]["by_seed"]),
        "coverage.svg": coverage(found["coverage"]["sizes"]),
    }


def fields(measured: Mapping[str, Any]) -> str:
    """pass@1 of the specialists and of both generalists, field by field."""
    names = {"specialists": "three specialists", "generalist": "one generalist", "large_generalist": "large generalist"}
    columns = list(measured["specialists"]["fields"])
    place = _places(len(columns))
    series = {
        text: [
            _dot(place(number) + APART * (shift - 1), row["fields"][column]["pass@1"], f"{text}, {_plain(column)}")
            for number, column in enumerate(columns)
        ]
        for shift, (model, text) in enumerate(names.items())
        for row in [measured[model]]
    }
    ticks = [(place(number), _plain(column)) for number, column in enumerate(columns)]
    return _picture("pass@1 on held-out problems", series, ticks, "", joined=False)


def cascade(rows: Mapping[str, Any]) -> str:
    """What the cascade keeps and what it costs, as shares of the large model alone, seed by seed."""
    names = {
        "kept": "kept of its solved set",
        "cost": "cost (parameters x tokens)",
        "cost_if_alone_stopped": "cost, if it stopped too",
    }
    place = _places(len(rows))
    series = {
        text: [
            _dot(place(number) + APART * (shift - 1), row[key], f"{text}, seed {seed}")
            for number, (seed, row) in enumerate(rows.items())
            if row[key] is not None
        ]
        for shift, (key, text) in enumerate(names.items())
    }
    ticks = [(place(number), "all" if seed == "all" else f"seed {seed}") for number, seed in enumerate(rows)]
    return _picture("the cascade against the large model alone", series, ticks, "", joined=False, marks=(0.9, 0.4))


def coverage(sizes: Mapping[str, Any]) -> str:
    """Held-out sums and invented facts that are right, by size."""
    logs = [math.log(row["parameters"]) for row in sizes.values()]
    span = max(max(logs) - min(logs), 1e-9)

    def x(row: Mapping[str, Any]) -> float:
        share = (math.log(row["parameters"]) - min(logs)) / span
        return LEFT + 30 + (WIDTH - LEFT - RIGHT - 60) * share

    names = {"sums": "sums that it never saw (a rule)", "facts": "invented facts that it was shown (a table)"}
    series = {
        text: [_dot(x(row), row[key], f"{text}, {row['parameters']:,} parameters") for row in sizes.values()]
        for key, text in names.items()
    }
    ticks = [(x(row), f"{row['parameters']:,}") for row in sizes.values()]
    return _picture("answers that are right, by the size of the model", series, ticks, "parameters (log scale)")


def _places(count: int) -> Callable[[int], float]:
    wide = (WIDTH - LEFT - RIGHT) / count
    return lambda number: LEFT + wide * (number + 0.5)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _dot(x: float, estimate: Mapping[str, float], label: str) -> Dot:
    return Dot(x, estimate["value"], estimate["low"], estimate["high"], label)


def _height(share: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share / top)


def _picture(
    title: str,
    series: Mapping[str, Sequence[Dot]],
    ticks: Sequence[tuple[float, str]],
    axis: str,
    joined: bool = True,
    marks: Sequence[float] = (),
) -> str:
    """One panel from 0 % up; `marks` are targets, drawn as lines of their own."""
    top = max(1.0, math.ceil(10 * max(dot.high for dots in series.values() for dot in dots)) / 10)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="13">',
        STYLE,
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text x="{LEFT}" y="20" font-size="15" font-weight="bold">{html.escape(title)}</text>',
    ]
    for step in range(0, round(10 * top) + 1, 2):
        y = _height(step / 10, top)
        lines.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{step * 10} %</text>')
    for mark in marks:
        y = _height(mark, top)
        lines.append(f'<path class="c line" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke-dasharray="2 3"/>')
        lines.append(f'<text x="{WIDTH - RIGHT}" y="{y - 5:.1f}" text-anchor="end">target {mark:.0%}</text>')
    for x, text in ticks:
        lines.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{html.escape(text)}</text>')
    if axis:
        lines.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 10}" text-anchor="end">{html.escape(axis)}</text>')
    for number, (name, dots) in enumerate(series.items()):
        own, dashes = SERIES[number]
        lines += _series(dots, own, dashes, top, joined)
        x = LEFT + 8 + number * (WIDTH - LEFT) / max(3, len(series)) if len(series) > 2 else LEFT + 8 + number * 290
        lines.append(f'<path class="{own} line" d="M{x:.0f} 34h24" stroke-dasharray="{dashes}"/>')
        lines.append(f'<text x="{x + 30:.0f}" y="38">{html.escape(name)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _series(dots: Sequence[Dot], own: str, dashes: str, top: float, joined: bool) -> list[str]:
    lines = []
    if joined:
        path = " ".join(f"{dot.x:.1f},{_height(dot.value, top):.1f}" for dot in dots)
        lines.append(f'<polyline class="{own} line" points="{path}" stroke-dasharray="{dashes}"/>')
    for dot in dots:
        low, high = _height(dot.low, top), _height(dot.high, top)
        label = f"{dot.label}: {dot.value:.1%} [{dot.low:.1%}, {dot.high:.1%}]"
        lines.append(f'<path class="{own} line" d="M{dot.x:.1f} {low:.1f}V{high:.1f}"/>')
        lines.append(
            f'<circle class="{own} mark" cx="{dot.x:.1f}" cy="{_height(dot.value, top):.1f}" r="4.5">'
            f"<title>{html.escape(label)}</title></circle>"
        )
    return lines
