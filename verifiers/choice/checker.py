"""The checker of multiple-choice problems: which single option does the text settle on?

Promises: only the answer counts, never the thought (verifiers.thoughts). A letter counts only where a statement says
it (verifiers.choice.reading), never as the start or the middle of a word. Statements that contradict each other, hedges
and ties are `malformed`. An option's own text counts when exactly one option has it. There is no fallback guess.
Does not: judge reasoning, or read a letter out of prose.
Costs: linear in the text; it runs in the caller's process.

`shuffle` reorders the options of a problem under a recorded seed: some published sets have every answer at A.
"""

from __future__ import annotations

import dataclasses
import random
import string
import time

from verifiers import finish_reasons, thoughts
from verifiers.choice.reading import NoAnswerError, choose
from verifiers.choice.reference import has_choice_key, replace_listed
from verifiers.choice.spans import plain
from verifiers.types import NO_ANSWER_KEY, Json, Limits, Problem, Status, Verdict

MAX_OPTIONS = len(string.ascii_uppercase)


class ChoiceChecker:
    """Checks texts against `reference` `{"options": [...], "answer": "C"}`."""

    name = "choice"
    version = "8"
    default_limits = Limits(wall_s=1.0, cpu_s=1.0)

    def __init__(self, num_workers: int = 1) -> None:
        del num_workers  # pure and quick: there is nothing to run side by side

    def check_problem(self, problem: Problem) -> str | None:
        """Why the reference cannot be used, or None."""
        if (wrong := self.check_keyless(problem)) is not None:
            return wrong
        answer, letters = problem.reference.get("answer"), _letters(len(problem.reference["options"]))
        if not isinstance(answer, str) or answer not in letters:
            return f"reference.answer must be one letter of {letters[0]} to {letters[-1]}"
        return None

    def check_keyless(self, problem: Problem) -> str | None:
        """See verifiers.checker.ReadsAnswers."""
        options = problem.reference.get("options")
        if not isinstance(options, list | tuple) or not 2 <= len(options) <= MAX_OPTIONS:
            return f"reference.options must be a list of 2 to {MAX_OPTIONS} options"
        if not all(isinstance(option, str) and option.strip() for option in options):
            return "reference.options must be non-empty strings"
        if len({plain(option) for option in options}) < len(options):
            return "reference.options holds the same option twice"
        return None

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        limits = limits or self.default_limits
        began = time.perf_counter()
        wrong = self.check_problem(problem)
        evidence: dict[str, Json] = {}
        if wrong is not None:
            status, reason = Status.ERROR, wrong
        else:
            try:
                letter, how = _final_letter(problem, text, limits, finish_reason)
            except NoAnswerError as error:
                status, reason = Status.MALFORMED, str(error)
            else:
                evidence = {"answer": letter, "found": how}
                right = letter == problem.reference["answer"]
                status = Status.VERIFIED if right else Status.REFUTED
                reason = "the reference's option" if right else "another option"
        reason = finish_reasons.name_unknown(reason, finish_reason)
        return Verdict(status, reason, evidence, self.name, self.version, time.perf_counter() - began, limits)

    def read_answer(self, problem: Problem, text: str, limits: Limits, finish_reason: str | None) -> Verdict:
        """See verifiers.checker.ReadsAnswers."""
        began = time.perf_counter()
        status, reason = Status.UNCHECKED, NO_ANSWER_KEY
        evidence: dict[str, Json] = {}
        if (wrong := self.check_keyless(problem)) is not None:
            status, reason = Status.ERROR, wrong
        else:
            try:
                letter, how = _final_letter(problem, text, limits, finish_reason)
                evidence = {"answer": letter, "found": how}
            except NoAnswerError as error:
                evidence = {"no_answer": finish_reasons.name_unknown(str(error), finish_reason)}
        return Verdict(status, reason, evidence, self.name, self.version, time.perf_counter() - began, limits)

    def close(self) -> None:
        """Does nothing: the checker holds no processes."""


def _final_letter(problem: Problem, text: str, limits: Limits, finish_reason: str | None) -> tuple[str, str]:
    """The letter that the text settles on, and how it says so. Raises NoAnswerError."""
    if len(text) > limits.text_chars:
        raise NoAnswerError("the text is too long")
    parts = thoughts.split(text, finish_reason)
    if unreadable := parts.unreadable():
        raise NoAnswerError(unreadable)
    cut_off = parts.cut_off("before a final answer") if parts.cut else ""
    return choose(parts.answer, list(problem.reference["options"]), cut_off, problem.prompt)


def shuffle(problem: Problem, seed: int) -> Problem:
    """The problem with its options in another order; `meta.shuffle` records the seed and the original positions.

    The prompt is rebuilt only where it contains the options as lettered lines; raises ValueError if it does not.
    """
    options = list(problem.reference["options"])
    order = list(range(len(options)))
    random.Random(f"{seed}\x00{problem.id}").shuffle(order)
    letters = _letters(len(options))
    shuffled = [options[index] for index in order]
    try:
        prompt = replace_listed(problem.prompt, options, shuffled)
    except ValueError as letter:
        raise ValueError(
            f"problem {problem.id}: option {letter} does not stand on a line of its own in the prompt"
        ) from None
    reference = {**problem.reference, "options": shuffled}
    if has_choice_key(problem.reference):
        reference["answer"] = letters[order.index(letters.index(problem.reference["answer"]))]
    meta = {**problem.meta, "shuffle": {"seed": seed, "order": order}}
    return dataclasses.replace(problem, prompt=prompt, reference=reference, meta=meta)


def _letters(count: int) -> str:
    return string.ascii_uppercase[:count]
