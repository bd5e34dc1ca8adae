"""pass@k over a run's problems, from its committed rows."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Mapping

from jobs.report.problems_table import iter_problems
from verifiers.types import Json
from workers.estimates import Estimate, Stopped, mean_estimate, pass_at_k, pass_rate, reach
from workers.storage import open_storage

KS = (1, 2, 4, 8, 16, 32, 64)


@dataclasses.dataclass(frozen=True, slots=True)
class PassRates:
    """`estimates` by k; empty where no unbiased estimate exists, and then `why_not` says why."""

    estimates: Mapping[int, Estimate]
    why_not: str = ""

    def to_json(self) -> Json:
        return {str(k): dataclasses.asdict(estimate) for k, estimate in self.estimates.items()}


def pass_rates(run_uri: str, ended: str = "open") -> PassRates:
    """Means over the problems that have an estimate, with 95 % intervals. Raises RunError or StorageError."""
    stopped: collections.Counter[Stopped] = collections.Counter()
    num_without = 0
    for result in iter_problems(open_storage(run_uri), ended):
        if result.stopped is None:
            num_without += 1
        else:
            stopped[result.stopped] += 1
    if num_without or not stopped:
        return PassRates({}, f"no unbiased estimate: {num_without:,} problems were not sampled to their plan's end")
    furthest = min(reach(key.plan) for key in stopped)
    estimates = {}
    for k in (k for k in KS if k <= furthest):
        found = mean_estimate(stopped, functools.partial(chance, k))
        if found is not None:
            estimates[k] = found
    return PassRates(estimates)


def chance(k: int, stopped: Stopped) -> float | None:
    """Of one problem; k = 1 counts first attempts only, as the field does."""
    return pass_rate(stopped).value if k == 1 else pass_at_k(stopped, k)
