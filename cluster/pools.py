"""Plans the pools of a run together: which fit side by side, and which have to take turns.

Promises: pure arithmetic. A pool that does not fit alone beside the verifiers is refused with what would fit, like the
model of a run with one; pools that do not fit beside each other are planned in groups that take turns, so that two
models can share one GPU. The order of the groups is the order of the pools.
Does not: start or stop anything. A replica whose pool has nothing to draw gives its place back (workers.coordinator).
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence

from cluster.fit import Placement, Plan, PlanRequest, Refusal, bound_lean_workers, counted, fit, place_verifiers
from cluster.inventory import Inventory, Node
from cluster.model_size import Config, Json
from cluster.plan import PlanError, make_plan

MAX_ORDERS = 24
"""Orders of a few pools that are tried: a large replica may only fit where it is placed first."""


@dataclasses.dataclass(frozen=True, slots=True)
class PoolRequest:
    """One pool as it is to be planned."""

    name: str
    model: Config
    """The model's config.json."""
    request: PlanRequest
    accelerator_type: str = ""
    """The type of GPU that its replicas need; empty = any."""


@dataclasses.dataclass(frozen=True, slots=True)
class PoolsPlan:
    """Pools that fit, each alone and in groups beside each other."""

    plans: Mapping[str, Plan]
    """By pool. Its placements are those beside the other pools of its group."""
    groups: tuple[tuple[str, ...], ...]
    """Pools that run side by side; one group where all of them do."""
    verifiers: tuple[Placement, ...]
    """Where the verifiers are, beside the first group."""
    lean_workers: int = 0

    @property
    def takes_turns(self) -> bool:
        return len(self.groups) > 1

    def describe(self) -> list[str]:
        """Lines for a terminal about the pools together."""
        if not self.takes_turns:
            return [f"side by side: {', '.join(self.groups[0])}"] if len(self.plans) > 1 else []
        turns = ", then ".join(" beside ".join(group) for group in self.groups)
        return [
            f"taking turns: {turns}: they do not fit side by side, so a pool that has nothing to draw gives its place "
            "to the next one"
        ]

    def to_json(self) -> dict[str, Json]:
        return {
            "pools": {name: plan.to_json() for name, plan in self.plans.items()},
            "groups": [list(group) for group in self.groups],
        }


def plan_pools(pools: Sequence[PoolRequest], inventory: Inventory) -> PoolsPlan:
    """The plan of all pools. Raises PlanError where one of them does not fit alone beside the verifiers."""
    alone = {pool.name: plan_alone(pool, inventory) for pool in pools}
    # Beside another pool that has every GPU, `auto` would mean CPUs.
    fixed = [
        dataclasses.replace(pool, request=dataclasses.replace(pool.request, device=alone[pool.name].device))
        for pool in pools
    ]
    groups: list[list[PoolRequest]] = []
    packed: list[Packed] = []
    for pool in fixed:
        for number, group in enumerate(groups):
            if (found := pack_any_order([*group, pool], inventory)) is not None:
                group.append(pool)
                packed[number] = found
                break
        else:
            groups.append([pool])
            found = pack_any_order([pool], inventory)
            packed.append(found or Packed({pool.name: alone[pool.name]}, alone[pool.name].placements, 0))
    plans = {
        name: dataclasses.replace(alone[name], placements=plan.placements)
        for found in packed
        for name, plan in found.plans.items()
    }
    return PoolsPlan(
        plans={pool.name: plans[pool.name] for pool in pools},
        groups=tuple(tuple(pool.name for pool in group) for group in groups),
        verifiers=packed[0].verifiers if packed else (),
        lean_workers=min((found.lean_workers for found in packed), default=0),
    )


def plan_verifiers(request: PlanRequest, inventory: Inventory) -> PoolsPlan:
    """The plan of a run whose models all run elsewhere: where its verifiers are. Raises PlanError where they do not
    fit."""
    if not inventory.nodes:
        raise PlanError("no nodes: is the cluster up?")
    refused = ""
    for count in range(request.num_verifiers, 0, -1):
        try:
            places, lean_workers = beside(dataclasses.replace(request, num_verifiers=count), inventory)
        except Refusal as refusal:
            refused = refused or str(refusal)
            continue
        if refused:
            raise PlanError(f"the plan does not fit: {refused}\nwhat would fit:\n  --set verify.actors={count}")
        return PoolsPlan({}, (), places, lean_workers)
    raise PlanError(f"the plan does not fit: {refused}")


