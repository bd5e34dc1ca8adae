"""Folders of models that can be rendered but hold no weights. Tokenizer and chat templates are written for the tests,
in the forms that model makers publish; none of them is a published file.

The tokenizer has one token per byte, and one per mark that is given as `special` or `added`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 512,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}
CHATML = (
    "{%- for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""The form that Qwen and many others publish."""


def chatml(tail: str = "") -> str:
    """ChatML whose last turn begins with `tail`, a piece of a template."""
    head, end = CHATML[: -len("{%- endif %}")], "{%- endif %}"
    return head + tail + end


def write_chat_model(
    folder: Path, template: str | None, special: Sequence[str] = (), added: Sequence[str] = (), **config: Any
) -> Path:
    """Writes config.json, the tokenizer and, unless it is None, the template. `special` are special tokens, `added`
    are plain ones with a number of their own."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: number for number, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in ("<|im_start|>", "<|im_end|>", *special)])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in added])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>")
    if template is not None:
        fast.chat_template = template
    fast.save_pretrained(folder)
    return folder


MISTRAL_MARKS = (
    *("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]"),
    *("[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]"),
    *("[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]", "[ARGS]", "[CALL_ID]", "[AUDIO]"),
    *("[BEGIN_AUDIO]", "[TRANSCRIBE]", "[THINK]", "[/THINK]"),
)
"""Special tokens in the order of Mistral's tokenizer files."""


def write_mistral_model(folder: Path, version: str = "v13", **config: Any) -> Path:
    """Writes config.json and a tekken.json, the tokenizer file of Mistral's own library: a token per byte."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab = [
        {"rank": byte, "token_bytes": base64.b64encode(bytes([byte])).decode(), "token_str": chr(byte)}
        for byte in range(256)
    ]
    special = [{"rank": rank, "token_str": mark, "is_control": True} for rank, mark in enumerate(MISTRAL_MARKS)]
    size = len(vocab) + len(special)
    about = {
        "pattern": r"[^\s]+|\s+",
        "num_vocab_tokens": len(vocab),
        "default_vocab_size": size,
        "default_num_special_tokens": len(special),
        "version": version,
    }
    table = {"config": about, "vocab": vocab, "special_tokens": special, "version": 1, "type": "Tekken"}
    (folder / "tekken.json").write_text(json.dumps(table))
    (folder / "config.json").write_text(json.dumps({**CONFIG, "vocab_size": size, **config}))
    return folder
