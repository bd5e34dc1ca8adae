"""Solutions to verify, one per line: `{"problem_id": "…", "text": "…", "finish_reason": "…"}`.

Promises: every row of the file comes out, in order, as a solution or as the fault that it is. Nothing is left out,
since verdicts answer line for line. Does not: know the problems.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from jobs.problems import sources
from jobs.problems.errors import BadRow, RowError, identity_of
from jobs.problems.places import find_sources
from jobs.problems.training_layouts import column_value
from verifiers.reference_fields import excerpt
from verifiers.types import Json

FIELDS = ("problem_id", "text", "finish_reason")
RIGHT = '{"problem_id": "…", "text": "…"}'


@dataclasses.dataclass(frozen=True, slots=True)
class Solution:
    """A given text for a problem of a set, to be verified offline."""

    problem_id: str
    text: str
    line: int
    finish_reason: str | None = None
    file: str = ""


def read_solutions(path: str, columns: Mapping[str, str] | None = None) -> Iterator[Solution | RowError]:
    """JSONL, CSV or Parquet, local or s3://, lazily. `columns` says which column of the file holds which of FIELDS;
    other columns are ignored. Raises ProblemFileError for files that are not there."""
    columns = columns or {}
    for source in find_sources([path]):
        for line, row in sources.read_rows(source, "solution"):
            if isinstance(row, RowError):
                yield row
                continue
            try:
                yield read_solution(row, columns, source.uri, line)
            except BadRow as bad:
                bad.identity = identity_of(row, columns.get("problem_id", "problem_id"))
                yield bad.at(source.uri, line)


def read_solution(row: Mapping[str, Json], columns: Mapping[str, str], uri: str, line: int) -> Solution:
    """Raises BadRow."""
    values: dict[str, Json] = {}
    for field in FIELDS:
        column = columns.get(field)
        values[field] = row.get(field) if column is None else column_value(row, column)
    identity, text, finish_reason = (values[field] for field in FIELDS)
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)  # publishers number their problems
    for field, value in (("problem_id", identity), ("text", text)):
        if not isinstance(value, str):
            raise BadRow(columns.get(field, field), "missing" if value is None else f"is {excerpt(value)}", RIGHT)
    if isinstance(finish_reason, dict) and isinstance(finish_reason.get("type"), str):
        finish_reason = finish_reason["type"]  # SGLang's form
    if not isinstance(finish_reason, str | None):
        wrong = f"is {excerpt(finish_reason)}"
        raise BadRow(columns.get("finish_reason", "finish_reason"), wrong, 'the engine\'s word, such as "stop"')
    return Solution(identity, text, line, finish_reason, uri)
