"""The reference of a multiple-choice item: its options and the right letter; how they are shown and told apart."""

from __future__ import annotations

import contextlib
import re
import string
from collections.abc import Mapping, Sequence

from verifiers.reference_fields import MAX_ANSWER_CHARS, MAX_OPTIONS, BadReferenceError, excerpt, only_keys, text
from verifiers.types import Json, Problem

CHOICE_KEYS = frozenset({"options", "answer"})
LETTERS = string.ascii_uppercase


def has_choice_key(reference: Mapping[str, Json]) -> bool:
    """Whether the right option is known."""
    return reference.get("answer") is not None


def check_choice(reference: Mapping[str, Json]) -> None:
    """Checks the reference of a multiple-choice item, which may lack an answer key. Raises BadReferenceError."""
    only_keys(reference, CHOICE_KEYS, ("options",))
    options = reference["options"]
    if not isinstance(options, list) or not 2 <= len(options) <= MAX_OPTIONS:
        raise BadReferenceError("reference.options", excerpt(options), f"a list of 2 to {MAX_OPTIONS} strings")
    for index, option in enumerate(options):
        if not text(option, f"reference.options[{index}]", MAX_ANSWER_CHARS).strip():
            raise BadReferenceError(f"reference.options[{index}]", "empty", "the option's text, without its letter")
    letters = [chr(ord("A") + index) for index in range(len(options))]
    if has_choice_key(reference) and reference["answer"] not in letters:
        raise BadReferenceError("reference.answer", excerpt(reference["answer"]), f"one letter from A to {letters[-1]}")


def lists_options(problem: Problem) -> bool:
    """Whether the prompt itself shows every option's text."""
    return all(str(option) in problem.prompt for option in problem.reference["options"])


def show_options(problem: Problem) -> str:
    """The prompt with one lettered option per line below it, unless it lists them itself."""
    if lists_options(problem):
        return problem.prompt
    lines = [f"{LETTERS[i]}. {option}" for i, option in enumerate(problem.reference["options"])]
    return "\n".join([problem.prompt, "", *lines])


def replace_listed(prompt: str, options: Sequence[str], new: Sequence[str]) -> str:
    """The prompt with `new[i]` in the place of option i. Raises ValueError with the letter of an option that does not
    stand on a lettered line of its own, exactly once."""
    for place, option in enumerate(options):
        pattern = re.compile(rf"(^|\n)([ \t]*\(?{LETTERS[place]}[).:]\)?[ \t]*){re.escape(option)}(?=\s*(?:\n|$))")
        found = list(pattern.finditer(prompt))
        if len(found) != 1:
            raise ValueError(LETTERS[place])
        prompt = f"{prompt[: found[0].end(2)]}\0<{place}>{prompt[found[0].end() :]}"
    for place in range(len(options)):
        prompt = prompt.replace(f"\0<{place}>", new[place])
    return prompt


def without_order(prompt: str, reference: Mapping[str, Json]) -> tuple[str, Mapping[str, Json]]:
    """The item in a form that is the same for every order of its options: they are sorted, in the reference and where
    the prompt lists them by letter, and the right one is named by its text."""
    options, answer = reference.get("options"), reference.get("answer")
    if not isinstance(options, list) or not 2 <= len(options) <= MAX_OPTIONS or not isinstance(answer, str | None):
        return prompt, reference
    options = [str(option) for option in options]
    with contextlib.suppress(ValueError):  # such a prompt is never shuffled, so it is the same in all orders already
        prompt = replace_listed(prompt, options, sorted(options))
    unordered = {**reference, "options": sorted(options)}
    if answer is None:
        return prompt, unordered
    place = LETTERS.find(answer) if len(answer) == 1 else -1
    return prompt, {**unordered, "answer": [options[place] if 0 <= place < len(options) else answer]}
