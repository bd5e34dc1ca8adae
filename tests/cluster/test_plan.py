"""Plans: what fits, what is refused with which numbers, and that what is suggested instead does fit."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.core.generated import autoscaler_pb2

from cluster.inventory import (
    GIB,
    Gpu,
    Inventory,
    InventoryError,
    Node,
    ask_node,
    local_inventory,
    parse_mig_slices,
    parse_nvidia_smi,
    ray_inventory,
    unstarted_nodes,
)
from cluster.plan import Plan, PlanError, PlanRequest, make_plan
from cluster.remedies import KEYS

MODELS = Path(__file__).parent / "models"


def config(name: str) -> dict:
    return json.loads((MODELS / f"{name}.json").read_text())


QWEN = config("qwen25_3b")
TINY = json.loads(Path("models/tiny_reasoner/config.json").read_text())
LONG = 40_960 + 512


def nodes(kind: str, memory_gib: float, per_node: int, count: int = 1, cpus: float = 64) -> Inventory:
    gpus = (Gpu(kind, int(memory_gib * GIB)),) * per_node
    with_gpus = tuple(Node(f"gpu{i}", cpus, 512 * GIB, gpus) for i in range(count))
    return Inventory((*with_gpus, Node("cpu0", 32, 128 * GIB)))


H100 = nodes("H100", 79.6, 8)
H200 = nodes("H200", 140.4, 8)
SMALL = Inventory((Node("here", 2, 24 * GIB),))


def refusal(model: dict, request: PlanRequest, inventory: Inventory) -> str:
    with pytest.raises(PlanError) as caught:
        make_plan(model, request, inventory)
    return str(caught.value)


def test_tiny_model_on_a_small_machine_without_gpus():
    plan = make_plan(TINY, PlanRequest(tokens_per_sequence=700, num_verifiers=1), SMALL)
    assert (plan.device, plan.replicas, plan.num_gpus) == ("cpu", 1, 0)
    assert plan.full_length_sequences >= plan.max_num_seqs
    assert plan.kv_cache_tokens == GIB // plan.kv_bytes_per_token
    assert "on CPUs" in plan.describe()
    assert pickle.loads(pickle.dumps(plan)) == plan
    json.dumps(plan.to_json())


def test_kv_cache_is_what_vllm_reports():
    """vLLM 0.32 on CPUs, this model in float32 with 1 GiB: "CPU KV cache size: 419,328 tokens, Maximum concurrency for
    1,024 tokens per request: 409.50x" (it rounds down to whole blocks of 128)."""
    plan = make_plan(TINY, PlanRequest(dtype="float32", max_model_len=1024), SMALL)
    assert plan.kv_cache_tokens // 128 * 128 == 419_328
    assert plan.full_length_sequences == 409


def test_tiny_model_on_this_machine():
    make_plan(TINY, PlanRequest(tokens_per_sequence=700, device="cpu"), local_inventory())


def test_vibethinker_on_eight_h100():
    plan = make_plan(QWEN, PlanRequest(replicas=8, tokens_per_sequence=LONG, num_verifiers=16), H100)
    assert plan.num_gpus == 8
    assert plan.memory.weights / GIB == pytest.approx(5.75, abs=0.01)
    assert (
        plan.memory.weights + plan.memory.activations + plan.memory.runtime + plan.memory.kv_cache
        == plan.memory.available
    )
    assert plan.memory.available == pytest.approx(0.9 * 79.6 * GIB, rel=1e-6)
    assert plan.full_length_sequences == plan.memory.kv_cache // (LONG * 36 * 1024)
    # Generation on the GPU node, checking on the other.
    assert {place.node: (place.num_replicas, place.num_verifiers) for place in plan.placements} == {
        "gpu0": (8, 0),
        "cpu0": (0, 16),
    }
    assert "8 × TP 1 on 8 × H100" in plan.describe()
    assert "note: max_num_seqs = 1,024" in plan.describe()


