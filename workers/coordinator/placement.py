"""Where a run's actors are put on the cluster, apart from what Ray decides by their resources."""

from __future__ import annotations

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


def on_this_node() -> NodeAffinitySchedulingStrategy:
    """Places an actor on the caller's node: the coordinator beside the driver, and the writers beside the coordinator.
    A node that only lends its GPUs may be taken away at any time.

    The strategy is not soft. Ray takes a soft one as no wish at all where the actor needs no resources, and puts such
    an actor on any node. Every live node can hold it, and the caller does not outlive its own node.
    """
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
