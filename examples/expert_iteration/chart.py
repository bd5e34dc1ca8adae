"""Pass@1 and pass@16 by round as one SVG: no plotting library for a dozen points."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from workers.sampling.estimates import Estimate

Curves = Mapping[str, Sequence[Estimate]]
"""Name of an arm → its estimate after round 0, 1, …"""

PANEL_WIDTH, HEIGHT = 380, 340
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 44, 72
STYLES = (("#1f5fa8", ""), ("#c2571a", "6 4"))
"""Colour and dashes of each arm: told apart without colour too."""
APART = 4.0
"""Pixels between the arms at one round, so that their intervals do not hide each other."""


def svg(panels: Mapping[str, Curves]) -> str:
    """One panel a title, side by side, on a common scale; whiskers are the estimates' intervals."""
    estimates = [e for curves in panels.values() for points in curves.values() for e in points]
    bottom = math.floor(10 * min(e.low for e in estimates)) / 10
    top = max(math.ceil(10 * max(e.high for e in estimates)) / 10, bottom + 0.1)
    names = list(next(iter(panels.values())))
    width = PANEL_WIDTH * len(panels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{width}" height="{HEIGHT}" fill="white"/>',
    ]
    for number, (title, curves) in enumerate(panels.items()):
        lines.append(f'<g transform="translate({number * PANEL_WIDTH} 0)">')
        lines += _panel(title, curves, bottom, top)
        lines.append("</g>")
    for number, name in enumerate(names):
        colour, dashes = STYLES[number % len(STYLES)]
        x, y = LEFT + number * 240, HEIGHT - 14
        lines.append(f'<path d="M{x} {y - 4}h28" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
        lines.append(f'<text x="{x + 36}" y="{y}">{html.escape(name)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(title: str, curves: Curves, bottom: float, top: float) -> list[str]:
    last = max(len(points) for points in curves.values()) - 1

    def x(step: float) -> float:
        return LEFT + 12 + (PANEL_WIDTH - LEFT - RIGHT - 24) * step / max(last, 1)

    def y(share: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (top - share) / (top - bottom)

    lines = [f'<text x="{LEFT}" y="{TOP - 18}" font-size="15" font-weight="bold">{html.escape(title)}</text>']
    for tick in range(round(10 * bottom), round(10 * top) + 1):
        height = y(tick / 10)
        lines.append(f'<path d="M{LEFT} {height:.1f}H{PANEL_WIDTH - RIGHT}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{height + 4:.1f}" text-anchor="end">{tick * 10} %</text>')
    for step in range(last + 1):
        text = "start" if step == 0 else f"round {step}"
        lines.append(f'<text x="{x(step):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{text}</text>')
    for number, (name, points) in enumerate(curves.items()):
        colour, dashes = STYLES[number % len(STYLES)]
        shift = APART * (number - (len(curves) - 1) / 2)
        places = [(x(step) + shift, y(e.value)) for step, e in enumerate(points)]
        path = " ".join(f"{left:.1f},{height:.1f}" for left, height in places)
        lines.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
        )
        for step, ((left, height), e) in enumerate(zip(places, points, strict=True)):
            label = f"{name}, round {step}: {e.value:.1%} [{e.low:.1%}, {e.high:.1%}]"
            lines.append(f'<path d="M{left:.1f} {y(e.low):.1f}V{y(e.high):.1f}" stroke="{colour}" stroke-width="1.5"/>')
            lines.append(
                f'<circle cx="{left:.1f}" cy="{height:.1f}" r="4" fill="{colour}">'
                f"<title>{html.escape(label)}</title></circle>"
            )
    return lines
