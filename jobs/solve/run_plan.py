"""The plan of a whole run: one model as before, or several pools together with the ways of the problems through them.

Promises: every pool is checked like the one model of a run (abilities, adapter, config.json), and errors name the keys
of its own table.
Does not: know how much the samples will need; jobs.solve.expectations says what can be said of that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cluster.fit import Plan, counted
from cluster.inventory import Inventory
from cluster.plan import PlanError, PlanRequest
from cluster.pools import PoolRequest, PoolsPlan, describe_places, plan_pools, plan_verifiers
from jobs.config import ConfigError, SolveConfig
from jobs.pools.checks import is_remote
from jobs.pools.routing import ONLY
from jobs.problems.load import ProblemSetSummary
from jobs.solve.expectations import describe_routes
from jobs.solve.pilot import Pilot
from jobs.solve.plan import (
    Where,
    describe_plan,
    of_verifiers,
    open_inventory,
    plan_run,
    pool_to_plan,
    require_abilities,
)
from jobs.solve.published import NOTHING, Published, describe_model, describe_sampling
from verifiers.types import Json


@dataclasses.dataclass(frozen=True, slots=True)
class RunPlan:
    """Where the pools of a run are."""

    plans: Mapping[str, Plan]
    """By pool; endpoints have none."""
    endpoints: tuple[str, ...] = ()
    """Pools whose engine is somewhere else."""
    together: PoolsPlan | None = None
    """How several pools share the machines; None for one model alone."""
    notes: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)

    @property
    def uses_gpu(self) -> dict[str, bool]:
        """By pool."""
        on_gpu = {name: plan.device == "gpu" for name, plan in self.plans.items()}
        return {**on_gpu, **dict.fromkeys(self.endpoints, False)}

    @property
    def contexts(self) -> dict[str, int]:
        """The context of each pool's model, in tokens; 0: not known."""
        return {**{name: plan.max_model_len for name, plan in self.plans.items()}, **dict.fromkeys(self.endpoints, 0)}

    @property
    def lean_workers(self) -> int:
        if self.together is not None:
            return self.together.lean_workers
        return min((plan.lean_workers for plan in self.plans.values()), default=0)

    def to_json(self) -> dict[str, Json]:
        """One model alone has the plan of that model."""
        if self.together is None and ONLY in self.plans:
            return self.plans[ONLY].to_json()
        return {"pools": {}, **(self.together.to_json() if self.together else {}), "endpoints": list(self.endpoints)}

    def describe(
        self,
        config: SolveConfig,
        problems: ProblemSetSummary,
        published: Mapping[str, Published] | None = None,
        pilot: Pilot | None = None,
    ) -> str:
        """The plan for people. `pilot` says what the samples need, beside what they may need at most."""
        published = published or {}
        if not config.models and ONLY in self.plans:
            text = describe_plan(config, problems, self.plans[ONLY], published.get(ONLY, NOTHING))
            if not pilot and not config.cascade and not config.cascades:
                return text
            return "\n".join([text, *describe_routes(config, problems, self.plans, pilot)])
        lines: list[str] = []
        for name, pool in config.pools().items():
            lines += [f"pool {name}: {pool.model.path}", *self._lines_of(name), *describe_model(pool)]
            lines += describe_sampling(pool, published.get(name, NOTHING))
        if self.together is not None:
            lines += [*self.together.describe(), *describe_places(self.together)]
            lean = f" with {counted(self.lean_workers, 'Lean worker')} each" if self.lean_workers else ""
            workers = (
                f"{counted(config.verify.actors, 'verifier')}{lean}, {counted(config.resources.writers, 'writer')}"
            )
            lines.append(f"workers     {workers}")
        return "\n".join([*lines, *self._idle(config), *describe_routes(config, problems, self.plans, pilot)])

    def _lines_of(self, name: str) -> list[str]:
        if name not in self.plans:
            return ["endpoint    no GPU here is used"]
        plan = self.plans[name]
        return [*plan.model_lines(), *(f"note: {note}" for note in self.notes.get(name, ())), *plan.note_lines()]

    def _idle(self, config: SolveConfig) -> list[str]:
        idle = [name for name in config.models if name not in config.pools()]
        return [f"note: no route leads to {', '.join(idle)}: not started"] if idle else []


def plan_whole_run(config: SolveConfig, where: Where) -> RunPlan:
    """The plan of every pool on what `where` says. Raises ConfigError with what would fit."""
    if not config.models and not is_remote(config.model):
        return RunPlan({ONLY: plan_run(config, where=where)})
    pools = config.pools()
    for pool in pools.values():
        require_abilities(pool)
    local = {name: pool for name, pool in pools.items() if not is_remote(pool.model)}
    endpoints = tuple(name for name in pools if name not in local)
    inventory = open_inventory(config, where)
    if not local:
        return RunPlan({}, endpoints, verifiers_or_refuse(config, inventory))
    requests: list[PoolRequest] = []
    notes: dict[str, list[str]] = {}
    for name, pool in local.items():
        request, notes[name] = pool_to_plan(pool, where, inventory, name)
        requests.append(request)
    together = plan_or_refuse(requests, inventory, notes)
    return RunPlan(together.plans, endpoints, together, notes)


def verifiers_or_refuse(config: SolveConfig, inventory: Inventory) -> PoolsPlan:
    """The plan of a run that has endpoints only. Raises ConfigError."""
    try:
        return plan_verifiers(PlanRequest(**of_verifiers(config)), inventory)
    except PlanError as error:
        raise ConfigError(str(error)) from None


def plan_or_refuse(requests: list[PoolRequest], inventory: Inventory, notes: Mapping[str, list[str]]) -> PoolsPlan:
    """Raises ConfigError, whose text names the pool that does not fit."""
    try:
        return plan_pools(requests, inventory)
    except PlanError as error:
        raise ConfigError("\n".join([str(error), *(f"note: {note}" for own in notes.values() for note in own)]))
