"""Intervals of differences between paired problems, which several pages show."""

from __future__ import annotations

import math

from scipy.stats import t

from workers.sampling import estimates
from workers.sampling.estimates import Estimate

MIN_PROBLEMS = 5
"""Smallest number of problems whose spread says enough."""


def paired_difference(number: float, total: float, squares: float) -> Estimate | None:
    """Student's interval of a mean of differences. If all differences are equal it would have no width. It then allows
    for the share of different problems that this number of equal ones cannot exclude."""
    if number < 2:
        return None
    mean = total / number
    variance = max(0.0, (squares - number * mean * mean) / (number - 1))
    if variance < 1e-12:
        alike, _ = estimates.clopper_pearson(number, number)
        return Estimate(mean, alike * mean - (1 - alike), alike * mean + (1 - alike))
    half = float(t.isf((1 - estimates.CONFIDENCE) / 2, number - 1)) * math.sqrt(variance / number)
    return Estimate(mean, max(-1.0, mean - half), min(1.0, mean + half))
