"""Commas between digits: do they group thousands, or separate numbers?

Inside brackets, set braces and calls, and in a list whose other commas separate, a comma separates. A text whose only
commas stand between groups of three digits (`81,256`) has two readings; `readings` gives both, the number first.
"""

from __future__ import annotations

import dataclasses

from verifiers.math.reading.expression import UnreadableError
from verifiers.math.reading.lexer import Token


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    tokens: list[Token]
    weak: bool = False
    """A text is seldom meant in this way: it may keep a difference from being certain, but proves nothing."""


def readings(tokens: list[Token]) -> list[Reading]:
    """The one or two readings of a text as tokens."""
    if not any(token.groups for token in tokens):
        return [Reading(tokens)]
    settled: list[Token] = []
    open_brackets: list[str] = []
    top_groups, spaced_commas, glued_commas, arithmetic = 0, False, False, False
    for index, token in enumerate(tokens):
        if token.kind == "open" or token.text == "langle":
            open_brackets.append(token.text)
        elif (token.kind == "close" or token.text == "rangle") and open_brackets:
            open_brackets.pop()
        separates = bool(open_brackets) and open_brackets[-1] != "{"
        if token.groups and separates and _could_be_items(token.groups):
            settled += _separated(token)
            continue
        if token.groups and not _could_be_items(token.groups):
            if token.groups[0] == "0":
                raise UnreadableError("a comma behind a zero, which groups no thousands")
            if separates and _stands_alone(tokens, index):
                raise UnreadableError("a comma in brackets that may separate or group digits")
        settled.append(token)
        if open_brackets:
            continue
        if token.groups:
            glued_commas = glued_commas or token.groups[0] == "0"
            top_groups += _could_be_items(token.groups)
            arithmetic = arithmetic or _is_one_quantity(tokens, index)
        elif token.kind == "op" and token.text == ",":
            spaced = tokens[index + 1].space or tokens[index + 1].kind != "num"
            spaced_commas, glued_commas = spaced_commas or spaced, glued_commas or not spaced
    if not top_groups or (arithmetic and not (spaced_commas or glued_commas)):
        return [Reading(settled)]
    split = [part for token in settled for part in (_separated(token) if _could_be_items(token.groups) else [token])]
    if glued_commas:
        return [Reading(split)]
    if spaced_commas:
        return [Reading(split), Reading(settled, weak=True)]
    return [Reading(settled), Reading(split)]


def _stands_alone(tokens: list[Token], index: int) -> bool:
    """Whether brackets or commas without a space are on both sides of a number: `(1,000)`, `(1,000,2)`."""
    before, behind = tokens[index - 1], tokens[index + 1]
    left = before.kind == "open" or (before.text == "," and not tokens[index].space)
    right = behind.kind == "close" or (behind.text == "," and not tokens[index + 2].space)
    return left and right


def _could_be_items(groups: str) -> bool:
    """Whether the groups could be numbers of their own: none but the first begins with a zero."""
    return bool(groups) and not any(group[0] == "0" for group in groups.split(",")[1:])


def _separated(token: Token) -> list[Token]:
    parts: list[Token] = []
    for place, group in enumerate(token.groups.split(",")):
        if place:
            parts.append(Token("op", ","))
        parts.append(Token("num", group, token.space if not place else False, token.apart if not place else False))
    return parts


def _is_one_quantity(tokens: list[Token], index: int) -> bool:
    """Whether a unit, a currency or an operator beside the number shows that it is one number."""
    before, behind = tokens[index - 1] if index else None, tokens[index + 1]
    if before is not None and (before.text == "dollars_prefix" or (before.kind == "op" and before.text in "+*/^_-")):
        return before.text != "-" or index > 1
    return (behind.kind == "op" and behind.text in "+-*/^_%!") or (
        behind.kind == "word" and behind.text.lower() not in ("and", "or")
    )
