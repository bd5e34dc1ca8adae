"""Plans replicas × tensor parallel × data parallel for a model, a request and an inventory, or refuses.

Promises: pure arithmetic, the same plan for the same input. A plan that is made will load: weights, an allowance for
activations and the runtime, and the KV cache of at least one sequence of the greatest length fit in the memory given to
vLLM. A refusal gives the numbers and the nearest plans that fit (fewer replicas, more tensor parallelism, a shorter
context, FP8), or hardware that would suffice.
Does not: promise throughput, or room for all `max_num_seqs` samples at their greatest length at once. vLLM lets samples
wait when the cache is full; `Plan.full_length_sequences` says how many fit. Ask for `concurrency` to make that a
condition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from cluster.fit import MemoryUse, Plan, PlanRequest, Refusal, counted, fit
from cluster.inventory import GIB, GPU_GIB, Gpu, Inventory, Node, gib
from cluster.model_size import Config, ModelSizeError, model_size

__all__ = ["MemoryUse", "Plan", "PlanError", "PlanRequest", "make_plan"]

SIZES = (1, 2, 4, 8, 16)
MAX_ALTERNATIVES = 3
MIN_CONTEXT = 1024
"""Shortest context that is suggested; a reasoning model cannot use a shorter one."""


class PlanError(Exception):
    """Nothing fits, or the request contradicts itself; the text has the numbers and says what would fit."""


def make_plan(model_config: Config, request: PlanRequest, inventory: Inventory) -> Plan:
    """The plan for `request`. Raises PlanError, whose text says what would fit."""
    contradiction(request, inventory)
    try:
        return fit(model_config, request, inventory)
    except ModelSizeError as error:
        raise PlanError(str(error))
    except Refusal as refusal:
        lines = [f"the plan does not fit: {refusal}"]
        if found := list(alternatives(model_config, request, inventory)):
            lines += ["what would fit:", *(f"  {text}" for text in found)]
        elif hardware := sufficient_hardware(model_config, request):
            lines += ["nothing near it fits here; what would:", f"  {hardware}"]
        raise PlanError("\n".join(lines))


def contradiction(request: PlanRequest, inventory: Inventory) -> None:
    """Raises PlanError for requests that no machine could meet."""
    if not inventory.nodes:
        raise PlanError("no nodes: is the cluster up?")
    if request.device not in ("auto", "cpu", "gpu"):
        raise PlanError(f"device {request.device!r}: give auto, cpu or gpu")
    for name in ("replicas", "tensor_parallel_size", "data_parallel_size", "max_num_seqs"):
        if getattr(request, name) < 1:
            raise PlanError(f"{name} = {getattr(request, name)}: at least 1")
    if not 0 < request.gpu_memory_utilization <= 1:
        raise PlanError(f"gpu_memory_utilization = {request.gpu_memory_utilization}: more than 0, at most 1")


def alternatives(model_config: Config, request: PlanRequest, inventory: Inventory) -> Iterator[str]:
    """Up to MAX_ALTERNATIVES changes of the request that fit, of each sort the smallest."""
    found: list[set[str]] = []
    for change in changes(model_config, request, inventory):
        if any(enough <= set(change) for enough in found):  # fewer changes of the same sort fit already
            continue
        try:
            plan = fit(model_config, dataclasses.replace(request, **change), inventory)
        except (Refusal, ModelSizeError):
            continue
        settings = ", ".join(setting(name, value) for name, value in change.items())
        each = "GPU" if plan.device == "gpu" else "replica"
        yield (
            f"{settings}: {gib(plan.memory.kv_cache)} of KV cache per {each}, for "
            f"{counted(plan.full_length_sequences, 'sequence')} of {plan.tokens_per_sequence:,} tokens at once"
        )
        found.append(set(change))
        if len(found) == MAX_ALTERNATIVES:
            return


CONFIG_KEYS = {
    "replicas": "resources.replicas",
    "cpus_per_replica": "resources.cpus_per_replica",
    "cpus_per_verifier": "resources.cpus_per_verifier",
    "num_verifiers": "verify.actors",
    "tensor_parallel_size": "model.tensor_parallel_size",
    "data_parallel_size": "model.engine_args.data_parallel_size",
    "max_model_len": "model.max_model_len",
    "kv_cache_dtype": "model.engine_args.kv_cache_dtype",
    "quantization": "model.quantization",
    "cpu_kv_cache_bytes": "model.cpu_kv_cache_gb",
}
"""Keys of a solve config by the fields of a request that they become."""


def setting(name: str, value: Any) -> str:
    """A setting as it is typed: in the config file, or after --set."""
    key = CONFIG_KEYS.get(name, name)
    if name == "cpu_kv_cache_bytes":
        return f"{key} = {value / GIB:g}"
    if isinstance(value, str):
        return f'{key} = "{value}"'
    return f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}"


def changes(model_config: Config, request: PlanRequest, inventory: Inventory) -> Iterator[dict[str, Any]]:
    """Changes of one setting, each downwards from its largest value that could fit; then of two settings, and of
    all that take CPUs."""
    replicas = list(range(request.replicas - 1, 0, -1))
    wider = [size for size in SIZES if size > request.tensor_parallel_size]
    for count in range(request.num_verifiers - 1, 0, -1):
        yield {"num_verifiers": count}
    for count in replicas:
        yield {"replicas": count}
    if request.concurrency > 1:
        try:
            most = fit(model_config, dataclasses.replace(request, concurrency=0), inventory).full_length_sequences
        except (Refusal, ModelSizeError):
            most = 0
        if most:
            yield {"concurrency": most}
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
    yield from smaller_runs(request)
    for ranks in wider:
        for count in replicas or [1]:
            yield {"replicas": count, "tensor_parallel_size": ranks}
        for length in context:
            yield {"tensor_parallel_size": ranks, "max_model_len": length}


def smaller_runs(request: PlanRequest) -> Iterator[dict[str, Any]]:
    """A recipe for a large machine on a small one: fewer replicas and fewer verifiers, as many as fit; then one of each
    with the CPUs that a small model and its checks need."""
    for count in halves(request.replicas):
        for actors in range(request.num_verifiers, 0, -1):
            yield {"replicas": count, "num_verifiers": actors}
    small = PlanRequest()
    yield {
        "replicas": 1,
        "num_verifiers": 1,
        "cpus_per_replica": min(request.cpus_per_replica, small.cpus_per_replica),
        "cpus_per_verifier": min(request.cpus_per_verifier, small.cpus_per_verifier),
    }


def halves(count: int) -> list[int]:
    """
    >>> halves(8), halves(3), halves(1)
    ([8, 4, 2, 1], [3, 1], [1])
    """
    return [count >> shift for shift in range(count.bit_length())]


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
                one = dataclasses.replace(
                    request, replicas=1, tensor_parallel_size=ranks, data_parallel_size=data_ranks, device="gpu"
                )
                node = Node("", 1e9, 0, gpus)
                try:
                    fit(model_config, one, Inventory((node,)))
                except (Refusal, ModelSizeError):
                    continue
                shape = setting("tensor_parallel_size", ranks) + (
                    f", {setting('data_parallel_size', data_ranks)}" if data_ranks > 1 else ""
                )
                best = (memory * len(gpus), f"{len(gpus)} × {kind} ({memory:g} GiB each) per replica, {shape}")
    return best[1] if best else ""
