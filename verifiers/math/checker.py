"""The checker of math problems: final answers compared with a reference, in processes that can be killed.

Promises: `verified` and `refuted` only with a proof (verifiers.math.comparing.equality says which); never evaluates the
text; one check never outlives its limits by more than a moment, and is tried again when the machine was too busy to run
it.
Fails: status `undecided` at a limit, `error` if the pool cannot work or the reference cannot be read (`check_problem`
says so when the set is loaded).
"""

from __future__ import annotations

from verifiers.processes.pool import End, Outcome, Pool, PoolError
from verifiers.types import Json, Limits, Problem, Status, Verdict

TARGET = "verifiers.math.judge:work"
MAX_STARVED_CALLS = 3
"""Times a check is tried that ran into its wall limit on a machine too busy to run it."""


class MathChecker:
    """Checks texts against `reference` `{"answer", "type"?, "tolerance"?}`."""

    name = "math"
    version = "5"
    default_limits = Limits(wall_s=1.0, cpu_s=1.0, memory_mb=512, processes=1)

    def __init__(self, num_workers: int = 1) -> None:
        self._pool = Pool(TARGET, num_workers)

    def check_problem(self, problem: Problem) -> str | None:
        """Why the reference cannot be used, or None."""
        if not isinstance(problem.reference.get("answer"), str | int | float):
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
            return f"reference.answer: {outcome.value['evidence']['reference']}"
        return None

    def verify(self, problem: Problem, text: str, limits: Limits | None = None) -> Verdict:
        limits = limits or self.default_limits
        if len(text) > limits.text_chars:
            return self._verdict(Status.MALFORMED, "the text is too long", {"chars": len(text)}, 0.0, limits)
        if "answer" not in problem.reference:
            return self._verdict(Status.ERROR, "the reference has no answer", {}, 0.0, limits)
        payload = {"reference": dict(problem.reference), "text": text}
        for _ in range(MAX_STARVED_CALLS):
            try:
                outcome = self._pool.call(payload, limits.wall_s, limits.cpu_s, limits.memory_mb)
            except PoolError as error:
                return self._verdict(Status.ERROR, "no worker", {"detail": str(error)}, 0.0, limits)
            if not outcome.starved:
                break
        return self._from_outcome(outcome, limits)

    def close(self) -> None:
        self._pool.close()

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
