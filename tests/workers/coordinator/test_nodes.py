"""A cluster of several nodes on one machine; one of them is taken away in the middle of a run, another one comes."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture
def cluster() -> Iterator[Any]:
    import ray
    import stand_ins
    from ray.cluster_utils import Cluster

    ray.cloudpickle.register_pickle_by_value(stand_ins)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20})
    yield cluster
    cluster.shutdown()
    ray.cloudpickle.unregister_pickle_by_value(stand_ins)


def test_the_coordinator_is_on_the_drivers_node(cluster: Any) -> None:
    """With a soft strategy each of these six lands on any of the two nodes."""
    import ray

    from cluster.connect import connect
    from workers.coordinator.placement import on_this_node

    class Where:
        def node(self) -> str:
            return ray.get_runtime_context().get_node_id()

    cluster.add_node(num_cpus=8, object_store_memory=100 << 20)
    with connect(cluster.address, code_travels=False):
        remote = ray.remote(Where).options(num_cpus=0, scheduling_strategy=on_this_node())
        actors = [remote.remote() for _ in range(6)]
        assert set(ray.get([actor.node.remote() for actor in actors])) == {ray.get_runtime_context().get_node_id()}


def test_a_node_is_taken_away_and_every_row_lands_once(cluster: Any, tmp_path: Path) -> None:
    """The head has one processor and the plan takes one and a half, so that something must run on the other node."""
    import ray
    from batches import Batch

    import jobs.solve.driver
    from cluster.connect import connect

    spot = cluster.add_node(num_cpus=8, object_store_memory=100 << 20)
    batch = Batch(
        tmp_path,
        # Texts so long that batches go by reference, and some of them with the node.
        [{"answer": str(i), "p": 0.5, "tokens": 20, "token_s": 0.2, "pad": "x" * 30_000} for i in range(60)],
        resources={"replicas": 4, "cpus_per_replica": 0.25, "cpus_per_verifier": 0.25, "max_restarts": 50},
        verify={"actors": 2},
    )
    state: dict[str, Any] = {"removed": False}

    def take_away(status: Any) -> None:
        # An actor that is still starting on the node would be started elsewhere by Ray itself, and nothing be lost.
        if status.get("samples", 0) >= 60 and status["replicas"] == 4 and not state["removed"]:
            state["removed"] = True
            state["actors"] = ray.get(jobs.solve.driver.current_coordinator().actors.remote())
            cluster.remove_node(spot, allow_graceful=False)
            cluster.add_node(num_cpus=8, object_store_memory=100 << 20)

    batch.display.on_update = take_away
    with connect(cluster.address, code_travels=False):
        outcome = batch.run()
    assert state["removed"] and outcome.summary and outcome.summary["complete"], outcome.error
    counts = collections.Counter((row["problem_id"], row["sample_index"]) for row in batch.rows())
    assert counts == {(f"p{i:04d}", j): 1 for i in range(60) for j in range(8)}
    lost = {event["what"].split()[0] for event in outcome.summary["restarts"]}
    # Ray joins the driver to any node of this machine; where it is that one, the coordinator beside it went along.
    coordinator_lost = any("the coordinator died" in text for text in batch.display.said)
    assert coordinator_lost or lost & {"generator", "verifier"}, "nothing ran on the node that was taken away"
