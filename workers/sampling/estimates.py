"""Pass@1 and pass@k without bias under the stopping rules of workers.sampling, with intervals.

Promises, given that a problem's samples are independent draws with one pass rate p (the probability that a sample ends
`verified`; malformed, undecided and error count as not verified):

- `pass_rate` and `pass_at_k` are unbiased for p and 1 - (1-p)^k under every `Plan`, and lie in [0, 1];
- the interval of `pass_rate` covers p with at least its stated probability, for every p and every plan;
- they use the prefix in index order up to the plan's stop and nothing above it, so neither the order of arrival nor
  what was aborted above the stop can move them. A prefix with a hole gives None: no estimate.

Does not claim anything for `fast` runs, for problems that a budget left open, or beyond the plan's reach: pass@k for k
above the failures at which a plan gives up cannot be estimated from what it sees (a lower bound can).

Method. Given the counts at which a closed plan stopped, every path that leads there without stopping earlier is equally
likely, whatever p. The estimate for an event in the first k draws is the share of those paths that show the event
(Girshick, Mosteller and Savage 1946, "Unbiased estimates for certain binomial sampling problems with applications").
With a fixed n this is the known 1 - C(n-c, k)/C(n, k). If the m-th success at draw N stopped the plan, it is the same
formula over the first N - 1 draws. See docs/estimates.md for `distinct`, for repair rounds and for the intervals.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from scipy.special import betaln
from scipy.stats import beta, norm, t

from workers.sampling.plan import SOLVED, Plan
from workers.sampling.problem_state import SOLUTIONS, SampleOutcome

CONFIDENCE = 0.95

HYPERGEOMETRIC = "hypergeometric"
PATH_COUNTING = "path-counting"
NONE = "none"


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True, slots=True)
class Stopped:
    """Where a problem's plan stopped: all that an estimate needs. Hashable, so that many problems can share one."""

    plan: Plan
    solutions: int
    """Verified samples of the prefix, repeated texts and repaired ones included."""
    failures: int
    first_try: int
    """Solutions that needed no repair round."""
    why: str

    @property
    def num_samples(self) -> int:
        return self.solutions + self.failures

    @property
    def method(self) -> str:
        return PATH_COUNTING if self.plan.num_verified or self.plan.give_up else HYPERGEOMETRIC


def replay(plan: Plan, outcomes: Sequence[int], keys: Mapping[int, int] | None = None) -> Stopped | None:
    """Applies a plan to outcomes (`SampleOutcome`) by index; None if an index it needs is unknown or was aborted.

    `keys`, index → solution key, is needed with `distinct`.
    """
    seen: set[int] = set()
    solutions = failures = first_try = 0
    for index, outcome in enumerate(outcomes):
        if outcome in (SampleOutcome.UNKNOWN, SampleOutcome.ABORTED):
            return None
        if outcome in SOLUTIONS:
            solutions += 1
            first_try += outcome == SampleOutcome.VERIFIED
            if plan.distinct:
                seen.add((keys or {})[index])
        else:
            failures += 1
        useful = len(seen) if plan.distinct else solutions
        if why := plan.stop(useful, failures, index + 1):
            return Stopped(plan, solutions, failures, first_try, why)
    return None


def reach(plan: Plan) -> int:
    """The largest k for which pass@k can be estimated under this plan."""
    return min(plan.num_samples, plan.give_up[0]) if plan.give_up else plan.num_samples


def pass_at_k(stopped: Stopped, k: int) -> float | None:
    """Unbiased for the probability that at least one of k samples is verified (repairs included for k > 1).

    None beyond the plan's reach. For k = 1 see `first_pass` if there are repair rounds.
    """
    if k > reach(stopped.plan):
        return None
    return 1.0 - _share_failing(stopped, k)


def pass_at_most(stopped: Stopped, k: int) -> float:
    """`pass_at_k` within reach; beyond it, unbiased for a lower bound: verified within the plan's reach."""
    return 1.0 - _share_failing(stopped, min(k, reach(stopped.plan)))


