"""The stages that a problem goes through, as the ledger works with them, and where their samples lie. Pure.

Stage s of a route owns a block of `num_samples × (1 + repair_rounds)` sample indices. The blocks follow each other, and
within a block round r of sample i has the index `start + i + r × num_samples`. So a route with one stage has the
indices 0, 1, 2, …, and seeds, resume and exactly-once follow from the index alone. A policy knows no stages: it sees
each of them as a problem of its own, whose samples are numbered from 0.

The layout, the plan of every stage and whether the problem is audited stand in the stopping rule of each row. They are
fixed before the problem's first sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from workers.sampling.budget import Reserve
from workers.sampling.plan import AGREED, Plan
from workers.sampling.policy import Policy
from workers.sampling.problem_state import ProblemState


class ChangedRouteError(Exception):
    """A stored problem went through other stages than its route has now."""


class RouteStage:
    """One stage of a route: a pool, a policy and a block of sample indices."""

    __slots__ = ("following", "index", "most", "num_samples", "policy", "pool", "pool_name", "start", "stop")

    def __init__(
        self,
        policy: Policy,
        most: Reserve,
        pool: int = 0,
        pool_name: str = "model",
        index: int = 0,
        start: int = 0,
        repair_rounds: int = 0,
    ) -> None:
        self.policy = policy
        self.most = most
        """The most that one sample may use of a budget; the same for all stages of a pool."""
        self.pool = pool
        self.pool_name = pool_name
        self.index = index
        self.num_samples = policy.num_samples
        """First attempts of the stage at most, and the distance of the rounds of one sample."""
        self.start = start
        self.stop = start + self.num_samples * (1 + repair_rounds)
        """First index behind the block."""
        self.following: RouteStage | None = None
        """The next stage of the route; None: this is the last one."""

    def holds(self, sample_index: int) -> bool:
        return self.start <= sample_index < self.stop

    def base_of(self, sample_index: int) -> int:
        """The policy's number of the first attempt that a sample of this stage is, or repairs."""
        return (sample_index - self.start) % self.num_samples

    def sample_index(self, base: int, round_: int = 0) -> int:
        return self.start + base + round_ * self.num_samples


class StoredRule(NamedTuple):
    """What a row's stopping rule says of its problem."""

    plans: tuple[Plan, ...]
    """The plan of each stage."""
    layout: tuple[tuple[str, str, int, int], ...]
    """Pool, policy, samples and first index of each stage; empty where the route has one stage only."""
    audited: bool

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> StoredRule:
        stages = rule.get("stages")
        if not stages:
            return cls((Plan.from_json(rule),), (), False)
        layout = tuple((stage["pool"], stage["policy"], stage["samples"], stage["start"]) for stage in stages)
        return cls(tuple(map(Plan.from_json, stages)), layout, bool(rule.get("audit")))


class Route:
    """The stages that problems of one kind go through, in order."""

    def __init__(self, stages: Sequence[RouteStage], name: str = "model") -> None:
        self.name = name
        self.stages = tuple(stages)
        for stage, following in zip(self.stages, self.stages[1:], strict=False):
            stage.following = following
        self.layout = (
            tuple((stage.pool_name, stage.policy.name, stage.num_samples, stage.start) for stage in self.stages)
            if len(self.stages) > 1
            else ()
        )

    def rule_of(self, first: ProblemState, audited: bool) -> dict[str, Any]:
        """The stopping rule of a problem that is opened now with this state of its first stage."""
        rule = self.stages[0].policy.stopping_rule(first)
        if len(self.stages) == 1:
            return rule
        plans = [first.plan, *(stage.policy.plan_of(first.domain, first.keyless) for stage in self.stages[1:])]
        described = [
            {
                **{"pool": stage.pool_name, "policy": stage.policy.name, "estimates": stage.policy.estimates},
                **{"samples": stage.num_samples, "start": stage.start, **plan.to_json()},
            }
            for stage, plan in zip(self.stages, plans, strict=True)
        ]
        return {**rule, "stages": described, **({"audit": True} if audited else {})}

    def check(self, problem_id: str, stored: StoredRule) -> None:
        """Raises ChangedRouteError where a stored problem went through other stages."""
        if stored.layout != self.layout:
            raise ChangedRouteError(
                f"problem {problem_id} was begun with {told(stored.layout)}, and its route {self.name!r} now has "
                f"{told(self.layout)}. The numbers of its samples would mean other samples. Choose another run.id, or "
                "change the stages back to resume"
            )


def told(layout: Sequence[tuple[str, str, int, int]]) -> str:
    """A layout in words."""
    if not layout:
        return "a single stage"
    return "the stages " + ", ".join(f"{pool} ({policy}, {samples} samples)" for pool, policy, samples, _ in layout)


def is_audited(run_seed: int, problem_id: str, share: float) -> bool:
    """Whether a problem belongs to the share that passes through every stage.

    >>> sum(is_audited(7, f"p{i}", 0.05) for i in range(10_000)) in range(400, 600)
    True
    """
    digest = hashlib.blake2b(f"audit\x00{run_seed}\x00{problem_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2.0**64


def is_solved_by_plan(state: ProblemState) -> bool:
    """Whether a settled stage ended with a solution. Where the plan was applied in index order, only what it used
    counts: a solution that arrives later, above the settling index, must not decide what a resume decides again. A
    problem without an answer key is done with where its answers agree."""
    if state.keyless:
        return state.settled == AGREED
    if state.settled_at_index >= 0:
        return state.prefix > state.prefix_failed
    return state.solved
