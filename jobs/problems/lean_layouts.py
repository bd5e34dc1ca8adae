"""Layouts of Lean sets: miniF2F in its four forms, ProofNet and ProofNet#, NuminaMath-LEAN, Kimina, Goedel,
PutnamBench, FormalMATH, CombiBench, Lean Workbook, LeanDojo's statements, and theorems of `.lean` files.

Promises: a header is what the file says, imports included; what a header needs is decided where the proof is checked.
A statement that rests on a second `sorry`, as an answer to be filled in, is a fault. Only a text that imports nothing
and uses words that are not of Lean's core gets a header, the one that its publishers' provers put before it.
Does not: read Lean 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from jobs.problems.errors import BadRow
from jobs.problems.lean_texts import LEAN_TARGET, doc_comment, lean_reference, lean_task
from jobs.problems.rows import RowContext, identity, optional_string, some, string
from verifiers.reference_fields import excerpt
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]

MATHLIB_HEADER = (
    "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen BigOperators Real Nat Topology Rat"
)
"""What DeepSeek-Prover, Goedel-Prover and Kimina put before a statement that is published without a header."""
IDS = ("uuid", "problem_id", "theorem_name", "theorem_names", "name", "id", "full_name")
WORDS = (
    *("problem", "informal_prefix", "informal_statement", "informal_stmt", "nl_statement", "natural_language"),
    *("natural_language_statement", "refined_statement"),
)
_DECLARATION = re.compile(r"(?:^|\s)(?:theorem|lemma|example|def|abbrev)\s+(\S+)")
_DOC_MARKS = re.compile(r"^\s*/--?|-/\s*$")
_WORD = re.compile(r"[^\W\d][\w'!?₀-₉]*(?:\.[\w'!?₀-₉]+)*")
_BOUND = re.compile(r"(?:[(\[{⦃]|∀|∃|\bfun\s|λ)\s*([^\W\d][\w'₀-₉]*+(?:\s+[^\W\d][\w'₀-₉]*+)*+)\s*(?=[:,=↦∈<≤>≥])")
CORE_WORDS = frozenset(
    (
        *("theorem", "Nat", "Int", "Bool", "Prop", "Type", "Sort", "String", "Char", "List", "Option", "Array", "Fin"),
        *("True", "False", "true", "false", "fun", "forall", "exists", "let", "have", "in", "if", "then", "else"),
        *("match", "with"),
    )
)
"""Words of Lean's core that a statement without a header may use and be read without Mathlib."""
CORE_SIGNS = frozenset("≠≤≥→↔∧∨¬∀∃×λ∣∈∉⟨⟩↦∘⦃⦄")


def words_of(row: Row) -> str:
    """The problem in words, without the marks of a doc comment; empty where the file has none."""
    found = next((str(row[name]).strip() for name in WORDS if row.get(name)), "")
    return _DOC_MARKS.sub("", found).strip() if found.startswith("/-") else found


def needs_mathlib(statement: str, name: str) -> bool:
    """Whether a statement uses anything beyond its own names and the plainest words of Lean's core."""
    if any(ord(sign) > 127 and not sign.isalnum() and sign not in CORE_SIGNS for sign in statement):
        return True
    bound = {word for found in _BOUND.finditer(statement) for word in found[1].split()}
    known = CORE_WORDS | bound | {name}
    return any(word not in known and word.split(".")[0] not in bound for word in _WORD.findall(statement))


def reference_of(text: str, field: str, header: Json = None) -> tuple[dict[str, Json], str]:
    """The reference of a Lean text, and the words of the doc comment before its theorem. Raises BadRow."""
    reference = lean_reference(text, field, header)
    if not reference["header"] and needs_mathlib(reference["statement"], reference["name"]):
        reference["header"] = MATHLIB_HEADER
    return reference, doc_comment(text)


