"""Several models on one inventory: side by side where they fit, in turns where they do not, refused where one alone
is too much."""

from __future__ import annotations

import pytest

from cluster.inventory import GIB, Gpu, Inventory, Node
from cluster.plan import PlanError, PlanRequest
from cluster.pools import PoolRequest, describe_places, plan_pools, type_of

SMALL = {
    **{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 2048, "num_hidden_layers": 28},
    **{"num_attention_heads": 16, "num_key_value_heads": 2, "intermediate_size": 11008, "vocab_size": 151936},
    **{"max_position_embeddings": 8192, "dtype": "bfloat16", "tie_word_embeddings": True},
}
LARGE = {**SMALL, "num_hidden_layers": 80, "hidden_size": 8192, "intermediate_size": 29568, "num_attention_heads": 64}


def node(*gpus: str, name: str = "n0", cpus: float = 16) -> Node:
    memory = {"L4": 22, "H100": 79}
    return Node(name, cpus, 200 * GIB, tuple(Gpu(kind, memory[kind] * GIB) for kind in gpus))


def small(name: str = "small", kind: str = "", **request: object) -> PoolRequest:
    return PoolRequest(name, SMALL, PlanRequest(pool=name, **request), kind)  # type: ignore[arg-type]


def large(kind: str = "", **request: object) -> PoolRequest:
    wanted = {"tensor_parallel_size": 4, **request}
    return PoolRequest("large", LARGE, PlanRequest(pool="large", **wanted), kind)  # type: ignore[arg-type]


def test_pools_that_fit_run_side_by_side_and_share_the_verifiers() -> None:
    plan = plan_pools([small(num_verifiers=4), large(num_verifiers=4)], Inventory((node(*["H100"] * 5),)))
    assert plan.groups == (("small", "large"),) and not plan.takes_turns
    assert plan.describe() == ["side by side: small, large"]
    assert describe_places(plan) == ["  n0: 1 replica of small, 1 replica of large, 4 verifiers"]


def test_pools_that_do_not_fit_side_by_side_take_turns() -> None:
    inventory = Inventory((node(*["H100"] * 4),))
    plan = plan_pools([small(), large()], inventory)
    assert plan.groups == (("small",), ("large",)) and plan.takes_turns
    assert plan.describe()[0].startswith("taking turns: small, then large")
    assert plan.plans["small"].device == plan.plans["large"].device == "gpu", "no pool is moved to the CPUs for it"
    third = plan_pools([small(), large(), small("tiny", max_num_seqs=8)], inventory)
    assert third.groups == (("small", "tiny"), ("large",))


def test_cpus_and_memory_are_shared_too() -> None:
    by_cpus = [small(name, device="cpu", cpus_per_replica=1.0, cpus_per_verifier=0.5) for name in ("a", "b")]
    assert plan_pools(by_cpus, Inventory((node(cpus=2.5),))).groups == (("a", "b"),)
    assert plan_pools(by_cpus, Inventory((node(cpus=2),))).groups == (("a",), ("b",))
    memory = plan_pools(by_cpus, Inventory((Node("n", 16, 16 * GIB),)))
    assert memory.groups == (("a",), ("b",)), "two replicas of more than 8 GiB each"


def test_a_large_replica_finds_its_place_in_another_order() -> None:
    """Placed first, the small pool would take a GPU of the only node that holds the large one."""
    inventory = Inventory((node(*["H100"] * 4), node("H100", name="n1")))
    plan = plan_pools([small(), large()], inventory)
    assert plan.groups == (("small", "large"),)
    assert {place.node for place in plan.plans["small"].placements} == {"n1"}


def test_a_pool_gets_the_gpus_that_it_names() -> None:
    inventory = Inventory((node(*["L4"] * 2), node(*["H100"] * 4, name="big")))
    plan = plan_pools([small(kind="L4", replicas=2), large(kind="H100")], inventory)
    assert (plan.plans["small"].gpu_kind, plan.plans["large"].gpu_kind) == ("L4", "H100")
    assert plan.groups == (("small", "large"),)
    with pytest.raises(PlanError, match=r"models\.small alone beside the verifiers"):
        plan_pools([small(kind="A100", device="gpu")], inventory)
    assert [type_of(kind) for kind in ("H100 80GB HBM3", "Tesla T4", "A100-SXM4-80GB")] == ["H100", "T4", "A100"]


def test_a_pool_that_does_not_fit_alone_is_refused_with_keys_of_its_own_table() -> None:
    with pytest.raises(PlanError) as raised:
        plan_pools([small(), large(tensor_parallel_size=1)], Inventory((node(*["H100"] * 4),)))
    text = str(raised.value)
    assert text.startswith("models.large alone beside the verifiers: the plan does not fit")
    assert "--set models.large.tensor_parallel_size=" in text and "--set model." not in text
    with pytest.raises(PlanError, match=r"--set verify\.actors="):
        plan_pools([small(num_verifiers=99)], Inventory((node("H100"),)))
