"""From a problem to what the model is given: messages, a multiple-choice item's options, repair turns.

The options of a choice problem are listed under its prompt unless the prompt lists them already. With `shuffle_choices`
their order is drawn from the sample's seed; the row then keeps the problem as the model saw it, with the drawn order in
`meta.choice_order`, so that the checker and a later re-verification read the same letters.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping

from verifiers.types import Kind, Problem

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Messages = tuple[tuple[str, str], ...]


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
        lines = [f"{LETTERS[i]}. {text}" for i, text in enumerate(problem.reference["options"])]
        content = "\n".join([content, "", *lines])
    suffix = style.suffix_by_kind.get(str(problem.kind), style.suffix)
    if suffix:
        content = f"{content}\n{suffix}"
    system = (("system", style.system),) if style.system else ()
    return (*system, ("user", content))


def lists_options(problem: Problem) -> bool:
    """Whether the prompt itself shows every option's text."""
    return all(str(text) in problem.prompt for text in problem.reference["options"])


def shuffle_options(problem: Problem, seed: int) -> Problem:
    """The same item with its options in an order drawn from `seed`; unchanged where the prompt fixes their letters."""
    if problem.kind is not Kind.CHOICE or lists_options(problem):
        return problem
    options = list(problem.reference["options"])
    order = list(range(len(options)))
    random.Random(seed).shuffle(order)
    right = LETTERS.index(str(problem.reference["answer"]).strip().upper())
    reference = {
        **problem.reference,
        "options": [options[i] for i in order],
        "answer": LETTERS[order.index(right)],
    }
    return dataclasses.replace(problem, reference=reference, meta={**problem.meta, "choice_order": order})


def repair_turns(text: str, evidence: str) -> Messages:
    """The follow-up after an unverified attempt: what the model wrote, and what the checker found."""
    ask = f"Checking this found a problem:\n{evidence}\nCorrect it and give the whole answer again."
    return (("assistant", text), ("user", ask))
