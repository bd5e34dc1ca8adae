"""Tokens and simple structure of a reference answer, for the generators of rewrites and mutations.

The suite must not share a mistake with the engine that it tries, so nothing here is imported from `verifiers`. It only
has to understand enough of an answer to change it in a known way: tokens, brackets, separators at the outermost level.
"""

from __future__ import annotations

import re

TOKEN = re.compile(
    r"\\(?:text|mbox|textbf|textit|textrm|mathrm|mathbf|operatorname|mathbb|mathcal|begin|end)\s*\*?\s*\{[^{}]*\}"
    r"|\\[A-Za-z]+|\\.|\d+|\s+|.",
    re.DOTALL,
)
OPENING = {"(": ")", "[": "]", "{": "}", r"\{": r"\}", r"\langle": r"\rangle", r"\lbrace": r"\rbrace"}
CLOSING = frozenset({")", "]", "}", r"\}", r"\rangle", r"\rbrace"})
RELATIONS = frozenset(
    {"=", "<", ">", r"\le", r"\leq", r"\leqslant", r"\ge", r"\geq", r"\geqslant", r"\ne", r"\neq", r"\in", r"\notin"}
    | {r"\equiv", r"\approx", r"\subset", r"\subseteq", "≤", "≥", "≠"}
)


def tokens(text: str) -> list[str]:
    """The text cut into tokens; joined, they are the text."""
    return TOKEN.findall(text)


def split(parts: list[str], separators: frozenset[str]) -> tuple[list[list[str]], list[str]]:
    """The stretches between separators outside all brackets, and those separators."""
    pieces: list[list[str]] = [[]]
    found: list[str] = []
    depth = 0
    for place, part in enumerate(parts):
        if part in OPENING:
            depth += 1
        elif part in CLOSING:
            depth -= 1
        elif part.startswith(r"\begin"):
            depth += 1
        elif part.startswith(r"\end"):
            depth -= 1
        if depth == 0 and part in separators and not _inside_number(parts, place):
            found.append(part)
            pieces.append([])
        else:
            pieces[-1].append(part)
    return pieces, found


def _inside_number(parts: list[str], place: int) -> bool:
    """Whether the comma at `place` may part thousands: `1,234`, but not `1, 234` or `12,5`."""
    if parts[place] != "," or not 0 < place < len(parts) - 1:
        return False
    return parts[place - 1].isdigit() and parts[place + 1].isdigit() and len(parts[place + 1]) == 3


def brackets(parts: list[str]) -> list[tuple[int, int]]:
    """Places of an opening bracket and of what closes it, whatever its shape (half-open intervals too)."""
    pairs: list[tuple[int, int]] = []
    stack: list[int] = []
    for place, part in enumerate(parts):
        if part in OPENING:
            stack.append(place)
        elif part in CLOSING and stack:
            pairs.append((stack.pop(), place))
    return pairs


def strip(parts: list[str]) -> list[str]:
    """Without white space at both ends."""
    return tokens("".join(parts).strip())
