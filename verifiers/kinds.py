"""The table of problem kinds: what checks one, what its reference holds, how a problem is shown, and what an export may
assume of it.

To add a kind, write its checker (verifiers.checker.Checker) and the validator of its reference, and one row here. A
plugin adds its row with `tables.kinds.add(name, KindRow(...))` (verifiers.plugins). Above this table a kind is text.

Checkers are named as text and imported on use, so that a math-only run needs no Lean. Nothing under verifiers/<kind>/
imports this module.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

from verifiers.choice.reference import check_choice, has_choice_key, show_options, without_order
from verifiers.code.reference import check_code, has_code_key
from verifiers.lean.reference import check_lean, show_theorem
from verifiers.math.reference import check_math, has_math_key
from verifiers.registry import Registry
from verifiers.types import Json, Kind, Problem

Reference = Mapping[str, Json]


def prompt_alone(problem: Problem) -> str:
    """The prompt says all that the model has to know."""
    return problem.prompt


def always(reference: Reference) -> bool:
    """Every problem of the kind has an answer key."""
    return True


@dataclasses.dataclass(frozen=True, slots=True)
class KindRow:
    """One kind of problem."""

    checker: str
    """`module:class` of its verifiers.checker.Checker; the class is called with `num_workers` and the keys of the
    config's `[verify.<kind>]`."""
    check_reference: Callable[[Reference], None]
    """Raises verifiers.reference_fields.BadReferenceError for a missing, unknown or ill-typed field. What only an
    answer key holds may be missing: `has_answer_key` tells."""
    has_answer_key: Callable[[Reference], bool] = always
    """Whether a reference holds what a text can be checked against (verifiers.answer_keys)."""
    show: Callable[[Problem], str] = prompt_alone
    """The user's message: the prompt, with what a solver needs of the reference. Never the answer."""
    shuffle: str = ""
    """`module:function` that reorders what is shown by a seed (`sampling.shuffle_choices`): takes a problem and a seed,
    returns the problem, raises ValueError for one that cannot be reordered. Empty: there is nothing to reorder."""
    without_order: Callable[[str, Reference], tuple[str, Reference]] | None = None
    """Prompt and reference in a form that is the same for every order that `shuffle` makes."""
    agreement: str = ""
    """`module:class` of the verifiers.agreement.Engine that compares answers to problems without an answer key. Empty:
    all answers are undecided against each other, so that none of them can agree."""
    is_reference_slow: bool = False
    """Whether to check a reference takes seconds, so that several are checked side by side."""
    is_own_work: bool = False
    """Whether a verified answer shows its work by itself, as a program or a proof does: exports then drop none for
    being short."""
    guesses: Literal["never", "small integers", "always"] = "never"
    """Which references a blind guess hits often: exports then want several verified samples or a rationale."""
    answer_is_text: bool = False
    """Whether `reference.answer` is the final answer, which a trainer's scorer compares with the model's."""
    verl_source: str = ""
    """verl's `data_source`, which picks its scorer. Empty: verl has no scorer for this kind."""
    open_instruct_verifier: str = ""
    """open-instruct's verifier, the column `dataset`. Empty: it has none for this kind."""


KINDS: Registry[KindRow] = Registry(
    "problem kind",
    {
        # math_dapo reads `Answer: x` and \boxed{x}; lighteval/MATH compares the text in \boxed{}; apps runs tests.
        Kind.MATH.value: KindRow(
            "verifiers.math.checker:MathChecker",
            check_math,
            has_math_key,
            agreement="verifiers.math.agreement_engine:MathAgreement",
            guesses="small integers",
            answer_is_text=True,
            verl_source="math_dapo",
            open_instruct_verifier="math",
        ),
        Kind.CODE.value: KindRow(
            "verifiers.code.checker:CodeChecker",
            check_code,
            has_code_key,
            agreement="verifiers.code.agreement:CodeAgreement",
            is_own_work=True,
            verl_source="apps",
            open_instruct_verifier="code",
        ),
        Kind.LEAN.value: KindRow(
            "verifiers.lean.checker:LeanChecker",
            check_lean,
            show=show_theorem,
            is_reference_slow=True,
            is_own_work=True,
        ),
        Kind.CHOICE.value: KindRow(
            "verifiers.choice.checker:ChoiceChecker",
            check_choice,
            has_choice_key,
            show=show_options,
            agreement="verifiers.choice.agreement:ChoiceAgreement",
            shuffle="verifiers.choice.checker:shuffle",
            without_order=without_order,
            guesses="always",
            answer_is_text=True,
            verl_source="lighteval/MATH",
            open_instruct_verifier="math",
        ),
    },
)
