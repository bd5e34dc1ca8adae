"""References from a problem file in the place of those that a run has stored, for `proofmill verify --run --problems`.

Promises: a sample is checked as what the model was shown: prompt and options are the stored ones, and only what decides
about right and wrong is taken from the file. So a multiple-choice item may have been shuffled in between. Options
that are not the stored ones are an error, since a letter would mean another option; another prompt is told.
Does not: change the run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from verifiers.choice.reference import LETTERS, without_order
from verifiers.types import Json, Kind, Problem

MAX_LISTED = 10_000
"""Largest number of ids that one line lists; further ones are only counted."""


class AnswerKeys:
    """The references of a file, by problem id."""

    def __init__(self, problems: Mapping[str, Problem], bad: Mapping[str, str]) -> None:
        """`bad`: why a problem of this id cannot be used."""
        self._problems = problems
        self._bad = bad
        self._used: set[str] = set()
        self._other_prompts: set[str] = set()

    def given_to(self, stored: Problem) -> tuple[Problem | None, str]:
        """The stored problem with its reference from the file, where the file has its id; or None, and why it cannot be
        checked."""
        given = self._problems.get(stored.id)
        if given is None:
            wrong = self._bad.get(stored.id)
            return (None, f"bad problem: {wrong}") if wrong else (stored, "")
        self._used.add(stored.id)
        if given.kind != stored.kind:
            return None, f"bad problem: is of kind {stored.kind} in the run, and {given.kind} in the file"
        has_other_prompt = asked(given) != asked(stored)
        if stored.kind == Kind.CHOICE:
            in_order = in_stored_order(given.reference, stored.reference)
            if in_order is None:
                return None, "bad problem: its options in the file are not those that the model was shown"
            given = dataclasses.replace(given, reference=in_order)
        if has_other_prompt:
            self._other_prompts.add(stored.id)
        return dataclasses.replace(stored, reference=given.reference), ""

    def told(self) -> Iterator[str]:
        """What a person should know of the file, after the last sample."""
        if missed := [name for name in self._problems if name not in self._used]:
            yield f"{len(missed):,} problems of the file match no sample of the run: {listed(missed)}"
        if self._other_prompts:
            count = f"{len(self._other_prompts):,} problems have another prompt in the file than in the run"
            yield f"{count}; are they the same ones? {listed(sorted(self._other_prompts))}"


def asked(problem: Problem) -> str:
    """The prompt in a form that is the same for every way to break its lines, and for every order of the options that
    a multiple-choice item lists in it."""
    prompt = problem.prompt
    if problem.kind == Kind.CHOICE:
        prompt, _ = without_order(prompt, problem.reference)
    return " ".join(prompt.split())


def in_stored_order(given: Mapping[str, Json], stored: Mapping[str, Json]) -> dict[str, Json] | None:
    """The reference of a multiple-choice item with the options in the order in which the model saw them; None for
    other options."""
    options = stored.get("options")
    if not isinstance(options, list) or sorted(options) != sorted(given["options"]):
        return None
    right = given["options"][LETTERS.index(given["answer"])]
    return {**given, "options": options, "answer": LETTERS[options.index(right)]}


def listed(names: list[str]) -> str:
    more = f", … and {len(names) - MAX_LISTED:,} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
