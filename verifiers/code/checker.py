"""Checks programs: `CodeChecker` runs a solution against the tests of its problem, in sandboxes.

Promises: expected outputs and test code never enter the candidate's process; `verified` needs the right answer,
received and compared here, to every test; `refuted` names the first test that failed. The tier of protection stands in
every verdict's evidence, and without a real one nothing runs (`allow_unprotected = true` overrides that, loudly).
A program for a problem without tests runs on generated inputs, so that programs can be compared with each other
(verifiers.code.agreement): it is `unchecked` whatever it does.
Does not: prove programs right, only that they pass the tests; decide when a limit was hit (`undecided`); hide the
tests' inputs from the candidate.
Thread-safe. `num_workers` programs run side by side; each holds one slot (a room with a warm interpreter) while it
runs.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from verifiers import finish_reasons
from verifiers.code import agreement, extraction, generated_inputs
from verifiers.code import reference as references
from verifiers.code.cells.pool import Pool
from verifiers.code.cells.run import Deadline
from verifiers.code.cells.worker import Slot
from verifiers.code.evidence import Outcome
from verifiers.code.judges import assertions, function, renaming, stdin
from verifiers.code.judges.checker_program import CheckerPrograms
from verifiers.reference_fields import BadReferenceError
from verifiers.sandbox.room import SandboxError, Tier, detect
from verifiers.types import NO_ANSWER_KEY, Json, Limits, Problem, Status, Verdict

VERSION = "6"
_READ_BY = ("language", "entry_point", "prompt")
"""The keys of a reference that say how a program is found in a text."""
_ATTEMPTS = 2
"""A slot that broke under one run is replaced and the run repeated once, before it counts as our error."""
_CACHED_REFERENCES = 256
MAX_ANSWER_CHARS = 2000
"""Longest program that a verdict without a check holds, in characters. It stands in the sample's text anyway."""
_T = TypeVar("_T")


