"""What there is to plan with: nodes with CPUs, memory and GPUs, of this machine or of a running Ray cluster.

Promises: reading the machine starts nothing and needs no GPU library; a machine without `nvidia-smi` has no GPUs. A
GPU that is divided into MIG slices counts as its slices.
Does not: see AMD or Intel GPUs of its own machine; those of a Ray cluster it does, by their accelerator type.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from verifiers.sandbox.cgroups import memory_limit

GIB = 2**30
NVIDIA_SMI_S = 20.0
"""Longest wait for nvidia-smi, in seconds. A driver that has lost a GPU can hang it; the machine then counts as one
without GPUs."""

ASK_S = 90.0
"""Longest wait for a node's answer, in seconds: it starts a process, which may first have to unpack our code."""

GPU_GIB = {
    "T4": 15.0, "V100": 16.0, "A10": 22.5, "A10G": 22.5, "L4": 22.5, "A100": 40.0, "A100-40G": 40.0, "A100-80G": 80.0,
    "L40": 44.9, "L40S": 44.9, "H100": 79.6, "H20": 95.6, "H200": 140.4, "B200": 178.4, "GB200": 184.0,
    "AMD-Instinct-MI300X-OAM": 191.5,
}  # fmt: skip
"""Usable memory in GiB by Ray's accelerator type, as the drivers report it (less than the number in the name). A Ray
cluster gives only the type. It is used where no node of the type can be asked: for an `A100` of unstated size the
smaller one is assumed."""
MIG_SHARE = 0.95
"""Usable share of the memory in the name of a MIG slice: a 3g.40gb slice of an H100 has 39.5 GiB, a 1g.5gb slice of an
A100 has 4.75 GiB."""

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


def local_inventory(num_cpus: int = 0, gpu_gib: float = 0.0) -> Inventory:
    """This machine. `num_cpus` > 0 is how many CPUs Ray is told to use, `gpu_gib` > 0 the memory of each GPU in GiB."""
    gpus = local_gpus()
    if gpu_gib:
        gpus = tuple(Gpu(gpu.kind, int(gpu_gib * GIB)) for gpu in gpus)
    node = Node(
        name=platform.node() or "localhost",
        num_cpus=float(num_cpus or len(os.sched_getaffinity(0))),
        memory_bytes=memory_limit(),
        gpus=gpus,
    )
    return Inventory((node,))


def local_gpus() -> tuple[Gpu, ...]:
    """NVIDIA GPUs that this process may use, by nvidia-smi. Empty where there is none."""
    command = shutil.which("nvidia-smi")
    if command is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return ()
    return read_nvidia_smi(command, os.environ.get("CUDA_VISIBLE_DEVICES"))


def read_nvidia_smi(command: str, visible: str | None) -> tuple[Gpu, ...]:
    """What nvidia-smi tells; `visible` is CUDA_VISIBLE_DEVICES, None = all."""
    answers = []
    for query in (["--query-gpu=name,memory.total,uuid,index", "--format=csv,noheader,nounits"], ["-L"]):
        try:
            done = subprocess.run([command, *query], capture_output=True, text=True, timeout=NVIDIA_SMI_S, check=True)
        except (OSError, subprocess.SubprocessError):
            return ()
        answers.append(done.stdout)
    return parse_mig_slices(answers[1], visible) or parse_nvidia_smi(answers[0], visible)


def parse_mig_slices(text: str, visible: str | None) -> tuple[Gpu, ...]:
    """MIG slices in the answer of `nvidia-smi -L`; empty where no GPU is divided. With `visible` unset they are all
    counted, although CUDA shows a process only one that is not named."""
    wanted = None if visible is None else {name.strip() for name in visible.split(",")}
    slices, parent = [], ""
    for line in text.splitlines():
        if found := re.match(r"GPU \d+: (?:NVIDIA )?(.+?) \(UUID", line):
            parent = found[1]
        elif found := re.match(r"\s+MIG (\S*?(\d+)gb\S*)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)", line):
            profile, size, uuid = found.groups()
            if wanted is None or uuid in wanted:
                slices.append(Gpu(f"{parent} MIG {profile}", int(int(size) * MIG_SHARE * GIB)))
    return tuple(slices)


def parse_nvidia_smi(text: str, visible: str | None) -> tuple[Gpu, ...]:
    """GPUs of nvidia-smi's CSV (`name, MiB, uuid, index`); `visible` is CUDA_VISIBLE_DEVICES, None = all."""
    wanted = None if visible is None else {name.strip() for name in visible.split(",")}
    gpus = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 4 and cells[1].isdigit() and (wanted is None or wanted & {cells[2], cells[3]}):
            gpus.append(Gpu(cells[0].removeprefix("NVIDIA "), int(cells[1]) * 2**20))
    return tuple(gpus)


Ask = Callable[[str], tuple[Gpu, ...]]
"""Reads the GPUs of a living node, given Ray's id of it. Empty where it cannot tell."""


def ray_inventory(nodes: Iterable[Mapping[str, Any]], gpu_gib: float = 0.0, ask: Ask = lambda _: ()) -> Inventory:
    """The living nodes of `ray.nodes()`. `gpu_gib` > 0 is the memory of every GPU in GiB; otherwise one node of each
    type is asked. Raises InventoryError for GPUs whose memory cannot be told."""
    found = []
    known: dict[str, tuple[Gpu, ...]] = {}
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
            if gpu_gib:
                gpus = (Gpu(kind or "GPU", int(gpu_gib * GIB)),) * num_gpus
            else:
                if kind not in known and node.get("NodeID"):
                    known[kind] = ask(str(node["NodeID"]))
                gpus = told_gpus(known.get(kind, ()), kind, num_gpus, name)
        memory = int(resources.get("memory", 0))
        found.append(Node(name, float(resources.get("CPU", 0)), memory, gpus))
    return Inventory(tuple(found))


def told_gpus(answer: Sequence[Gpu], kind: str, num_gpus: int, node: str) -> tuple[Gpu, ...]:
    """The GPUs of one node from what a node of its type answered, or from the type's name. Raises InventoryError."""
    if answer:
        smallest = min(answer, key=lambda gpu: gpu.memory_bytes)
        return (Gpu(kind or smallest.kind, smallest.memory_bytes),) * num_gpus
    if kind not in GPU_GIB:
        raise InventoryError(
            f"{node or 'a node'}: {num_gpus} GPUs of type {kind or 'unstated'}, of unknown memory, and the node could "
            "not be asked. Set resources.gpu_gib to the memory of one GPU, or give the node the Ray resource "
            f"accelerator_type:NAME with one of {', '.join(GPU_GIB)}"
        )
    return (Gpu(kind, int(GPU_GIB[kind] * GIB)),) * num_gpus


def ask_node(node_id: str) -> tuple[Gpu, ...]:
    """The GPUs of a node of the connected Ray, read there. Ray shows a task without GPUs none of them, so the variable
    that hides them is left aside. Empty where the node does not answer in time."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def read() -> list[tuple[str, int]]:
        command = shutil.which("nvidia-smi")
        return [(gpu.kind, gpu.memory_bytes) for gpu in read_nvidia_smi(command, None)] if command else []

    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    asked = ray.remote(read).options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote()
    try:
        return tuple(Gpu(kind, size) for kind, size in ray.get(asked, timeout=ASK_S))
    except ray.exceptions.RayError:
        return ()


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