def test_tensor_parallel_splits_weights_and_kv_heads():
    one = make_plan(QWEN, PlanRequest(), H100)
    two = make_plan(QWEN, PlanRequest(tensor_parallel_size=2), H100)
    four = make_plan(QWEN, PlanRequest(tensor_parallel_size=4), H100)
    assert two.memory.weights == one.memory.weights // 2
    assert two.kv_cache_tokens > 2 * one.kv_cache_tokens
    # Two KV heads cannot be split four ways: each is kept twice.
    assert four.kv_cache_tokens == pytest.approx(two.kv_cache_tokens, rel=0.1)


def test_671b_needs_h200s_and_data_parallel_holds_more_sequences():
    model = config("latent_671b_fp8")
    text = refusal(model, PlanRequest(tensor_parallel_size=8), H100)
    assert re.search(r"must hold 8\d\.\d GiB .*there are 71\.6 GiB \(0\.90 of H100's 79\.6 GiB\)", text)
    assert "4 × AMD-Instinct-MI300X-OAM (191.5 GiB each), 1 CPUs, with --set model.tensor_parallel_size=4" in text
    tensor = make_plan(model, PlanRequest(tensor_parallel_size=8, max_model_len=65_536), H200)
    data = make_plan(model, PlanRequest(data_parallel_size=8, max_model_len=65_536), H200)
    assert tensor.num_gpus == data.num_gpus == 8
    # A latent cache is whole on each tensor parallel rank, while data parallel ranks each hold sequences of their own.
    assert data.full_length_sequences > 2 * tensor.full_length_sequences


def test_1t_int4_on_eight_h200():
    plan = make_plan(config("latent_1t_int4"), PlanRequest(tensor_parallel_size=8, max_model_len=65_536), H200)
    assert plan.memory.weights / GIB == pytest.approx(594e9 / 8 / GIB, rel=0.01)


def test_27b_on_one_and_on_too_small_a_gpu():
    model = config("hybrid_27b")
    plan = make_plan(model, PlanRequest(max_model_len=32_768), H100)
    assert plan.memory.weights / GIB == pytest.approx(50.1, abs=0.2)
    text = refusal(model, PlanRequest(max_model_len=32_768), nodes("L4", 22.5, 4))
    assert "--set model.tensor_parallel_size=4" in text


def test_more_replicas_than_gpus():
    text = refusal(QWEN, PlanRequest(replicas=9), H100)
    assert "9 replicas of 1 GPU" in text
    assert "8 can be placed" in text
    assert "what would fit:\n  --set resources.replicas=8:" in text


def test_replicas_stay_on_one_node():
    two_by_four = nodes("H100", 79.6, 4, count=2)
    assert make_plan(QWEN, PlanRequest(replicas=4, tensor_parallel_size=2), two_by_four).num_gpus == 8
    text = refusal(QWEN, PlanRequest(replicas=1, tensor_parallel_size=8), two_by_four)
    assert "0 can be placed" in text


def test_wanted_concurrency_is_a_condition():
    request = PlanRequest(concurrency=100, tokens_per_sequence=LONG)
    text = refusal(QWEN, request, H100)
    assert "100 sequences of 41,472 tokens need 142.4 GiB" in text
    fitting = int(re.search(r"enough for (\d+)", text)[1])
    assert f"concurrency = {fitting}:" in text
    assert make_plan(QWEN, dataclasses.replace(request, concurrency=fitting), H100)
    with pytest.raises(PlanError):
        make_plan(QWEN, dataclasses.replace(request, concurrency=fitting + 1), H100)


def test_context_that_does_not_fit_on_cpus():
    text = refusal(QWEN, PlanRequest(), SMALL)
    assert "one sequence of 131,072 tokens needs 4.5 GiB of KV cache and 1.0 GiB is left" in text
    assert "--set model.max_model_len=16384" in text
    assert "--set model.cpu_kv_cache_gb=8" in text


