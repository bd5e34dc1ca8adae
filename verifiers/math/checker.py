"""The checker of math problems: final answers compared with a reference, in processes that can be killed.

Promises: `verified` and `refuted` only with a proof (verifiers.math.comparing.equality says which); never evaluates the
text; one check never outlives its limits by more than a moment, and is tried again when the machine was too busy to run
it.
Fails: status `undecided` at a limit, `error` if the pool cannot work or the reference cannot be read (`check_problem`
says so when the set is loaded).
"""

from __future__ import annotations

import dataclasses
import time

from verifiers.math.reference import has_math_key
from verifiers.processes.pool import End, Outcome, Pool, PoolError
from verifiers.types import NO_ANSWER_KEY, Json, Limits, Problem, Status, Verdict

TARGET = "verifiers.math.judge:work"
SYMBOLIC_TARGET = "verifiers.math.symbolic.worker:judge_pair"
EXACT_S = 1.0
"""Seconds that the exact engine gets at most; the rest of the wall limit is for the symbolic one."""
SYMBOLIC_PAIR_S = 2.0
"""Seconds of wall and of processor time that sympy gets for one pair."""
SYMBOLIC_MEMORY_MB = 1024
MAX_PROMPT_CHARS = 20_000
"""Characters of the problem that the judge gets."""
MAX_STARVED_CALLS = 3
"""Times a check is tried that ran into its wall limit on a machine too busy to run it."""


class MathChecker:
    """Checks texts against `reference` `{"answer" or "answers" or "all", "type"?, "tolerance"?}`."""

    name = "math"
    version = "17"
    default_limits = Limits(wall_s=5.0, cpu_s=5.0, memory_mb=512, processes=1)

    def __init__(self, num_workers: int = 1) -> None:
        self._pool = Pool(TARGET, num_workers)
        self._symbolic = Pool(SYMBOLIC_TARGET)
        """Starts, and imports sympy, when a pair stays open for the first time."""

    def check_problem(self, problem: Problem) -> str | None:
        """Why the reference cannot be used, or None."""
        if not has_math_key(problem.reference):
            return "reference.answer must be a string"
        limits = self.default_limits
        payload = {"reference": dict(problem.reference), "text": None}
        try:
            # Ten times the wall limit: a set must not be refused because the machine that loads it is busy.
            outcome = self._pool.call(payload, 10 * limits.wall_s, limits.cpu_s, limits.memory_mb)
        except PoolError as error:
            return str(error)
        if outcome.end is not End.DONE:
            return f"reading the reference ended with: {outcome.end} {outcome.detail}"
        if outcome.value["status"] == Status.ERROR:
            evidence = outcome.value["evidence"]
            return f"reference.{evidence['field']}: {evidence['reference']}"
        return None

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        limits = limits or self.default_limits
        if len(text) > limits.text_chars:
            return self._verdict(Status.MALFORMED, "the text is too long", {"chars": len(text)}, 0.0, limits)
        if not has_math_key(problem.reference):
            return self._verdict(Status.ERROR, "the reference has no answer", {}, 0.0, limits)
        payload = {
            "reference": dict(problem.reference),
            "text": text,
            "finish_reason": finish_reason,
            "prompt": problem.prompt[:MAX_PROMPT_CHARS],
        }
        try:
            outcome = self._exact(payload, limits)
            if outcome.end is End.DONE and outcome.value["open"]:
                outcome = self._with_second_opinion(payload, outcome, limits)
        except PoolError as error:
            return self._verdict(Status.ERROR, "no worker", {"detail": str(error)}, 0.0, limits)
        return self._from_outcome(outcome, limits)

    def read_answer(self, problem: Problem, text: str, limits: Limits, finish_reason: str | None) -> Verdict:
        """See verifiers.checker.ReadsAnswers."""
        if len(text) > limits.text_chars:
            return self._verdict(Status.UNCHECKED, NO_ANSWER_KEY, {"no_answer": "the text is too long"}, 0.0, limits)
        payload = {"text": text, "finish_reason": finish_reason, "prompt": problem.prompt[:MAX_PROMPT_CHARS]}
        try:
            outcome = self._exact(payload, limits)
        except PoolError as error:
            return self._verdict(Status.ERROR, "no worker", {"detail": str(error)}, 0.0, limits)
        if outcome.end in (End.DONE, End.RAISED):
            return self._from_outcome(outcome, limits)
        return self._verdict(Status.UNCHECKED, NO_ANSWER_KEY, {"no_answer": str(outcome.end)}, outcome.seconds, limits)

    def check_keyless(self, problem: Problem) -> str | None:
        """See verifiers.checker.ReadsAnswers. What else a reference holds says nothing without an answer."""
        return None

    def close(self) -> None:
        self._pool.close()
        self._symbolic.close()

    def _exact(self, payload: dict[str, Json], limits: Limits) -> Outcome:
        wall_s, cpu_s = min(limits.wall_s, EXACT_S), min(limits.cpu_s, EXACT_S)
        for _ in range(MAX_STARVED_CALLS):
            outcome = self._pool.call(payload, wall_s, cpu_s, limits.memory_mb)
            if not outcome.starved:
                break
        return outcome

    def _with_second_opinion(self, payload: dict[str, Json], first: Outcome, limits: Limits) -> Outcome:
        """Puts the open pairs to the symbolic engine and compares again with its answers; `first` if it has none."""
        began = time.perf_counter()
        known: list[Json] = []
        for pair in first.value["open"]:
            left_s = limits.wall_s - first.seconds - (time.perf_counter() - began)
            if left_s <= 0:
                break
            wall_s = min(left_s, SYMBOLIC_PAIR_S)
            found = self._symbolic.call({"pair": pair}, wall_s, SYMBOLIC_PAIR_S, SYMBOLIC_MEMORY_MB)
            if found.end is End.DONE and found.value is not None:
                known.append([*pair, found.value])
        if not known:
            return first
        second = self._exact({**payload, "known": known}, limits)
        return dataclasses.replace(second, seconds=first.seconds + time.perf_counter() - began)

    def _from_outcome(self, outcome: Outcome, limits: Limits) -> Verdict:
        if outcome.end is End.DONE:
            value = outcome.value
            return self._verdict(Status(value["status"]), value["reason"], value["evidence"], outcome.seconds, limits)
        evidence: dict[str, Json] = {"detail": outcome.detail}
        if outcome.end is End.RAISED:
            return self._verdict(Status.ERROR, "the checker failed", evidence, outcome.seconds, limits)
        # A crash is C code on hostile input far more often than a broken machine: no evidence either way.
        return self._verdict(Status.UNDECIDED, str(outcome.end), evidence, outcome.seconds, limits)

    def _verdict(
        self, status: Status, reason: str, evidence: dict[str, Json], seconds: float, limits: Limits
    ) -> Verdict:
        return Verdict(status, reason, evidence, self.name, self.version, seconds, limits)
