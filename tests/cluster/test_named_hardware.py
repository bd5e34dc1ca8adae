"""Hardware by name, for plans of machines that are not here."""

from __future__ import annotations

import pytest

from cluster.inventory import GIB, GPU_GIB, InventoryError
from cluster.named_hardware import CPUS_PER_GPU, assumed, named_inventory


@pytest.mark.parametrize("text", ["8xH100", "8×H100", "8:h100", " 1x8:H100 "])
def test_one_node_of_eight(text: str) -> None:
    inventory = named_inventory(text)
    assert len(inventory.nodes) == 1 and inventory.num_gpus == 8
    gpu = inventory.nodes[0].gpus[0]
    assert (gpu.kind, gpu.memory_bytes) == ("H100", int(GPU_GIB["H100"] * GIB))
    assert inventory.num_cpus == 8 * CPUS_PER_GPU
    assert f"{CPUS_PER_GPU} CPUs" in assumed(inventory)


def test_several_nodes() -> None:
    inventory = named_inventory("2x8:H200")
    assert [len(node.gpus) for node in inventory.nodes] == [8, 8]
    assert len({node.name for node in inventory.nodes}) == 2


def test_cpus() -> None:
    inventory = named_inventory("cpu:2")
    assert (inventory.num_cpus, inventory.num_gpus) == (2, 0)
    assert inventory.nodes[0].memory_bytes == 8 * GIB
    assert "4.0 GiB of memory per CPU" in assumed(inventory)


def test_a_gpu_of_stated_memory_need_not_be_known() -> None:
    assert named_inventory("4xX900", gpu_gib=300).nodes[0].gpus[0].memory_bytes == 300 * GIB


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "names no hardware"),
        ("H100", "names no hardware"),
        ("8", "names no hardware"),
        ("cpu", "names no hardware"),
        ("8x", "names no hardware"),
        ("-8xH100", "names no hardware"),
        ("0xH100", "0 GPUs per node"),
        ("0x8:H100", "0 nodes"),
        ("cpu:0", "0 CPUs"),
        ("99999999999999999999xH100", "GPUs per node"),
        ("8xH1000", "H1000 is no GPU known here; known: T4"),
    ],
)
def test_what_names_nothing_is_one_clear_error(text: str, wrong: str) -> None:
    with pytest.raises(InventoryError, match=wrong) as caught:
        named_inventory(text)
    assert "\n" not in str(caught.value)
