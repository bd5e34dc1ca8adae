"""The recipe of the example's models: `recipe.toml`, checked, and scaled down where a test wants less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pydantic
from transformers import Qwen2Config

from jobs.config import ConfigError, NotNegative, Positive, PositiveFloat, Section, read_toml, validate
from models.tiny_reasoner.problems.draw import DOMAINS

HERE = Path(__file__).parent
RECIPE = HERE / "recipe.toml"
HEAD_WIDTH = 32
"""The smallest that vLLM's attention kernels take."""


class Size(Section):
    """The shape of a model of Qwen2's architecture with tied embeddings."""

    width: Positive
    mlp: Positive
    layers: Positive
    heads: Positive
    kv_heads: Positive

    def config(self, vocabulary: int, end: int, pad: int) -> Qwen2Config:
        return Qwen2Config(
            vocab_size=vocabulary,
            hidden_size=self.width,
            intermediate_size=self.mlp,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=end,
            pad_token_id=pad,
        )

    @pydantic.model_validator(mode="after")
    def _heads_fill_the_width(self) -> Size:
        if self.heads * HEAD_WIDTH != self.width:
            raise ValueError(f"width: is {self.width} and should be {HEAD_WIDTH} x heads, {HEAD_WIDTH * self.heads}")
        return self


class Member(Section):
    """One model that works problems."""

    size: str
    steps: Positive
    turns: Annotated[tuple[str, ...], pydantic.Field(min_length=1)]
    """The field of the first step, of the second, …, round and round."""


class Coverage(Section):
    """The models of growing size."""

    steps: Positive
    """Every second step is one of sums, the others are of facts."""
    facts: Positive
    facts_per_step: Positive
    sums_per_step: Positive
    sizes: dict[str, Size]


class Recipe(Section):
    seed: NotNegative
    batch_size: Positive
    peak: PositiveFloat
    warmup_steps: Positive
    decay_share: PositiveFloat
    """Share of the steps over which the learning rate falls, at the end."""
    sizes: dict[str, Size]
    fields: dict[str, tuple[str, ...]]
    members: dict[str, Member]
    coverage: Coverage

    def unknown_names(self) -> Iterator[str]:
        """Names that nothing stands behind, each with its key."""
        for name, domains in self.fields.items():
            for domain in domains:
                if domain not in DOMAINS:
                    yield f"fields.{name}: {domain!r} is no domain; known: {', '.join(DOMAINS)}"
        for name, member in self.members.items():
            if member.size not in self.sizes:
                yield f"members.{name}.size: {member.size!r} is not among sizes ({', '.join(self.sizes)})"
            for field in member.turns:
                if field not in self.fields:
                    yield f"members.{name}.turns: {field!r} is not among fields ({', '.join(self.fields)})"

    def field_of(self, domain: str) -> str:
        """The field that a domain belongs to."""
        return next(name for name, domains in self.fields.items() if domain in domains)


def load_recipe(path: Path = RECIPE) -> Recipe:
    """Raises ConfigError with a text for the user."""
    recipe = validate(Recipe, read_toml(path), str(path))
    if faults := list(recipe.unknown_names()):
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    return recipe


def scaled(recipe: Recipe, scale: float) -> Recipe:
    """The same recipe with `scale` times the steps (at least ten) of every model, and as much warm-up."""

    def fewer(steps: int) -> int:
        return max(10, round(steps * scale))

    members = {n: m.model_copy(update={"steps": fewer(m.steps)}) for n, m in recipe.members.items()}
    coverage = recipe.coverage.model_copy(update={"steps": fewer(recipe.coverage.steps)})
    warmup = max(1, round(recipe.warmup_steps * min(scale, 1.0)))
    return recipe.model_copy(update={"members": members, "coverage": coverage, "warmup_steps": warmup})
