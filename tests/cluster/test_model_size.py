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


SMALL = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "vocab_size": 500,
}
LATENT_SHAPE = {
    "moe_intermediate_size": 48,
    "n_routed_experts": 6,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
}
MAMBA_SHAPE = {
    "num_key_value_heads": 2,
    "head_dim": 16,
    "mamba_d_ssm": 96,
    "mamba_d_state": 32,
    "mamba_n_heads": 6,
    "mamba_d_head": 16,
    "mamba_n_groups": 2,
    "mamba_d_conv": 4,
}
LINEAR_SHAPE = {
    "full_attention_interval": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
}
UNUSUAL = {
    "falcon_h1": MAMBA_SHAPE,
    "falcon_h1 with every bias": MAMBA_SHAPE
    | {"attention_bias": True, "mlp_bias": True, "projectors_bias": True, "mamba_proj_bias": True}
    | {"mamba_rms_norm": True, "mamba_conv_bias": False},
    "falcon_h1 of its own width": {**MAMBA_SHAPE, "mamba_d_ssm": None, "mamba_expand": 2, "mamba_d_head": "auto"}
    | {"mamba_n_heads": 8, "tie_word_embeddings": True},
    "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2, "num_key_value_heads": 2, "head_dim": 16},
    "qwen3_5_text": LINEAR_SHAPE,
    "qwen3_5_moe_text": LINEAR_SHAPE
    | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48, "shared_expert_intermediate_size": 40},
    "mixtral": {"num_local_experts": 4, "num_key_value_heads": 2},
    "deepseek_v2": LATENT_SHAPE,
    "deepseek_v3": LATENT_SHAPE,
    "deepseek_v32": LATENT_SHAPE | {"index_n_heads": 2, "index_head_dim": 16, "index_topk": 8},
    "llama with every bias": {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 2},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 32},
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_every_parameter_of_a_small_model_is_counted(name):
    """The small parts (norms, biases, sinks, decay rates) are a large share of a small model, so they show here."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    own = transformers.AutoConfig.for_model(name.partition(" ")[0], **{**SMALL, **UNUSUAL[name]})
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(own)
    assert model_size(own.to_dict()).num_parameters == sum(p.numel() for p in model.parameters())


def test_mamba_keeps_a_state_for_each_sequence():
    """Falcon-H1-7B: 24 heads of 128 × 256, and the last three inputs of 3,072 + 2 × 256 convolved channels, in every
    one of 44 layers, beside the KV cache of 2 heads of 128."""
    falcon = config("falcon_h1_7b")
    size = model_size(falcon)
    assert size.state_bytes == 44 * (24 * 128 * 256 * 2 + 3584 * 3 * 2)
    assert size.kv_bytes_per_token == 44 * 2 * 2 * 128 * 2
    assert size.sequence_bytes(1000) == 1000 * size.kv_bytes_per_token + size.state_bytes
    assert size.num_parameters == pytest.approx(7.586e9, rel=0.001), "published: 7.59B"


def test_experts_in_mxfp4():
    """Published: 116.83B parameters in a checkpoint of 60.8 GiB; every second layer sees the last 128 tokens only."""
    size = model_size(config("gpt_oss_120b"))
    assert size.num_parameters == pytest.approx(116.83e9, rel=0.0005)
    assert size.weight_bytes / GIB == pytest.approx(60.8, rel=0.005)
    assert size.kv_bytes_per_token == size.window_kv_bytes_per_token == 18 * 2 * 8 * 64 * 2
    assert (size.window, size.max_context) == (128, 131_072)


def test_sparse_latent_attention_in_bf16_and_fp8():
    """DeepSeek-V3.2: 576 latent elements, and 128 bytes of the indexer's key with a 4-byte scale. In FP8 vLLM keeps
    656 bytes of latent: 512 in FP8, four scales, 64 rotary elements in bf16."""
    latent = {**config("latent_671b_fp8"), "model_type": "deepseek_v32", "index_n_heads": 64, "index_head_dim": 128}
    assert model_size(latent).kv_bytes_per_token == 61 * (576 * 2 + 132)
    assert model_size(latent, kv_cache_dtype="fp8").kv_bytes_per_token == 61 * (656 + 132)
    indexer = 61 * (1536 * 64 * 128 + 7168 * 128 + 7168 * 64 + 256)
    without = model_size(config("latent_671b_fp8"))
    assert model_size(latent).num_parameters - without.num_parameters == indexer


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
