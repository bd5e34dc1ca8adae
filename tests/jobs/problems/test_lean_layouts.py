"""Public Lean sets: each opens by its name, and the real checker tells a right proof of it from a wrong one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import made_up_lean_sets as made_up
import pytest

from jobs.config import ConfigError, Problems
from jobs.problems import lean_layouts
from jobs.problems.errors import ProblemFileError
from jobs.problems.load import check_problems, stream_problems
from verifiers.lean.checker import LeanChecker
from verifiers.types import Problem
from workers.engines.remote.confidential import SOURCES, is_confidential


@pytest.fixture(scope="module")
def checker() -> Iterator[LeanChecker]:
    checker = LeanChecker(num_workers=1, num_spares=0, second_kernel="off")
    yield checker
    checker.close()


def opened(path: str, layout: str = "", **options) -> list[Problem]:
    """The problems of a file that is opened without any setting but `options`."""
    config = Problems(files=[path], **options)
    summary = check_problems(config)
    assert not layout or summary.sources[0].layout == layout
    return list(stream_problems(config, summary.skipped))


@pytest.mark.lean
@pytest.mark.parametrize("name", made_up.SETS)
def test_a_set_opens_and_its_proofs_are_judged(checker: LeanChecker, tmp_path: Path, name: str) -> None:
    made = made_up.SETS[name]
    (problem,) = opened(made.write(tmp_path), made.layout)
    assert (problem.kind, problem.id) == ("lean", made.id)
    assert problem.reference["statement"] == made_up.theorem(problem.reference["name"], "")
    assert name == "leandojo" or "ero plus a is a" in problem.prompt
    assert checker.check_problem(problem) is None
    right, wrong = (checker.verify(problem, text) for text in (made.right, made.wrong))
    assert (right.status, wrong.status) == ("verified", "refuted"), (right, wrong)


@pytest.mark.parametrize("name", [name for name in made_up.SETS if name not in ("lean_workbook", "leandojo")])
def test_a_header_that_needs_mathlib_is_kept_and_is_undecided(tmp_path: Path, name: str) -> None:
    made = made_up.SETS[name]
    row = {
        field: value.replace(made_up.HEADER, made_up.MATHLIB) if isinstance(value, str) else value
        for field, value in made.row.items()
    }
    (problem,) = opened(made.write(tmp_path, changed=[row]), made.layout)
    assert problem.reference["header"].startswith("import Mathlib\nimport Aesop")
    checker = LeanChecker()
    try:
        assert checker.check_problem(problem) is None
        verdict = checker.verify(problem, made.wrong)
    finally:
        checker.close()
    assert (verdict.status, verdict.reason) == ("undecided", "needs Mathlib: configure a native Lean project")


@pytest.mark.parametrize("name", made_up.SETS)
def test_a_lean_set_is_nothing_else(tmp_path: Path, name: str) -> None:
    made = made_up.SETS[name]
    with pytest.raises(ConfigError, match=r"problems\.kind: .*not math"):
        opened(made.write(tmp_path), kind="math")


def test_putnambench_is_confidential(tmp_path: Path) -> None:
    (problem,) = opened(made_up.SETS["putnambench"].write(tmp_path))
    assert is_confidential(problem, SOURCES)
    path = tmp_path / "putnam_1937_a1.lean"
    path.write_text(f"{made_up.DOC}{made_up.theorem('putnam_1937_a1')}")
    (problem,) = opened(str(path), "lean_file")
    assert is_confidential(problem, SOURCES)


# Headers that a file does not have


@pytest.mark.parametrize(
    ("statement", "needs"),
    [
        ("theorem t (a b : Nat) (h : a ≤ b) : a + b = b + a", False),
        ("theorem t : 1 + 1 = 2", False),
        ("theorem t : ∀ n : Nat, ∃ m : Nat, m = n ∧ ¬ m < n", False),
        ("theorem t (p q : Prop) (hp : p) : p ∨ q", False),
        ("theorem t (xs : List Nat) : xs.length = xs.length", False),
        ("theorem t (x : ℝ) : x = x", True),
        ("theorem t (n : ℕ) : n = n", True),
        ("theorem t : Nat.Prime 7", True),
        ("theorem t (x : Nat) : ∑ i ∈ s, i = x", True),
        ("theorem t (f : Real → Real) : f = f", True),
        ("theorem t (a : Nat) : Even (2 * a)", True),
        ("theorem t : choose 5 2 = 10", True),
    ],
)
def test_a_statement_without_a_header_gets_one_unless_it_is_plain(tmp_path: Path, statement: str, needs: bool) -> None:
    """Lean's core reads `(x : ℝ)` as a type of any kind, and proves `x = x` of it: another statement."""
    change = {"formal_statement": f"{statement}  :=  by sorry"}
    (problem,) = opened(made_up.SETS["lean_workbook"].write(tmp_path, changed=[change]))
    assert problem.reference["header"] == (lean_layouts.MATHLIB_HEADER if needs else "")
    assert problem.reference["statement"] == statement


def test_a_header_of_its_own_is_left_alone(tmp_path: Path) -> None:
    text = f"open Nat\n\n{made_up.theorem('t').replace('Nat', 'ℕ')}"
    (problem,) = opened(made_up.SETS["goedel_pset"].write(tmp_path, changed=[{"formal_statement": text}]))
    assert problem.reference["header"] == "open Nat"


