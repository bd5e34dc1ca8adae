"""lean-dojo behind our seams. Its classes are the real ones; the Lean it would start is not here, so the answers of the
process are played by a script that raises and returns what lean-dojo does.
"""

from __future__ import annotations

import builtins
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.cli import main
from jobs.config import ConfigError
from jobs.lean.dojo.repository import Skipped, read_problems
from jobs.lean.dojo.tactics import DojoTactics, open_dojo
from jobs.problems.load import check_problems
from verifiers.lean.search.best_first import Outcome, Proposal, SearchBudget, TacticFailure, TacticState, search
from verifiers.types import Kind, Problem


def test_theorems_become_problems_with_context_and_premises(traced: Any) -> None:
    skipped = Skipped()
    first, second = read_problems(traced, skipped)
    assert skipped.counts == {"private": 1}
    assert first.kind is Kind.LEAN
    assert first.reference["name"] == "first"
    assert first.id.endswith(":Small.lean:Small.first")
    # Documentation and attributes belong to the theorem's own command, and are left out of both.
    assert first.reference["header"] == "import Init\n\nnamespace Small\n\ndef two : Nat := 2"
    assert first.reference["statement"] == "theorem first (n : Nat) : n + 0 = n"
    assert [premise["name"] for premise in first.meta["premises"]] == ["Nat.add_zero"]
    assert first.meta["premises"][0]["line"] == 7
    assert second.reference["statement"] == "open Nat in\ntheorem second : two = 2"
    assert second.reference["header"].endswith("exact Nat.add_zero n")
    repository = second.meta["repository"]
    assert (repository["file"], repository["theorem"], repository["line"]) == ("Small.lean", "Small.second", 13)
    assert repository["lean_version"] == "v4.20.0" and len(repository["commit"]) == 40
    assert "def two" in first.prompt and first.prompt.rstrip().endswith("```")


@pytest.mark.lean
def test_such_problems_can_be_solved_by_the_embedded_engine(traced: Any) -> None:
    from verifiers.lean.checker import LeanChecker

    checker = LeanChecker(num_spares=0)
    try:
        first, second = read_problems(traced, Skipped())
        assert checker.check_problem(first) is None and checker.check_problem(second) is None
        assert checker.verify(first, "by\n  exact Nat.add_zero n").status == "verified"
        assert checker.verify(second, "by\n  unfold two\n  rfl").status == "verified"
        assert checker.verify(second, "by\n  omega").status == "refuted"
    finally:
        checker.close()


