"""Compares the letters that samples of a multiple-choice item settled on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verifiers.choice.reference import LETTERS
from verifiers.partition import Relations
from verifiers.types import Json, Problem


class ChoiceAgreement:
    """See verifiers.agreement.Engine."""

    def __init__(self, num_workers: int = 1, settings: Mapping[str, Json] | None = None) -> None:
        del num_workers, settings  # letters cost nothing to compare

    def pairs(self, problem: Problem, answers: Sequence[str], pairs: Sequence[tuple[int, int]]) -> list[bool | None]:
        letters = _letters(problem)
        known = [answer in letters for answer in answers]
        return [answers[a] == answers[b] if known[a] and known[b] else None for a, b in pairs]

    def classes(self, problem: Problem, answers: Sequence[str]) -> Relations:
        letters = _letters(problem)
        first: dict[str, int] = {}
        founders = [
            first.setdefault(answer, place) if answer in letters else None for place, answer in enumerate(answers)
        ]
        names = sorted(first.values())
        return Relations(founders, [(a, b) for place, a in enumerate(names) for b in names[:place]])

    def close(self) -> None:
        """There is nothing to close."""


def _letters(problem: Problem) -> frozenset[str]:
    """The letters that the problem's options have."""
    return frozenset(LETTERS[: len(problem.reference.get("options") or ())])
