"""Every shipped config parses, and the plans of the solve configs are what their comments say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.inventory import GIB, Gpu, Inventory, Node
from cluster.plan import PlanRequest, make_plan
from jobs.config import SolveConfig, load_config
from workers.records import SamplingParameters

CONFIGS = sorted(Path("configs/solve").glob("*.toml"))


def plan_request(config: SolveConfig, prompt_tokens: int = 512) -> PlanRequest:
    model, resources = config.model, config.resources
    return PlanRequest(
        replicas=resources.replicas,
        tensor_parallel_size=model.tensor_parallel_size,
        device=resources.device,
        dtype=model.dtype,
        quantization=model.quantization,
        max_model_len=model.max_model_len,
        max_num_seqs=model.max_num_seqs,
        tokens_per_sequence=config.sampling.max_tokens + prompt_tokens,
        gpu_memory_utilization=model.gpu_memory_utilization,
        cpu_kv_cache_bytes=int(model.cpu_kv_cache_gb * GIB),
        cpus_per_replica=resources.cpus_per_replica,
        num_verifiers=config.verify.actors,
        cpus_per_verifier=resources.cpus_per_verifier,
        num_writers=resources.writers,
    )


def test_there_are_configs():
    assert {"demo.toml", "vibethinker_3b.toml"} <= {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_parses_and_resolves(path):
    config = load_config(path)
    json.dumps(config.resolved())
    assert config.sampling.max_tokens < config.model.max_model_len


def test_demo_fits_two_cores_and_a_small_machine():
    config = load_config("configs/solve/demo.toml")
    model = json.loads((Path(config.model.path) / "config.json").read_text())
    small = Inventory((Node("here", 2, 8 * GIB),))
    plan = make_plan(model, plan_request(config), small)
    assert plan.full_length_sequences >= config.model.max_num_seqs


def test_vibethinker_protocol_and_plan():
    config = load_config("configs/solve/vibethinker_3b.toml")
    sampling = config.sampling
    used = SamplingParameters(sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p, sampling.max_tokens)
    assert used == SamplingParameters(temperature=1.0, top_p=0.95, top_k=-1, max_tokens=40_960)
    assert (config.model.dtype, config.model.tensor_parallel_size, config.model.max_model_len) == (
        "bfloat16",
        1,
        131_072,
    )
    model = json.loads((Path(__file__).parents[1] / "cluster" / "models" / "qwen25_3b.json").read_text())
    node = Node("gpu0", 64, 512 * GIB, (Gpu("H100", int(79.6 * GIB)),) * 8)
    plan = make_plan(model, plan_request(config), Inventory((node,)))
    assert (plan.num_gpus, plan.full_length_sequences) == (8, 44)
