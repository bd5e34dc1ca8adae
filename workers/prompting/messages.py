"""Builds what the model is given: the messages for a problem, and repair turns.

The problem's kind decides how it is shown (verifiers.kinds): options or a theorem stand below the prompt unless the
prompt shows them already. With `shuffle_choices` the order of the options is drawn from the sample's seed. The row then
keeps the problem as the model saw it, with seed and order in `meta.shuffle`, so that the checker and a later
re-verification read the same letters.

A problem may bring the conversation in which it is asked (`meta.messages_before`); its own message then comes last.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import NamedTuple

from runstore.schema import Messages
from verifiers import thoughts
from verifiers.kinds import KINDS
from verifiers.registry import load
from verifiers.types import Problem

MESSAGES_BEFORE = "messages_before"
"""Key of a problem's `meta` that holds the messages before it: a list of {"role": …, "content": …}."""


class Example(NamedTuple):
    """A solved problem that is shown before each problem."""

    prompt: str
    answer: str
    kind: str = ""
    """Only for problems of this kind; empty: for all."""
    confidential: bool = False
    """Whether it is of a confidential source (workers.engines.remote.confidential)."""


@dataclasses.dataclass(frozen=True, slots=True)
class PromptStyle:
    """`suffix_by_kind` overrides `suffix` for the kinds it names."""

    system: str = ""
    suffix: str = ""
    suffix_by_kind: Mapping[str, str] = dataclasses.field(default_factory=dict)
    shuffle_choices: bool = False
    examples: tuple[Example, ...] = ()
    confidential: bool = False
    """Whether the style's own texts are confidential, whatever the problem."""

    def shown_for(self, kind: str) -> list[Example]:
        """The examples that stand before a problem of this kind."""
        return [example for example in self.examples if example.kind in ("", kind)]

    def is_confidential_for(self, kind: str) -> bool:
        """Whether what stands around a problem of this kind is confidential."""
        return self.confidential or any(example.confidential for example in self.shown_for(kind))


def build_messages(problem: Problem, style: PromptStyle) -> Messages:
    """(role, content) pairs for the chat template. A system message of the problem's own replaces the style's."""
    content = KINDS.row(problem.kind).show(problem)
    suffix = style.suffix_by_kind.get(problem.kind, style.suffix)
    if suffix:
        content = f"{content}\n{suffix}"
    before = conversation(problem)
    has_system = any(role == "system" for role, _ in before)
    system = (("system", style.system),) if style.system and not has_system else ()
    shown = style.shown_for(problem.kind)
    turns = [turn for example in shown for turn in (("user", example.prompt), ("assistant", example.answer))]
    return (*system, *turns, *before, ("user", content))


def conversation(problem: Problem) -> Messages:
    """The messages before the problem's own. Raises ValueError where `meta` holds something else under this key."""
    if MESSAGES_BEFORE not in problem.meta:
        return ()
    try:
        pairs = tuple((turn["role"], turn["content"]) for turn in problem.meta[MESSAGES_BEFORE])
    except (TypeError, KeyError):
        pairs = ((None, None),)
    if not all(isinstance(part, str) for pair in pairs for part in pair):
        raise ValueError(f'meta.{MESSAGES_BEFORE} of {problem.id} is no list of {{"role": "…", "content": "…"}}')
    return pairs


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


NO_ANSWER = "(no answer)"
"""What stands for an attempt that ended before its answer."""
HOW_CHECKED = frozenset(
    (
        *("tier", "engine", "toolchain", "toolchain_warning", "kernels", "replayed", "second_kernel", "export"),
        *("audit", "audit_s", "elaboration_s", "second_kernel_s", "library", "shared", "process", "phase", "form"),
        *("extraction", "found", "read", "num_errors", "separation", "checker", "pass", "mathlib", "wall_s"),
    )
)
"""Keys of evidence that say how a check was made. A model that mends its answer needs what was found, and a prompt with
times or versions in it could not be repeated."""


def finding_for_model(reason: str, evidence: str, max_chars: int) -> str:
    """What a check found, for the model's next attempt; `evidence` is the stored column."""
    told = {key: value for key, value in json.loads(evidence or "{}").items() if key not in HOW_CHECKED}
    text = f"{reason}\n{json.dumps(told, ensure_ascii=False, indent=1)}" if told else reason
    return text[:max_chars]


def answer_shown(text: str, finish_reason: str) -> str:
    """What a model wrote, without its thought. Chat formats want some text in every turn."""
    return thoughts.split(text, finish_reason).answer.strip() or NO_ANSWER


def repair_turns(text: str, finding: str) -> Messages:
    """The follow-up after an unverified attempt: what the model wrote, and what the checker found."""
    ask = f"Checking this found a problem:\n{finding}\nCorrect it and give the whole answer again."
    return (("assistant", text), ("user", ask))
