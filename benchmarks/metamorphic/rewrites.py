"""Harmless rewrites: other ways to write and to state one answer. Every one of them must verify.

A rewrite is only made where it is harmless without doubt: brackets go around plain arithmetic only, items change places
only where the reference is an unordered list of plain values, and so on.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import random
import re
from collections.abc import Iterator

from .evaluator import number
from .latex import brackets, split, strip, tokens


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    kind: str
    text: str


_UNICODE = {
    "-": "−", r"\pi": "π", r"\cdot": "·", r"\times": "×", r"\infty": "∞", r"\le": "≤", r"\leq": "≤", r"\ge": "≥",
    r"\geq": "≥", r"\neq": "≠", r"\ne": "≠", r"\cup": "∪", r"\in": "∈", r"\pm": "±", r"\theta": "θ", r"\alpha": "α",
    r"\circ": "°",
}  # fmt: skip
_SPACED = frozenset(
    {"+", "=", "<", ">", r"\cdot", r"\cup", r"\times", r"\le", r"\ge", r"\leq", r"\geq", r"\pm", r"\neq"}
)
_LETTER_COMMAND = re.compile(r"\\[A-Za-z]+$")
_ARITHMETIC = frozenset("+-*/^(){}!") | {
    r"\frac", r"\dfrac", r"\tfrac", r"\sqrt", r"\cdot", r"\pi", r"\left", r"\right", r"\sin", r"\cos", r"\tan", r"\ln",
    r"\times",
}  # fmt: skip


def rewrites(reference: str, rng: random.Random) -> Iterator[Variant]:
    """Texts whose final answer is the reference."""
    parts = tokens(reference.strip())
    for kind, written in _spellings(parts, rng):
        yield Variant(kind, f"The computation is done.\n\n\\boxed{{{written}}}")
    yield from _statements(reference.strip(), parts)


# Other spellings of the answer itself


def _spellings(parts: list[str], rng: random.Random) -> Iterator[tuple[str, str]]:
    text = "".join(parts)
    yield "boxed", text
    yield "dollars in the box", f"${text}$"
    yield "spaces", _spaced(parts, rng)
    yield "display style", r"\displaystyle " + text
    yield "braces", "{" + text + "}"
    for old, new in ((r"\frac", r"\dfrac"), (r"\frac", r"\tfrac"), (r"\dfrac", r"\frac")):
        if old in parts:
            yield new[1:], "".join(new if part == old else part for part in parts)
    if set(parts) & set(_UNICODE):
        yield "Unicode", _unicode(parts)
    sized = _sized(parts)
    if sized != text:
        yield "sized brackets", sized
    if _is_arithmetic(parts) and not _has_sum_of_digits(parts):
        yield "brackets", f"({text})"
    words = _other_text_command(parts)
    if words != text:
        yield "mbox", words
    yield from _reordered(parts, rng)


def _spaced(parts: list[str], rng: random.Random) -> str:
    made = []
    for part in parts:
        if part in _SPACED:
            made.append(rng.choice(["  ", " ", r"\, ", r"\;"]) + part + " ")
        else:
            made.append(part)
    return " " + "".join(made) + " "


def _unicode(parts: list[str]) -> str:
    made: list[str] = []
    for place, part in enumerate(parts):
        new = _UNICODE.get(part, part)
        if part == r"\circ" and made[-2:] == ["^", "{"] and parts[place + 1 : place + 2] == ["}"]:
            made[-2:] = []
        elif part == r"\circ" and made[-1:] == ["^"]:
            made.pop()
        elif part == "}" and made[-1:] == ["°"] and parts[place - 1] == r"\circ":
            continue
        elif part == r"\circ":
            new = part
        made.append(new)
    return "".join(made)


def _sized(parts: list[str]) -> str:
    if r"\left" in parts or r"\right" in parts:
        return "".join(part for part in parts if part not in (r"\left", r"\right"))
    made = list(parts)
    for start, end in brackets(parts):
        if parts[start] in ("(", "[", r"\{") and not (start and parts[start - 1] in (r"\sqrt", "{array}")):
            made[start], made[end] = r"\left" + parts[start], r"\right" + parts[end]
    return "".join(made)


def _is_arithmetic(parts: list[str]) -> bool:
    return all(part.isdigit() or part.isspace() or part in _ARITHMETIC or re.fullmatch("[a-z]", part) for part in parts)


def _has_sum_of_digits(parts: list[str]) -> bool:
    """Two numbers side by side: a group of thousands or a mixed number, which brackets might change."""
    return any(a.isdigit() and b.isspace() for a, b in itertools.pairwise(parts))


def _other_text_command(parts: list[str]) -> str:
    return "".join(re.sub(r"^\\text\s*(?=\{)", r"\\mbox", part) for part in parts)


def _reordered(parts: list[str], rng: random.Random) -> Iterator[tuple[str, str]]:
    """Items of an unordered list or set in another order; terms of a sum; factors."""
    items, commas = split(parts, frozenset({","}))
    if commas and r"\!" not in parts and _may_change_places(items):
        items = [strip(item) for item in items]
        yield "list in another order", ", ".join("".join(item) for item in items[::-1])
    if parts[:1] == [r"\{"] and parts[-1:] == [r"\}"] and brackets(parts)[-1:] == [(0, len(parts) - 1)]:
        items, commas = split(parts[1:-1], frozenset({","}))
        if commas and r"\ldots" not in parts and r"\dots" not in parts and "|" not in parts and ":" not in parts:
            shuffled = ["".join(strip(item)) for item in items]
            rng.shuffle(shuffled)
            yield "set in another order", r"\{" + ", ".join(shuffled) + r"\}"
    if _is_arithmetic(parts) and "-" not in parts and "/" not in parts and "!" not in parts:
        terms, pluses = split(parts, frozenset({"+"}))
        if pluses and all(strip(term) for term in terms):
            yield "terms in another order", "+".join("".join(strip(term)) for term in terms[::-1])


def _may_change_places(items: list[list[str]]) -> bool:
    """Only plain values, without names, words or dots, are free of order for certain."""
    written = ["".join(item).strip() for item in items]
    if any("-" in text[1:] and number(text) is None for text in written):
        return False
    return all(number(text) is not None for text in written) or all(_is_tuple(item) for item in items)


def _is_tuple(item: list[str]) -> bool:
    item = strip(item)
    return item[:1] == ["("] and item[-1:] == [")"] and brackets(item)[-1:] == [(0, len(item) - 1)] and "," in item


# Other ways to state it


def _statements(text: str, parts: list[str]) -> Iterator[Variant]:
    wrong = "7654321"
    yield Variant("display box", f"So we get\n\\[\n\\boxed{{{text}}}\n\\]")
    yield Variant("inline box", f"Hence the result is $\\boxed{{{text}}}$.")
    yield Variant("stated", f"After simplifying, the answer is ${text}$.")
    yield Variant("final answer", f"**Final Answer:** ${text}$")
    yield Variant("markdown heading", f"Some work.\n\n### Final answer\n\n$$\\boxed{{{text}}}$$\n")
    yield Variant(
        "thought and markdown",
        f"<think>\nFirst I try \\boxed{{{wrong}}}, the answer is {wrong}. No.\n</think>\n\n"
        f"**Solution.** We compute.\n\n**Answer:** $\\boxed{{{text}}}$",
    )
    yield Variant("special token", f"So \\boxed{{{text}}}.<|im_end|>")
    yield Variant("answer tags", f"<think>{wrong}</think><answer>${text}$</answer>")
    yield Variant("answer tags and box", f"<answer>\\boxed{{{text}}}</answer>")
    yield Variant("JSON", json.dumps({"reasoning": "short", "answer": text}))
    if not re.search(r"[\\^_{}]", text):
        yield Variant("hashes", f"We add them up.\n#### {text}")
        yield Variant("bare answer line", f"Answer: {text}")
    else:
        yield Variant("hashes", f"We add them up.\n#### ${text}$")