def test_memory_bounds_the_lean_workers():
    lean = {"lean_worker_bytes": 10 * GIB, "tokens_per_sequence": 700}
    plan = make_plan(TINY, PlanRequest(workers_per_verifier=8, **lean), SMALL)
    assert plan.lean_workers == 2, "of 24 GiB the replica has a little, and two Leans of 10 GiB the rest"
    assert "1 verifier with 2 Lean workers each" in plan.describe()
    assert "note: memory bounds the Lean workers: 2 of 8 per verifier, of 10.0 GiB each" in plan.describe()
    two = make_plan(TINY, PlanRequest(workers_per_verifier=8, num_verifiers=2, **lean), SMALL)
    assert two.lean_workers == 1, "verifiers of one node share its memory"
    plan = make_plan(TINY, PlanRequest(workers_per_verifier=2, **lean), SMALL)
    assert plan.lean_workers == 2 and "memory bounds" not in plan.describe()
    apart = make_plan(QWEN, PlanRequest(workers_per_verifier=8, num_verifiers=1, max_model_len=4096, **lean), H100)
    assert apart.lean_workers == 8, "its verifier is on the node without GPUs, which has 128 GiB"
    assert make_plan(TINY, PlanRequest(workers_per_verifier=8, tokens_per_sequence=700), SMALL).lean_workers == 0


def test_a_lean_worker_that_no_memory_holds_is_refused():
    text = refusal(TINY, PlanRequest(lean_worker_bytes=30 * GIB, tokens_per_sequence=700), SMALL)
    assert "1 verifier with a Lean worker of 30.0 GiB each (verify.lean.native.memory_mb) are wanted on here" in text
    text = refusal(TINY, PlanRequest(lean_worker_bytes=15 * GIB, num_verifiers=2, tokens_per_sequence=700), SMALL)
    assert "--set verify.actors=1:" in text


def test_verifiers_need_cpus():
    text = refusal(TINY, PlanRequest(num_verifiers=5), SMALL)
    assert "5 verifiers of 0.5 CPUs are wanted; beside 1 replica of 1 CPUs there is room for 2" in text
    assert "--set verify.actors=2:" in text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"max_model_len": 200_000}, "200,000 is more than the model's own 131,072"),
        ({"tensor_parallel_size": 3}, "3 does not divide 16 heads"),
        ({"device": "gpu"}, "there are no GPUs"),
        ({"device": "tpu"}, "give auto, cpu or gpu"),
        ({"replicas": 0}, "replicas = 0: at least 1"),
        ({"gpu_memory_utilization": 1.5}, "at most 1"),
        ({"kv_cache_dtype": "int2"}, "kv_cache_dtype 'int2'"),
    ],
)
def test_contradictions(change, expected):
    assert expected in refusal(QWEN, dataclasses.replace(PlanRequest(), **change), SMALL)


def test_the_recipe_for_eight_gpus_on_one_gets_a_remedy_of_several_settings():
    recipe = PlanRequest(
        replicas=8, device="gpu", num_verifiers=8, cpus_per_replica=2, cpus_per_verifier=2, max_model_len=131_072
    )
    one = Inventory((Node("gpu0", 16, 180 * GIB, (Gpu("H100", int(79.6 * GIB)),)),))
    text = refusal(QWEN, recipe, one)
    assert "--set resources.replicas=1 --set verify.actors=7: " in text and "nothing near it" not in text
    laptop = refusal(TINY, dataclasses.replace(recipe, max_model_len=0), SMALL)
    line = laptop.partition("what would fit:\n")[2].splitlines()[0]
    assert change_of(line)["device"] == "cpu" and make_plan(
        TINY, dataclasses.replace(recipe, max_model_len=0, **change_of(line)), SMALL
    )


def test_offers_say_what_they_change_and_fit():
    plan = make_plan(QWEN, PlanRequest(replicas=8, tokens_per_sequence=LONG, max_model_len=65_536), H200)
    fp8, memory, drafts = plan.offers
    assert "--set model.engine_args.kv_cache_dtype=fp8: " in fp8 and "measure verified solutions, not tokens" in fp8
    now, instead = (int(n) for n in re.search(r"(\d+) instead of (\d+) full-length", fp8).groups())
    assert instead == plan.full_length_sequences and 1.8 < now / instead < 2.2
    assert "--set model.gpu_memory_utilization=0.94: 5.6 GiB more" in memory
    assert "num_speculative_tokens_per_batch_size = [[1, 16, 4], [17, 1024, 0]]" in drafts
    assert all(f"may give more: {offer}" in plan.describe() for offer in plan.offers)
    on_h100 = make_plan(QWEN, PlanRequest(kv_cache_dtype="fp8", max_model_len=65_536), H100)
    assert len(on_h100.offers) == 1, "neither what is set already nor what only large GPUs have room for"
    assert not make_plan(TINY, PlanRequest(), SMALL).offers