def first_pass(stopped: Stopped) -> float:
    """Unbiased for the probability that one sample is verified without a repair round.

    Among the paths to the stop, which of the solutions needed no repair is exchangeable.
    """
    if not stopped.solutions:
        return 0.0
    return (1.0 - _share_failing(stopped, 1)) * stopped.first_try / stopped.solutions


def pass_rate(stopped: Stopped, confidence: float = CONFIDENCE) -> Estimate:
    """pass@1 of the first attempt, with an interval that holds for this plan.

    The value is made to be averaged over problems. For a problem stopped at its first success it can only be the
    outcome of its first sample, 0 or 1, since no other unbiased estimate exists. It may then lie outside the interval,
    which is the better guide to a single problem.
    """
    low, high = _interval(stopped, confidence)
    return Estimate(first_pass(stopped), low, high)


def mean_estimate(
    stopped: Mapping[Stopped, int], estimate: Callable[[Stopped], float | None], confidence: float = CONFIDENCE
) -> Estimate | None:
    """Mean over problems, each counted as often as `stopped` says; None if there is none, or one has no estimate.

    Interval: Clopper-Pearson at the effective number of draws that the spread between problems implies (Korn and
    Graubard 1998). It holds for the population that the problems stand for, and is wider than needed for the problems
    themselves; unlike mean ± z·SE it stays within [0, 1] and does not vanish when every problem is solved.
    """
    values, weights = [], []
    samples = 0
    for key, count in stopped.items():
        value = estimate(key)
        if value is None:
            return None
        values.append(value)
        weights.append(count)
        samples += key.num_samples * count
    if not values:
        return None
    x, w = np.array(values), np.array(weights, dtype=float)
    size = float(w.sum())
    mean = float(np.clip(w @ x / size, 0.0, 1.0))
    effective = size
    if size > 1:
        variance = float(w @ (x - mean) ** 2) / (size - 1) / size
        if variance > 0 and 0 < mean < 1:
            tail = (1 - confidence) / 2
            shrink = (norm.isf(tail) / t.isf(tail, size - 1)) ** 2
            effective = min(mean * (1 - mean) / variance * shrink, float(samples))
    low, high = clopper_pearson(mean * effective, effective, confidence)
    return Estimate(mean, min(low, mean), max(high, mean))


