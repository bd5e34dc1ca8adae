"""A replica with several GPUs, on a real Ray with GPUs that are only declared: which devices it sees, and that vLLM's
own ParallelConfig starts the processes of the ranks itself and asks Ray for nothing."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stand_ins
from batches import Batch

from workers.actors.generator import Generator, GeneratorSettings
from workers.engines.base import EngineSettings, EngineStartError, SamplingParameters
from workers.engines.vllm import VllmEngine
from workers.prompting.messages import PromptStyle

pytestmark = pytest.mark.ray


def parallel_config(tensor: int, data: int, **more: Any) -> Any:
    """vLLM's choice of an executor inside this process. The CPU platform names no Ray resource for its devices, so the
    one of GPUs is put in its place."""
    import ray
    from vllm.config import ParallelConfig
    from vllm.platforms import current_platform

    type(current_platform).ray_device_key = "GPU"
    group = ray.util.get_current_placement_group()
    return ParallelConfig(tensor_parallel_size=tensor, data_parallel_size=data, placement_group=group, **more)


class ParallelProbe(stand_ins.StandInEngine):
    """A stand-in that starts only where vLLM could have started."""

    async def start(self) -> None:
        await super().start()
        arguments = VllmEngine(self.settings).arguments()
        tensor, data = self.settings.tensor_parallel_size, self.settings.num_ranks()
        config = parallel_config(tensor, data, distributed_executor_backend=arguments["distributed_executor_backend"])
        devices = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
        if config.distributed_executor_backend != "mp" or len(devices) != tensor * data:
            raise EngineStartError(f"{config.distributed_executor_backend} with the devices {devices}")


@pytest.fixture(scope="module")
def eight_gpus() -> Iterator[None]:
    import sys

    import ray

    from cluster.connect import connect

    ray.shutdown()  # a Ray that an earlier test of this process left
    here = [stand_ins, sys.modules[__name__]]
    for module in here:
        ray.cloudpickle.register_pickle_by_value(module)
    with connect("", num_cpus=8, num_gpus=8):
        yield
    for module in here:
        ray.cloudpickle.unregister_pickle_by_value(module)


@pytest.mark.parametrize(("tensor", "data", "replicas"), [(2, 1, 2), (8, 1, 1), (1, 2, 1)])
def test_a_replica_with_several_gpus_starts(
    eight_gpus: None, tmp_path: Path, tensor: int, data: int, replicas: int
) -> None:
    tasks = [{"answer": str(i), "p": 0.5, "tokens": 3} for i in range(6)]
    batch = Batch(tmp_path, tasks, resources={"replicas": replicas}, sampling={"num_samples": 2})
    settings = batch.settings()
    pool = settings.pools[0]
    engine = pool.generator.engine.model_copy(
        update={"use_gpu": True, "tensor_parallel_size": tensor, "engine_args": {"data_parallel_size": data}}
    )
    generator = dataclasses.replace(pool.generator, engine=engine, engine_class=ParallelProbe)
    pool = dataclasses.replace(pool, generator=generator, gpus_per_replica=tensor * data)
    batch.settings = lambda: dataclasses.replace(settings, pools=(pool,))  # type: ignore[method-assign]
    outcome = batch.run()
    assert outcome.summary and outcome.summary["complete"], outcome.error
    assert not outcome.summary["restarts"] and len(batch.rows()) == 12


def test_each_data_parallel_rank_has_room_for_max_num_seqs_samples() -> None:
    engine = EngineSettings(path="m", max_num_seqs=50, engine_args={"data_parallel_size": 4})
    settings = GeneratorSettings(
        "run", 1, "code", engine, SamplingParameters(), PromptStyle(), engine_class=stand_ins.StandInEngine
    )
    assert Generator(settings, 0, 0)._free() == 220  # a tenth waits inside the engines


def test_inside_a_placement_group_vllm_asks_ray_for_what_the_actor_holds(eight_gpus: None) -> None:
    """Why a generator has no placement group."""
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = placement_group([{"GPU": 2, "CPU": 1}], strategy="STRICT_PACK")
    strategy = PlacementGroupSchedulingStrategy(group)
    probe = ray.remote(lambda: parallel_config(2, 1).distributed_executor_backend)
    assert ray.get(probe.options(num_gpus=2, scheduling_strategy=strategy).remote()) == "ray"
    remove_placement_group(group)
