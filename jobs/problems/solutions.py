"""Solutions to verify, one per line: `{"problem_id": "…", "text": "…", "finish_reason": "…"}`.

Promises: every row of the file comes out, in order, as its solutions or as the fault that it is. Nothing is left out,
since verdicts answer line for line. Does not: know the problems.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping

from jobs.problems import sources
from jobs.problems.errors import BadRow, RowError, identity_of
from jobs.problems.mapping import ColumnMapping, compile_mapping
from jobs.problems.paths import MAX_NAMES
from jobs.problems.places import find_sources
from jobs.problems.rows import is_nothing
from jobs.problems.sources import Row, Source
from verifiers.reference_fields import excerpt
from verifiers.types import Json

FIELDS = ("problem_id", "text", "finish_reason")
TEXTS = ("text", "generation", "generated_solution", "llm_response", "generations")
"""Columns in which publishers give texts, the first that a file has; a list of them is several solutions."""
RIGHT = '{"problem_id": "…", "text": "…"}'
ROWS_TO_LOOK_AT = 20
"""Number of first rows that show which columns a file has."""

IdAt = Callable[[str, int], str | None]
"""The id of the problem that stands in a line of a file, where problems and solutions are one file."""


@dataclasses.dataclass(frozen=True, slots=True)
class Solution:
    """A given text for a problem of a set, to be verified offline."""

    problem_id: str
    text: str
    line: int
    finish_reason: str | None = None
    file: str = ""
    number: int | None = None
    """Which of the texts of its row this is, from 0; None where a row has one."""


def read_solutions(
    path: str, columns: Mapping[str, Json] | None = None, id_at: IdAt | None = None
) -> Iterator[Solution | RowError]:
    """Any file format that problems have, lazily. `columns` says where FIELDS stand (jobs.problems.mapping); other
    columns are ignored. A column that a file does not have is one fault, without a line. Raises ProblemFileError for
    files that are not there, and MappingError."""
    mapping = compile_mapping(columns or {}, "solutions")
    for source in find_sources([path]):
        rows = sources.read_rows(source, "solution")
        first = list(itertools.islice(rows, ROWS_TO_LOOK_AT))
        readable = [row for _, row in first if isinstance(row, dict)]
        if fault := mapping.fault(readable):
            yield fault.at(source.uri, 0)
            continue
        text_column = next((name for name in TEXTS if any(name in row for row in readable)), "text")
        for line, row in itertools.chain(first, rows):
            if isinstance(row, RowError):
                yield row
            else:
                yield from solutions_of(row, mapping, text_column, source, line, id_at)


def solutions_of(
    row: Row, mapping: ColumnMapping, text_column: str, source: Source, line: int, id_at: IdAt | None
) -> Iterator[Solution | RowError]:
    """The solutions of one row, or its faults."""
    values = {field: value_of(row, mapping, field) for field in FIELDS}
    if "text" not in mapping.rules:
        values["text"] = row.get(text_column)
    identity, text, reason = (values[field] for field in FIELDS)
    if is_nothing(identity) and "problem_id" not in mapping.rules and id_at is not None:
        identity = id_at(source.uri, line)
    several = isinstance(text, list)
    texts = text if isinstance(text, list) else [text]
    reasons = reason if isinstance(reason, list) and len(reason) == len(texts) else [reason] * len(texts)
    if not texts:
        texts, reasons, several = [None], [None], False
    for number, (one, why) in enumerate(zip(texts, reasons, strict=True)):
        try:
            name = mapping.column_of("text") if "text" in mapping.rules else text_column
            solution = read_solution(identity, one, why, mapping, name, row)
            yield dataclasses.replace(solution, line=line, file=source.uri, number=number if several else None)
        except BadRow as bad:
            bad.identity = identity_of({"problem_id": identity}, "problem_id")
            yield bad.at(source.uri, line)


def value_of(row: Row, mapping: ColumnMapping, field: str) -> Json:
    rule = mapping.rules.get(field)
    return row.get(field) if rule is None else rule.value(row)


def read_solution(
    identity: Json, text: Json, reason: Json, mapping: ColumnMapping, text_column: str, row: Mapping[str, Json]
) -> Solution:
    """Raises BadRow."""
    if isinstance(identity, float) and identity.is_integer():
        identity = int(identity)
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)  # publishers number their problems
    for field, column, value in (
        ("problem_id", mapping.column_of("problem_id"), identity),
        ("text", text_column, text),
    ):
        if not isinstance(value, str):
            wrong = "missing" if is_nothing(value) else f"is {excerpt(value)}"
            there = f"; the columns are {', '.join(list(row)[:MAX_NAMES])}, and --columns {field}=… names one"
            raise BadRow(column, wrong, RIGHT + (there if column not in row and field not in mapping.rules else ""))
    if isinstance(reason, dict) and isinstance(reason.get("type"), str):
        reason = reason["type"]  # SGLang's form
    if is_nothing(reason):
        reason = None
    if not isinstance(reason, str | None):
        raise BadRow(mapping.column_of("finish_reason"), f"is {excerpt(reason)}", 'the engine\'s word, such as "stop"')
    return Solution(identity, text, 0, reason)
