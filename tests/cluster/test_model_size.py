"""Sizes from config.json against what publishers say and what checkpoints weigh."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.model_size import ModelSizeError, model_size

MODELS = Path(__file__).parent / "models"
TINY = Path("models/tiny_reasoner")
GIB = 2**30


def config(name: str) -> dict:
    return json.loads((MODELS / f"{name}.json").read_text())


def test_qwen25_3b():
    """Published: 3.09B parameters, 5.8 GiB in bf16, 36 KiB of KV cache a token, so 4.5 GiB for 131,072."""
    size = model_size(config("qwen25_3b"))
    assert size.num_parameters == pytest.approx(3.09e9, rel=0.005)
    assert size.weight_bytes / GIB == pytest.approx(5.8, abs=0.06)
    assert size.kv_bytes_per_token == 36 * 1024
    assert size.sequence_bytes(131_072) == 4.5 * GIB
    assert (size.dtype, size.max_context, size.exact) == ("bfloat16", 131_072, True)


def test_dense_hybrid_27b():
    """Published: 27B, about 64 KiB a token (16 of 64 layers have a KV cache), bf16 about 54 GB."""
    size = model_size(config("hybrid_27b"))
    assert size.num_parameters == pytest.approx(27e9, rel=0.01)
    assert size.weight_bytes == pytest.approx(54e9, rel=0.01)
    assert size.kv_bytes_per_token == 64 * 1024
    # 48 layers of 48 heads × 128 × 128 in float32, and the convolution's last three inputs.
    assert size.state_bytes == 48 * (48 * 128 * 128 * 4 + 10_240 * 3 * 2)
    assert size.sequence_bytes(1000) == 1000 * 64 * 1024 + size.state_bytes


def test_latent_671b_fp8():
    """Published: 671B parameters; 576 latent elements a token and layer; FP8 with a float32 scale for each 128 ×
    128."""
    size = model_size(config("latent_671b_fp8"))
    assert size.num_parameters == pytest.approx(671.03e9, rel=0.0005)
    assert size.weight_bytes == pytest.approx(673e9, rel=0.01)
    assert size.kv_bytes_per_token == 576 * 2 * 61
    assert size.kv_shards(8) == 1, "a latent cache has no heads to split"


def test_latent_1t_int4():
    """Published: 1T parameters, 594 GB with routed experts in INT4 (groups of 32) and the rest in bf16."""
    size = model_size(config("latent_1t_int4"))
    assert size.num_parameters == pytest.approx(1.03e12, rel=0.01)
    assert size.weight_bytes == pytest.approx(594e9, rel=0.005)
    assert size.expert_bytes == pytest.approx(571e9, rel=0.005)
    assert size.max_context == 262_144


def test_tiny_reasoner_weighs_what_its_file_weighs():
    size = model_size(json.loads((TINY / "config.json").read_text()), dtype="float32")
    on_disk = (TINY / "model.safetensors").stat().st_size
    assert size.weight_bytes == pytest.approx(on_disk, rel=0.005)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ["qwen2", "qwen3_moe", "llama"])
def test_parameters_are_those_of_the_real_model(family, tied):
    """Against the models that transformers builds (on the meta device: shapes, no memory)."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    shape = {
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 3,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "vocab_size": 1000,
        "tie_word_embeddings": tied,
    }
    if family == "qwen3_moe":
        shape |= {"num_experts": 4, "moe_intermediate_size": 48, "decoder_sparse_step": 1, "head_dim": 16}
    own = transformers.AutoConfig.for_model(family, **shape)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(own)
    counted = model_size(own.to_dict()).num_parameters
    assert counted == pytest.approx(sum(p.numel() for p in model.parameters()), rel=0.002)


def test_dtype_and_quantisation_change_the_weights():
    qwen = config("qwen25_3b")
    bf16 = model_size(qwen)
    assert model_size(qwen, dtype="float32").weight_bytes == 2 * bf16.weight_bytes
    assert model_size(qwen, kv_cache_dtype="fp8").kv_bytes_per_token == bf16.kv_bytes_per_token // 2
    embeddings = 151_936 * 2048
    fp8 = model_size(qwen, quantization="fp8")
    assert fp8.weight_bytes == pytest.approx(bf16.weight_bytes / 2 + embeddings, rel=0.001)
    gptq = {**qwen, "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}
    assert model_size(gptq).weight_bytes == pytest.approx((3.09e9 - embeddings) * 0.52 + 2 * embeddings, rel=0.01)


def test_float32_checkpoint_runs_in_bfloat16_unless_told():
    qwen = {**config("qwen25_3b"), "torch_dtype": "float32"}
    assert model_size(qwen).dtype == "bfloat16"
    assert model_size(qwen, dtype="float32").dtype == "float32"


def test_sliding_window_layers_keep_their_window_only():
    layers = ["sliding_attention", "full_attention"] * 18
    qwen = {**config("qwen25_3b"), "layer_types": layers, "sliding_window": 1024}
    size = model_size(qwen)
    assert size.kv_bytes_per_token == 18 * 1024
    assert size.sequence_bytes(10_000) == 18 * 1024 * (10_000 + 1024)


def test_measured_weights_count_what_the_formulas_do_not():
    latent = config("latent_1t_int4")
    computed = model_size(latent).weight_bytes
    assert model_size(latent, weight_bytes=630 * 10**9).weight_bytes == pytest.approx(630e9)
    assert model_size(latent, weight_bytes=10**9).weight_bytes == computed, "an incomplete download"
    # Measured in the checkpoint's dtype, loaded in another.
    qwen = config("qwen25_3b")
    measured = model_size(qwen).weight_bytes
    assert model_size(qwen, dtype="float32", weight_bytes=measured).weight_bytes == pytest.approx(2 * measured)
    smaller = model_size(qwen, quantization="fp8", weight_bytes=measured).weight_bytes
    assert smaller == pytest.approx(model_size(qwen, quantization="fp8").weight_bytes)


def test_unknown_family_is_marked_as_an_estimate():
    assert not model_size({**config("qwen25_3b"), "model_type": "novel"}).exact


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"hidden_size": None}, "no hidden_size"),
        ({"num_hidden_layers": "36"}, "unusable \\('36'\\) num_hidden_layers"),
        ({"quantization_config": {"quant_method": "novel"}}, "method 'novel'"),
    ],
)
def test_what_a_config_lacks_is_named(change, expected):
    with pytest.raises(ModelSizeError, match=expected):
        model_size({**config("qwen25_3b"), **change})
    with pytest.raises(ModelSizeError, match="dtype 'int3'"):
        model_size(config("qwen25_3b"), dtype="int3")
