"""How much memory a model needs, from its `config.json`: weights by part and dtype, KV cache per token, state per
sequence.

Promises: exact to a fraction of a percent for the decoder families it knows (Qwen2/3 and Llama-like, dense and mixture
of experts, gpt-oss among them; DeepSeek V3, V3.2 and Kimi K2 with latent attention; Qwen3.5-like hybrids of full and
linear attention; Falcon-H1 with attention and Mamba side by side), in the dtypes that the config names, quantised
checkpoints included. `ModelSize.family` says which formulas were used.
Does not: read files, count vision towers or draft layers (text generation loads neither), or know every architecture.
An unknown one is sized as a Llama-like decoder if it has those fields, with `exact` false; otherwise ModelSizeError
says what is missing. Sizes measured from a safetensors index can replace the computed weights (`weight_bytes`).
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Mapping
from typing import Any

Json = Any
Config = Mapping[str, Json]

DTYPE_BYTES = {"float32": 4.0, "float": 4.0, "bfloat16": 2.0, "float16": 2.0, "half": 2.0}
KV_DTYPE_BYTES = {
    "auto": 2.0,
    "fp8": 1.0,
    "fp8_e4m3": 1.0,
    "fp8_e5m2": 1.0,
    "bfloat16": 2.0,
    "float16": 2.0,
    "float32": 4.0,
}
LLAMA_LIKE = {
    "qwen2", "qwen3", "llama", "mistral", "qwen2_moe", "qwen3_moe", "mixtral", "gemma2", "phi3", "granite", "olmo2",
}  # fmt: skip
LATENT = {"deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_k25"}
HYBRID = {"qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"}

PARALLEL = {"falcon_h1"}
"""Families whose every layer has attention and a Mamba mixer side by side."""
ALTERNATING = {"gpt_oss"}
"""Families whose layers alternate between a sliding window and the whole context, beginning with the window."""

KNOWN = LLAMA_LIKE | LATENT | HYBRID | PARALLEL | ALTERNATING


class ModelSizeError(Exception):
    """The config lacks what is needed; the text names the missing keys."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModelSize:
    """Bytes of one model, before any sharding.

    `expert_bytes` (routed experts) shard over tensor and data parallel ranks together, `shared_bytes` (all other
    weights) over tensor parallel ranks only. Full-attention layers cost `kv_bytes_per_token` for every token of the
    context, sliding-window layers only for their last `window` tokens; linear-attention layers cost `state_bytes` per
    sequence.
    """

    family: str
    exact: bool
    num_parameters: int
    shared_bytes: int
    expert_bytes: int
    kv_bytes_per_token: int
    window_kv_bytes_per_token: int
    window: int
    state_bytes: int
    num_heads: int
    num_kv_heads: int
    latent: bool
    hidden_size: int
    widest: int
    """Widest intermediate activation of a token, in elements."""
    vocab_size: int
    max_context: int
    dtype: str
    dtype_bytes: float

    @property
    def weight_bytes(self) -> int:
        return self.shared_bytes + self.expert_bytes

    def sequence_bytes(self, tokens: int) -> int:
        """KV cache and state of one sequence of `tokens` tokens."""
        in_window = min(tokens, self.window) if self.window else 0
        return self.kv_bytes_per_token * tokens + self.window_kv_bytes_per_token * in_window + self.state_bytes

    def kv_shards(self, tensor_parallel_size: int) -> int:
        """In how many parts the KV cache is split. A latent cache has no heads and is whole on every rank; with more
        ranks than KV heads each head is on several ranks."""
        return 1 if self.latent else min(tensor_parallel_size, max(1, self.num_kv_heads))


