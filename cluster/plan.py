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

from cluster.fit import MemoryUse, Plan, PlanRequest, Refusal, fit
from cluster.inventory import Inventory
from cluster.model_size import Config, ModelSizeError
from cluster.offers import offers
from cluster.remedies import remedies, sufficient_hardware

__all__ = ["MemoryUse", "Plan", "PlanError", "PlanRequest", "make_plan"]


class PlanError(Exception):
    """Nothing fits, or the request contradicts itself; the text has the numbers and says what would fit."""


def make_plan(model_config: Config, request: PlanRequest, inventory: Inventory) -> Plan:
    """The plan for `request`. Raises PlanError, whose text says what would fit."""
    contradiction(request, inventory)
    try:
        plan = fit(model_config, request, inventory)
        return dataclasses.replace(plan, offers=tuple(offers(model_config, request, inventory, plan)))
    except ModelSizeError as error:
        raise PlanError(str(error))
    except Refusal as refusal:
        lines = [f"the plan does not fit: {refusal}"]
        if found := list(remedies(model_config, request, inventory)):
            lines += ["what would fit:", *(f"  {text}" for text in found)]
        elif hardware := sufficient_hardware(model_config, request):
            lines += ["nothing near it fits here. What would hold one replica:", f"  {hardware}"]
        raise PlanError("\n".join(lines))


def contradiction(request: PlanRequest, inventory: Inventory) -> None:
    """Raises PlanError for requests that no machine could meet."""
    if not inventory.nodes:
        raise PlanError("no nodes: is the cluster up?")
    if request.device not in ("auto", "cpu", "gpu"):
        raise PlanError(f"device {request.device!r}: give auto, cpu or gpu")
    for name in ("replicas", "tensor_parallel_size", "data_parallel_size"):
        if getattr(request, name) < 1:
            raise PlanError(f"{name} = {getattr(request, name)}: at least 1")
    if not 0 < request.gpu_memory_utilization <= 1:
        raise PlanError(f"gpu_memory_utilization = {request.gpu_memory_utilization}: more than 0, at most 1")
