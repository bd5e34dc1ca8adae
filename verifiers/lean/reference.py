"""The reference of a Lean problem: header, name and statement; and how the theorem is shown to the model."""

from __future__ import annotations

import re
from collections.abc import Mapping

from verifiers.reference_fields import (
    MAX_LABEL_CHARS,
    MAX_PROMPT_CHARS,
    BadReferenceError,
    excerpt,
    only_keys,
    text,
)
from verifiers.types import Json, Problem

LEAN_KEYS = frozenset({"header", "name", "statement"})


def check_lean(reference: Mapping[str, Json]) -> None:
    """Raises BadReferenceError."""
    only_keys(reference, LEAN_KEYS, ("header", "name", "statement"))
    text(reference["header"], "reference.header", MAX_PROMPT_CHARS)
    name = text(reference["name"], "reference.name", MAX_LABEL_CHARS)
    statement = text(reference["statement"], "reference.statement", MAX_PROMPT_CHARS).strip()
    if not name.strip() or not statement:
        raise BadReferenceError(
            "reference.name" if statement else "reference.statement", "empty", "the theorem's name and statement"
        )
    if re.search(r":=\s*(by\b\s*)?(sorry\s*)?$", statement):
        raise BadReferenceError(
            "reference.statement", f"ends with {excerpt(statement[-20:])}", "everything before `:=`, and no more"
        )
    if not re.search(rf"(?<![\w.'!?]){re.escape(name)}(?![\w'!?])", statement):
        raise BadReferenceError(
            "reference.name", f"{excerpt(name)} does not occur in the statement", "the name that the statement declares"
        )


def show_theorem(problem: Problem) -> str:
    """The prompt with header and statement below it, unless it shows the statement itself: no theorem is proved
    blind."""
    if shows_statement(problem):
        return problem.prompt
    header, statement = problem.reference["header"].strip(), problem.reference["statement"].strip()
    theorem = f"{header}\n\n{statement} := by\n  sorry".strip()
    return f"{problem.prompt}\n\n```lean4\n{theorem}\n```"


_ENDED = re.compile(r"\s?(?::=|[`|]|\Z)|\s?\.?(?:\n[^\W\d_]|\Z)")
"""What may follow a statement that ends there: a proof, the end of a block or a line. `p ∧ q` does not show `p`."""


def shows_statement(problem: Problem) -> bool:
    """Whether the prompt holds the whole statement, in whatever white space."""
    prompt = re.sub(r"\s+", lambda gap: "\n" if "\n" in gap[0] else " ", problem.prompt)
    statement = " ".join(problem.reference["statement"].split())
    on_one_line = prompt.replace("\n", " ")
    start = on_one_line.find(statement)
    while start >= 0:
        whole_word = start == 0 or not (prompt[start - 1].isalnum() or prompt[start - 1] in "_.")
        if whole_word and _ENDED.match(prompt, start + len(statement)):
            return True
        start = on_one_line.find(statement, start + 1)
    return False
