"""Every shipped config parses, and the plans of the solve configs are what their comments say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.inventory import GIB
from jobs.config import load_config
from jobs.problems.load import check_problems
from jobs.solve.plan import plan_run
from workers.engines.base import SamplingParameters

CONFIGS = sorted(Path("configs/solve").glob("*.toml"))


def test_there_are_configs():
    assert {"demo.toml", "vibethinker_3b.toml"} <= {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_parses_and_resolves(path):
    config = load_config(path)
    json.dumps(config.resolved())
    assert config.sampling.max_tokens < config.model.max_model_len


def test_demo_fits_two_cores_and_a_small_machine():
    config = load_config("configs/solve/demo.toml")
    small = {"Alive": True, "NodeManagerAddress": "here", "Resources": {"CPU": 2.0, "memory": 8 * GIB}}
    plan = plan_run(config, [small])
    assert plan.full_length_sequences >= config.model.max_num_seqs


def test_demo_problems_are_all_good():
    summary = check_problems(load_config("configs/solve/demo.toml").problems)
    assert summary.num_problems >= 200
    assert not summary.skipped


def test_vibethinker_protocol_and_plan(monkeypatch):
    config = load_config("configs/solve/vibethinker_3b.toml")
    sampling = config.sampling
    used = sampling.parameters()
    assert used == SamplingParameters(temperature=1.0, top_p=0.95, top_k=-1, max_tokens=0)
    model = config.model
    assert (model.dtype, model.tensor_parallel_size, model.max_model_len) == ("bfloat16", 1, 131_072)
    qwen = json.loads((Path(__file__).parents[1] / "cluster" / "models" / "qwen25_3b.json").read_text())
    monkeypatch.setattr("jobs.solve.plan.read_model_config", lambda path, revision: qwen)
    resources = {"CPU": 64.0, "memory": 512 * GIB, "GPU": 8.0, "accelerator_type:H100": 1.0}
    plan = plan_run(config, [{"Alive": True, "NodeManagerAddress": "gpu0", "Resources": resources}])
    assert (plan.num_gpus, plan.full_length_sequences) == (8, 14)
