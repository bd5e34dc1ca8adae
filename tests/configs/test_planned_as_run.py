"""What the plan counts with is what the run then asks Ray for."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from jobs.config import ConfigError, SolveConfig, check_config, merge_overrides
from jobs.solve.plan import plan_run
from jobs.solve.settings import coordinator_settings, engine_settings
from runstore.sizes import BATCHED_TOKENS
from workers.engines.vllm import VllmEngine


def config(**sections: Any) -> SolveConfig:
    model = {"path": str(Path("models/tiny_reasoner")), "max_num_seqs": 4, **sections.pop("model", {})}
    return check_config({"run": {"id": "r"}, "problems": {"files": ["p.jsonl"]}, "model": model, **sections}, "test")


def test_a_local_ray_has_the_cpus_it_is_told() -> None:
    two = {"verify": {"actors": 2}, "resources": {"device": "cpu"}}
    plan_run(config(**two, ray={"num_cpus": 2}))
    with pytest.raises(ConfigError, match="CPUs"):
        plan_run(config(**two, ray={"num_cpus": 1}))


def test_data_parallel_ranks_get_their_gpus() -> None:
    ranks = config(model={"tensor_parallel_size": 2, "engine_args": {"data_parallel_size": 4}})
    assert coordinator_settings(ranks, ("math",), "out", use_gpu=True).pools[0].gpus_per_replica == 8


GPU_NODE = {
    "Alive": True,
    "NodeManagerAddress": "n0",
    "Resources": {"CPU": 16, "GPU": 1, "accelerator_type:H100": 1, "memory": 64 << 30},
}


def test_an_engine_takes_the_samples_and_tokens_that_the_plan_counts_with() -> None:
    engine = config(model={"max_num_seqs": 0})
    plan = plan_run(engine, [GPU_NODE])
    settings = engine_settings(engine, use_gpu=True)
    arguments = VllmEngine(settings).arguments()
    assert settings.max_num_seqs == arguments["max_num_seqs"] == plan.max_num_seqs
    assert arguments["max_num_batched_tokens"] == BATCHED_TOKENS


def test_larger_steps_leave_less_memory_for_the_kv_cache() -> None:
    larger = config(model={"engine_args": {"max_num_batched_tokens": 4 * BATCHED_TOKENS}})
    usual, larger_plan = plan_run(config(), [GPU_NODE]), plan_run(larger, [GPU_NODE])
    assert larger_plan.memory.activations > usual.memory.activations
    assert VllmEngine(engine_settings(larger, use_gpu=True)).arguments()["max_num_batched_tokens"] == 4 * BATCHED_TOKENS


REFUSED: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "a recipe for eight GPUs on one": (
        {
            "resources": {"replicas": 8, "cpus_per_replica": 2, "cpus_per_verifier": 2, "device": "gpu"},
            "verify": {"actors": 8},
        },
        {"CPU": 16, "GPU": 1, "accelerator_type:H100": 1},
    ),
    "a recipe for GPUs on none": (
        {"resources": {"replicas": 8, "cpus_per_replica": 2, "device": "gpu"}, "verify": {"actors": 8}},
        {"CPU": 4, "memory": 64 << 30},
    ),
    "too many samples at once": ({"model": {"max_num_seqs": 600_000}}, {"CPU": 2, "memory": 6 << 30}),
    "too many verifiers": ({"verify": {"actors": 40}}, {"CPU": 2, "memory": 24 << 30}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_every_printed_remedy_passes_the_dry_run(name: str) -> None:
    """Each remedy is taken as it is printed and given to `--set`."""
    sections, resources = REFUSED[name]
    nodes = [{"Alive": True, "NodeManagerAddress": "n0", "Resources": resources}]
    table = config(**sections).model_dump(exclude_unset=True)
    with pytest.raises(ConfigError) as caught:
        plan_run(check_config(table, "test"), nodes)
    lines = str(caught.value).partition("what would fit:\n")[2].splitlines()
    assert lines, str(caught.value)
    for line in lines:
        flags = line.partition(": ")[0].split("--set ")[1:]
        remedied = merge_overrides(copy.deepcopy(table), [flag.strip() for flag in flags])
        plan_run(check_config(remedied, "test"), nodes)
