"""What a verdict says about a failed test: enough for a repair round, cut to a cap."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Mapping
from typing import Any

from verifiers.code.cells.run import Stop
from verifiers.code.cells.worker import Exit
from verifiers.types import Json, Status

MAX_CHARS = 500
"""Of each value shown: input, expected, got."""
_STDERR_CHARS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    status: Status
    reason: str
    evidence: Mapping[str, Json]


def cut(text: str, cap: int = MAX_CHARS) -> str:
    """The text, or its beginning and end around a note of what is missing."""
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= cap:
        return text
    half = cap // 2
    return f"{text[:half]}… [{len(text) - 2 * half} characters] …{text[-half:]}"


def show(value: Any) -> str:
    """Text as it is, anything else as its repr."""
    return cut(value) if isinstance(value, str) else show_value(value)


def show_value(value: Any) -> str:
    try:
        return cut(repr(value))
    except (ValueError, RecursionError):  # an integer beyond the digits limit
        return f"<{type(value).__name__} too large to show>"


def stderr_tail(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return text[-_STDERR_CHARS:]


def limit(stop: Stop, evidence: Mapping[str, Json]) -> Outcome:
    return Outcome(Status.UNDECIDED, str(stop), evidence)


def describe_exit(exit_: Exit) -> str:
    if exit_.signal is not None:
        try:
            return f"killed by {signal.Signals(exit_.signal).name}"
        except ValueError:
            return f"killed by signal {exit_.signal}"
    return f"exit status {exit_.code}"
