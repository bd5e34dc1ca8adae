"""Settings that may give more throughput on the planned GPUs, each with what it changes. Nothing of it is done unasked.

Each of them changes which tokens are drawn, or risks a start. So the figure to compare is verified solutions per
GPU-hour, over the same problems, and not tokens per second.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from cluster.fit import Plan, PlanRequest, Refusal, fit
from cluster.inventory import GIB, Inventory, gib
from cluster.model_size import Config, ModelSizeError
from cluster.remedies import flag, key_of

LARGE_GPU_BYTES = 140 * GIB
"""Memory from which on a twentieth of the GPU is more than any allowance that vLLM needs beside its own share."""
LARGE_SHARE = 0.94
DRAIN_SEQUENCES = 16
"""Samples at once up to which tokens are drafted. With more, the GPU has no idle arithmetic to check them with."""


def offers(model_config: Config, request: PlanRequest, inventory: Inventory, plan: Plan) -> Iterator[str]:
    """The offers for a plan on GPUs, each as one line of text; none on CPUs."""
    if plan.device != "gpu":
        return
    if request.kv_cache_dtype == "auto" and (more := gain(model_config, request, inventory, kv_cache_dtype="fp8")):
        yield (
            f"{flag('kv_cache_dtype', 'fp8', request.pool)}: {more.full_length_sequences:,} instead of "
            f"{plan.full_length_sequences:,} full-length samples at once, and half the reads of long ones. It rounds "
            "what the model remembers: measure verified solutions, not tokens"
        )
    smallest = min((gpu.memory_bytes for node in inventory.nodes for gpu in node.gpus), default=0)
    is_large = smallest >= LARGE_GPU_BYTES and request.gpu_memory_utilization < LARGE_SHARE
    if is_large and (more := gain(model_config, request, inventory, gpu_memory_utilization=LARGE_SHARE)):
        added = gib(more.memory.kv_cache - plan.memory.kv_cache)
        key = key_of("model.gpu_memory_utilization", request.pool)
        yield (
            f"--set {key}={LARGE_SHARE}: {added} more KV cache a GPU, where nothing else uses "
            "the GPU. An engine that does not start says that memory was short"
        )
    if plan.max_num_seqs > DRAIN_SEQUENCES:
        schedule = f"[[1, {DRAIN_SEQUENCES}, 4], [{DRAIN_SEQUENCES + 1}, {plan.max_num_seqs}, 0]]"
        yield (
            f"--set '{key_of('model.engine_args.speculative_config', request.pool)}="
            '{method = "ngram", num_speculative_tokens = 4, '
            f"prompt_lookup_max = 4, num_speculative_tokens_per_batch_size = {schedule}}}': drafts tokens while at "
            f"most {DRAIN_SEQUENCES} samples run, so at the end of a run. Samples keep their distribution; one seed "
            "draws another text than without"
        )


def gain(model_config: Config, request: PlanRequest, inventory: Inventory, **change: object) -> Plan | None:
    """The plan with one change, if it fits."""
    try:
        return fit(model_config, dataclasses.replace(request, **change), inventory)  # type: ignore[arg-type]
    except (Refusal, ModelSizeError):
        return None
