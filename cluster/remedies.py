"""What to change so that a refused plan fits: settings first, hardware last.

Promises: every remedy was planned and fits. It is printed as `--set` flags with the keys of the config file, so that it
can be pasted behind the command that was refused.
Does not: promise the best plan. Remedies of one setting come first. Where none of them is enough, replicas, verifiers,
tensor parallelism, sequences and context are searched together, and as much of the request is kept as fits.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

from cluster.fit import Plan, PlanRequest, Refusal, fit
from cluster.inventory import GIB, GPU_GIB, Gpu, Inventory, Node, gib
from cluster.model_size import Config, ModelSizeError, model_size
from runstore.sizes import GPU_SEQUENCES

SIZES = (1, 2, 4, 8, 16)
MAX_REMEDIES = 3
MIN_CONTEXT = 1024
"""Shortest context that is suggested; a reasoning model cannot use a shorter one."""
MIN_SEQUENCES = 8
"""Fewest samples at once that are suggested in place of a larger `max_num_seqs`."""

KEYS = {
    "replicas": "resources.replicas",
    "device": "resources.device",
    "cpus_per_replica": "resources.cpus_per_replica",
    "cpus_per_verifier": "resources.cpus_per_verifier",
    "num_verifiers": "verify.actors",
    "tensor_parallel_size": "model.tensor_parallel_size",
    "data_parallel_size": "model.engine_args.data_parallel_size",
    "kv_cache_dtype": "model.engine_args.kv_cache_dtype",
    "max_model_len": "model.max_model_len",
    "max_num_seqs": "model.max_num_seqs",
    "quantization": "model.quantization",
    "cpu_kv_cache_bytes": "model.cpu_kv_cache_gb",
}
"""Field of PlanRequest → key of the config file. `concurrency` has none: only callers of the planner set it."""
SHARED = frozenset({"resources.cpus_per_verifier", "verify.actors"})
"""Keys that all pools of a run share."""


def remedies(model_config: Config, request: PlanRequest, inventory: Inventory) -> Iterator[str]:
    """Up to MAX_REMEDIES changes of the request that fit, of each sort the smallest, each as one line of text."""
    found: set[tuple[str, ...]] = set()
    for change in changes(model_config, request, inventory):
        if tuple(change) in found:
            continue
        if plan := fitting(model_config, request, change, inventory):
            found.add(tuple(change))
            yield told(change, plan, request.pool)
        if len(found) == MAX_REMEDIES:
            return
    if not found:
        for change in joint_changes(model_config, request, inventory):
            if plan := fitting(model_config, request, change, inventory):
                yield told(change, plan, request.pool)
                return


def fitting(model_config: Config, request: PlanRequest, change: dict[str, Any], inventory: Inventory) -> Plan | None:
    try:
        return fit(model_config, dataclasses.replace(request, **change), inventory)
    except (Refusal, ModelSizeError):
        return None


def told(change: dict[str, Any], plan: Plan, pool: str = "") -> str:
    """One remedy with what it gives."""
    each = "per GPU" if plan.device == "gpu" else "per replica"
    count = plan.full_length_sequences
    samples = f"{count:,} sequence{'' if count == 1 else 's'} of {plan.tokens_per_sequence:,} tokens"
    flags = " ".join(flag(name, value, pool) for name, value in change.items())
    return f"{flags}: {gib(plan.memory.kv_cache)} of KV cache {each}, for {samples} at once"


def flag(name: str, value: Any, pool: str = "") -> str:
    """A change as a flag of the command line; `pool` as in PlanRequest."""
    if name == "cpu_kv_cache_bytes":
        value = round(value / GIB)
    if name not in KEYS:
        return f"{name} = {value}"
    key = key_of(KEYS[name], pool)
    return f"--set {key}={value:g}" if isinstance(value, float) else f"--set {key}={value}"


def key_of(key: str, pool: str) -> str:
    """A key of the config file, which a pool has in its own table unless all pools share it."""
    if not pool or key in SHARED:
        return key
    return f"models.{pool}.{key.removeprefix('model.')}"


def changes(model_config: Config, request: PlanRequest, inventory: Inventory) -> Iterator[dict[str, Any]]:
    """Changes of one setting, each downwards from its largest value that could fit; then changes of two settings."""
    replicas = list(range(request.replicas - 1, 0, -1))
    wider = [size for size in SIZES if size > request.tensor_parallel_size]
    for count in range(request.num_verifiers - 1, 0, -1):
        yield {"num_verifiers": count}
    for count in replicas:
        yield {"replicas": count}
    if request.concurrency > 1 and (plan := fitting(model_config, request, {"concurrency": 0}, inventory)):
        yield {"concurrency": plan.full_length_sequences}
    for ranks in wider:
        yield {"tensor_parallel_size": ranks}
    if request.data_parallel_size > 1:
        yield {"data_parallel_size": 1}
    context = shorter_contexts(model_config, request)
    for length in context:
        yield {"max_model_len": length}
    if request.kv_cache_dtype == "auto":
        yield {"kv_cache_dtype": "fp8"}
    if not request.quantization:
        yield {"quantization": "fp8"}
    if request.device != "gpu":
        for share in (2, 4, 8, 16):
            yield {"cpu_kv_cache_bytes": share * request.cpu_kv_cache_bytes}
    for ranks in wider:
        for count in replicas or [1]:
            yield {"replicas": count, "tensor_parallel_size": ranks}
        for length in context:
            yield {"tensor_parallel_size": ranks, "max_model_len": length}


def joint_changes(model_config: Config, request: PlanRequest, inventory: Inventory) -> Iterator[dict[str, Any]]:
    """Changes of several settings together, those that give up least first: GPUs before CPUs, CPUs as asked for before
    fewer, long contexts before short ones, many sequences before few, narrow replicas before wide ones, and then as
    many replicas as fit with as many verifiers for each as were asked for."""
    devices = [request.device] if inventory.num_gpus or request.device != "gpu" else ["cpu"]
    shares = dict.fromkeys(
        [
            (request.cpus_per_replica, request.cpus_per_verifier),
            (min(1.0, request.cpus_per_replica), min(0.5, request.cpus_per_verifier)),
        ]
    )
    contexts = [request.max_model_len, *shorter_contexts(model_config, request)]
    ranks = [request.tensor_parallel_size, *(size for size in SIZES if size != request.tensor_parallel_size)]
    for device, cpus, length, seqs, width in itertools.product(
        devices, shares, contexts, halved(request.max_num_seqs or GPU_SEQUENCES, MIN_SEQUENCES), ranks
    ):
        change = {
            "device": device,
            "cpus_per_replica": cpus[0],
            "cpus_per_verifier": cpus[1],
            "max_model_len": length,
            "max_num_seqs": seqs,
            "tensor_parallel_size": width,
        }
        if not fitting(model_config, request, {**change, "replicas": 1, "num_verifiers": 1}, inventory):
            continue
        for count in halved(request.replicas, 1):
            least = max(1, request.num_verifiers * count // request.replicas)
            for verifiers in range(request.num_verifiers, least - 1, -1):
                yield changed(request, {**change, "replicas": count, "num_verifiers": verifiers})
        for verifiers in range(request.num_verifiers, 0, -1):
            yield changed(request, {**change, "replicas": 1, "num_verifiers": verifiers})


def changed(request: PlanRequest, values: dict[str, Any]) -> dict[str, Any]:
    """Those of `values` that differ from the request."""
    return {name: value for name, value in values.items() if getattr(request, name) != value}


def halved(number: int, least: int) -> list[int]:
    """The number, its half, a quarter and so on, as long as they are not below `least`."""
    found = [number]
    while found[-1] // 2 >= least:
        found.append(found[-1] // 2)
    return found


def shorter_contexts(model_config: Config, request: PlanRequest) -> list[int]:
    try:
        own = model_size(model_config, "auto", weight_bytes=request.weight_bytes).max_context
    except ModelSizeError:
        return []
    length = request.max_model_len or own
    found = [own] if 0 < own < length else []
    length = min(length, own or length)
    while length // 2 >= MIN_CONTEXT:
        length //= 2
        found.append(length)
    return found


def sufficient_hardware(model_config: Config, request: PlanRequest) -> str:
    """The smallest node of a known kind that holds one replica as asked for; empty if none does."""
    best: tuple[float, str] | None = None
    for kind, memory in GPU_GIB.items():
        for ranks in SIZES[:4]:
            for data_ranks in sorted({1, request.data_parallel_size}):
                gpus = (Gpu(kind, int(memory * GIB)),) * (ranks * data_ranks)
                if len(gpus) > SIZES[3] or (best and memory * len(gpus) >= best[0]):
                    continue
                one = {"replicas": 1, "tensor_parallel_size": ranks, "data_parallel_size": data_ranks, "device": "gpu"}
                if not fitting(model_config, request, one, Inventory((Node("", 1e9, 0, gpus),))):
                    continue
                flags = " ".join(flag(name, value, request.pool) for name, value in changed(request, one).items())
                best = (
                    memory * len(gpus),
                    f"{len(gpus)} × {kind} ({memory:g} GiB each), {request.cpus_per_replica:g} CPUs"
                    + (f", with {flags}" if flags else ""),
                )
    return best[1] if best else ""