def model_size(
    config: Config,
    dtype: str = "auto",
    kv_cache_dtype: str = "auto",
    quantization: str = "",
    weight_bytes: int = 0,
) -> ModelSize:
    """Sizes `config` (the parsed config.json). `quantization` `fp8` quantises a bf16 checkpoint on loading, as vLLM
    does. `weight_bytes` > 0 is the measured size of the checkpoint, which then replaces the computed one. Raises
    ModelSizeError."""
    text = text_config(config)
    family = str(text.get("model_type") or config.get("model_type") or "unknown")
    used_dtype = wanted_dtype(text, config, dtype)
    own_quantisation = text.get("quantization_config") or config.get("quantization_config")
    quantised = Quantisation.read(own_quantisation, quantization)
    parts = count_parts(text, family)
    shared = experts = 0.0
    for part in parts:
        size = part.count * quantised.bytes_of(part, DTYPE_BYTES[used_dtype])
        if part.name == "experts":
            experts += size
        else:
            shared += size
    if weight_bytes:
        # The file is in the checkpoint's dtype, which need not be the one that is loaded.
        stored = DTYPE_BYTES.get(own_dtype(text, config), 2.0)
        unloaded = Quantisation.read(own_quantisation, "")
        scale = weight_bytes / sum(part.count * unloaded.bytes_of(part, stored) for part in parts)
        # Less than a known architecture weighs means that files are missing, not that memory is saved.
        scale = max(scale, 1.0) if family in KNOWN else scale
        shared, experts = shared * scale, experts * scale
    kv_bytes = KV_DTYPE_BYTES.get(kv_cache_dtype)
    if kv_bytes is None:
        raise ModelSizeError(f"kv_cache_dtype {kv_cache_dtype!r}: unknown; known are {', '.join(KV_DTYPE_BYTES)}")
    if kv_cache_dtype == "auto":
        kv_bytes = DTYPE_BYTES[used_dtype]
    attention = attention_cache(text, family, kv_bytes, DTYPE_BYTES[used_dtype])
    return ModelSize(
        family=family,
        exact=family in KNOWN,
        num_parameters=int(sum(part.count for part in parts)),
        shared_bytes=int(shared),
        expert_bytes=int(experts),
        **attention,
        num_heads=number(text, "num_attention_heads"),
        num_kv_heads=int(text.get("num_key_value_heads") or number(text, "num_attention_heads")),
        latent=is_latent(text),
        hidden_size=number(text, "hidden_size"),
        widest=max(int(text.get(name) or 0) for name in ("intermediate_size", "moe_intermediate_size", "hidden_size")),
        vocab_size=number(text, "vocab_size"),
        max_context=longest_context(text),
        dtype=used_dtype,
        dtype_bytes=DTYPE_BYTES[used_dtype],
    )


def longest_context(text: Config) -> int:
    """The model's own context; position scaling that a config switches on (YaRN, linear) stretches it."""
    longest = int(text.get("max_position_embeddings") or 0)
    scaling = text.get("rope_scaling") or text.get("rope_parameters") or {}
    kind = scaling.get("rope_type") or scaling.get("type") if isinstance(scaling, Mapping) else None
    if kind not in ("yarn", "linear", "dynamic"):
        return longest
    original = scaling.get("original_max_position_embeddings") if kind == "yarn" else None
    return int((original or longest) * float(scaling.get("factor") or 1))


def text_config(config: Config) -> Config:
    """The language model's own config: multi-modal ones keep it one level down, some of them without the key that says
    whether the output layer is the embedding."""
    inner = config.get("text_config") or config.get("llm_config")
    if not isinstance(inner, Mapping):
        return config
    return {"tie_word_embeddings": config.get("tie_word_embeddings", False), **inner}


def number(config: Config, key: str) -> int:
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        what = "no" if value is None else f"an unusable ({value!r})"
        raise ModelSizeError(f"the model's config.json has {what} {key}; is it the config of a text generation model?")
    return value


def wanted_dtype(text: Config, config: Config, dtype: str) -> str:
    """The dtype that vLLM will run: `auto` is the checkpoint's own, except that float32 becomes bfloat16."""
    if dtype == "auto":
        own = own_dtype(text, config)
        dtype = "bfloat16" if own == "float32" else own
    if dtype not in DTYPE_BYTES:
        raise ModelSizeError(f"dtype {dtype!r}: unknown; known are auto, {', '.join(DTYPE_BYTES)}")
    return dtype


def own_dtype(text: Config, config: Config) -> str:
    """The checkpoint's own dtype."""
    found = [part.get(key) for part in (text, config) for key in ("dtype", "torch_dtype")]
    return str(next((name for name in found if name), "bfloat16")).removeprefix("torch.")


