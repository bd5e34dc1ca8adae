"""Folders of models that can be rendered but hold no weights. Tokenizer and chat templates are written for the tests,
in the forms that model makers publish; none of them is a published file.

The tokenizer has one token per byte, and one per mark that is given as `special` or `added`.
"""

from __future__ import annotations

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