def beside(request: PlanRequest, left: Inventory) -> tuple[tuple[Placement, ...], int]:
    """Where the verifiers are on what the replicas leave, and the Lean workers of each. Raises Refusal."""
    nothing = [0] * len(left.nodes)
    verifiers = place_verifiers(request, left, nothing)
    lean_workers = bound_lean_workers(request, left, verifiers, nothing)
    places = (Placement(node.name, 0, count) for node, count in zip(left.nodes, verifiers, strict=True) if count)
    return tuple(places), lean_workers


def plan_alone(pool: PoolRequest, inventory: Inventory) -> Plan:
    """Raises PlanError, whose text names the pool."""
    try:
        return make_plan(pool.model, pool.request, usable(inventory, pool))
    except PlanError as error:
        raise PlanError(f"models.{pool.name} alone beside the verifiers: {error}") from None


@dataclasses.dataclass(frozen=True, slots=True)
class Packed:
    """Pools that fit beside each other and beside the verifiers."""

    plans: Mapping[str, Plan]
    verifiers: tuple[Placement, ...]
    lean_workers: int


def pack_any_order(pools: Sequence[PoolRequest], inventory: Inventory) -> Packed | None:
    """The pools beside each other, if some order of placing them has room for all."""
    orders = itertools.islice(itertools.permutations(pools), MAX_ORDERS)
    return next((found for order in orders if (found := pack(order, inventory)) is not None), None)


def pack(pools: Sequence[PoolRequest], inventory: Inventory) -> Packed | None:
    """The pools placed one after the other on what is left, and then the verifiers; None where something is too big."""
    left = inventory
    plans: dict[str, Plan] = {}
    try:
        for pool in pools:
            request = dataclasses.replace(pool.request, num_verifiers=0)
            plans[pool.name] = fit(pool.model, request, usable(left, pool))
            left = without(left, plans[pool.name], request.cpus_per_replica)
        return Packed(plans, *beside(pools[0].request, left))
    except Refusal:
        return None


def usable(inventory: Inventory, pool: PoolRequest) -> Inventory:
    """The inventory with the GPUs that the pool may have."""
    if not pool.accelerator_type:
        return inventory
    wanted = pool.accelerator_type
    nodes = []
    for node in inventory.nodes:
        gpus = tuple(gpu for gpu in node.gpus if wanted in (gpu.kind, type_of(gpu.kind)))
        nodes.append(dataclasses.replace(node, gpus=gpus))
    return Inventory(tuple(nodes))


def type_of(kind: str) -> str:
    """Ray's name for a type of GPU, from what nvidia-smi calls one.

    >>> type_of("H100 80GB HBM3"), type_of("Tesla V100-SXM2-16GB"), type_of("L40S")
    ('H100', 'V100', 'L40S')
    """
    found = re.match(r"(?:Tesla\s+)?([A-Z0-9]+)", kind)
    return found[1] if found else kind


def without(inventory: Inventory, plan: Plan, cpus_per_replica: float) -> Inventory:
    """What a pool leaves of the inventory."""
    taken = {place.node: place.num_replicas for place in plan.placements}

    def rest(node: Node) -> Node:
        count = taken.get(node.name, 0)
        gpus = list(node.gpus)
        of_kind = [gpu for gpu in gpus if gpu.kind == plan.gpu_kind]
        for gpu in of_kind[: count * plan.gpus_per_replica]:
            gpus.remove(gpu)
        memory = node.memory_bytes - (0 if plan.device == "gpu" else count * plan.memory.available)
        return Node(node.name, node.num_cpus - count * cpus_per_replica, memory, tuple(gpus))

    return Inventory(tuple(map(rest, inventory.nodes)))


def describe_places(plan: PoolsPlan) -> list[str]:
    """One line per node: what runs there, pool by pool."""
    by_node: dict[str, list[str]] = {}
    for name, own in plan.plans.items():
        for place in own.placements:
            if place.num_replicas:
                by_node.setdefault(place.node, []).append(f"{counted(place.num_replicas, 'replica')} of {name}")
    for place in plan.verifiers:
        if place.num_verifiers:
            by_node.setdefault(place.node, []).append(counted(place.num_verifiers, "verifier"))
    return [f"  {node}: {', '.join(parts)}" for node, parts in by_node.items()]
