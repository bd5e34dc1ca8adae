"""LoRA adapters for tests, written as PEFT saves them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

MODULES = ("q_proj", "v_proj", "o_proj")


def write_adapter(
    folder: Path, model: Path, scale: float = 1.0, rank: int = 4, layers: int = 0, hidden: int = 0, base: str = ""
) -> Path:
    """An adapter of the attention of a Llama-like model, with random values of this scale. `layers` and `hidden`
    replace the model's own, for an adapter of another architecture."""
    config = json.loads((model / "config.json").read_text())
    width = hidden or config["hidden_size"]
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or config["hidden_size"] // heads
    queries, keys = heads * head, config["num_key_value_heads"] * head
    sizes = {"q_proj": (width, queries), "v_proj": (width, keys), "o_proj": (queries, width)}
    random = np.random.default_rng(0)
    tensors = {}
    for layer in range(layers or config["num_hidden_layers"]):
        for module in MODULES:
            inputs, outputs = sizes[module]
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            tensors[f"{name}.lora_A.weight"] = random.normal(size=(rank, inputs)).astype(np.float32)
            tensors[f"{name}.lora_B.weight"] = (scale * random.normal(size=(outputs, rank))).astype(np.float32)
    folder.mkdir(parents=True)
    save_file(tensors, str(folder / "adapter_model.safetensors"))
    about = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": list(MODULES), "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps({**about, "base_model_name_or_path": base}))
    return folder
