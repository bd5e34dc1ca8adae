"""How many held-out sums and how many facts each model of growing size gets right, answering greedily."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import Qwen2ForCausalLM

from examples.families.coverage_data import END, Question, decode, draw_sums, encode, fact_table
from examples.families.recipe import Recipe
from workers.sampling.estimates import Estimate, clopper_pearson

ROWS = 500
"""Questions answered side by side."""


def load(folder: Path) -> Qwen2ForCausalLM:
    """In float32, whatever the file is in."""
    return Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@torch.inference_mode()
def answers(model: Qwen2ForCausalLM, prompts: Sequence[str], length: int) -> list[str]:
    """The likeliest `length` characters after each prompt. The prompts are of equal length."""
    tokens = torch.tensor([encode(prompt) for prompt in prompts])
    begin = tokens.shape[1]
    for _ in range(length):
        following = model(tokens, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)
        tokens = torch.cat([tokens, following], dim=1)
    return [decode(row) for row in tokens[:, begin:].tolist()]


def share_right(model: Qwen2ForCausalLM, questions: Sequence[Question]) -> Estimate:
    """Share of the questions whose whole answer is right, with a 95 % interval (Clopper-Pearson)."""
    right = 0
    for start in range(0, len(questions), ROWS):
        part = questions[start : start + ROWS]
        found = answers(model, [question.prompt for question in part], len(part[0].answer))
        right += sum(text == question.answer for text, question in zip(found, part, strict=True))
    low, high = clopper_pearson(right, len(questions))
    return Estimate(right / len(questions), low, high)


@torch.inference_mode()
def bits_held(model: Qwen2ForCausalLM, facts: Sequence[Question]) -> float:
    """Bits of the table that the model spares a reader: each fact's own bits less the bits that it still needs."""
    held = 0.0
    for start in range(0, len(facts), ROWS):
        part = facts[start : start + ROWS]
        tokens = torch.tensor([encode(fact.prompt + fact.answer) for fact in part])
        begin, length = len(part[0].prompt), len(part[0].answer) - len(END)
        logits = model(tokens, use_cache=False).logits[:, begin - 1 : begin - 1 + length].log_softmax(-1)
        needed = -logits.gather(-1, tokens[:, begin : begin + length, None]).sum().item() / math.log(2)
        held += len(part) * length * math.log2(10) - needed
    return max(0.0, held)


def measure(recipe: Recipe, folder: Path, num_sums: int) -> dict[str, float | Estimate]:
    """One model: parameters, shares of held-out sums and of facts that are right, bits of the table held."""
    model = load(folder)
    facts = fact_table(recipe.seed, recipe.coverage.facts)
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "sums": share_right(model, draw_sums(f"measured {recipe.seed}", num_sums, held_out=True)),
        "facts": share_right(model, facts),
        "bits": bits_held(model, facts),
    }