def lean_problem(row: Row, context: RowContext, reference: dict[str, Json], doc: str, **fields: str) -> Problem:
    """A problem of a row. `fields` are further ones of `Problem`."""
    words = words_of(row) or doc
    id_field = next((name for name in IDS if row.get(name) not in (None, "")), "id")
    return Problem(
        id=fields.pop("id", "") or identity(row, id_field, context),
        kind=Kind.LEAN,
        prompt=lean_task(words, reference),
        reference=reference,
        domain="lean",
        source=fields.pop("source", "") or optional_string(row, "source"),
        split=optional_string(row, "split"),
        meta=some(informal=words, answer=row.get("answer")),
    )


def is_lean_file(row: Row) -> bool:
    """One text with header and statement, as NuminaMath-LEAN, Kimina and Goedel publish it."""
    text = row["formal_statement"]
    return "header" not in row and isinstance(text, str) and LEAN_TARGET.search(text) is not None


def read_lean_file(row: Row, context: RowContext) -> Problem:
    """`formal_statement` is a whole Lean file that ends in `sorry`: what stands before its last theorem is the header.
    The words, and an answer where the set has one, are shown and not checked: the proof is what is judged."""
    return lean_problem(row, context, *reference_of(string(row, "formal_statement"), "formal_statement"))


def read_minif2f(row: Row, context: RowContext) -> Problem:
    """miniF2F and ProofNet as DeepSeek-Prover and cat-searcher publish them: `header` apart, and `formal_statement`,
    which ends in `:= by` or `:= sorry`."""
    header = optional_string(row, "header")
    reference, doc = reference_of(string(row, "formal_statement"), "formal_statement", header)
    if "name" in row:
        reference["name"] = declared_name(string(row, "name"), reference["statement"])
    return lean_problem(row, context, reference, doc)


def declared_name(name: str, statement: str) -> str:
    """The theorem of a row. ProofNet names some rows `Book|exercise_1_2` while the theorem is `exercise_1_2`. Raises
    BadRow."""
    declared = _DECLARATION.findall(statement)
    if name in declared:
        return name
    if not declared or not name.endswith(declared[-1]):
        right = "its name"
        raise BadRow("name", f"{excerpt(name)} is not what the statement declares: {excerpt(declared[:3])}", right)
    return str(declared[-1])


def read_goedel(row: Row, context: RowContext) -> Problem:
    """Goedel-LM's MiniF2F: `lean4_code` is the whole file, `formal_statement` the theorem of it without its header."""
    return lean_problem(row, context, *reference_of(string(row, "lean4_code"), "lean4_code"))


def read_proofnet_sharp(row: Row, context: RowContext) -> Problem:
    """ProofNet# (PAug): `lean4_src_header` and `lean4_formalization`, which ends in `:=`."""
    header = optional_string(row, "lean4_src_header")
    return lean_problem(row, context, *reference_of(string(row, "lean4_formalization"), "lean4_formalization", header))


def read_putnambench(row: Row, context: RowContext) -> Problem:
    """PutnamBench's JSONL: `lean4_statement` is a whole file. Its source is confidential by default."""
    return lean_problem(
        row, context, *reference_of(string(row, "lean4_statement"), "lean4_statement"), source="putnambench"
    )


def read_formalmath(row: Row, context: RowContext) -> Problem:
    """SphereLab's FormalMATH: `autoformalization` is a whole file."""
    return lean_problem(row, context, *reference_of(string(row, "autoformalization"), "autoformalization"))


def is_lean_statement(row: Row) -> bool:
    text = row["statement"]
    return isinstance(text, str) and LEAN_TARGET.match(text.lstrip()) is not None


def read_lean_statement(row: Row, context: RowContext) -> Problem:
    """LeanDojo's and ntp's rows: `full_name` and the statement of a theorem of a library, without the imports of its
    file. A name that the library declares cannot be proven anew, and the checker says so."""
    return lean_problem(row, context, *reference_of(string(row, "statement"), "statement"))


def read_lean_3(row: Row, context: RowContext) -> Problem:
    """The first ProofNet, whose statements are in Lean 3."""
    raise BadRow("src_header", "a set in Lean 3, which nothing here reads", "ProofNet# or DeepSeek-Prover's ProofNet")
