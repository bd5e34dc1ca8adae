"""The loss curve as a small SVG, drawn by hand: no plotting library for one line."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 720, 320, 48


def thinned(losses: Sequence[float], stride: int = 10) -> list[tuple[int, float]]:
    """(step, mean loss of the `stride` steps up to it)."""
    return [(k + stride, sum(losses[k : k + stride]) / stride) for k in range(0, len(losses) - stride + 1, stride)]


def svg(losses: Sequence[float]) -> str:
    points = thinned(losses)
    top, bottom = max(loss for _, loss in points), min(loss for _, loss in points)
    last = points[-1][0]
    high, low = math.log(top), math.log(bottom * 0.9)

    def place(step: float, loss: float) -> tuple[float, float]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * step / last
        y = MARGIN / 2 + (HEIGHT - 1.5 * MARGIN) * (high - math.log(loss)) / (high - low)
        return round(x, 1), round(y, 1)

    marks = [tick for tick in (8, 4, 2, 1, 0.5, 0.25, 0.125) if low <= math.log(tick) <= high]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for tick in marks:
        x, y = place(0, tick)
        lines.append(f'<path d="M{x} {y}H{WIDTH - MARGIN}" stroke="#ddd"/>')
        lines.append(f'<text x="{x - 6}" y="{y + 4}" text-anchor="end">{tick}</text>')
    for part in range(5):
        x, _ = place(last * part / 4, bottom)
        lines.append(f'<text x="{x}" y="{HEIGHT - 24}" text-anchor="middle">{round(last * part / 4)}</text>')
    path = " ".join(f"{x},{y}" for x, y in (place(step, loss) for step, loss in points))
    lines.append(f'<polyline points="{path}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>')
    title = "training loss on completions (nats a token, log scale) by step"
    lines.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">{title}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"
