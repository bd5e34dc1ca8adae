"""Pass@k over many problems: the mean of unbiased estimates, or a lower bound where some plans give up sooner.

Promises: every value is a mean over all problems that were added; memory grows with the number of different stops, not
with the number of problems.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

from workers.sampling import estimates
from workers.sampling.estimates import Estimate, Stopped


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """pass@k. Not `exact`: some plans give up before k samples, so it is a lower bound."""

    k: int
    estimate: Estimate
    exact: bool


@dataclasses.dataclass(slots=True)
class PassCurve:
    """Collects where problems stopped and derives pass@k from it."""

    stops: Counter[Stopped] = dataclasses.field(default_factory=Counter)

    def add(self, stopped: Stopped) -> None:
        self.stops[stopped] += 1

    @property
    def problems(self) -> int:
        return self.stops.total()

    @property
    def reach(self) -> int:
        """The largest k for which every problem allows pass@k."""
        return min((estimates.reach(stopped.plan) for stopped in self.stops), default=0)

    @property
    def span(self) -> int:
        """The largest number of samples a plan allows."""
        return max((stopped.plan.num_samples for stopped in self.stops), default=0)

    def at(self, k: int) -> Point | None:
        if not self.stops or k > self.span:
            return None
        rate = estimates.first_pass if k == 1 else lambda stopped: estimates.pass_at_most(stopped, k)
        estimate = estimates.mean_estimate(self.stops, rate)
        return Point(k, estimate, k <= self.reach) if estimate else None

    def points(self) -> list[Point]:
        """pass@1, 2, 4, … and the last possible k."""
        ks = [1]
        while ks[-1] * 2 <= self.span:
            ks.append(ks[-1] * 2)
        if self.span > ks[-1]:
            ks.append(self.span)
        return [point for k in ks if (point := self.at(k))]
