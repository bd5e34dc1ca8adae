"""What a verdict says about a failed test: enough for a repair round, cut to a cap."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Iterable, Mapping
from typing import Any

from verifiers.code.cells.run import Stop
from verifiers.code.cells.worker import Exit
from verifiers.types import Json, Status

MAX_CHARS = 500
"""Longest text of each value shown (input, expected, got), in characters."""
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


def another_answer(evidence: Mapping[str, Json]) -> Outcome:
    """The outcome of a wrong answer where several are right and nothing can tell which (`several_answers`)."""
    return Outcome(Status.UNDECIDED, "another answer may be right too", evidence)


_OF_PROCESSES = ("os.", "subprocess.", "multiprocessing", "ctypes.")
_OF_FILES = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.mkfifo", "os.truncate"}


def denied(outcome: Outcome, operations: Iterable[str]) -> Outcome:
    """A refusal of the sandbox is no fault of the program: what failed with one is undecided.

    So is what passed after a process could not be started, which might have changed how the program ends. A program can
    claim a refusal. All that it gains is that it is not refuted.
    """
    names = sorted(set(operations))
    if outcome.status is Status.VERIFIED:
        names = [name for name in names if name.startswith(_OF_PROCESSES) and name not in _OF_FILES]
    elif outcome.status is not Status.REFUTED:
        return outcome
    if not names:
        return outcome
    detail = f"this machine's sandbox denies: {cut(', '.join(names), 200)}"
    return Outcome(Status.UNDECIDED, "denied by the sandbox", {**outcome.evidence, "detail": detail})


def denied_names(answer: Any) -> list[str]:
    """What the sandbox has refused to a program, as its cell says."""
    names = answer.get("denied") if type(answer) is dict else None
    return [name for name in names if type(name) is str] if type(names) is list else []


def describe_exit(exit_: Exit) -> str:
    return describe_status(exit_.status)


def describe_status(status: int) -> str:
    """A wait status as of os.waitpid, in words."""
    if not os.WIFSIGNALED(status):
        return f"exit status {os.WEXITSTATUS(status)}"
    try:
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    except ValueError:
        return f"killed by signal {os.WTERMSIG(status)}"
