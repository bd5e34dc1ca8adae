"""What the plan counts with is what the run then asks Ray for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.solve.plan import plan_run
from jobs.solve.settings import coordinator_settings


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
    assert coordinator_settings(ranks, ("math",), "out", use_gpu=True).gpus_per_replica == 8
