"""Where an actor's process is, and how to end it when it no longer answers.

Ray ends an actor by asking its process. A process that is stopped or that holds its event loop never takes the question
in, so `end_process` sends it SIGKILL from another process of the same node.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import psutil
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

KILL_S = 30.0
"""How long a task that runs `end_process` may take, in seconds. Without its node it never starts."""
KILL_WAIT_S = 10.0
"""How long `end_process` waits for the killed processes to be gone, in seconds."""


class Presence(NamedTuple):
    """The process of one actor."""

    node_id: str
    """Ray's id of its node."""
    node: str
    """The node's host name, for people."""
    pid: int
    created: float
    """When the process began (seconds since the epoch), so that another process under the same number is not taken for
    it."""


class Present:
    """What every actor of a run has: it answers as long as its event loop turns."""

    async def presence(self) -> Presence:
        """Answers at once. Called when the actor has started, and later as a sign of life."""
        return Presence(
            ray.get_runtime_context().get_node_id(), os.uname().nodename, os.getpid(), psutil.Process().create_time()
        )


def end_on_its_node(presence: Presence) -> Any:
    """Starts `end_process` on the process's node; the reference resolves to its answer. Where the node is gone, and the
    process with it, it raises a Ray error or stays open: wait at most KILL_S."""
    on_its_node = NodeAffinitySchedulingStrategy(presence.node_id, soft=False)
    killing = ray.remote(end_process).options(num_cpus=0, max_retries=0, scheduling_strategy=on_its_node)
    return killing.remote(presence.pid, presence.created)


def end_process(pid: int, created: float) -> bool:
    """Kills the process and everything below it. Must run on its node. Returns whether the process was there."""
    try:
        process = psutil.Process(pid)
        if process.create_time() != created:
            return False
        tree = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return False
    for one in tree:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(tree, KILL_WAIT_S)
    return True
