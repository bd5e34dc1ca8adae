"""Counts the steps of a reader of model text, so that a test of its growth needs no clock.

`python_steps` counts the lines of our own code that run. What a regular expression does inside is not seen by it, so
`repeats_without_bound` lists those of its repeats that have no bound: without any, a search costs a bounded number of
steps for each character.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any


def python_steps(call: Callable[[], object], folder: str = "/verifiers/") -> int:
    """Lines that run under `call` in files whose path has `folder` in it."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if folder not in frame.f_code.co_filename:
            return None
        if event == "line":
            count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def repeats_without_bound(pattern: re.Pattern[str]) -> list[str]:
    """The repeated parts of a pattern that may match any number of times."""
    found: list[str] = []

    def walk(items: Iterable[Any]) -> None:
        for operator, argument in items:
            name = str(operator)
            if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                if argument[1] >= re._parser.MAXREPEAT:  # type: ignore[attr-defined]
                    found.append(str(argument[2]))
                walk(argument[2])
            elif name == "SUBPATTERN":
                walk(argument[3])
            elif name == "BRANCH":
                for branch in argument[1]:
                    walk(branch)
            elif name in ("ASSERT", "ASSERT_NOT"):
                walk(argument[1])
            elif name == "ATOMIC_GROUP":
                walk(argument)

    walk(re._parser.parse(pattern.pattern, pattern.flags))  # type: ignore[attr-defined]
    return found


def patterns_of(module: Any) -> dict[str, re.Pattern[str]]:
    return {name: value for name, value in vars(module).items() if isinstance(value, re.Pattern)}
