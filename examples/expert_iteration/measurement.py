"""Pass@k of one run over the held-out problems, and the difference between two runs over the same problems.

Estimates and intervals of one run come from `workers.sampling.estimates`: unbiased under its stopping rule. A
difference is that of the means over the same problems, its interval a bootstrap over problems (95 %): pairing takes
out how hard the problems are, which is most of the spread.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jobs.report.problems_table import iter_problems
from runstore.storage import open_storage
from workers.sampling.estimates import Estimate, Stopped, mean_estimate, pass_at_k, pass_rate

KS = (1, 16)
OVERALL = "all"
HELD_OUT = "held_out"
NUM_RESAMPLES = 10_000

Stops = Mapping[str, Stopped]
"""Problem id → where its plan stopped."""


def held_out_stops(run: Path) -> dict[str, dict[str, Stopped]]:
    """Domain, and `all` → problem → stop, of the held-out problems alone.

    Raises ValueError where a problem was not sampled to its plan's end: nothing unbiased could be said.
    """
    stops: dict[str, dict[str, Stopped]] = defaultdict(dict)
    for result in iter_problems(open_storage(str(run))):
        row = result.row
        if row["split"] != HELD_OUT:
            continue
        if result.stopped is None:
            raise ValueError(f"{run}: {row['problem_id']} was not sampled to its plan's end: the run is not complete")
        stops[OVERALL][row["problem_id"]] = result.stopped
        stops[row["domain"]][row["problem_id"]] = result.stopped
    if not stops:
        raise ValueError(f"{run}: no held-out problem in it")
    return dict(stops)


def pass_rates(stops: Stops) -> dict[int, Estimate]:
    """Pass@k for each k of KS that the plans reach, with 95 % intervals over the population of problems."""
    counted = Counter(stops.values())
    found = {k: mean_estimate(counted, functools.partial(_chance, k)) for k in KS}
    return {k: estimate for k, estimate in found.items() if estimate is not None}


def difference(before: Stops, after: Stops, k: int, seed: int = 0) -> Estimate:
    """Pass@k of `after` less that of `before`. Raises ValueError if the problems are not the same."""
    if before.keys() != after.keys():
        raise ValueError("the two runs were measured on different problems")
    gaps = np.array([_value(after[name], k) - _value(before[name], k) for name in sorted(before)])
    picks = np.random.default_rng(seed).integers(len(gaps), size=(NUM_RESAMPLES, len(gaps)))
    low, high = np.quantile(gaps[picks].mean(axis=1), [0.025, 0.975])
    return Estimate(float(gaps.mean()), float(low), float(high))


def _chance(k: int, stopped: Stopped) -> float | None:
    """Estimate of pass@k for one problem; None beyond its plan's reach."""
    return pass_rate(stopped).value if k == 1 else pass_at_k(stopped, k)


def _value(stopped: Stopped, k: int) -> float:
    value = _chance(k, stopped)
    if value is None:
        raise ValueError(f"pass@{k} is out of the plan's reach")
    return value