# Weights


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Parameters of one sort. `module` is one module that stands for them, for a quantised checkpoint's list of
    exceptions; empty where nothing quantises them (embeddings, norms, routers)."""

    name: str
    count: float
    module: str = ""


def count_parts(text: Config, family: str) -> list[Part]:
    """Parameters by part. Raises ModelSizeError."""
    hidden, layers, vocab = (number(text, key) for key in ("hidden_size", "num_hidden_layers", "vocab_size"))
    kinds = layer_kinds(text, layers)
    norms = (2 * layers + 1) * hidden + inner_norms(text, family, kinds)
    parts = [Part("embedding", vocab * hidden), Part("norms", norms)]
    if not text.get("tie_word_embeddings", False):
        parts.append(Part("lm_head", vocab * hidden, "lm_head"))
    num_linear = kinds.count("linear_attention")
    per_layer = latent_attention(text) if is_latent(text) else full_attention(text, family)
    parts.append(Part("attention", per_layer * (layers - num_linear), "model.layers.1.self_attn.o_proj"))
    if num_linear:
        parts.append(
            Part("linear attention", linear_attention(text) * num_linear, "model.layers.0.linear_attn.out_proj")
        )
    if family in PARALLEL:
        parts.append(Part("mamba", mamba(text) * layers, "model.layers.1.mamba.out_proj"))
    return parts + feed_forward(text, hidden, layers)


def is_latent(text: Config) -> bool:
    return bool(text.get("kv_lora_rank"))


def layer_kinds(text: Config, layers: int) -> list[str]:
    """`full_attention`, `sliding_attention` or `linear_attention` for each layer."""
    kinds = text.get("layer_types")
    if isinstance(kinds, list) and len(kinds) == layers:
        return [str(kind) for kind in kinds]
    if interval := text.get("full_attention_interval"):
        return ["full_attention" if (i + 1) % interval == 0 else "linear_attention" for i in range(layers)]
    if text.get("model_type") in ALTERNATING:
        return ["full_attention" if i % 2 else "sliding_attention" for i in range(layers)]
    # Qwen's configs carry a window that their switch leaves unused.
    slides = text.get("sliding_window") and text.get("use_sliding_window", "qwen" not in str(text.get("model_type")))
    return ["sliding_attention" if slides else "full_attention"] * layers


def head_dim(text: Config) -> int:
    return int(text.get("head_dim") or number(text, "hidden_size") // number(text, "num_attention_heads"))


def full_attention(text: Config, family: str) -> float:
    hidden, heads, width = number(text, "hidden_size"), number(text, "num_attention_heads"), head_dim(text)
    kv_heads = int(text.get("num_key_value_heads") or heads)
    queries, keys = heads * width, kv_heads * width
    # An output gate (Qwen3-Next, Qwen3.5) doubles the query projection.
    gated = 2 if text.get("attn_output_gate", family in HYBRID) else 1
    count = hidden * queries * gated + 2 * hidden * keys + queries * hidden
    if text.get("attention_bias", family.startswith("qwen2") or family in ALTERNATING):
        # Qwen2's output projection is the only one without a bias.
        count += queries + 2 * keys + (0 if family.startswith("qwen2") else hidden)
    if family in ALTERNATING:
        count += heads  # a learned sink for each head
    return float(count)


def latent_attention(text: Config) -> float:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434), with V3.2's indexer where the config has one."""
    hidden, heads = number(text, "hidden_size"), number(text, "num_attention_heads")
    latent, rope = number(text, "kv_lora_rank"), number(text, "qk_rope_head_dim")
    nope, value = number(text, "qk_nope_head_dim"), number(text, "v_head_dim")
    query_rank = int(text.get("q_lora_rank") or 0)
    query = hidden * query_rank + query_rank * heads * (nope + rope) if query_rank else hidden * heads * (nope + rope)
    count = query + hidden * (latent + rope) + latent * heads * (nope + value) + heads * value * hidden
    if index_heads := int(text.get("index_n_heads") or 0):
        index_dim = number(text, "index_head_dim")
        count += query_rank * index_heads * index_dim + hidden * index_dim + hidden * index_heads
    return float(count)


def inner_norms(text: Config, family: str, kinds: list[str]) -> int:
    """Parameters of the norms inside the attention of all layers."""
    if is_latent(text):
        indexer = 2 * number(text, "index_head_dim") if text.get("index_n_heads") else 0
        return len(kinds) * (int(text.get("q_lora_rank") or 0) + number(text, "kv_lora_rank") + indexer)
    num_linear = kinds.count("linear_attention")
    in_linear = num_linear * number(text, "linear_value_head_dim") if num_linear else 0
    has_norms = family.startswith("qwen3")
    return in_linear + (2 * head_dim(text) * (len(kinds) - num_linear) if has_norms else 0)


def linear_attention(text: Config) -> float:
    """Gated DeltaNet as Qwen3-Next and Qwen3.5 have it: queries, keys, values and gate, a short convolution, an
    output."""
    hidden = number(text, "hidden_size")
    value_heads = number(text, "linear_num_value_heads")
    keys = number(text, "linear_num_key_heads") * number(text, "linear_key_head_dim")
    values = value_heads * number(text, "linear_value_head_dim")
    kernel = number(text, "linear_conv_kernel_dim")
    mixed = 2 * keys + values
    decay = 2 * value_heads  # a rate and a bias for each head
    return float(hidden * (mixed + values + 2 * value_heads) + values * hidden + mixed * kernel + decay)


