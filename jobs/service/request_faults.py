"""Where in a client's JSON the faults lie that pydantic found.

Promises: every place exists in the body, but for the last key of a fault that says that this key is missing. One
mistake is one fault. Pydantic itself reports a value that fits no branch of a union once per branch, and puts the name
of the branch into the place.
Does not: repeat the client's values.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic_core

MAX_POINTER_CHARS = 300
"""Longest pointer, in characters. It can hold a key that the client made up."""

PART = re.compile(r"[^.\[\]]+|.")
"""One part of a field's name: a key or an index."""

Place = tuple[int | str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One of pydantic's errors. `steps` are the parts of its place; a step is not real where the body does not have it,
    as the name of a branch."""

    steps: tuple[tuple[int | str, bool], ...]
    message: str

    @property
    def place(self) -> Place:
        return tuple(part for part, is_real in self.steps if is_real)

    def branch_at(self) -> int | None:
        """Index of the first step that names a branch; None where no step does."""
        return next((index for index, (_, is_real) in enumerate(self.steps) if not is_real), None)


def place_faults(errors: Sequence[Mapping[str, Any]], body: bytes) -> list[tuple[Place, str]]:
    """(place in the body, message) of each mistake, in the order in which pydantic found them."""
    try:
        content = pydantic_core.from_json(body)
    except ValueError:
        content = None
    faults = [Fault(steps_of(each["loc"], each["type"], content), message_of(each)) for each in errors]
    while any(fault.branch_at() is not None for fault in faults):
        faults = choose_branches(faults)
    found: dict[Place, str] = {}
    for fault in faults:
        found.setdefault(fault.place, fault.message)
    return list(found.items())


def steps_of(location: Sequence[int | str], kind: str, content: Any) -> tuple[tuple[int | str, bool], ...]:
    """The parts of a place, each with whether the body has it there."""
    steps: list[tuple[int | str, bool]] = []
    for index, part in enumerate(location):
        inside = [content[part]] if holds(content, part) else []
        steps.append((part, bool(inside) or (kind == "missing" and index == len(location) - 1)))
        content = inside[0] if inside else content
    return tuple(steps)


def holds(content: Any, part: int | str) -> bool:
    if isinstance(content, list):
        return isinstance(part, int) and part < len(content)
    return isinstance(content, dict) and part in content


def choose_branches(faults: Sequence[Fault]) -> list[Fault]:
    """`faults` without those of the branches that fit worse, and without one name of a branch in the places of others.

    The branch that the client meant is the one that fits at the top: its faults, if any, lie deeper.
    """
    branches: dict[Place, dict[int | str, list[Fault]]] = {}
    for fault in faults:
        if (at := fault.branch_at()) is not None:
            before = tuple(part for part, _ in fault.steps[:at])
            branches.setdefault(before, {}).setdefault(fault.steps[at][0], []).append(fault)
    best = {before: min(named, key=lambda name: misfit(before, named[name])) for before, named in branches.items()}
    kept = []
    for fault in faults:
        at = fault.branch_at()
        if at is None:
            kept.append(fault)
        elif best[tuple(part for part, _ in fault.steps[:at])] == fault.steps[at][0]:
            kept.append(dataclasses.replace(fault, steps=fault.steps[:at] + fault.steps[at + 1 :]))
    return kept


def misfit(before: Place, faults: Sequence[Fault]) -> tuple[int, int, int]:
    """How badly a branch fits: its faults at the value itself, those one step below, and all of them."""
    depths = [len(fault.place) - len(before) for fault in faults]
    return depths.count(0), depths.count(1), len(depths)


def message_of(error: Mapping[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def pointer(place: Sequence[int | str]) -> str:
    """A JSON pointer (RFC 6901)."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in place)
    return "".join("/" + part.encode(errors="replace").decode() for part in parts)[:MAX_POINTER_CHARS]


def pointer_to_field(before: str, field: str, value: Any = None) -> str:
    """The pointer to a field of `value` that is written as in the errors of a problem file.

    >>> pointer_to_field("/problem", "reference.tests[3].input")
    '/problem/reference/tests/3/input'
    >>> pointer_to_field("", "meta.a.b", {"meta": {"a.b": 1}})
    '/meta/a.b'
    """
    parts: list[str] = []
    rest = field
    while rest:
        keys = value if isinstance(value, dict) else ()
        begins = [key for key in keys if rest == key or rest.startswith((f"{key}.", f"{key}["))]
        part = max(begins, key=len) if begins else PART.match(rest)[0]  # type: ignore[index]
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            value = None
        parts.append(part)
        rest = rest[len(part) :].lstrip(".[]")
    return (before + pointer(parts))[:MAX_POINTER_CHARS]
