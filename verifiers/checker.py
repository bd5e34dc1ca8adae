"""The seam between the pipeline and the checkers: one `Checker` per problem kind, and `verify` for a single text.

A checker owns whatever it keeps warm (worker processes, sandboxes, a Lean) and is safe to call from many threads at
once; `num_workers` bounds how many checks it runs side by side. The pipeline builds one `Checkers` per verifier actor.
"""

from __future__ import annotations

import atexit
import inspect
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from verifiers.answer_keys import has_answer_key
from verifiers.kinds import KINDS
from verifiers.registry import load
from verifiers.types import NO_ANSWER_KEY, Json, Limits, Problem, SettingsError, Status, Verdict


class Checker(Protocol):
    """Checks texts against the problems of one kind."""

    name: str
    """Recorded as `Verdict.checker`, for instance `math`."""
    version: str
    """Recorded as `Verdict.checker_version`; changes whenever a verdict could."""
    default_limits: Limits

    def check_problem(self, problem: Problem) -> str | None:
        """None if the problem's reference can be used; else what is wrong with it, for the person who wrote the set."""
        ...

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        """Never raises for anything in `text`, never outlives `limits` by more than a moment, never returns `verified`
        without positive evidence.

        Only the answer is judged, never the thought (verifiers.thoughts). `finish_reason` is the engine's: anything but
        `stop` means that the text was cut off. None: the text alone decides.
        """
        ...

    def close(self) -> None:
        """Ends the checker's processes. A second call does nothing."""
        ...


class ReadsAnswers(Protocol):
    """What a checker may have besides, for problems without an answer key."""

    def read_answer(self, problem: Problem, text: str, limits: Limits, finish_reason: str | None) -> Verdict:
        """The single final answer of a text, as `verify` would read it: status `unchecked` and evidence with `answer`,
        or with `no_answer` and why. Only our own fault is an `error`."""
        ...

    def check_keyless(self, problem: Problem) -> str | None:
        """As `check_problem`, for a reference without an answer key."""
        ...


class Checkers:
    """Checkers by kind, each started on first use. Thread-safe.

    `settings` are the config's `[verify.<kind>]` tables; what cannot be used raises SettingsError on first use.
    """

    def __init__(self, num_workers: int = 1, settings: Mapping[str, Mapping[str, Json]] | None = None) -> None:
        self._num_workers = num_workers
        self._settings = settings or {}
        self._open: dict[str, Checker] = {}
        self._lock = threading.Lock()

    def of(self, kind: str) -> Checker:
        """Raises UnknownNameError, and SettingsError for settings that cannot be used."""
        with self._lock:
            if kind not in self._open:
                self._open[kind] = open_checker(kind, self._num_workers, self._settings.get(kind, {}))
            return self._open[kind]

    def warm(self, kind: str) -> None:
        """Opens the checker of `kind` and waits until its first check would not wait: seconds, for Lean."""
        checker = self.of(kind)
        if warm := getattr(checker, "warm", None):
            warm()

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        """A text for a problem without an answer key is `unchecked`, whatever it says."""
        checker = self.of(problem.kind)
        if has_answer_key(problem.kind, problem.reference):
            return checker.verify(problem, text, limits, finish_reason)
        limits = limits or checker.default_limits
        if read_answer := getattr(checker, "read_answer", None):
            verdict: Verdict = read_answer(problem, text, limits, finish_reason)
            return verdict
        evidence = {"no_answer": f"the checker {checker.name} reads no final answers"}
        return Verdict(Status.UNCHECKED, NO_ANSWER_KEY, evidence, checker.name, checker.version, 0.0, limits)

    def check_problem(self, problem: Problem) -> str | None:
        """None if the problem can be used, with or without an answer key; else what is wrong with its reference."""
        checker = self.of(problem.kind)
        if has_answer_key(problem.kind, problem.reference):
            return checker.check_problem(problem)
        check = getattr(checker, "check_keyless", None)
        wrong: str | None = check(problem) if check else None
        return wrong

    def close(self) -> None:
        with self._lock:
            for checker in self._open.values():
                checker.close()
            self._open.clear()


def open_checker(kind: str, num_workers: int, settings: Mapping[str, Json]) -> Checker:
    """Imports and starts the checker of `kind`. Raises UnknownNameError or SettingsError."""
    make = load(KINDS.row(kind).checker)
    _check_keys(kind, make, settings)
    checker: Checker = make(num_workers=num_workers, **settings)
    return checker


def check_settings(settings: Mapping[str, Mapping[str, Json]]) -> None:
    """Checks the tables that hold anything, and starts nothing. Raises UnknownNameError or SettingsError."""
    for kind, table in settings.items():
        if table:
            make = load(KINDS.row(kind).checker)
            _check_keys(kind, make, table)
            if check := getattr(make, "check_settings", None):
                check(table)


def _check_keys(kind: str, make: Any, settings: Mapping[str, Json]) -> None:
    known = [key for key in inspect.signature(make).parameters if key != "num_workers"]
    if unknown := [key for key in settings if key not in known]:
        raise SettingsError(f"verify.{kind}.{unknown[0]}: unknown key; known here: {', '.join(known) or 'none'}")


_shared: Checkers | None = None
_shared_lock = threading.Lock()


def verify(problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None) -> Verdict:
    """Checks one text with checkers shared by this process (one worker per kind), closed at exit."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Checkers()
            atexit.register(_shared.close)
    return _shared.verify(problem, text, limits, finish_reason)