@dataclasses.dataclass(frozen=True, slots=True)
class MambaShape:
    """Widths of a Mamba 2 mixer (arXiv 2405.21060)."""

    inner: int
    """Channels of the mixer, all heads together."""
    convolved: int
    """Channels of the short convolution: the mixer's own, and the input and output matrices of the state."""
    heads: int
    state: int
    kernel: int

    @classmethod
    def read(cls, text: Config) -> MambaShape:
        expanded = int(float(text.get("mamba_expand") or 2) * number(text, "hidden_size"))
        inner, state = int(text.get("mamba_d_ssm") or expanded), number(text, "mamba_d_state")
        convolved = inner + 2 * int(text.get("mamba_n_groups") or 1) * state
        return cls(inner, convolved, number(text, "mamba_n_heads"), state, number(text, "mamba_d_conv"))

    def state_bytes(self, dtype_bytes: float, state_dtype_bytes: float) -> float:
        """Bytes of one sequence in one layer: the state, and the last inputs of the convolution."""
        return self.inner * self.state * state_dtype_bytes + self.convolved * (self.kernel - 1) * dtype_bytes


def mamba(text: Config) -> float:
    """The Mamba 2 mixer of one Falcon-H1 layer: a projection in, a short convolution, the heads' rates, a projection
    out."""
    hidden, shape = number(text, "hidden_size"), MambaShape.read(text)
    projected = shape.inner + shape.convolved + shape.heads
    count = hidden * projected + shape.convolved * shape.kernel + 3 * shape.heads + shape.inner * hidden
    count += projected if text.get("mamba_proj_bias") else 0
    count += shape.convolved if text.get("mamba_conv_bias", True) else 0
    count += hidden if text.get("projectors_bias") else 0
    count += shape.inner if text.get("mamba_rms_norm") else 0
    return float(count)


def feed_forward(text: Config, hidden: int, layers: int) -> list[Part]:
    """Dense layers, routed and shared experts, routers."""
    num_experts = next(
        (int(text[name]) for name in ("n_routed_experts", "num_experts", "num_local_experts") if text.get(name)), 0
    )
    dense_width = int(text.get("intermediate_size") or 0)
    if not num_experts:
        dense = number(text, "intermediate_size")
        bias = 2 * dense + hidden if text.get("mlp_bias") else 0
        return [Part("feed forward", (3 * hidden * dense + bias) * layers, DENSE_MODULE)]
    width = int(text.get("moe_intermediate_size") or dense_width)
    num_dense = int(text.get("first_k_dense_replace") or 0) or len(text.get("mlp_only_layers") or ())
    step = int(text.get("decoder_sparse_step") or text.get("moe_layer_freq") or 1)
    sparse = (layers - num_dense) // step
    shared = 3 * hidden * width * int(text.get("n_shared_experts") or 0)
    shared += 3 * hidden * int(text.get("shared_expert_intermediate_size") or 0)
    gates = 1 if text.get("shared_expert_intermediate_size") else 0  # Qwen weighs its shared expert
    if text.get("model_type") in ALTERNATING:  # gpt-oss: experts and router have biases
        biases = [Part("expert biases", (2 * width + hidden + 1) * num_experts * sparse)]
    else:
        biases = []
    return [
        *biases,
        Part("feed forward", 3 * hidden * dense_width * (layers - sparse), DENSE_MODULE),
        Part("experts", 3 * hidden * width * num_experts * sparse, "model.layers.9.mlp.experts.0.down_proj"),
        Part("shared experts", shared * sparse, "model.layers.9.mlp.shared_experts.down_proj"),
        Part("routers", hidden * (num_experts + gates) * sparse),
    ]


DENSE_MODULE = "model.layers.0.mlp.down_proj"


