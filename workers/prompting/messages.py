"""Builds what the model is given: the messages for a problem, and repair turns.

The problem's kind decides how it is shown (verifiers.kinds): options or a theorem stand below the prompt unless the
prompt shows them already. With `shuffle_choices` the order of the options is drawn from the sample's seed. The row then
keeps the problem as the model saw it, with seed and order in `meta.shuffle`, so that the checker and a later
re-verification read the same letters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from runstore.schema import Messages
from verifiers.kinds import KINDS
from verifiers.registry import load
from verifiers.types import Problem


@dataclasses.dataclass(frozen=True, slots=True)
class PromptStyle:
    """`suffix_by_kind` overrides `suffix` for the kinds it names."""

    system: str = ""
    suffix: str = ""
    suffix_by_kind: Mapping[str, str] = dataclasses.field(default_factory=dict)
    shuffle_choices: bool = False


def build_messages(problem: Problem, style: PromptStyle) -> Messages:
    """(role, content) pairs for the chat template."""
    content = KINDS.row(problem.kind).show(problem)
    suffix = style.suffix_by_kind.get(problem.kind, style.suffix)
    if suffix:
        content = f"{content}\n{suffix}"
    system = (("system", style.system),) if style.system else ()
    return (*system, ("user", content))


def is_shuffled(problem: Problem, style: PromptStyle) -> bool:
    """Whether each sample of this problem gets an order of options of its own."""
    return style.shuffle_choices and bool(KINDS.row(problem.kind).shuffle)


def shuffle_options(problem: Problem, seed: int) -> Problem:
    """The same item with its options in an order drawn from `seed`, in the prompt too where it lists them.

    Unchanged where the kind has nothing to reorder, or the prompt names the options in a way that cannot be reordered.
    """
    row = KINDS.row(problem.kind)
    if not row.shuffle:
        return problem
    shown = row.show(problem)
    try:
        shuffled: Problem = load(row.shuffle)(dataclasses.replace(problem, prompt=shown), seed)
    except ValueError:
        return problem
    return shuffled if shown == problem.prompt else dataclasses.replace(shuffled, prompt=problem.prompt)


def repair_turns(text: str, evidence: str) -> Messages:
    """The follow-up after an unverified attempt: what the model wrote, and what the checker found."""
    ask = f"Checking this found a problem:\n{evidence}\nCorrect it and give the whole answer again."
    return (("assistant", text), ("user", ask))
