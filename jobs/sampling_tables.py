"""The tables inside `[sampling]`: follow-up turns, and several prompts and temperatures per problem.

Promises: what cannot be dealt is refused with one line that names the variant and what would be right.
Does not: read few-shot files, or compare variants by what they send (jobs.solve.variants does, with the whole config).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import pydantic

from jobs.sections import KindName, NotNegative, Positive, Section
from workers.engines.base import Temperature
from workers.sampling.variants import deal

Share = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]


class Repair(Section):
    """Follow-up turns after an attempt that was not verified."""

    rounds: NotNegative = 0
    """Follow-up turns with the checker's evidence for an unverified attempt."""
    kinds: list[KindName] = pydantic.Field(default_factory=lambda: ["code", "lean"])
    """Kinds of problems whose unverified attempts get follow-up turns."""
    evidence_chars: Positive = 2000
    """Longest piece of the checker's evidence that is shown to the model, in characters."""


Method = Literal["agreement"]
METHODS: tuple[Method, ...] = ("agreement",)


class Agreement(Section):
    """When the answers to a problem without an answer key agree (docs/estimates.md)."""

    alpha: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.05
    """Risk that another answer would lead after max_samples, at which a problem ends. 0: only where none could."""
    min_samples: Positive = 4
    """Answers to look at before a problem may end."""
    max_samples: Positive = 32
    """Samples of a problem without an answer key at most, and no more than sampling.num_samples or those of its
    stage."""


class Selection(Section):
    """Which answer is chosen for a problem, at the end of the run."""

    methods: list[Method] = pydantic.Field(default_factory=lambda: list(METHODS))
    """How to choose. agreement: the answer that most samples give."""


class Variant(Section):
    """One way to ask for a sample. Samples are dealt to the variants by their index, in the order of the file. A key
    that is left out is the one of `[prompt]` or `[sampling]`."""

    name: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    """Name of the variant: the column `variant` of its rows, and its line in the report."""
    share: Share = 1.0
    """How many samples it gets in proportion to the other variants."""
    system: str | None = None
    """System message in place of prompt.system; an empty text: none."""
    suffix: str | None = None
    """Text after every problem's prompt, in place of prompt.suffix and prompt.suffix_by_kind."""
    temperature: Temperature | None = None
    """Temperature in place of sampling.temperature and of those of sampling.by_kind."""
    examples: str | None = None
    """File of solved problems in place of prompt.examples; an empty text: none."""


def variant_faults(by_pool: Iterable[Sequence[Variant]], num_samples: int, are_pools: bool) -> list[str]:
    """What is wrong with the variants of a config's models, a line each. `are_pools`: it names several models or a
    cascade."""
    given = next((variants for variants in by_pool if variants), [])
    if given and are_pools:
        return [
            "sampling.variants: a run of several models deals samples by its routes and stages, and so does one with a "
            "cascade; variants are for a run of one [model] without a cascade"
        ]
    wrong = wrong_with(given, num_samples)
    return [f"sampling.variants: {wrong}"] if wrong else []


def wrong_with(variants: Sequence[Variant], num_samples: int) -> str:
    """Why `num_samples` samples cannot be dealt to the variants; empty where they can. The text is for the user."""
    names = [variant.name for variant in variants]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        return f"two variants are called {twice[0]!r}; give each a name of its own"
    counts = Counter(deal([variant.share for variant in variants], num_samples))
    for place, name in enumerate(names):
        if not counts[place]:
            return (
                f"{name!r} gets none of the {num_samples} samples of a problem; raise sampling.num_samples or its "
                "share, or leave it out"
            )
    return ""
