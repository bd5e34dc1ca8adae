"""The pools of a run and the routes of its problems, as plain values. jobs.solve.settings builds them from the config.

A pool is the replicas of one model. A route says what a problem goes through: one pool, or a cascade, which is a list
of stages. A stage is a pool, a policy and a number of samples. It opens only when the stage before it failed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from verifiers.types import Json
from workers.actors.generator import GeneratorSettings


@dataclasses.dataclass(frozen=True, slots=True)
class PoolSettings:
    """The replicas of one model."""

    name: str
    generator: GeneratorSettings
    replicas: int = 1
    gpus_per_replica: int = 0
    cpus_per_replica: float = 1.0
    max_tokens: int = 0
    """Most tokens that a sample of this pool may have; 0: LedgerSettings.max_tokens."""
    accelerator_type: str = ""
    """What Ray calls the GPUs that the replicas need; empty: any."""
    min_replicas: int = 1
    """The pool is lost when fewer of its generator slots than this are left that have not been given up."""
    is_remote: bool = False
    """Whether the engine is an endpoint elsewhere: no time of a GPU or core is charged, and its loss ends its problems
    resumably while the other pools go on."""
    cost: Mapping[str, Json] = dataclasses.field(default_factory=dict)
    """Prices: usd_per_gpu_hour and usd_per_cpu_hour, or usd_per_million_input_tokens and
    usd_per_million_output_tokens."""

    longest_prompt: int = 0
    """The most tokens that a prompt of this pool has, where it is paid by the token."""

    @property
    def room(self) -> int:
        """Samples that one replica runs at once, in all its data-parallel ranks."""
        return self.generator.engine.max_num_seqs * self.generator.engine.num_ranks()


@dataclasses.dataclass(frozen=True, slots=True)
class StageSettings:
    """One stage of a route."""

    pool: str
    sampling: Mapping[str, Json]
    """The fields of `[sampling]` as they hold for this stage; `num_samples` is the stage's number of samples."""


@dataclasses.dataclass(frozen=True, slots=True)
class RouteSettings:
    """What a problem goes through. A plain pool is a route with one stage."""

    name: str
    """The name of the pool or the cascade."""
    stages: tuple[StageSettings, ...]


def route_to_pool(name: str, sampling: Mapping[str, Json]) -> RouteSettings:
    """The route that leads to one pool and nothing else."""
    return RouteSettings(name, (StageSettings(name, sampling),))
