"""`proofmill search` as a user runs it: real Lean, real audit; once with a real model behind a real vLLM."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.lean.search.model_proposer import as_theorem, count_tactics, messages_for, read_tactics
from verifiers.lean.search.best_first import TacticState

ROOT = Path(__file__).resolve().parents[4]
SET = [
    ("and", "", "theorem t (p q : Prop) (h : p ∧ q) : q ∧ p"),
    ("false", "", "theorem t (n : Nat) : n = n + 1"),
    ("induction", "def d : Nat → Nat\n  | 0 => 0\n  | n + 1 => d n + 2", "theorem t (n : Nat) : d n = 2 * n"),
    ("mathlib", "import Mathlib", "theorem t (x : ℝ) : x = x"),
]


def write_set(path: Path, names: set[str]) -> str:
    rows = [
        {"id": i, "kind": "lean", "prompt": s, "reference": {"header": h, "name": "t", "statement": s}}
        for i, h, s in SET
        if i in names
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.lean
def test_solutions_are_audited_and_verify_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problems = write_set(tmp_path / "p.jsonl", {"and", "false", "induction"})
    out, log = tmp_path / "s.jsonl", tmp_path / "l.jsonl"
    limits = ["--expansions", "20", "--applications", "150"]
    assert main(["search", "--problems", problems, "--out", str(out), "--log", str(log), *limits]) == 0
    solutions = lines(out)
    assert [s["problem_id"] for s in solutions] == ["and", "induction"]
    assert {s["verdict"]["status"] for s in solutions} == {"verified"}
    assert all(s["verdict"]["evidence"]["audit"] == "kernel replay" for s in solutions)
    assert all(s["search"]["outcome"] == "proved" and s["search"]["tactics"] for s in solutions)
    searches = lines(log)
    assert [s["problem_id"] for s in searches] == ["and", "false", "induction"]
    assert searches[1]["search"]["outcome"] in ("exhausted", "budget") and "text" not in searches[1]
    assert "2 proved" in capsys.readouterr().err
    # The file is in the layout that `verify` takes, and its texts stand on their own.
    verdicts = tmp_path / "v.jsonl"
    arguments = ["--problems", problems, "--solutions", str(out), "--out", str(verdicts), "--workers", "1"]
    assert main(["verify", *arguments]) == 0
    assert [(v["problem_id"], v["status"]) for v in lines(verdicts)] == [("and", "verified"), ("induction", "verified")]


def test_a_problem_that_no_engine_states_needs_a_person(tmp_path: Path) -> None:
    problems = write_set(tmp_path / "p.jsonl", {"mathlib"})
    out, log = tmp_path / "s.jsonl", tmp_path / "l.jsonl"
    assert main(["search", "--problems", problems, "--out", str(out), "--log", str(log)]) == 3
    assert out.read_text() == ""
    assert "needs Mathlib" in lines(log)[0]["search"]["detail"]


def test_other_kinds_and_missing_files_are_usage_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problems = tmp_path / "p.jsonl"
    problems.write_text('{"id": "a", "kind": "math", "prompt": "1+1", "reference": {"answer": "2"}}\n')
    assert main(["search", "--problems", str(problems), "--out", str(tmp_path / "s.jsonl")]) == 2
    assert "search takes lean problems" in capsys.readouterr().err
    assert main(["search", "--problems", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "s.jsonl")]) == 2
    assert main(["search", "--problems", "p", "--out", str(tmp_path / "s.jsonl"), "--set", "lean.speed=9"]) == 2
    assert "verify.lean.speed: unknown key" in capsys.readouterr().err
    assert not (tmp_path / "s.jsonl").exists()


@pytest.mark.lean
@pytest.mark.ray
def test_a_model_proposes(tmp_path: Path) -> None:
    """The tiny reasoner writes whole proofs; the search uses them as tactics for each state's first goal."""
    problems = tmp_path / "p.jsonl"
    statements = ["theorem t1 (x y : Nat) (h : x + 3 ≤ y) : x < y + 2", "theorem t2 : Nat.gcd 14 21 = 7"]
    rows = [
        {"id": f"m{i}", "kind": "lean", "prompt": s, "reference": {"header": "", "name": f"t{i}", "statement": s}}
        for i, s in enumerate(statements, 1)
    ]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "s.jsonl"
    model = ["--model", str(ROOT / "models" / "tiny_reasoner"), "--prompt", "theorem", "--samples", "16"]
    assert main(["search", "--problems", str(problems), "--out", str(out), "--expansions", "3", *model]) == 0
    solutions = lines(out)
    assert solutions and all(s["verdict"]["status"] == "verified" for s in solutions)


def test_tactics_are_read_from_what_models_write() -> None:
    assert read_tactics("```lean\nby\n  intro h\n  exact h\n```") == ["intro h\nexact h", "intro h"]
    assert read_tactics("so <think>by rfl</think>\n```lean\nomega\n```") == ["omega"]
    assert read_tactics(
        "```lean\ntheorem t (a : Nat) : a = a := by\n  cases a with\n  | zero => rfl\n  | succ n => rfl\n```"
    ) == ["cases a with\n| zero => rfl\n| succ n => rfl"]
    assert read_tactics("simp") == ["simp"]
    assert read_tactics("") == [] and read_tactics("```lean\n```") == []
    texts = [("simp", "stop"), ("simp", "stop"), ("omega", "stop"), ("", "stop")]
    shares = {p.tactic: p.logprob for p in count_tactics(texts)}
    assert shares["simp"] > shares["omega"] and shares["simp"] == pytest.approx(-0.6931, abs=1e-3)


def test_a_goal_is_shown_as_a_theorem_or_as_it_is() -> None:
    goal = "case left\np q : Prop\nh✝ : p ∧ q\n⊢ q"
    assert as_theorem(goal) == "theorem t (p q : Prop) (h : p ∧ q) : q"
    state = TacticState((goal, "⊢ p"), None)
    assert "⊢ p" in messages_for(state, "state")[0][1]
    assert messages_for(state, "theorem")[0][1].startswith("Prove in Lean 4: theorem t")
