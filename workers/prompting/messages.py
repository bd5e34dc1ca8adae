"""From a problem to what the model is given: messages, a multiple-choice item's options, repair turns.

The options of a choice problem are listed under its prompt unless the prompt lists them already. With `shuffle_choices`
their order is drawn from the sample's seed; the row then keeps the problem as the model saw it, with seed and order in
`meta.shuffle`, so that the checker and a later re-verification read the same letters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from runstore.schema import Messages
from verifiers.choice.checker import shuffle
from verifiers.types import Kind, Problem

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclasses.dataclass(frozen=True, slots=True)
class PromptStyle:
    """`suffix_by_kind` overrides `suffix` for the kinds it names."""

    system: str = ""
    suffix: str = ""
    suffix_by_kind: Mapping[str, str] = dataclasses.field(default_factory=dict)
    shuffle_choices: bool = False


def build_messages(problem: Problem, style: PromptStyle) -> Messages:
    """(role, content) pairs for the chat template."""
    content = problem.prompt
    if problem.kind is Kind.CHOICE and not lists_options(problem):
        content = with_options(problem)
    suffix = style.suffix_by_kind.get(str(problem.kind), style.suffix)
    if suffix:
        content = f"{content}\n{suffix}"
    system = (("system", style.system),) if style.system else ()
    return (*system, ("user", content))


def lists_options(problem: Problem) -> bool:
    """Whether the prompt itself shows every option's text."""
    return all(str(text) in problem.prompt for text in problem.reference["options"])


def shuffle_options(problem: Problem, seed: int) -> Problem:
    """The same item with its options in an order drawn from `seed`, in the prompt too where it lists them.

    Unchanged where the prompt names the options in a way that cannot be reordered.
    """
    if problem.kind is not Kind.CHOICE:
        return problem
    listed = lists_options(problem)
    shown = problem if listed else dataclasses.replace(problem, prompt=with_options(problem))
    try:
        shuffled = shuffle(shown, seed)
    except ValueError:
        return problem
    return shuffled if listed else dataclasses.replace(shuffled, prompt=problem.prompt)


def with_options(problem: Problem) -> str:
    """The prompt with one lettered option per line below it."""
    lines = [f"{LETTERS[i]}. {text}" for i, text in enumerate(problem.reference["options"])]
    return "\n".join([problem.prompt, "", *lines])


def repair_turns(text: str, evidence: str) -> Messages:
    """The follow-up after an unverified attempt: what the model wrote, and what the checker found."""
    ask = f"Checking this found a problem:\n{evidence}\nCorrect it and give the whole answer again."
    return (("assistant", text), ("user", ask))