@dataclasses.dataclass(frozen=True, slots=True)
class Quantisation:
    """Bytes of a quantised parameter, its scales included, and which modules stay as they are."""

    weight_bytes: float = 0.0
    kept: tuple[str, ...] = ()
    """Module names: plain, with `*`, or regular expressions after `re:`."""

    @classmethod
    def read(cls, found: Json, wanted: str) -> Quantisation:
        """From a checkpoint's `quantization_config`, or from what vLLM is told to do to an unquantised one."""
        if not isinstance(found, Mapping):
            if wanted in ("", "none"):
                return cls()
            if wanted == "fp8":
                return cls(1.0, ("lm_head",))
            raise ModelSizeError(
                f"quantization {wanted!r}: the checkpoint is not quantised; only fp8 is made on loading"
            )
        method = str(found.get("quant_method") or "")
        kept = tuple(str(name) for key in ("ignore", "modules_to_not_convert") for name in found.get(key) or ())
        # Published checkpoints of every method leave the output layer as it is unless they say otherwise.
        kept = (*kept, "lm_head")
        if method == "fp8":
            block = found.get("weight_block_size")
            return cls(1.0 + (4.0 / (block[0] * block[1]) if block else 0.0), kept)
        if method == "compressed-tensors":
            groups = [group.get("weights") or {} for group in (found.get("config_groups") or {}).values()]
            bits = max((int(weights.get("num_bits") or 16) for weights in groups), default=16)
            size = next((int(weights["group_size"]) for weights in groups if (weights.get("group_size") or 0) > 0), 0)
            return cls(bits / 8 + (2.0 / size if size else 0.0), kept)
        if method in ("awq", "gptq"):
            bits, size = int(found.get("bits") or 4), int(found.get("group_size") or 128)
            # A 16-bit scale and a zero point of `bits` for each group.
            return cls(bits / 8 + ((2 + bits / 8) / size if size > 0 else 0.0), kept)
        if method == "mxfp4":
            return cls(0.5 + 1 / 32, kept)
        if method == "bitsandbytes":
            return cls(0.5 + 4 / 64 if found.get("load_in_4bit") else 1.0, kept)
        raise ModelSizeError(f"quantization_config of method {method!r}: unknown; give the measured weight_bytes")

    def bytes_of(self, part: Part, dtype_bytes: float) -> float:
        if not self.weight_bytes or not part.module or any(names(pattern, part.module) for pattern in self.kept):
            return dtype_bytes
        return self.weight_bytes


def names(pattern: str, module: str) -> bool:
    """Whether an exception of a quantised checkpoint names this module, or a module that holds it."""
    if pattern.startswith("re:"):
        return re.match(pattern[3:], module) is not None
    if "*" in pattern:
        return fnmatch.fnmatchcase(module, pattern + "*")
    return module == pattern or module.startswith(pattern + ".")


# KV cache


def attention_cache(text: Config, family: str, kv_bytes: float, dtype_bytes: float) -> dict[str, Json]:
    """The cache fields of ModelSize."""
    layers = number(text, "num_hidden_layers")
    kinds = layer_kinds(text, layers)
    if is_latent(text):
        # One latent vector and one rotary key for all heads (arXiv 2405.04434, section 2.1).
        latent, rope = number(text, "kv_lora_rank"), number(text, "qk_rope_head_dim")
        per_layer = (latent + rope) * kv_bytes
        if text.get("index_n_heads"):
            if kv_bytes == KV_DTYPE_BYTES["fp8"]:
                # vLLM's `fp8_ds_mla`: the latent in FP8 with a 4-byte scale for each 128 of it, the rotary key in bf16.
                per_layer = latent + 4 * latent / 128 + 2 * rope
            # V3.2's indexer keeps one FP8 key per token, with a 4-byte scale for each 128 bytes of it.
            index_dim = number(text, "index_head_dim")
            per_layer += index_dim + 4 * index_dim / 128
    else:
        kv_heads = int(text.get("num_key_value_heads") or number(text, "num_attention_heads"))
        per_layer = 2 * kv_heads * head_dim(text) * kv_bytes
    sliding = kinds.count("sliding_attention")
    linear = kinds.count("linear_attention")
    state = 0.0
    if linear:
        keys = number(text, "linear_num_key_heads") * number(text, "linear_key_head_dim")
        value_heads, value_dim = number(text, "linear_num_value_heads"), number(text, "linear_value_head_dim")
        recurrent = value_heads * number(text, "linear_key_head_dim") * value_dim
        state_dtype = DTYPE_BYTES.get(str(text.get("mamba_ssm_dtype") or ""), dtype_bytes)
        convolution = (2 * keys + value_heads * value_dim) * (number(text, "linear_conv_kernel_dim") - 1)
        state = linear * (recurrent * state_dtype + convolution * dtype_bytes)
    elif family in PARALLEL:
        # vLLM keeps Mamba states in the model's own dtype unless `mamba_ssm_cache_dtype` says otherwise.
        state = layers * MambaShape.read(text).state_bytes(dtype_bytes, dtype_bytes)
    return {
        "kv_bytes_per_token": int(per_layer * (layers - sliding - linear)),
        "window_kv_bytes_per_token": int(per_layer * sliding),
        "window": int(text.get("sliding_window") or 0) if sliding else 0,
        "state_bytes": int(state),
    }
