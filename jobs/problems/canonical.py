"""Checks that a problem is canonical: every field there, of its type, within its caps (docs/problem_files.md).

Every layout's problems pass through here, so later code never meets a missing field or a wrong type. Whether an answer
can be *understood* (is `\\frac{1}{` an expression?) is decided by the checker of its kind: `Checker.check_problem`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

from jobs.problems.errors import BadRow
from jobs.problems.rows import is_nothing, load_json, number_as_text
from verifiers.answer_keys import has_answer_key
from verifiers.kinds import KINDS
from verifiers.reference_fields import (
    MAX_ID_CHARS,
    MAX_LABEL_CHARS,
    MAX_PROMPT_CHARS,
    BadReferenceError,
    excerpt,
    json_type,
    plain,
    text,
)
from verifiers.types import NO_ANSWER_KEY, Json, Kind, Problem
from workers.prompting.messages import MESSAGES_BEFORE, conversation

MAX_KIND_CHARS = 100
KEYS = {str(Kind.MATH): ".answer", str(Kind.CHOICE): ".answer", str(Kind.CODE): ".tests"}
"""The place in a reference at which a missing answer key is told, by kind."""
FIELDS = ("id", "kind", "prompt", "reference", "domain", "source", "split", "meta")
INDEX = re.compile(r"__index_level_\d+__")
"""A column that pandas adds to Parquet."""


def read_canonical(row: Mapping[str, Json]) -> Problem:
    """A problem from a canonical row. `reference` and `meta` may also be JSON text, as Parquet columns are. Raises
    BadRow."""
    if unknown := [name for name in row if name not in FIELDS and not INDEX.fullmatch(name)]:
        raise BadRow(unknown[0], "unknown field", f"known are {', '.join(FIELDS)}; put further data under meta")
    for name in FIELDS[:4]:
        if is_nothing(row.get(name)):
            wrong = "missing" if row.get(name) is None else "NaN is not a JSON number"
            raise BadRow(name, wrong, "id, kind, prompt and reference are required")
    with bad_rows():
        kind = text(row["kind"], "kind", MAX_KIND_CHARS)
    if kind not in KINDS:
        raise BadRow("kind", f"unknown kind {excerpt(kind)}", f"one of {', '.join(KINDS)}")
    labels = {name: row[name] for name in ("domain", "source", "split") if not is_nothing(row.get(name))}
    meta = {} if is_nothing(row.get("meta")) else row["meta"] or {}
    return check(
        Problem(
            id=number_as_text(row["id"]),
            kind=kind,
            prompt=row["prompt"],
            reference=object_field(row["reference"], "reference"),
            domain=labels.get("domain") or "",
            source=labels.get("source") or "",
            split=labels.get("split") or "",
            meta=object_field(meta, "meta"),
        )
    )


def looks_canonical(row: Mapping[str, Json]) -> bool:
    """Whether a row has all fields that are required, or lacks one of them and has no other than ours."""
    missing = [name for name in FIELDS[:4] if name not in row]
    return not missing or (len(missing) == 1 and all(name in FIELDS or INDEX.fullmatch(name) for name in row))


@contextlib.contextmanager
def bad_rows() -> Iterator[None]:
    """Turns a fault of a reference into a fault of its row."""
    try:
        yield
    except BadReferenceError as error:
        raise BadRow(error.field, error.found, error.wanted) from None


def check(problem: Problem) -> Problem:
    """The problem itself. Raises BadRow naming the first field that is wrong."""
    with bad_rows():
        identity = text(problem.id, "id", MAX_ID_CHARS)
        if not identity.strip() or not identity.isprintable():
            raise BadRow("id", f"{excerpt(identity)} is blank or has control characters", "a short printable name")
        if not text(problem.prompt, "prompt", MAX_PROMPT_CHARS).strip():
            raise BadRow("prompt", "empty", "what the model is asked, as text")
        for name in ("domain", "source", "split"):
            text(getattr(problem, name), name, MAX_LABEL_CHARS)
        plain(problem.reference, "reference")
        plain(problem.meta, "meta")
        try:
            conversation(problem)
        except ValueError:
            found = excerpt(problem.meta[MESSAGES_BEFORE])
            raise BadRow(f"meta.{MESSAGES_BEFORE}", found, 'a list of {"role": "…", "content": "…"}')
        KINDS.row(problem.kind).check_reference(problem.reference)
    return problem


def require_answer_key(problem: Problem) -> Problem:
    """The problem itself. Raises BadRow for one without an answer key."""
    if has_answer_key(problem.kind, problem.reference):
        return problem
    raise BadRow(
        f"reference{KEYS.get(problem.kind, '')}", NO_ANSWER_KEY, 'an answer key, or problems.unchecked = "accept"'
    )


def object_field(value: Json, field: str) -> dict[str, Json]:
    """An object, or the JSON text of one. Nulls inside a Parquet struct stand for keys that other rows have."""
    if isinstance(value, str):
        try:
            value = load_json(value)
        except (ValueError, RecursionError):
            raise BadRow(field, f"text that is not JSON: {excerpt(value)}", "an object, or its JSON text")
    if not isinstance(value, dict):
        raise BadRow(field, f"is a {json_type(value)}: {excerpt(value)}", "an object, {…}")
    return {key: inner for key, inner in value.items() if inner is not None}
