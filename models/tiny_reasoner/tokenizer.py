"""Makes the model's tokenizer: byte-level BPE, one token a digit, a ChatML chat template.

Promises: any text encodes, and decodes to itself in Unicode's NFC form; the directory loads with `AutoTokenizer` like
any other.

    python -m models.tiny_reasoner.tokenizer
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from models.tiny_reasoner.problems.draw import draw_items

HERE = Path(__file__).parent
VOCAB_SIZE = 768
END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

# What the merges are learned over. Digits stand alone, so that column arithmetic is a pattern over tokens. Words take
# the space before them.
_PIECES = r"\p{N}| ?\p{L}+| ?[^\s\p{L}\p{N}]|\s+"

# `AutoTokenizer` gives a model of type qwen2 this split and NFC, whatever tokenizer.json says. The file says the same,
# so that every reader of it (transformers, tokenizers, vLLM) makes the tokens that the model was trained on.
_QWEN2_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(num_items: int = 40_000, vocab_size: int = VOCAB_SIZE) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    items = itertools.islice(draw_items("tokenizer", held_out=False), num_items)
    texts = (f"user\n{item.prompt}\nassistant\n{item.solution}" for item in items)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_QWEN2_PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        chat_template=CHAT_TEMPLATE,
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


def write_tokenizer(tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Saves under the class name that every release of transformers knows (release 5 writes one that 4 does not)."""
    tokenizer.save_pretrained(directory)
    path = directory / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    config.pop("backend", None)
    config["chat_template"] = CHAT_TEMPLATE
    path.write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    write_tokenizer(train_tokenizer(), HERE)
