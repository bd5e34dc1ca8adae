"""What there is to plan with: nodes with CPUs, memory and GPUs, of this machine or of a running Ray cluster.

Promises: reading the machine starts nothing and needs no GPU library; a machine without `nvidia-smi` has no GPUs.
Does not: see AMD or Intel GPUs of its own machine; those of a Ray cluster it does, by their accelerator type.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from verifiers.sandbox.cgroups import memory_limit

GIB = 2**30
NVIDIA_SMI_S = 20.0
"""Longest wait for nvidia-smi, in seconds. A driver that has lost a GPU can hang it; the machine then counts as one
without GPUs."""

GPU_GIB = {
    "T4": 15.0, "V100": 16.0, "A10": 22.5, "A10G": 22.5, "L4": 22.5, "A100": 40.0, "A100-40G": 40.0, "A100-80G": 80.0,
    "L40": 44.9, "L40S": 44.9, "H100": 79.6, "H20": 95.6, "H200": 140.4, "B200": 178.4, "GB200": 184.0,
    "AMD-Instinct-MI300X-OAM": 191.5,
}  # fmt: skip
"""Usable memory by Ray's accelerator type, as the drivers report it (less than the number in the name). A Ray cluster
gives only the type; for an `A100` of unstated size the smaller one is assumed."""

MAX_UNSTARTED = 256
"""Number of nodes counted for a group that the autoscaler may grow without bound."""


class InventoryError(Exception):
    """The inventory cannot be determined; the text is for the user."""


@dataclasses.dataclass(frozen=True, slots=True)
class Gpu:
    kind: str
    memory_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    name: str
    num_cpus: float
    memory_bytes: int
    gpus: tuple[Gpu, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Inventory:
    nodes: tuple[Node, ...]

    @property
    def num_gpus(self) -> int:
        return sum(len(node.gpus) for node in self.nodes)

    @property
    def num_cpus(self) -> float:
        return sum(node.num_cpus for node in self.nodes)

    def describe(self) -> str:
        """One line per kind of node."""
        kinds: dict[str, int] = {}
        for node in self.nodes:
            gpus = (
                f", {len(node.gpus)} × {node.gpus[0].kind} ({gib(node.gpus[0].memory_bytes)})"
                if node.gpus
                else ", no GPU"
            )
            line = f"{node.num_cpus:g} CPUs, {gib(node.memory_bytes)} memory{gpus}"
            kinds[line] = kinds.get(line, 0) + 1
        return "\n".join(f"{count} node{'s' if count > 1 else ''} of {line}" for line, count in kinds.items())


def gib(size: float) -> str:
    """`1.5 GiB`, `38 MiB`."""
    if abs(size) < GIB / 10:
        return f"{size / 2**20:,.1f} MiB"
    return f"{size / GIB:,.1f} GiB"


def local_inventory(num_cpus: int = 0) -> Inventory:
    """This machine. `num_cpus` > 0 is how many CPUs Ray is told to use."""
    node = Node(
        name=platform.node() or "localhost",
        num_cpus=float(num_cpus or len(os.sched_getaffinity(0))),
        memory_bytes=memory_limit(),
        gpus=local_gpus(),
    )
    return Inventory((node,))


def local_gpus() -> tuple[Gpu, ...]:
    """NVIDIA GPUs that this process may use, by nvidia-smi. Empty where there is none."""
    command = shutil.which("nvidia-smi")
    if command is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return ()
    query = [command, "--query-gpu=name,memory.total,uuid,index", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=NVIDIA_SMI_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_nvidia_smi(done.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


def parse_nvidia_smi(text: str, visible: str | None) -> tuple[Gpu, ...]:
    """GPUs of nvidia-smi's CSV (`name, MiB, uuid, index`); `visible` is CUDA_VISIBLE_DEVICES, None = all."""
    wanted = None if visible is None else {name.strip() for name in visible.split(",")}
    gpus = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 4 and cells[1].isdigit() and (wanted is None or wanted & {cells[2], cells[3]}):
            gpus.append(Gpu(cells[0].removeprefix("NVIDIA "), int(cells[1]) * 2**20))
    return tuple(gpus)


def ray_inventory(nodes: Iterable[Mapping[str, Any]], gpu_gib: Mapping[str, float] = GPU_GIB) -> Inventory:
    """The living nodes of `ray.nodes()`. Raises InventoryError for GPUs of a type whose memory is not known."""
    found = []
    for node in nodes:
        if not node.get("Alive", node.get("alive")):
            continue
        resources = node.get("Resources") or {}
        types = [name.partition(":")[2] for name in resources if name.startswith("accelerator_type:")]
        name = str(node.get("NodeManagerAddress", ""))
        num_gpus = int(resources.get("GPU", 0))
        gpus: tuple[Gpu, ...] = ()
        if num_gpus:
            kind = types[0] if types else ""
            if kind not in gpu_gib:
                raise InventoryError(
                    f"{name or 'a node'}: {num_gpus} GPUs of type {kind or 'unstated'}, of unknown memory; give it "
                    f"the Ray resource accelerator_type:NAME with one of {', '.join(gpu_gib)}"
                )
            gpus = (Gpu(kind, int(gpu_gib[kind] * GIB)),) * num_gpus
        memory = int(resources.get("memory", 0))
        found.append(Node(name, float(resources.get("CPU", 0)), memory, gpus))
    return Inventory(tuple(found))


def scalable_nodes(nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows like those of `ray.nodes()` for the nodes that the connected cluster's autoscaler may still start: a
    cluster that scales from zero has no GPU until one is requested. Empty where there is no autoscaler."""
    # Ray has no public call for this; Ray Train and Ray Data read the same state.
    from ray._private.state import state

    config = state.get_cluster_config()
    return unstarted_nodes(config.node_group_configs, nodes) if config is not None else []


def unstarted_nodes(groups: Iterable[Any], nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Nodes still to be started: for each group of the autoscaler's ClusterConfig, its `max_count` less its living
    nodes. A living node belongs to a group if it has the group's CPUs and GPUs."""
    alive = [node.get("Resources") or {} for node in nodes if node.get("Alive")]
    rows = []
    for group in groups:
        wanted = dict(group.resources)
        shape = (wanted.get("CPU", 0), wanted.get("GPU", 0))
        if not any(shape):
            continue
        started = sum((one.get("CPU", 0), one.get("GPU", 0)) == shape for one in alive)
        most = MAX_UNSTARTED if group.max_count < 0 else group.max_count
        for index in range(max(0, most - started)):
            name = f"{group.name}[{started + index}] (not started)"
            rows.append({"Alive": True, "NodeManagerAddress": name, "Resources": wanted})
    return rows
