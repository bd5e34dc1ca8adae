"""Tactic by tactic on the embedded engine: goals out, tactics in.

A state is the list of tactics that lead to it, and applying one runs the list anew in a fresh environment, in an
elaborator's sandbox, through the same syntax policy, heartbeats and wall clock as a whole candidate. So a state needs
no memory in Lean, outlives the process, and cannot be touched by what other states did; the price is that depth d
costs the time of d tactics.
Promises: never raises for anything in a tactic. Does not: prove. That no goals are shown is the elaborator's word,
which a hostile tactic may forge; `compose` makes the text that the checker then audits.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from verifiers.lean.assembly import Reference
from verifiers.lean.embedded.engine import EngineError, Pool
from verifiers.lean.line_process import OutOfMemory, ProcessError, Timeout
from verifiers.lean.search.best_first import TacticFailure, TacticState
from verifiers.types import Json

MAX_TACTICS = 64
"""Most tactics that lead to one state. Each costs its time again at every later step."""
MAX_TACTIC_CHARS = 4000
"""Longer ones are a model's babble."""
_MAX_MESSAGE_CHARS = 2000


class EmbeddedTactics:
    """The `TacticBackend` of one problem on a pool of Lean processes. Thread-safe."""

    def __init__(self, pool: Pool, reference: Reference, *, policy: bool = True, wall_s: float = 10.0) -> None:
        self._pool = pool
        self._reference = reference
        self._policy = policy
        self._wall_s = wall_s
        self._num_commands = 0

    def start(self) -> TacticState | TacticFailure:
        try:
            stated = self._pool.state(self._reference)
        except (ProcessError, EngineError) as error:
            return TacticFailure("crash", str(error)[:_MAX_MESSAGE_CHARS])
        if stated.error:
            return TacticFailure("error", stated.error[:_MAX_MESSAGE_CHARS])
        answer = self._run(())
        if isinstance(answer, TacticFailure):
            return answer
        self._num_commands = int(answer["commands"])
        return _state(answer, ())

    def apply(self, state: TacticState, tactic: str) -> TacticState | TacticFailure:
        tactics = (*state.handle, tactic)
        if len(tactics) > MAX_TACTICS:
            return TacticFailure("error", f"more than {MAX_TACTICS} tactics")
        if len(tactic) > MAX_TACTIC_CHARS or "\0" in tactic:
            return TacticFailure("error", f"a tactic has at most {MAX_TACTIC_CHARS} characters and no null byte")
        answer = self._run(tactics)
        if isinstance(answer, TacticFailure):
            return answer
        if answer["commands"] != self._num_commands:
            return TacticFailure("error", "the text ends the proof and goes on: not a tactic")
        return _state(answer, tactics)

    def _run(self, tactics: tuple[str, ...]) -> dict[str, Json] | TacticFailure:
        for attempt in (1, 2):
            try:
                answer = self._pool.run_tactics(self._reference, tactics, self._policy, self._wall_s)
            except Timeout:
                return TacticFailure("timeout", f"{self._wall_s:g} s")
            except OutOfMemory:
                return TacticFailure("resources", "memory limit")
            except (ProcessError, EngineError) as error:
                if attempt == 2 or isinstance(error, EngineError):
                    return TacticFailure("crash", str(error)[:_MAX_MESSAGE_CHARS])
                continue
            if answer.get("ok") is True:
                return answer
            message = str(answer.get("message", ""))[:_MAX_MESSAGE_CHARS]
            exhausted = "maximum number of heartbeats" in message or "(deterministic) timeout" in message
            return TacticFailure("resources" if exhausted else str(answer.get("reason", "error"))[:40], message)
        raise AssertionError("unreachable")


def _state(answer: dict[str, Json], tactics: tuple[str, ...]) -> TacticState:
    goals = str(answer["goals"])
    return TacticState(tuple(goals.split("\n\n")) if goals else (), tactics)


def compose(statement: str, tactics: Sequence[str], *, bracketed: bool = False) -> str:
    """The whole theorem. Bracketed, each tactic stands in parentheses, as in the search; else as a person writes it."""
    lines = [f"{statement} := by"]
    for tactic in tactics:
        block = textwrap.dedent(tactic).strip("\n")
        lines.append(f"  (\n{textwrap.indent(block, '    ')}\n  )" if bracketed else textwrap.indent(block, "  "))
    return "\n".join(lines) + "\n"