def test_empty_cluster_and_unusable_config():
    assert "no nodes" in refusal(QWEN, PlanRequest(), Inventory(()))
    assert "no hidden_size" in refusal({"model_type": "qwen2"}, PlanRequest(), SMALL)


FIELDS = {key: name for name, key in KEYS.items()}


def change_of(line: str) -> dict:
    """The change of a PlanRequest that a remedy's line prints."""
    shown = line.partition(": ")[0]
    found = {FIELDS[key]: text for key, text in re.findall(r"--set ([\w.]+)=([\w.]+)", shown)}
    found |= dict(re.findall(r"(concurrency) = (\d+)", shown))
    types = {"device": str, "kv_cache_dtype": str, "quantization": str}
    change = {name: types.get(name, float if "cpus" in name else int)(text) for name, text in found.items()}
    if "cpu_kv_cache_bytes" in change:
        change["cpu_kv_cache_bytes"] *= GIB
    return change


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["qwen25_3b", "hybrid_27b", "latent_671b_fp8"]),
    st.sampled_from([("L4", 22.5), ("A100", 40.0), ("H100", 79.6), ("H200", 140.4)]),
    st.sampled_from([1, 2, 4, 8]),
    st.builds(
        PlanRequest,
        replicas=st.integers(1, 6),
        tensor_parallel_size=st.sampled_from([1, 2, 4]),
        concurrency=st.sampled_from([0, 10, 500]),
        max_model_len=st.sampled_from([0, 4096, 65_536]),
        num_verifiers=st.integers(1, 200),
        cpus_per_replica=st.sampled_from([1.0, 4.0]),
        cpus_per_verifier=st.sampled_from([0.5, 4.0]),
    ),
)
def test_a_plan_fits_and_so_does_every_suggestion(model, gpu, per_node, request):
    inventory = nodes(*gpu, per_node)
    try:
        plan = make_plan(config(model), request, inventory)
    except PlanError as error:
        for line in str(error).partition("what would fit:\n")[2].splitlines():
            change = change_of(line)
            assert change, line
            make_plan(config(model), dataclasses.replace(request, **change), inventory)
    else:
        assert_fits(plan, request, inventory)


def assert_fits(plan: Plan, request: PlanRequest, inventory: Inventory) -> None:
    assert plan.memory.kv_cache > 0
    assert plan.full_length_sequences >= max(1, request.concurrency)
    by_name = {node.name: node for node in inventory.nodes}
    for place in plan.placements:
        node = by_name[place.node]
        assert place.num_replicas * plan.gpus_per_replica <= len(node.gpus)
        cpus = place.num_replicas * request.cpus_per_replica + place.num_verifiers * request.cpus_per_verifier
        assert cpus <= node.num_cpus + 1e-6
    assert sum(place.num_replicas for place in plan.placements) == request.replicas
    assert sum(place.num_verifiers for place in plan.placements) == request.num_verifiers


def test_nvidia_smi():
    text = "NVIDIA H200, 143771, GPU-aaa, 0\nNVIDIA H200, 143771, GPU-bbb, 1\n"
    assert [gpu.kind for gpu in parse_nvidia_smi(text, None)] == ["H200", "H200"]
    assert parse_nvidia_smi(text, "1")[0].memory_bytes == 143_771 * 2**20
    assert len(parse_nvidia_smi(text, "GPU-aaa")) == 1
    assert parse_nvidia_smi("No devices were found\n", None) == ()


MIG = """GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-aaa)
  MIG 3g.40gb     Device  0: (UUID: MIG-one)
  MIG 1g.10gb     Device  1: (UUID: MIG-two)
"""


def test_slices_of_a_gpu_are_planned_as_slices():
    slices = parse_mig_slices(MIG, None)
    assert [gpu.kind for gpu in slices] == ["A100-SXM4-80GB MIG 3g.40gb", "A100-SXM4-80GB MIG 1g.10gb"]
    assert [gpu.memory_bytes for gpu in slices] == [38 * GIB, int(9.5 * GIB)]
    assert [gpu.memory_bytes for gpu in parse_mig_slices(MIG, "MIG-two")] == [int(9.5 * GIB)]
    assert parse_mig_slices("GPU 0: NVIDIA H200 (UUID: GPU-aaa)\n", None) == ()


