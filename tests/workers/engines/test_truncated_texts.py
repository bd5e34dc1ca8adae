"""Texts that were cut off, over all styles of thoughts, ways to open a thought, kinds and finish reasons: none of them
verifies, though the right answer stands in each thought as a draft."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest

from verifiers.choice.checker import ChoiceChecker
from verifiers.code import extraction
from verifiers.lean.assembly import Reference, Unreadable, assemble
from verifiers.math.judge import work
from verifiers.thoughts import STYLES
from verifiers.types import Kind, Problem
from workers.engines.rendering import Prompt, text_to_store
from workers.engines.thinking import Marks, marks_of

CUTS = ("length", "repetition", "abort", "max_tokens", "content_filter", "something new")
FORMULA = {
    "math": ("So x = 5, that is \\boxed{5}.", "The answer is \\boxed{5}."),
    "choice": ("The answer is (C).", "**Answer: C**"),
    "code": ("```python\ndef f(x):\n    return x + 1\n```", "```python\ndef f(x):\n    return x + 1\n```"),
    "lean": ("```lean\ntheorem t : 1 = 1 := by rfl\n```", "```lean\ntheorem t : 1 = 1 := by rfl\n```"),
}
"""Kind → a right draft in the thought, and the right answer behind it."""
ITEM = Problem("c", Kind.CHOICE, "Which?", {"options": ["red", "green", "blue", "black"], "answer": "C"})
THEOREM = Reference(imports=(), header="", statement="theorem t : 1 = 1", name="t")


def is_accepted(kind: str, text: str, finish_reason: str) -> bool:
    """Whether the right answer is read from the text: for programs and proofs, whether there is anything to run."""
    if kind == "math":
        payload = {"reference": {"answer": "5"}, "text": text, "finish_reason": finish_reason}
        return work(payload)["status"] == "verified"
    if kind == "choice":
        return ChoiceChecker().verify(ITEM, text, finish_reason=finish_reason).status == "verified"
    if kind == "lean":
        return not isinstance(assemble(THEOREM, text, 200_000, finish_reason), Unreadable)
    try:
        return bool(extraction.extract(text, entry_point="f", finish_reason=finish_reason).source)
    except extraction.MalformedError:
        return False


def openings(marks: Marks) -> Iterator[tuple[str, Prompt, Marks | None]]:
    """What the model writes first, its prompt, and the marks that `model.thinking` names."""
    yield marks.opening, Prompt([], ""), None
    yield "", Prompt([], marks.opening), None
    yield "", Prompt([], ""), marks  # a model that thinks before it writes any mark


def cut_texts() -> Iterator[tuple[str, str, str, str]]:
    """(kind, the model's own words, the text as it is stored, finish reason)."""
    dice = random.Random(20261130)
    finishes = itertools.cycle(CUTS)
    for style in STYLES:
        marks = marks_of(style.name)
        for kind, (draft, answer) in FORMULA.items():
            thought = f"\nLet me see.\n{draft}\nBut wait, is that right? Once more: {draft}\nYes, I am sure now.\n"
            for first, prompt, named in openings(marks):
                whole = f"{first}{thought}{marks.closing}\n{answer}"
                begun = len(first) + len(thought) // 3
                end = len(first) + len(thought) if named else whole.rindex(answer) + 1
                for _ in range(2):
                    finish = next(finishes)
                    words = whole[: dice.randrange(begun, end)]
                    yield kind, words, text_to_store(words, prompt, named, finish), finish


def test_no_truncated_text_is_verified() -> None:
    texts = list(cut_texts())
    assert len(texts) >= 500 and {kind for kind, *_ in texts} == FORMULA.keys()
    accepted = [(kind, text, finish) for kind, _, text, finish in texts if is_accepted(kind, text, finish)]
    assert accepted == []


@pytest.mark.parametrize("kind", FORMULA)
def test_without_the_mark_drafts_would_be_taken_for_answers(kind: str) -> None:
    """The same texts as the model wrote them, without the mark that the prompt or the style puts before them."""
    bare = [(words, finish) for its, words, text, finish in cut_texts() if its == kind and words != text]
    assert any(is_accepted(kind, words, finish) for words, finish in bare)


def test_whole_texts_are_accepted() -> None:
    """The texts are cut, and not refused for another reason."""
    marks = marks_of("think")
    for kind, (draft, answer) in FORMULA.items():
        text = f"{marks.opening}\n{draft}\n{marks.closing}\n{answer}"
        assert is_accepted(kind, text, "stop"), kind
