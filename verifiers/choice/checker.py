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
from verifiers.choice.reference import replace_listed
from verifiers.choice.spans import plain
from verifiers.types import Json, Limits, Problem, Status, Verdict

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
        options, answer = problem.reference.get("options"), problem.reference.get("answer")
        if not isinstance(options, list | tuple) or not 2 <= len(options) <= MAX_OPTIONS:
            return f"reference.options must be a list of 2 to {MAX_OPTIONS} options"
        if not all(isinstance(option, str) and option.strip() for option in options):
            return "reference.options must be non-empty strings"
        if not isinstance(answer, str) or answer not in _letters(len(options)):
            return f"reference.answer must be one letter of {_letters(len(options))[0]} to {_letters(len(options))[-1]}"
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
        elif len(text) > limits.text_chars:
            status, reason = Status.MALFORMED, "the text is too long"
        else:
            parts = thoughts.split(text, finish_reason)
            try:
                if unreadable := parts.unreadable():
                    raise NoAnswerError(unreadable)
                letter, how = choose(
                    parts.answer,
                    list(problem.reference["options"]),
                    parts.cut_off("before a final answer") if parts.cut else "",
                    problem.prompt,
                )
            except NoAnswerError as error:
                status, reason = Status.MALFORMED, str(error)
            else:
                evidence = {"answer": letter, "found": how}
                right = letter == problem.reference["answer"]
                status = Status.VERIFIED if right else Status.REFUTED
                reason = "the reference's option" if right else "another option"
        reason = finish_reasons.name_unknown(reason, finish_reason)
        return Verdict(status, reason, evidence, self.name, self.version, time.perf_counter() - began, limits)

    def close(self) -> None:
        """Does nothing: the checker holds no processes."""


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
    answer = letters[order.index(letters.index(problem.reference["answer"]))]
    reference = {**problem.reference, "options": shuffled, "answer": answer}
    meta = {**problem.meta, "shuffle": {"seed": seed, "order": order}}
    return dataclasses.replace(problem, prompt=prompt, reference=reference, meta=meta)


def _letters(count: int) -> str:
    return string.ascii_uppercase[:count]