def test_the_command_writes_a_set_that_loads(
    traced: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import lean_dojo

    from jobs.config import Problems

    asked: list[Any] = []

    def trace(repository: Any, build_deps: bool) -> Any:
        asked.append((repository, build_deps))
        return traced

    monkeypatch.setattr(lean_dojo, "trace", trace)
    out = tmp_path / "problems.jsonl"
    assert main(["problems", "from-repo", str(traced.root_dir), traced.repo.commit, "--out", str(out)]) == 0
    assert asked == [(traced.repo, False)]
    assert check_problems(Problems(files=[str(out)])).by_kind == {"lean": 2}
    assert len(json.loads(out.read_text().splitlines()[0])["meta"]["repository"]["commit"]) == 40
    assert "left out 1: private" in capsys.readouterr().err


def test_what_is_no_repository_is_told_plainly(
    lean_dojo: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "problems.jsonl"
    assert main(["problems", "from-repo", str(tmp_path), "HEAD", "--out", str(out)]) == 2
    assert "could not be traced" in capsys.readouterr().err
    assert not out.exists()


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "lean_dojo":
            raise ModuleNotFoundError("No module named 'lean_dojo'", name="lean_dojo")
        return real(name, *arguments, **options)

    monkeypatch.setitem(sys.modules, "lean_dojo", None)
    monkeypatch.setattr(builtins, "__import__", missing)
    assert main(["problems", "from-repo", ".", "HEAD", "--out", str(tmp_path / "p.jsonl")]) == 2
    assert 'pip install "lean-dojo==' in capsys.readouterr().err
    with pytest.raises(ConfigError, match="optional extra"), open_dojo(Problem("p", Kind.LEAN, "", {}), 1.0):
        pass


class ScriptedProcess:
    """What stands for one Dojo: states are numbered as its process does, answers are lean-dojo's own types."""

    timeout = 600
    """lean-dojo's one limit, as it is while the Dojo starts."""

    def __init__(self, dojo: Any, answer: Callable[[Any, str], Any]) -> None:
        self.dojo = dojo
        self.answer = answer
        self.closed = False
        self.asked: list[tuple[int, str]] = []

    def __enter__(self) -> tuple[ScriptedProcess, Any]:
        return self, self.dojo.TacticState("p q : Prop\nh : p ∧ q\n⊢ q ∧ p", 0)

    def __exit__(self, *_: Any) -> None:
        self.closed = True

    def run_tac(self, state: Any, tactic: str) -> Any:
        assert isinstance(state, self.dojo.TacticState) and not self.closed
        self.asked.append((state.id, tactic))
        return self.answer(state, tactic)


@pytest.fixture
def played(lean_dojo: Any) -> tuple[DojoTactics, list[ScriptedProcess]]:
    """∧-commutativity: `constructor` gives two goals, `exact h.2` and `exact h.1` close them in turn."""

    def answer(state: Any, tactic: str) -> Any:
        if tactic == "hang":
            raise lean_dojo.DojoTacticTimeoutError
        if tactic == "kill":
            raise lean_dojo.DojoCrashError("OOM")
        if tactic == "sorry":
            return lean_dojo.ProofGivenUp()
        goal = "p q : Prop\nh : p ∧ q\n⊢ "
        left, right = f"case left\n{goal}q", f"case right\n{goal}p"
        match (state.num_goals, tactic):
            case (1, "constructor") if "q ∧ p" in state.pp:
                return lean_dojo.TacticState(f"{left}\n\n{right}", state.id + 1)
            case (2, "exact h.2"):
                return lean_dojo.TacticState(right, state.id + 1)
            case (1, "exact h.1") if state.pp == right:
                return lean_dojo.ProofFinished(state.id + 1)
        return lean_dojo.LeanError("type mismatch")

    processes: list[ScriptedProcess] = []

    def open_process() -> ScriptedProcess:
        processes.append(ScriptedProcess(lean_dojo, answer))
        return processes[-1]

    return DojoTactics(open_process, step_s=3), processes


class Script:
    def propose(self, state: TacticState) -> list[Proposal]:
        tactics = ("exact h.1", "exact h.2", "hang", "sorry", "kill", "constructor")
        return [Proposal(tactic, -1.0 - i) for i, tactic in enumerate(tactics)]


def test_the_same_search_drives_it(played: tuple[DojoTactics, list[ScriptedProcess]]) -> None:
    backend, processes = played
    accepted: list[tuple[str, ...]] = []
    result = search(backend, Script(), lambda tactics: not accepted.append(tactics), SearchBudget())
    assert result.outcome is Outcome.PROVED
    assert result.tactics == ("constructor", "exact h.2", "exact h.1")
    assert result.failures["timeout"] >= 1 and result.failures["resources"] >= 1 and result.failures["policy"] >= 1
    assert len(processes) >= 3, "a hanging or dead process is replaced"
    assert all(process.closed for process in processes[:-1])
    backend.close()
    assert processes[-1].closed


def test_a_state_is_reached_again_after_a_restart(played: tuple[DojoTactics, list[ScriptedProcess]]) -> None:
    backend, processes = played
    root = backend.start()
    assert isinstance(root, TacticState) and root.goals == ("p q : Prop\nh : p ∧ q\n⊢ q ∧ p",)
    two = backend.apply(root, "constructor")
    assert isinstance(two, TacticState) and len(two.goals) == 2
    assert backend.apply(two, "hang") == TacticFailure("timeout", "3 s")
    one = backend.apply(two, "exact h.2")
    assert isinstance(one, TacticState) and len(one.goals) == 1
    assert processes[1].asked == [(0, "constructor"), (1, "exact h.2")]
    assert backend.apply(one, "exact h.1") == TacticState((), None)
    failed = backend.apply(one, "exact h.2")
    assert isinstance(failed, TacticFailure) and failed.reason == "error"


def test_a_process_that_does_not_start_is_a_failure(lean_dojo: Any) -> None:
    def open_process() -> Any:
        raise lean_dojo.DojoInitError("Unexpected EOF")

    reached = DojoTactics(open_process, step_s=3).start()
    assert isinstance(reached, TacticFailure) and "Unexpected EOF" in reached.message


class Unready:
    """A Dojo whose start ends as `start` says."""

    def __init__(self, start: Callable[[], Any]) -> None:
        self.start = start
        self.num_ends = 0
        self.ended = threading.Event()

    def __enter__(self) -> Any:
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.num_ends += 1
        self.ended.set()


@pytest.mark.parametrize(
    "error", [AssertionError("no repl"), ValueError("no JSON"), OSError(5, "gone"), KeyError("sid")]
)
def test_whatever_a_start_raises_is_a_failure_and_leaves_nothing_behind(lean_dojo: Any, error: Exception) -> None:
    def start() -> Any:
        raise error

    unready = Unready(start)
    reached = DojoTactics(lambda: unready, step_s=3).start()
    assert isinstance(reached, TacticFailure) and reached.reason == "crash"
    assert "Dojo does not start" in reached.message and type(error).__name__ in reached.message
    assert unready.ended.is_set()


def test_a_start_that_hangs_is_given_up_and_ended_when_it_comes(lean_dojo: Any) -> None:
    go_on = threading.Event()
    unready = Unready(lambda: (go_on.wait(60), unready)[::-1])
    backend = DojoTactics(lambda: unready, step_s=3, start_s=0.05)
    reached = backend.start()
    assert reached == TacticFailure("timeout", "Dojo does not start within 0.05 s")
    assert unready.num_ends == 1, "what runs already is ended at once"
    unready.ended.clear()
    go_on.set()
    assert unready.ended.wait(60), "and what starts late is ended as well"
    backend.close()


@pytest.mark.parametrize("error", [AssertionError(""), OSError(5, "gone"), RuntimeError("an invalid state")])
def test_assertions_of_a_running_process_cost_one_failure(lean_dojo: Any, error: Exception) -> None:
    def answer(state: Any, tactic: str) -> Any:
        if tactic == "raise":
            raise error
        return lean_dojo.LeanError("type mismatch")

    processes: list[ScriptedProcess] = []

    def open_process() -> ScriptedProcess:
        processes.append(ScriptedProcess(lean_dojo, answer))
        return processes[-1]

    backend = DojoTactics(open_process, step_s=3)
    root = backend.start()
    assert isinstance(root, TacticState)
    failed = backend.apply(root, "raise")
    assert isinstance(failed, TacticFailure) and (failed.reason, processes[0].closed) == ("crash", True)
    assert type(error).__name__ in failed.message
    assert backend.apply(root, "rfl") == TacticFailure("error", "type mismatch")
    assert len(processes) == 2


def test_the_limit_of_a_start_is_not_that_of_a_tactic(
    lean_dojo: Any, traced: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lean-dojo takes one number, for the start; it is lowered when the first state has come."""
    given: list[int] = []

    class Dojo(ScriptedProcess):
        def __init__(self, theorem: Any, timeout: int) -> None:
            super().__init__(lean_dojo, lambda state, tactic: lean_dojo.LeanError("no"))
            given.append(timeout)
            self.timeout = timeout

    monkeypatch.setattr(lean_dojo, "Dojo", Dojo)
    first, _ = read_problems(traced, Skipped())
    monkeypatch.setattr(lean_dojo, "LeanGitRepo", lambda url, commit: traced.repo)
    with open_dojo(first, step_s=7, start_s=90) as backend:
        assert isinstance(backend.start(), TacticState)
        assert (given, backend._running.timeout) == ([90], 7)


def test_problems_from_elsewhere_have_no_dojo(lean_dojo: Any) -> None:
    with pytest.raises(ValueError, match="from-repo"), open_dojo(Problem("p", Kind.LEAN, "", {}), 1.0):
        pass


def test_it_wants_consent_to_run_without_a_sandbox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["search", "--problems", "p.jsonl", "--out", str(tmp_path / "s.jsonl"), "--engine", "dojo"]
    assert main(arguments) == 2
    assert "lean.allow_unprotected=true" in capsys.readouterr().err
