"""lean-dojo's `Dojo` as a tactic backend: the same search drives it and the embedded engine.

Limits first. Dojo runs tactics in a Lean of the user's, without a sandbox and without our syntax policy: a tactic can
read files and start programs. So it needs `--set lean.allow_unprotected=true`. Proofs that it claims are audited like
any other. Promises: a tactic that hangs or kills Lean costs one failure; the process is started anew and states stay
usable, because a state knows the tactics that lead to it. A start that takes too long is given up, and whatever
lean-dojo raises is a failure that says so. Does not: run here without elan, lake and a repository that lean-dojo has
traced.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

from jobs.lean.dojo.extra import import_lean_dojo
from verifiers.lean.search.best_first import TacticFailure, TacticState
from verifiers.types import Problem

_MAX_MESSAGE_CHARS = 2000
START_S = 600.0
"""Seconds for the start of a Dojo. Lean elaborates all that stands before the theorem, imports included, and a
repository that is not traced yet is traced first."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Handle:
    tactics: tuple[str, ...]
    state: Any
    """lean-dojo's TacticState, of process number `process`."""
    process: int


class DojoTactics:
    """The `TacticBackend` of one theorem. `open_process` makes a Dojo, for one Lean process. Not thread-safe.

    `start_s` bounds the start of a Dojo, `step_s` each tactic: lean-dojo has one time limit for both.
    """

    def __init__(self, open_process: Callable[[], Any], *, step_s: float, start_s: float = START_S) -> None:
        self._dojo = import_lean_dojo()
        self._open_process = open_process
        self._start_s = start_s
        self._step_s = max(1, round(step_s))
        self._running: Any = None
        self._initial: Any = None
        self._process = 0

    def start(self) -> TacticState | TacticFailure:
        failure = self._ensure()
        return failure or self._state((), self._initial)

    def apply(self, state: TacticState, tactic: str) -> TacticState | TacticFailure:
        handle: _Handle = state.handle
        if failure := self._ensure():
            return failure
        current = handle.state
        if handle.process != self._process:
            # Its process is gone; the same tactics lead to the same state in the new one.
            current = self._initial
            for earlier in handle.tactics:
                reached = self._run(current, earlier)
                if not isinstance(reached, self._dojo.TacticState):
                    return TacticFailure("crash", "the state cannot be reached again after a restart")
                current = reached
        reached = self._run(current, tactic)
        if isinstance(reached, TacticFailure):
            return reached
        if isinstance(reached, self._dojo.TacticState):
            return self._state((*handle.tactics, tactic), reached)
        if isinstance(reached, self._dojo.ProofFinished):
            return TacticState((), _Handle((*handle.tactics, tactic), reached, self._process))
        if isinstance(reached, self._dojo.ProofGivenUp):
            return TacticFailure("policy", "uses sorry")
        return TacticFailure("error", str(reached.error)[:_MAX_MESSAGE_CHARS])

    def close(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            _end(running)

    def _ensure(self) -> TacticFailure | None:
        if self._running is not None:
            return None
        self._process += 1
        try:
            self._running, self._initial = self._started()
        except TimeoutError:
            return TacticFailure("timeout", f"Dojo does not start within {self._start_s:g} s")
        except Exception as error:
            # Also its assertions, and what git, lake and the operating system say.
            return TacticFailure("crash", f"Dojo does not start: {type(error).__name__}: {error}"[:_MAX_MESSAGE_CHARS])
        return None

    def _started(self) -> tuple[Any, Any]:
        """A Dojo and its first state. Raises TimeoutError, and whatever lean-dojo raises; the Dojo is then ended."""
        dojo = self._open_process()
        entered: concurrent.futures.Future[tuple[Any, Any]] = concurrent.futures.Future()
        given_up = threading.Event()

        def enter() -> None:
            try:
                entered.set_result(dojo.__enter__())
            except BaseException as error:
                entered.set_exception(error)
            if given_up.is_set():
                _end(dojo)

        # In a thread, because a start has steps without any limit of their own; one that hangs is left behind.
        threading.Thread(target=enter, name="dojo-start", daemon=True).start()
        try:
            running, initial = entered.result(timeout=self._start_s)
        except BaseException:
            given_up.set()
            _end(dojo)
            raise
        running.timeout = self._step_s
        if (process := getattr(running, "proc", None)) is not None:
            process.timeout = self._step_s
        return running, initial

    def _run(self, state: Any, tactic: str) -> Any:
        running = self._running
        try:
            return running.run_tac(state, tactic)
        except self._dojo.DojoTacticTimeoutError:
            self.close()  # else its late answer would be taken for that of the next tactic
            return TacticFailure("timeout", f"{running.timeout} s")
        except self._dojo.DojoCrashError as error:
            self.close()
            reason = "resources" if error.is_out_of_memory else "crash"
            return TacticFailure(reason, str(error)[:_MAX_MESSAGE_CHARS])
        except Exception as error:
            # It asserts that a dead process has an exit code, that goals can be counted, and more.
            self.close()
            return TacticFailure("crash", f"{type(error).__name__}: {error}"[:_MAX_MESSAGE_CHARS])

    def _state(self, tactics: tuple[str, ...], state: Any) -> TacticState:
        goals = tuple(goal for goal in state.pp.split("\n\n") if goal.strip())
        return TacticState(goals, _Handle(tactics, state, self._process))


def _end(dojo: Any) -> None:
    """Ends its process and removes its file, as far as it got."""
    with contextlib.suppress(Exception):
        dojo.__exit__(None, None, None)


@contextlib.contextmanager
def open_dojo(problem: Problem, step_s: float, start_s: float = START_S) -> Iterator[DojoTactics]:
    """The backend of a problem that `proofmill problems from-repo` made. Raises ConfigError without the extra, and
    ValueError for a problem from elsewhere or a repository that is not there.
    """
    dojo = import_lean_dojo()
    place = problem.meta.get("repository")
    if not isinstance(place, dict) or not {"url", "commit", "file", "theorem"} <= place.keys():
        raise ValueError("no meta.repository: Dojo runs problems that `proofmill problems from-repo` made")
    try:
        repository = dojo.LeanGitRepo(place["url"], place["commit"])
        theorem = dojo.Theorem(repository, place["file"], place["theorem"])
    except Exception as error:  # whatever git, GitHub or a path say
        raise ValueError(f"{place['url']} at {place['commit']} cannot be read: {error}") from error
    backend = DojoTactics(lambda: dojo.Dojo(theorem, timeout=max(1, round(start_s))), step_s=step_s, start_s=start_s)
    try:
        yield backend
    finally:
        backend.close()