def gpu_node(kind: str, node_id: str = "n") -> dict:
    resources = {"CPU": 96, "GPU": 8, **({f"accelerator_type:{kind}": 1} if kind else {})}
    return {"Alive": True, "NodeID": node_id, "NodeManagerAddress": "10.0.0.2", "Resources": resources}


@pytest.mark.parametrize("kind", ["H800", "GH200", "B300", "L20", "AMD-Instinct-MI325X-OAM", "RTX-PRO-6000", ""])
def test_a_type_of_unknown_memory_is_asked_on_one_of_its_nodes(kind):
    asked = []

    def ask(node_id: str) -> tuple[Gpu, ...]:
        asked.append(node_id)
        return (Gpu("NVIDIA thing", 80 * GIB), Gpu("NVIDIA thing", 79 * GIB))

    inventory = ray_inventory([gpu_node(kind, "n1"), gpu_node(kind, "n2")], ask=ask)
    assert asked == ["n1"] and inventory.num_gpus == 16
    assert {gpu.memory_bytes for node in inventory.nodes for gpu in node.gpus} == {79 * GIB}
    told = ray_inventory([gpu_node(kind)], gpu_gib=48.0)
    assert told.nodes[0].gpus[0].memory_bytes == 48 * GIB
    with pytest.raises(InventoryError, match=r"could not be asked. Set resources.gpu_gib"):
        ray_inventory([gpu_node(kind)])


@pytest.mark.ray
def test_a_node_is_asked_by_a_task_of_its_own(tmp_path, monkeypatch):
    """A real Ray; nvidia-smi is a script that answers as the real one does."""
    import ray

    from cluster.connect import connect

    script = tmp_path / "nvidia-smi"
    script.write_text(
        '#!/bin/sh\n[ "$1" = -L ] && echo "GPU 0: NVIDIA H800 (UUID: GPU-a)" || echo "NVIDIA H800, 81559, GPU-a, 0"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with connect("", num_cpus=1, num_gpus=1):
        inventory = ray_inventory([{**node, "Resources": {"GPU": 1}} for node in ray.nodes()], ask=ask_node)
    assert inventory.nodes[0].gpus == (Gpu("H800", 81_559 * 2**20),)


def test_ray_nodes():
    rows = [
        {
            "Alive": True,
            "NodeManagerAddress": "10.0.0.1",
            "Resources": {"CPU": 8.0, "memory": 9.0, "node:10.0.0.1": 1.0},
        },
        {
            "Alive": True,
            "NodeManagerAddress": "10.0.0.2",
            "Resources": {"CPU": 96, "GPU": 8, "accelerator_type:H100": 1},
        },
        {"Alive": False, "NodeManagerAddress": "10.0.0.3", "Resources": {"CPU": 96, "GPU": 8}},
    ]
    inventory = ray_inventory(rows)
    assert (inventory.num_cpus, inventory.num_gpus) == (104, 8)
    rows[1]["Resources"] = {"CPU": 96, "GPU": 8}
    with pytest.raises(InventoryError, match=r"10.0.0.2: 8 GPUs of type unstated.*accelerator_type:NAME"):
        ray_inventory(rows)


def test_a_cluster_that_scales_from_zero_is_planned_with_what_it_may_start():
    group = autoscaler_pb2.NodeGroupConfig(name="generators", max_count=2)
    group.resources.update({"CPU": 16, "GPU": 8, "accelerator_type:H100": 1})
    head = {"Alive": True, "NodeManagerAddress": "10.0.0.1", "Resources": {"CPU": 4.0}}
    request = PlanRequest(replicas=16, device="gpu", num_verifiers=1)
    assert "no GPUs" in refusal(QWEN, request, ray_inventory([head]))
    plan = make_plan(QWEN, request, ray_inventory([head, *unstarted_nodes([group], [head])]))
    assert plan.num_gpus == 16
    assert any("generators[0] (not started)" in place.node for place in plan.placements)
    started = {"Alive": True, "NodeManagerAddress": "10.0.0.2", "Resources": dict(group.resources)}
    assert len(unstarted_nodes([group], [head, started])) == 1