# What stands around a theorem


@pytest.mark.lean
def test_doc_comments_and_prefixes_of_a_theorem(checker: LeanChecker, tmp_path: Path) -> None:
    """A header that ends in a doc comment, an attribute or `open … in` elaborates nowhere."""
    before = f"def two := 2\n{made_up.DOC}set_option maxRecDepth 500 in\n@[simp]\n"
    change = {"formal_statement": before + made_up.theorem("t"), "informal_statement": None}
    (problem,) = opened(made_up.SETS["goedel_pset"].write(tmp_path, changed=[change]))
    assert problem.reference["header"] == "def two := 2"
    assert problem.reference["statement"].startswith("set_option maxRecDepth 500 in\n@[simp]\ntheorem t")
    assert "Zero plus a is a." in problem.prompt and problem.meta["informal"] == "Zero plus a is a."
    assert checker.check_problem(problem) is None
    assert checker.verify(problem, made_up.RIGHT).status == "verified"
    assert checker.verify(problem, made_up.WRONG).status == "refuted"


@pytest.mark.parametrize(
    ("name", "change", "wrong"),
    [
        ("putnambench", {"lean4_statement": "abbrev s : Nat := sorry\ntheorem t : s = 2 := sorry"}, "second sorry"),
        ("combibench", {"formal_statement": "theorem t : True := by trivial"}, "does not end in sorry"),
        ("formalmath", {"autoformalization": "import Mathlib"}, "no theorem"),
        ("formalmath", {"autoformalization": None}, "autoformalization: missing"),
        ("proofnet_sharp", {"lean4_formalization": "theorem t : True := trivial"}, "does not end in sorry"),
        ("minif2f_goedel", {"lean4_code": "example : True := by sorry"}, "no theorem"),
    ],
)
def test_a_row_that_states_nothing_to_prove_is_refused_and_the_rest_is_kept(
    tmp_path: Path, name: str, change: dict[str, object], wrong: str
) -> None:
    made = made_up.SETS[name]
    with pytest.raises(ProblemFileError, match=wrong):
        opened(made.write(tmp_path, changed=[change]))
    path = made.write(tmp_path, changed=[{}, change])
    assert len(opened(path, skip_bad=True)) == 1


def test_lean_3_is_refused(tmp_path: Path) -> None:
    row = {"id": "x", "formal_statement": "theorem e (a : nat) : 0 + a = a :=", "src_header": "import data.nat.basic"}
    path = tmp_path / "proofnet.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(ProblemFileError, match="a set in Lean 3"):
        opened(str(path))


# Files of Lean

LEAN_FILE = """import Init
/-! A file as yangky11's miniF2F has it: theorem after theorem. -/
set_option maxHeartbeats 400000

def two := 2

/-- A lemma with its proof. -/
theorem helper (a : Nat) : a = a := rfl

/-- Zero plus a is a. -/
theorem first (a : Nat) : 0 + a = a := sorry

open Nat in
theorem second (a : Nat)
  (h : a = two) :
  a = 2 := by
  sorry

@[simp]
private theorem third (a : Nat) : a + 0 = a := sorry

-- theorem hidden : False := sorry
"""


@pytest.mark.lean
def test_a_file_of_theorems(checker: LeanChecker, tmp_path: Path) -> None:
    path = tmp_path / "Test.lean"
    path.write_text(LEAN_FILE)
    first, second, third = opened(str(path), "lean_file")
    assert (first.id, second.id, third.id) == ("first", "second", "third")
    assert "Zero plus a is a." in first.prompt and "Zero plus" not in second.prompt
    for problem in (first, second, third):
        header = problem.reference["header"]
        assert "def two := 2" in header and "theorem helper" in header and "sorry" not in header
        assert checker.check_problem(problem) is None
    assert second.reference["statement"].startswith("open Nat in\ntheorem second")
    assert third.reference["statement"].startswith("@[simp]\nprivate theorem third")
    texts = ["by omega", "by simpa [two] using h", "by rfl"]
    verdicts = [
        checker.verify(problem, f"```lean4\n{text}\n```").status
        for problem, text in ((first, texts[0]), (second, texts[1]), (second, texts[2]))
    ]
    assert verdicts == ["verified", "verified", "refuted"]


def test_a_folder_of_lean_files_and_one_that_has_no_theorem(tmp_path: Path) -> None:
    (tmp_path / "lakefile.lean").write_text("import Lake\nopen Lake DSL\npackage p\n")
    for number in (1, 2):
        text = f"import Mathlib\n\n/--\nWords.\n-/\ntheorem putnam_1937_a{number}\n: 1 + 1 = 2 :=\nsorry\n"
        (tmp_path / f"putnam_1937_a{number}.lean").write_text(text)
    problems = opened(str(tmp_path))
    assert [problem.id for problem in problems] == ["putnam_1937_a1", "putnam_1937_a2"]
    assert problems[0].reference == {
        "header": "import Mathlib",
        "name": "putnam_1937_a1",
        "statement": "theorem putnam_1937_a1\n: 1 + 1 = 2",
    }