class CodeChecker:
    """The checker of kind `code`.

    Settings: `allow_unprotected`, `tmp_mb` (size of a program's private /tmp), `testlib` (path of testlib.h, for
    problems whose checker programs include it), `accept_renamed` (a function of another name than the problem asks for
    counts, if it is the program's only one).
    """

    name = "code"
    version = VERSION
    default_limits = Limits(wall_s=30.0, cpu_s=10.0, memory_mb=1024, output_kb=4096, processes=32)

    def __init__(
        self,
        num_workers: int = 1,
        *,
        allow_unprotected: bool = False,
        tmp_mb: int = 64,
        testlib: str = "",
        accept_renamed: bool = False,
        tier: Tier | None = None,
    ) -> None:
        """Raises SandboxError on a machine without protection, unless allowed to go on, and ValueError for settings."""
        self.tier = tier or detect()
        if not self.tier.protected:
            if not allow_unprotected:
                raise SandboxError(
                    "this machine offers no protection for untrusted programs (see `proofmill doctor`): "
                    "set verify.code.allow_unprotected = true to run them all the same"
                )
            print("WARNING: running untrusted programs WITHOUT ANY PROTECTION (allow_unprotected)", file=sys.stderr)
        self._pool = Pool(
            self.tier,
            num_workers,
            tmp_mb=tmp_mb,
            allow_unprotected=allow_unprotected,
            paired_modes="verifiers.code.judges.test_program",
        )
        self._checkers = CheckerPrograms(self._pool.checker_slot, testlib)
        self._accept_renamed = accept_renamed
        self._references: dict[str, tuple[Problem, references.Reference]] = {}
        self._lock = threading.Lock()

    def check_problem(self, problem: Problem) -> str | None:
        try:
            self._reference(problem)
        except ValueError as error:
            return str(error)
        return None

    def _reference(self, problem: Problem) -> references.Reference:
        """Parsed once per problem: a batch checks many solutions of each."""
        with self._lock:
            cached = self._references.get(problem.id)
        if cached and cached[0] is problem:
            return cached[1]
        reference = references.parse(problem.reference, problem.prompt)
        with self._lock:
            if len(self._references) >= _CACHED_REFERENCES:
                self._references.pop(next(iter(self._references)))
            self._references[problem.id] = (problem, reference)
        return reference

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        limits = limits or self.default_limits
        began = time.monotonic()
        try:
            outcome, began = self._judge(problem, text, limits, finish_reason)
        except extraction.MalformedError as error:
            outcome = Outcome(Status.MALFORMED, str(error), {})
        except SandboxError as error:
            outcome = Outcome(Status.ERROR, "sandbox failure", {"detail": str(error)[:500]})
        except ValueError as error:
            outcome = Outcome(Status.ERROR, "unusable reference", {"detail": str(error)[:500]})
        except Exception as error:  # a verdict is owed whatever happens; this one is retried and counted
            outcome = Outcome(Status.ERROR, "checker failure", {"detail": f"{type(error).__name__}: {error}"[:500]})
        evidence = {**outcome.evidence, "tier": str(self.tier)}
        seconds = time.monotonic() - began
        reason = finish_reasons.name_unknown(outcome.reason, finish_reason)
        return Verdict(outcome.status, reason, evidence, self.name, self.version, seconds, limits)

    def check_keyless(self, problem: Problem) -> str | None:
        """See verifiers.checker.ReadsAnswers."""
        try:
            references.check_code(problem.reference)
        except BadReferenceError as error:
            return str(error)
        return None

    def read_answer(self, problem: Problem, text: str, limits: Limits, finish_reason: str | None) -> Verdict:
        """See verifiers.checker.ReadsAnswers. The answer is what the program does on generated inputs; where there are
        none it is the program, which agrees with no other."""
        began = time.monotonic()
        status, reason = Status.UNCHECKED, NO_ANSWER_KEY
        evidence: dict[str, Json] = {}
        try:
            evidence, began = self._read_behaviour(problem, text, limits, finish_reason)
        except extraction.MalformedError as error:
            evidence = {"no_answer": finish_reasons.name_unknown(str(error), finish_reason)}
        except SandboxError as error:
            status, reason, evidence = Status.ERROR, "sandbox failure", {"detail": str(error)[:500]}
        except Exception as error:  # a verdict is owed whatever happens; this one is retried and counted
            status, reason = Status.ERROR, "checker failure"
            evidence = {"detail": f"{type(error).__name__}: {error}"[:500]}
        return Verdict(status, reason, evidence, self.name, self.version, time.monotonic() - began, limits)

    def _read_behaviour(
        self, problem: Problem, text: str, limits: Limits, finish_reason: str | None
    ) -> tuple[dict[str, Json], float]:
        """The evidence of an unchecked sample, and when its work began."""
        if len(text) > limits.text_chars:
            raise extraction.MalformedError("text too long")
        began = time.monotonic()
        reference = generated_inputs.read(problem)
        language, entry_point, prompt = (str(problem.reference.get(key) or "") for key in _READ_BY)
        entry_point = reference.entry_point if reference else entry_point
        program = extraction.extract(text, language or "python", entry_point, prompt, finish_reason)
        source = program.source
        is_short = len(source) <= MAX_ANSWER_CHARS and not agreement.is_behaviour(source)
        shown: dict[str, Json] = {"program": source} if is_short else {"program_chars": len(source)}
        if reference is None:
            return ({"answer": source} if is_short else shown), began
        shown["tier"] = str(self.tier)
        if renaming.find(reference, program) is not None and not self._accept_renamed:
            return {"no_answer": "no such function", **shown}, began
        limits = _bounded(limits, reference)
        found, began = self._in_slot(
            reference.language, limits, lambda slot: agreement.evidence(slot, reference, program, limits)
        )
        return {**found, **shown}, began

    def _judge(self, problem: Problem, text: str, limits: Limits, finish_reason: str | None) -> tuple[Outcome, float]:
        """The outcome and when its work began: waiting for a free slot is not counted."""
        reference = self._reference(problem)
        if len(text) > limits.text_chars:
            raise extraction.MalformedError("text too long")
        language, entry_point, prompt = reference.language, reference.entry_point, reference.prompt
        program = extraction.extract(text, language, entry_point, prompt, finish_reason)
        renamed = renaming.find(reference, program)
        if renamed is not None and not self._accept_renamed:
            return renaming.refuted(renamed, program), time.monotonic()
        limits = _bounded(limits, reference)
        if reference.checker is not None:
            judged, _ = self._in_slot(
                reference.language, limits, lambda slot: self._judge_with_checker(slot, reference, program, limits)
            )
            return judged
        judge: Any = {"stdin": stdin.judge, "function": function.judge, "assert": assertions.judge}[reference.mode]
        outcome, began = self._in_slot(
            reference.language,
            limits,
            lambda slot: judge(slot, reference, program, limits, Deadline.after(limits.wall_s)),
        )
        return (outcome if renamed is None else renaming.tell(renamed, outcome)), began

    def _in_slot(self, language: str, limits: Limits, use: Callable[[Slot], _T]) -> tuple[_T, float]:
        """What `use` makes of a slot, and when its work began."""
        for attempt in range(1, _ATTEMPTS + 1):
            with self._pool.slot(language, limits) as slot:
                began = time.monotonic()
                try:
                    return use(slot), began
                except SandboxError:
                    slot.broken = True
                    if attempt == _ATTEMPTS:
                        raise
        raise AssertionError("unreachable")

    def _judge_with_checker(
        self, slot: Slot, reference: references.Reference, program: extraction.Program, limits: Limits
    ) -> tuple[Outcome, float]:
        """As `_judge`; the time to compile the problem's own program is not counted either."""
        assert reference.checker is not None
        with self._checkers.open(reference.checker) as session:
            began = time.monotonic()
            if isinstance(session, Outcome):
                return session, began
            return stdin.judge(slot, reference, program, limits, Deadline.after(limits.wall_s), session), began

    def close(self) -> None:
        self._checkers.close()
        self._pool.close()


def _bounded(limits: Limits, reference: references.Reference) -> Limits:
    """The limits, with the problem's own limit of memory."""
    if reference.memory_limit_mb is None:
        return limits
    return dataclasses.replace(limits, memory_mb=min(limits.memory_mb, reference.memory_limit_mb))
