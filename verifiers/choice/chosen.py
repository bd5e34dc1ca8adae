"""The option that an answer settled on, and where a sentence mentions it or another one by its letter.

Promises: linear in the sentence. Does not: judge what is said of an option (verifiers.choice.behind).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Set

_LETTER = re.compile(r"(?<![\w'’|^=+/])[(\[]?([A-Z])[)\]]?(?![\w'’|^=+/])(?!\s{0,2}[=+∩∪|^<>≤≥∧∨])")
_OF_FORMULA = re.compile(r"(?:(?<![A-Za-z])[A-Za-z]|[\d)}\]])[\s$]{0,3}[=+∩∪|^<>≤≥∧∨≈×÷]\s{0,2}[(\[]?$")
_IS_A_WORD = re.compile(
    r"\s{1,4}(?!(?:is|are|was|were|and|or|would|could|do|does|did|has|have|can|cannot|should|may|might|will|refers|describes)\b)[a-z]"
)
"""What follows `A` or `I` without brackets where it is the article or the pronoun."""


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """The option that an answer stated, and what is known about its problem."""

    letter: str
    own: str
    """Its text, as verifiers.choice.spans.plain gives it."""
    letters: str
    """All letters of the problem."""
    asked: frozenset[str]
    """The words of the question and the options."""
    other_texts: tuple[str, ...] = ()
    """The other options' texts."""
    subject: Set[str] | None = None
    """The stems of what the question, its options and the text in front of the answer are about; None where no question
    is known."""
    question: frozenset[str] = frozenset()
    """The stems of what the question alone is about."""

    def others_in(self, sentence: str) -> list[re.Match[str]]:
        """Mentions of other options: letters by themselves, outside formulas; not the article and the pronoun."""
        return [match for match in self._letters_in(sentence) if match[1] != self.letter]

    def mentions_own(self, sentence: str) -> bool:
        return any(match[1] == self.letter for match in self._letters_in(sentence))

    def _letters_in(self, sentence: str) -> Iterator[re.Match[str]]:
        for match in _LETTER.finditer(sentence):
            if match[1] not in self.letters or _OF_FORMULA.search(sentence[max(0, match.start() - 8) : match.start()]):
                continue
            following = sentence[match.end() : match.end() + 24]
            if match[0] in ("A", "I") and _IS_A_WORD.match(following):
                continue
            yield match
