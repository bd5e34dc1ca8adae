"""The shipped directory is an ordinary Hugging Face model directory, small, with a tokenizer that loses no text."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from models.tiny_reasoner import loss_curve
from models.tiny_reasoner.evaluate import pass_at_k, sample_texts
from models.tiny_reasoner.problems.draw import draw_distinct
from models.tiny_reasoner.tokenizer import train_tokenizer
from models.tiny_reasoner.training import (
    Example,
    Optimizers,
    completion_loss,
    cut_batches,
    encode,
    new_model,
    warmup_stable_decay,
)

DIRECTORY = Path(__file__).parents[3] / "models" / "tiny_reasoner"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(DIRECTORY)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200))
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == composed


def test_the_file_and_auto_tokenizer_agree(tokenizer: PreTrainedTokenizerBase) -> None:
    """AutoTokenizer replaces the split of a qwen2 model; the file has to say what it makes of it, or servers that read
    the file give the model tokens it never saw."""
    plain = Tokenizer.from_file(str(DIRECTORY / "tokenizer.json"))
    made = train_tokenizer(num_items=50, vocab_size=300).backend_tokenizer
    loaded = tokenizer.backend_tokenizer
    for item in draw_distinct("agree", held_out=False, num_per_domain=20):
        for text in (item.prompt, item.solution):
            assert plain.encode(text).ids == loaded.encode(text).ids
            assert made.pre_tokenizer.pre_tokenize_str(text) == loaded.pre_tokenizer.pre_tokenize_str(text)


def test_digits_are_single_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    pieces = [tokenizer.decode([k]) for k in tokenizer.encode("x = 1234567890, 99^2", add_special_tokens=False)]
    assert all(sum(c.isdigit() for c in piece) <= 1 for piece in pieces)
    assert not any(piece != piece.strip() for piece in pieces if any(c.isdigit() for c in piece))


def test_chat_template(tokenizer: PreTrainedTokenizerBase) -> None:
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Compute 1 + 2."}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|im_start|>user\nCompute 1 + 2.<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.eos_token == "<|im_end|>"


def test_weights_are_small_and_float32() -> None:
    files = list(DIRECTORY.glob("*.safetensors"))
    assert sum(path.stat().st_size for path in files) < 12_000_000
    model = AutoModelForCausalLM.from_pretrained(DIRECTORY)
    assert model.dtype == torch.float32
    assert 1_000_000 < sum(parameter.numel() for parameter in model.parameters()) < 5_000_000
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight


def test_the_model_solves_held_out_problems(tokenizer: PreTrainedTokenizerBase) -> None:
    """A floor far below the measured figures: it catches weights that do not belong to this tokenizer or template."""
    items = [item for item in draw_distinct("floor", held_out=True, num_per_domain=2) if "answer" in item.reference]
    model = AutoModelForCausalLM.from_pretrained(DIRECTORY).eval()
    texts = sample_texts(model, tokenizer, [item.prompt for item in items], 4, seed=0, max_new_tokens=80)
    solved = sum(
        any(f"\\boxed{{{item.reference['answer']}}}" in text for text in group)
        for item, group in zip(items, texts, strict=True)
    )
    assert solved >= 0.2 * len(items)


def test_only_completions_bear_loss(tokenizer: PreTrainedTokenizerBase) -> None:
    """The loss is the mean over exactly the completion's tokens, end of turn included, whatever the padding."""
    model = new_model(tokenizer, seed=0).eval()
    messages = [{"role": "user", "content": "Compute 2 + 2."}, {"role": "assistant", "content": "\\boxed{4}"}]
    example = encode(tokenizer, messages)
    assert tokenizer.decode(example.tokens[example.num_prompt :]) == "\\boxed{4}<|im_end|>"
    tokens = torch.tensor([example.tokens])
    logs = torch.log_softmax(model(tokens).logits[0], dim=-1)
    places = range(example.num_prompt, len(example.tokens))
    expected = -sum(logs[k - 1, example.tokens[k]] for k in places) / len(places)
    other = Example(example.tokens[: example.num_prompt] + [7] * 40, example.num_prompt + 39)
    alone, padded = completion_loss(model, [example]), completion_loss(model, [example, other])
    last = completion_loss(model, [other])
    assert torch.allclose(alone, expected, atol=1e-4)
    assert torch.allclose(padded * (len(places) + 1), alone * len(places) + last, atol=1e-3)


def test_training_lowers_the_loss_and_repeats(tokenizer: PreTrainedTokenizerBase) -> None:
    import random

    def losses() -> list[float]:
        items = draw_distinct("train", held_out=False, num_per_domain=2)
        batch = cut_batches([encode(tokenizer, item.messages()) for item in items], 8, random.Random(0))[0]
        model = new_model(tokenizer, seed=1)
        optimizers = Optimizers(model, peak=1e-3)
        values = []
        for _ in range(8):
            loss = completion_loss(model, batch)
            optimizers.step(loss, 1.0)
            values.append(loss.item())
        return values

    first = losses()
    assert first[-1] < 0.7 * first[0]
    assert first == losses()


def test_schedule() -> None:
    rates = [warmup_stable_decay(step, 1000, 200) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[100:800] == [1.0] * 700
    assert rates[800:] == sorted(rates[800:], reverse=True)
    assert rates[-1] < 0.03


def test_pass_at_k_is_unbiased() -> None:
    """Averaged over every outcome of n draws of rate p, the estimate is 1 - (1 - p)^k."""
    import math

    n, k, p = 10, 4, 0.3
    mean = sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * pass_at_k(n, c, k) for c in range(n + 1))
    assert mean == pytest.approx(1 - (1 - p) ** k)


def test_loss_curve_is_svg() -> None:
    import xml.etree.ElementTree as ElementTree

    root = ElementTree.fromstring(loss_curve.svg([8.0 / (1 + step) + 0.1 for step in range(300)]))
    assert root.tag.endswith("svg")
