"""A model directory with the architecture of VibeThinker-3B, a tokenizer of its vocabulary's size and no weights.

For measuring an engine where the weights are not at hand: loaded with vLLM's `load_format = "dummy"`, which draws
random ones, it costs per token what the real model costs. Its texts are noise, so nothing is ever solved; a benchmark
that needs solved problems brings a checker that says so.

    python -m benchmarks.dummy_model build/vibethinker_dummy
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config

VOCABULARY = 151_936
SPECIAL = ("<|endoftext|>", "<|im_end|>")
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_dummy_model(folder: Path) -> None:
    """The sizes are those of Qwen2.5-Coder-3B, VibeThinker-3B's base: 36 layers of width 2,048 with two KV heads."""
    config = Qwen2Config(
        architectures=["Qwen2ForCausalLM"],
        vocab_size=VOCABULARY,
        hidden_size=2048,
        intermediate_size=11_008,
        num_hidden_layers=36,
        num_attention_heads=16,
        num_key_value_heads=2,
        max_position_embeddings=131_072,
        rope_theta=1_000_000.0,
        tie_word_embeddings=True,
        dtype="bfloat16",
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    config.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(), eos_token=SPECIAL[1], pad_token=SPECIAL[0], chat_template=CHAT
    )
    tokenizer.save_pretrained(folder)


def _tokenizer() -> Tokenizer:
    """Bytes, and words that no text contains up to the vocabulary's size."""
    words = [*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    words += [f"w{k}" for k in range(VOCABULARY - len(words))]
    tokenizer = Tokenizer(models.BPE(vocab={word: k for k, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    write_dummy_model(parser.parse_args().folder)


if __name__ == "__main__":
    main()
