"""JSON objects around a statement: whether their other fields leave the stated option the answer.

Promises: linear in the object, which is bounded. Does not: find statements (verifiers.choice.reading).
"""

from __future__ import annotations

import dataclasses
import re

from verifiers.answer_words import ANSWER_KEYS, CONFIDENCE_KEYS, PROSE_KEYS, TRUE_KEYS, WRAPPING_KEYS
from verifiers.choice.behind import is_confident

MAX_OBJECT_CHARS = 4_000
"""Characters of the longest JSON object in which an answer is read."""

_KEY = re.compile(r"[\"']([A-Za-z_][\w -]{0,40})[\"']\s{0,8}:\s{0,8}([\"']?)([^\"'\n,}\]]{0,200})")


_VALUE = re.compile(r"[\"']([A-Za-z_][\w -]{0,40})[\"']\s{0,8}:\s{0,8}\"((?:[^\"\\\n]|\\.){0,4000})\"")
_KEY_GOES_ON = re.compile(r"[\w -]{1,40}[\"']\s{0,8}:")


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """The key of an object under which an answer stands."""

    is_plain: bool
    """The object holds beside the answer only fields that leave it the answer."""
    begin: int
    end: int
    """Where the object begins and ends."""
    prose: str
    """What its fields behind the answer say, one per line."""


def is_key(text: str, start: int) -> Key | None:
    """The key of an object, if a statement begins with one."""
    if text[start - 1 : start] not in ('"', "'") or not _KEY_GOES_ON.match(text, start):
        return None
    around = _object_around(text, start)
    if around is None:
        return Key(is_plain=True, begin=text.rfind("\n", 0, start) + 1, end=start, prose="")
    inside = text[around[0] : around[1]]
    values = _VALUE.finditer(text, start, around[1])
    prose = "\n".join(f"Explanation: {match[2]}" for match in values if _plain_key(match[1]) not in ANSWER_KEYS)
    return Key(is_plain_object(inside) and _is_outermost(text, around[0]), *around, prose)


_PARENT = re.compile(r"[\"']([\w -]{1,40})[\"']\s{0,8}:[\s\[]{0,20}$")


def _is_outermost(text: str, begin: int) -> bool:
    """Whether an object stands by itself, and not as one of several or under a key that may reject it."""
    before = text[max(0, begin - 80) : begin]
    if parent := _PARENT.search(before):
        return _plain_key(parent[1]) in WRAPPING_KEYS
    return not before.rstrip(" \t\n[").endswith(("},", "],", '",'))


def _object_around(text: str, at: int) -> tuple[int, int] | None:
    """The innermost object in braces around a place."""
    begin, depth = -1, 0
    for brace in reversed(list(_BRACE.finditer(text, max(0, at - MAX_OBJECT_CHARS), at))):
        depth += 1 if brace[0] == "}" else -1
        if depth < 0:
            begin = brace.start()
            break
    if begin < 0:
        return None
    end, depth = min(len(text), begin + MAX_OBJECT_CHARS), 0
    for brace in _BRACE.finditer(text, begin, end):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return begin, brace.end()
    return begin, end


_BRACE = re.compile(r"[{}]")


def is_plain_object(text: str) -> bool:
    """Whether an object with an answer holds beside it only fields that leave it the answer: an explanation, a
    confidence of at least one half, `"correct": true`."""
    for match in _KEY.finditer(text):
        key = _plain_key(match[1])
        value = match[3].strip().casefold()
        if key in ANSWER_KEYS or key in PROSE_KEYS:
            continue
        if key in CONFIDENCE_KEYS and is_confident(value):
            continue
        if key in TRUE_KEYS and value in ("true", "1", "yes"):
            continue
        return False
    return True


def _plain_key(key: str) -> str:
    return "".join(char for char in key.casefold() if char.isalnum())
