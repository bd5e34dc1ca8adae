"""Several models behind one service: which of them draws a sample, and in which order their stages are drawn.

A request's problem takes the way that the config's routes give it, as in a batch run. The samples of a stage have a
block of indices of their own, so the index alone says which model draws one.

Promises: the first stage's samples are drawn at once, and a further stage only where the ones before it gave nothing
verified; of each stage at most as many as the request asks for.
Does not: load a model (jobs.service.deploy has a deployment per pool).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from jobs.config import SolveConfig
from jobs.pools.routing import RoutePlan
from jobs.service.solving import Blocks, GeneratorLost, Generators, usd_of
from jobs.service.steering import Steering
from runstore.schema import Sample, SampleRequest
from verifiers.types import Problem


class Ways:
    """The ways of problems through the pools of a config."""

    def __init__(self, config: SolveConfig) -> None:
        self._config = config
        self._routes = config.route_table()

    def route(self, problem: Problem) -> RoutePlan:
        """The way of a problem; a chat without a problem goes where most problems go."""
        if not problem.kind:
            return self._routes[0]
        return self._routes[self._config.route_of(str(problem.kind), problem.domain, problem.meta)]

    def blocks(self, problem: Problem, num_samples: int) -> Blocks:
        """The indices that a request for `num_samples` draws, stage by stage: as many of each stage at most."""
        stages = self.route(problem).stages
        if not stages:
            return (range(num_samples),)
        starts = self._starts(self.route(problem))
        return [
            range(start, start + min(stage.samples, num_samples)) for start, stage in zip(starts, stages, strict=True)
        ]

    def pool_of(self, request: SampleRequest) -> str:
        """The pool that draws a sample."""
        route = self.route(request.problem)
        if not request.problem.kind or not route.stages:
            return route.pools[0]
        starts = self._starts(route)
        return route.pools[max(number for number, start in enumerate(starts) if start <= request.sample_index)]

    @staticmethod
    def _starts(route: RoutePlan) -> list[int]:
        starts = [0]
        for stage in route.stages[:-1]:
            starts.append(starts[-1] + stage.samples)
        return starts


class PooledGenerators:
    """The generators of several pools, behind the interface of one pool's."""

    def __init__(self, ways: Ways, pools: Mapping[str, Generators]) -> None:
        self._ways = ways
        self._pools = pools
        self.num_slots = sum(pool.num_slots for pool in pools.values())
        self.usd_per_replica_s = sum(pool.usd_per_replica_s for pool in pools.values())

    def _pool(self, request: SampleRequest) -> Generators:
        return self._pools[self._ways.pool_of(request)]

    async def generate(self, request: SampleRequest, steering: Steering | None = None) -> Sample:
        """Raises GeneratorLost."""
        return await self._pool(request).generate(request, steering)

    def usd_of(self, request: SampleRequest, sample: Sample) -> float:
        """What a sample cost, by the prices of the pool that drew it."""
        return usd_of(self._pool(request), request, sample)

    async def abort(self, request_ids: Sequence[str]) -> None:
        # An id says nothing of the pool, and the others do not know it.
        for pool in self._pools.values():
            with contextlib.suppress(GeneratorLost):
                await pool.abort(request_ids)

    async def ready(self) -> bool:
        return all(await asyncio.gather(*(pool.ready() for pool in self._pools.values())))
