"""Whether every node of the cluster has the code that this run was started with.

A node with older code would fail while it unpickles a message, with an error that does not name the cause.

Promises: a node that answers with another revision, or cannot even import the question, is named in one line. Nothing
is asked where the cluster has one node.
Does not: wait longer than ANSWER_S for a node. If its workers die later, the coordinator reports that.
"""

from __future__ import annotations

import asyncio
from typing import Any

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runstore.code_revision import code_revision

ANSWER_S = 60.0
"""Longest wait for a node's answer, in seconds. A loaded node can take tens of seconds to start a worker process."""


def revision_here() -> str:
    """The code revision of the node that this runs on."""
    return code_revision()


async def other_code() -> str:
    """One line that names the nodes whose code is not that of this process; empty where all agree."""
    own, here = code_revision(), ray.get_runtime_context().get_node_id()
    others = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    answers = await asyncio.gather(*(asyncio.wait_for(ask(node), ANSWER_S) for node in others), return_exceptions=True)
    wrong = []
    for node, answer in zip(others, answers, strict=True):
        name = str(node.get("NodeManagerHostname") or node["NodeManagerAddress"])
        if isinstance(answer, ray.exceptions.RayTaskError):
            wrong.append(f"{name} has code that cannot answer ({str(answer).strip().splitlines()[-1]})")
        elif isinstance(answer, str) and answer != own:
            wrong.append(f"{name} has {answer}")
    if not wrong:
        return ""
    return f"nodes of this cluster have other code than this job ({own}): {'; '.join(wrong)}; install the same there"


async def ask(node: dict[str, Any]) -> str:
    """The revision of the code on a node. Raises RayTaskError where its code lacks `revision_here`."""
    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    answer: str = await ray.remote(revision_here).options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote()
    return answer
