"""Made-up rows of public Lean sets, in the columns and types of their publishers. Every theorem says that zero plus a
is a, and needs no Mathlib."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from made_up_code_sets import TEXT, TEXTS, YES, MadeUp

HEADER = "set_option maxHeartbeats 400000\n\n"
MATHLIB = (
    "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen BigOperators Real Nat Topology Rat\n\n"
)
RIGHT = "```lean4\nby\n  omega\n```"
WRONG = "```lean4\nby\n  exact a\n```"


def theorem(name: str, tail: str = " := by sorry") -> str:
    return f"theorem {name} (a : Nat) : 0 + a = a{tail}"


def made(layout: str, row: dict[str, Any], columns: dict[str, pa.DataType] | None = None, id: str = "") -> MadeUp:
    return MadeUp(layout, row, RIGHT, WRONG, columns, id)


WORKBOOK_COLUMNS = {
    **dict.fromkeys(("id", "status", "tactic", "state_before", "state_after", "natural_language_statement"), TEXT),
    **{"answer": TEXT, "formal_statement": TEXT, "tags": TEXTS, "split": TEXT, "proof": TEXTS},
}
NUMINA_COLUMNS = {
    **dict.fromkeys(("uuid", "problem", "question_type", "answer", "author", "formal_statement"), TEXT),
    **{"formal_ground_truth": TEXT, "ground_truth_type": TEXT, "formal_proof": TEXT, "rl_data": pa.struct({"n": YES})},
    **{"source": TEXT, "problem_type": TEXT, "exam": TEXT},
}
DOC = "/-- Zero plus a is a. -/\n"
SETS = {
    "numinamath_lean": made(
        "lean_file",
        {
            "uuid": "u-7",
            "problem": "Show that zero plus a is a.",
            "question_type": "proof",
            "answer": "proof",
            "author": "human",
            "formal_statement": f"{HEADER}def two := 2\n\n{DOC}{theorem('zero_plus')}",
            "source": "olympiads_ref",
            "problem_type": "Algebra",
        },
        NUMINA_COLUMNS,
        "u-7",
    ),
    "minif2f_kimina": made(
        "lean_file",
        {
            "name": "mathd_7",
            "split": "test",
            "informal_prefix": DOC,
            "formal_statement": f"{HEADER}{DOC}{theorem('mathd_7')}\n",
        },
        dict.fromkeys(("name", "split", "informal_prefix", "formal_statement"), TEXT),
        "mathd_7",
    ),
    "minif2f_goedel": made(
        "goedel",
        {
            "name": "mathd_7",
            "split": "test",
            "informal_prefix": DOC,
            "formal_statement": theorem("mathd_7"),
            "lean4_code": f"{HEADER}{DOC}{theorem('mathd_7')}",
        },
        id="mathd_7",
    ),
    "minif2f_deepseek": made(
        "minif2f",
        {
            "name": "mathd_7",
            "split": "valid",
            "informal_prefix": DOC,
            "formal_statement": theorem("mathd_7", " := by\n"),
            "goal": "a : Nat\n⊢ 0 + a = a",
            "header": HEADER,
        },
        id="mathd_7",
    ),
    "minif2f_catsearcher": made(
        "minif2f",
        {
            "id": "mathd_7",
            "split": "test",
            "formal_statement": theorem("mathd_7", "  := sorry"),
            "header": HEADER,
            "informal_stmt": "Show that zero plus a is a.",
            "informal_proof": "…",
        },
        id="mathd_7",
    ),
    "proofnet_deepseek": made(
        "minif2f",
        {
            "name": "Rudin|exercise_1_7",
            "split": "valid",
            "informal_prefix": DOC,
            "formal_statement": theorem("exercise_1_7", " :=\n"),
            "goal": "⊢",
            "header": HEADER,
        },
        id="Rudin|exercise_1_7",
    ),
    "proofnet_sharp": made(
        "proofnet_sharp",
        {
            "id": "Rudin|exercise_1_7",
            "nl_statement": "Show that zero plus a is a.",
            "nl_proof": "…",
            "lean4_src_header": HEADER,
            "lean4_formalization": theorem("exercise_1_7", " :="),
        },
        dict.fromkeys(("id", "nl_statement", "nl_proof", "lean4_src_header", "lean4_formalization"), TEXT),
        "Rudin|exercise_1_7",
    ),
    "putnambench": made(
        "putnambench",
        {
            "name": "putnam_1937_a1",
            "lean4_statement": f"{HEADER}{DOC}{theorem('putnam_1937_a1', chr(10) + ':=' + chr(10) + 'sorry')}",
            "isabelle_statement": "",
            "coq_statement": "",
            "informal_statement": "Show that zero plus a is a.",
            "informal_solution": "None.",
            "tags": ["algebra"],
        },
        id="putnam_1937_a1",
    ),
    "goedel_pset": made(
        "lean_file",
        {"problem_id": "gp_7", "informal_statement": "Zero plus a is a.", "formal_statement": HEADER + theorem("gp_7")},
        id="gp_7",
    ),
    "formalmath": made(
        "formalmath",
        {
            "theorem_names": "u_7",
            "source": "omni",
            "refined_statement": "Show that zero plus a is a.",
            "solution": "…",
            "domain": '["Algebra"]',
            "autoformalization": HEADER + theorem("u_7"),
        },
        dict.fromkeys(
            ("theorem_names", "source", "refined_statement", "solution", "domain", "autoformalization"), TEXT
        ),
        "u_7",
    ),
    "combibench": made(
        "lean_file",
        {
            "theorem_name": "brualdi_7",
            "natural_language": "Show that zero plus a is a.",
            "answer": "",
            "tag": "Brualdi",
            "formal_statement": f"{HEADER}{theorem('brualdi_7')}",
            "is_with_solution": False,
        },
        id="brualdi_7",
    ),
    "lean_workbook": made(
        "lean_file",
        {
            "id": "lean_workbook_7",
            "status": "proved",
            "tactic": "simp",
            "state_before": "⊢",
            "state_after": "no goals",
            "natural_language_statement": "Show that zero plus a is a.",
            "answer": "",
            "formal_statement": theorem("lean_workbook_7", "  :=  by sorry"),
            "tags": ["algebra"],
            "split": "lean_workbook",
            "proof": [],
        },
        WORKBOOK_COLUMNS,
        "lean_workbook_7",
    ),
    "leandojo": made(
        "lean_statement",
        {"full_name": "zero_plus_new", "statement": theorem("zero_plus_new", "")},
        {"full_name": TEXT, "statement": TEXT},
        "zero_plus_new",
    ),
}
"""Every set, by the name that docs/problem_files.md gives to it."""
