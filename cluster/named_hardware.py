"""Hardware by name, for a plan of machines that are not here: `8xH100`, `2x8:H200`, `cpu:2`.

Promises: pure; GPUs have the memory that cluster.inventory lists for their type. What a name does not say is assumed,
and `assumed` says it: so many CPUs and so much memory per GPU or CPU.
Does not: know of prices, networks, or whether anything of the kind can be had.
"""

from __future__ import annotations

import re

from cluster.inventory import GIB, GPU_GIB, Gpu, Inventory, InventoryError, Node, gib

CPUS_PER_GPU = 12
MEMORY_PER_GPU = 200 * GIB
"""What the eight-GPU machines of the large clouds have at least for each GPU, rounded down."""
MEMORY_PER_CPU = 4 * GIB
"""What small machines without GPUs usually have for each CPU."""
MAX_NODES = 1024
MAX_GPUS = 64
MAX_CPUS = 1024

_GPUS = re.compile(r"(?:(?P<nodes>\d+)[x×])?(?P<gpus>\d+)[x×:](?P<kind>[A-Za-z][\w-]*)")
_CPUS = re.compile(r"cpu:(?P<cpus>\d+)", re.IGNORECASE)
FORMS = "8xH100 (one node of eight), 2x8:H200 (two nodes of eight each) or cpu:2 (two CPUs, no GPU)"


def named_inventory(text: str, gpu_gib: float = 0.0) -> Inventory:
    """The inventory that `text` names; `gpu_gib` > 0 is the memory of each GPU in GiB. Raises InventoryError."""
    text = text.strip()
    if found := _CPUS.fullmatch(text):
        cpus = _counted(found["cpus"], MAX_CPUS, "CPUs", text)
        return Inventory((Node("node0", float(cpus), cpus * MEMORY_PER_CPU),))
    found = _GPUS.fullmatch(text)
    if found is None:
        raise InventoryError(f"{text!r} names no hardware; write for instance {FORMS}")
    nodes = _counted(found["nodes"] or "1", MAX_NODES, "nodes", text)
    count = _counted(found["gpus"], MAX_GPUS, "GPUs per node", text)
    gpus = (_gpu(found["kind"], gpu_gib, text),) * count
    return Inventory(
        tuple(Node(f"node{index}", float(CPUS_PER_GPU * count), MEMORY_PER_GPU * count, gpus) for index in range(nodes))
    )


def assumed(inventory: Inventory) -> str:
    """What the name of the hardware did not say."""
    if inventory.num_gpus:
        return f"assumed: {CPUS_PER_GPU} CPUs and {gib(MEMORY_PER_GPU)} of memory per GPU"
    return f"assumed: {gib(MEMORY_PER_CPU)} of memory per CPU"


def _gpu(name: str, gpu_gib: float, text: str) -> Gpu:
    kind = next((kind for kind in GPU_GIB if kind.lower() == name.lower()), name)
    if gpu_gib:
        return Gpu(kind, int(gpu_gib * GIB))
    if kind not in GPU_GIB:
        raise InventoryError(
            f"{text!r}: {name} is no GPU known here; known: {', '.join(GPU_GIB)}. For another one set "
            "resources.gpu_gib to its memory"
        )
    return Gpu(kind, int(GPU_GIB[kind] * GIB))


def _counted(digits: str, most: int, what: str, text: str) -> int:
    count = int(digits[:9])
    if not 1 <= count <= most:
        raise InventoryError(f"{text!r}: {digits} {what}; from 1 to {most:,} can be planned")
    return count
