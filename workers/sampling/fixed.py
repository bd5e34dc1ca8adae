"""The policy `fixed`: the same number of samples for every problem, whatever comes out."""

from __future__ import annotations

import dataclasses

from workers.sampling.plan import Plan
from workers.sampling.policy import Policy, PolicySettings, SampleBound
from workers.sampling.problem_state import ProblemState


class Fixed(Policy):
    """`num_samples` samples for each problem."""

    name = "fixed"

    def __init__(self, num_samples: int) -> None:
        # Nothing is ever aborted, so `fast` mode would gain nothing.
        super().__init__(num_samples, unbiased=True)
        self._plan = Plan(num_samples)

    @classmethod
    def from_settings(cls, settings: PolicySettings) -> Fixed:
        return cls(settings.num_samples)

    @classmethod
    def bound(cls, settings: PolicySettings) -> SampleBound:
        return SampleBound(settings.num_samples, settings.num_samples)

    def plan_for(self, domain: str) -> Plan:
        return self._plan

    def num_wanted(self, state: ProblemState) -> int:
        return state.plan.num_samples

    def keyless_plan(self) -> Plan:
        """All samples are drawn; whether their answers agree is looked at once, when the last one is known."""
        rule, most = self.agreement, self.num_samples
        looked_at_once = None if rule is None else dataclasses.replace(rule, max_samples=most, at_end=True)
        return Plan(most, agreement=looked_at_once)
