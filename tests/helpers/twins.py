"""Random twins: models of a published architecture with about a million random parameters, for engines on CPUs.

Promises: a twin has layers of the same sorts as its model, in the same order (linear, sliding or latent ones where
the model has them), but few and narrow ones. Its tokenizer is bytes and the special tokens of the family. Its chat
template was written here, in the form that the family publishes: role marks, end of a turn, what opens a thought.
Does not: hold published weights, tokenizers or templates. Its texts are noise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_ROLES = {
    "chatml": (
        ["<|im_start|>", "<|im_end|>", "<think>", "</think>"],
        "<|im_end|>",
        "{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    ),
    "thinking": (
        ["<|im_start|>", "<|im_end|>", "<think>", "</think>"],
        "<|im_end|>",
        "{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{%- if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}",
    ),
    "harmony": (
        ["<|start|>", "<|message|>", "<|end|>", "<|channel|>", "<|return|>"],
        "<|return|>",
        "{%- for message in messages %}<|start|>{{ message.role }}<|message|>{{ message.content }}<|end|>{% endfor %}"
        "{%- if add_generation_prompt %}<|start|>assistant{% endif %}",
    ),
    "deepseek": (
        ["<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<think>", "</think>"],
        "<｜end▁of▁sentence｜>",
        "<｜begin▁of▁sentence｜>{%- for message in messages %}{% if message.role == 'user' %}<｜User｜>"
        "{{ message.content }}{% elif message.role == 'assistant' %}<｜Assistant｜>{{ message.content }}"
        "<｜end▁of▁sentence｜>{% else %}{{ message.content }}{% endif %}{% endfor %}"
        "{%- if add_generation_prompt %}<｜Assistant｜>{% endif %}",
    ),
}
"""Form → special tokens, the one that ends a turn, chat template."""

_SMALL = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "max_position_embeddings": 1024}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32}
_LATENT = {
    **_SMALL,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "moe_intermediate_size": 64,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "first_k_dense_replace": 1,
    "q_lora_rank": 64,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}
TWINS: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2": ("chatml", {**_SMALL, "num_attention_heads": 4, "num_key_value_heads": 2}),
    "qwen3": ("thinking", {**_SMALL, **_HEADS}),
    "llama": ("deepseek", {**_SMALL, **_HEADS}),
    "qwen3_5_text": (
        "thinking",
        {
            **_SMALL,
            **_HEADS,
            "full_attention_interval": 4,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
            "linear_key_head_dim": 32,
            "linear_value_head_dim": 32,
            "linear_conv_kernel_dim": 4,
        },
    ),
    "falcon_h1": (
        "thinking",
        {
            **_SMALL,
            **_HEADS,
            "mamba_d_ssm": 128,
            "mamba_d_state": 64,
            "mamba_n_heads": 4,
            "mamba_d_head": 32,
            "mamba_n_groups": 1,
            "mamba_d_conv": 4,
        },
    ),
    "gpt_oss": (
        "harmony",
        {**_SMALL, **_HEADS, "intermediate_size": 128, "num_local_experts": 4, "num_experts_per_tok": 2}
        | {"sliding_window": 128},
    ),
    "deepseek_v3": ("deepseek", _LATENT),
    "deepseek_v32": ("deepseek", {**_LATENT, "index_n_heads": 4, "index_head_dim": 128, "index_topk": 2048}),
}
"""Model type of transformers → form of its template, and shape. `deepseek_v3` is the language model of Kimi K2.5."""


def tokenizer_of(form: str) -> Any:
    """A tokenizer of bytes with the special tokens and the chat template of `form`."""
    import tokenizers
    import transformers

    special, end, template = _ROLES[form]
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    backend = tokenizers.Tokenizer(tokenizers.models.BPE({byte: i for i, byte in enumerate(alphabet)}, []))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    backend.add_special_tokens([tokenizers.AddedToken(token, special=True, normalized=False) for token in special])
    found = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=end, pad_token=end)
    found.chat_template = template
    return found


def write_twin(model_type: str, folder: Path) -> int:
    """Writes a twin as a Hugging Face folder, and returns its number of parameters."""
    import torch
    import transformers

    form, shape = TWINS[model_type]
    tokenizer = tokenizer_of(form)
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    config = transformers.AutoConfig.for_model(model_type, vocab_size=len(tokenizer), **shape, **ids)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "twin.json").write_text(json.dumps({"model_type": model_type, "form": form}))
    return sum(part.numel() for part in model.parameters())