def clopper_pearson(successes: float, total: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact interval of a binomial proportion (Clopper and Pearson 1934); takes fractional counts."""
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, successes, total - successes + 1)) if successes > 0 else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, total - successes)) if successes < total else 1.0
    return low, high


def naive_rate(stopped: Stopped) -> float:
    """Verified over drawn: what a plain count reports. Biased upwards whenever a success can stop the sampling."""
    return stopped.first_try / stopped.num_samples


# Path counting.


def _share_failing(stopped: Stopped, k: int) -> float:
    """Share of the paths to this stop whose first k draws all fail."""
    solutions = stopped.solutions
    if stopped.why == SOLVED:
        # The last draw of a solved path is a solution. With `distinct` its text appears once, and each text that
        # appears once is equally likely to be the last. The draws before it can have any order.
        solutions -= 1
    plan = stopped.plan
    paths = _count_paths(plan, solutions, stopped.failures, k)
    # Exact integers: the quotient of two numbers of hundreds of digits is rounded once.
    return paths / _count_paths(plan, solutions, stopped.failures, 0)


def _count_paths(plan: Plan, solutions: int, failures: int, k: int) -> int:
    """Paths from k failures and no solution to the given counts that do not stop on the way."""
    if k > failures:
        return 0
    if not plan.give_up or failures < plan.give_up[0]:
        return math.comb(solutions + failures - k, solutions)
    if not solutions:
        return 1
    if plan.distinct:
        # Only a start without any solution gives up: those paths run through (0, give_up[0]).
        first = plan.give_up[0]
        return math.comb(solutions + failures - k, solutions) - math.comb(solutions + failures - first, solutions)
    return _paths_from_failures(plan, solutions, failures)[k]


@lru_cache(maxsize=4096)
def _paths_from_failures(plan: Plan, solutions: int, failures: int) -> tuple[int, ...]:
    """`_count_paths` for every k, by dynamic programming backwards from the stop."""
    column = [1] * (failures + 1)  # at the stop's own number of solutions, where only failures are left
    for f in range(failures - 1, -1, -1):
        column[f] = 0 if plan.stop(solutions, f, solutions + f) else column[f + 1]
    for s in range(solutions - 1, -1, -1):
        ahead = 0
        left = [0] * (failures + 1)
        for f in range(failures, -1, -1):
            ahead = 0 if plan.stop(s, f, s + f) else column[f] + ahead
            left[f] = ahead
        column = left
    return tuple(column)


# Intervals.


@lru_cache(maxsize=65536)
def _interval(stopped: Stopped, confidence: float) -> tuple[float, float]:
    plan, solutions, failures = stopped.plan, stopped.solutions, stopped.failures
    tail = (1 - confidence) / 2
    if stopped.method == HYPERGEOMETRIC:
        return clopper_pearson(stopped.first_try, stopped.num_samples, confidence)
    if plan.distinct or stopped.first_try < solutions:
        return anytime_interval(stopped.first_try, stopped.num_samples, confidence)
    if not plan.give_up and stopped.why == SOLVED:
        # Solved at or before this sample, and not before it: binomial tails, hence beta quantiles.
        low = float(beta.ppf(tail, solutions, failures + 1))
        high = float(beta.ppf(1 - tail, solutions, failures)) if failures else 1.0
        return low, high
    terminals, logs = _terminals(plan)
    rank = terminals.index((solutions, failures))
    s, f = np.array(terminals, dtype=float).T

    def mass(p: float, part: slice) -> float:
        return float(np.exp(logs[part] + s[part] * math.log(p) + f[part] * math.log1p(-p)).sum())

    # Ordered from most to least favourable, so both tails are monotone in p (Jennison and Turnbull 1983).
    low = _root(lambda p: mass(p, slice(0, rank + 1)) - tail) if solutions else 0.0
    high = _root(lambda p: tail - mass(p, slice(rank, None))) if failures else 1.0
    return low, high


@lru_cache(maxsize=1024)
def _terminals(plan: Plan) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Every (solutions, failures) where the plan can stop, most favourable first, and the logs of their path counts.

    There is one stop for each number of solutions short of `num_verified`, since give-up boundaries do not decrease.
    """
    stops: dict[tuple[int, int], int] = {}
    limit = plan.num_verified or plan.num_samples
    row = {0: 1}  # failures → paths, for the present number of solutions
    for s in range(limit + 1):
        entering: dict[int, int] = {}
        f, paths = 0, 0
        while f in row or paths:
            paths += row.get(f, 0)
            if plan.stop(s, f, s + f):
                stops[s, f] = paths
                paths = 0
            else:
                entering[f] = paths
            f += 1
        row = entering
        if not row:
            break
    ordered = sorted(stops, key=lambda point: (-point[0], point[1]))
    return ordered, np.array([math.log(stops[point]) for point in ordered])


def anytime_interval(successes: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """An interval that holds at every stopping time, whatever stopped the draws, at the price of some width.

    Beta(1/2, 1/2) mixture martingale: Ville's inequality (Robbins 1970).
    """
    failures = total - successes
    floor = betaln(successes + 0.5, failures + 0.5) - betaln(0.5, 0.5) + math.log(1 - confidence)

    def excess(p: float) -> float:
        return successes * math.log(p) + failures * math.log1p(-p) - floor

    centre = min(max(successes / total, 1e-12), 1 - 1e-12)
    low = _root(excess, high=centre) if successes else 0.0
    high = _root(lambda p: -excess(p), low=centre) if failures else 1.0
    return low, high


def _root(rising: Callable[[float], float], low: float = 1e-12, high: float = 1 - 1e-12) -> float:
    """The point where a function goes from below to above zero, to 1e-12."""
    if rising(low) >= 0:
        return low
    while high - low > 1e-12:
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


__all__ = [
    "CONFIDENCE",
    "HYPERGEOMETRIC",
    "NONE",
    "PATH_COUNTING",
    "Estimate",
    "Stopped",
    "anytime_interval",
    "clopper_pearson",
    "first_pass",
    "mean_estimate",
    "naive_rate",
    "pass_at_k",
    "pass_at_most",
    "pass_rate",
    "reach",
    "replay",
]
