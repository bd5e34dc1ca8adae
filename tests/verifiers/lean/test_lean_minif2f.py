"""A problem set in miniF2F's layout needs Mathlib: it loads, and the embedded engine says so of every sample."""

from __future__ import annotations

import json
from pathlib import Path

from jobs.cli import main
from jobs.config import Problems
from jobs.problems.load import check_problems

HEADER = (
    "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen BigOperators Real Nat Topology Rat\n\n"
)
ROWS = [
    ("double_is_sum", "valid", "theorem double_is_sum (x : ℝ) : 2 * x = x + x := by\n"),
    ("square_nonneg", "test", "theorem square_nonneg (x : ℝ) (h₀ : 0 < x) : 0 ≤ x ^ 2 := by\n"),
    ("sum_of_first", "test", "theorem sum_of_first : ∑ i ∈ Finset.range 4, i = 6 := by\n"),
]


def test_every_sample_is_undecided_for_want_of_mathlib(tmp_path: Path) -> None:
    problems = tmp_path / "minif2f.jsonl"
    rows = [
        {"name": name, "split": split, "informal_prefix": "/-- -/\n", "formal_statement": statement, "header": HEADER}
        for name, split, statement in ROWS
    ]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = check_problems(Problems(files=[str(problems)]))
    assert summary.by_kind == {"lean": 3} and summary.sources[0].layout == "minif2f"

    solutions = tmp_path / "solutions.jsonl"
    texts = ["by ring", "```lean\nby nlinarith\n```", "by sorry", "I do not know."]
    asked = [{"problem_id": name, "text": text} for name, _, _ in ROWS for text in texts]
    solutions.write_text("".join(json.dumps(row) + "\n" for row in asked))
    out = tmp_path / "verdicts.jsonl"
    assert main(["verify", "--problems", str(problems), "--solutions", str(solutions), "--out", str(out)]) == 0
    verdicts = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(verdicts) == len(asked)
    reasons = {(verdict["status"], verdict["reason"]) for verdict in verdicts}
    assert reasons == {("undecided", "needs Mathlib: configure a native Lean project")}
