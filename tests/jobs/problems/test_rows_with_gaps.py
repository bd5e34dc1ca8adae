"""Rows that lack something: JSONL leaves out what is null, and a layout can be set by hand for a file of another one.
Whatever a row holds, reading it ends in a problem or in a fault that names the field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import made_up_answer_sets
import made_up_code_sets
import made_up_lean_sets
import pytest

from jobs.config import Problems
from jobs.problems import canonical
from jobs.problems.errors import BadRow, ProblemFileError
from jobs.problems.layouts import COLUMNS, LAYOUTS
from jobs.problems.load import check_problems
from jobs.problems.rows import RowContext
from verifiers.answer_keys import has_answer_key
from verifiers.types import Problem

ROWS: dict[str, tuple[str, dict[str, Any], str]] = {
    f"{group}-{name}": (one.layout, one.row if isinstance(one.row, dict) else {"conversations": one.row}, kind)
    for group, sets in (
        ("answers", made_up_answer_sets.SETS),
        ("code", made_up_code_sets.SETS),
        ("lean", made_up_lean_sets.SETS),
    )
    for name, one in sets.items()
    for kind in [getattr(one, "options", {}).get("kind", "")]
}
"""Layout, row and `problems.kind` of every made-up set."""
DROP = object()
"""Stands for a key or an element that is left out."""
OTHERS = (DROP, None, 7, "", "x", [], ["x"], {})
INNER = "(the JSON in a text)"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside a row, also inside the JSON that a column has as text."""
    if path and path[-1] != INNER:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))
    elif isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            inner = json.loads(value)
        except ValueError:
            return
        yield from places(inner, (*path, INNER))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with `new` at the place, or without the place."""
    if not path:
        return new
    if path[0] == INNER:
        return json.dumps(put(json.loads(value), path[1:], new))
    copy = value.copy()
    if len(path) == 1 and new is DROP:
        del copy[path[0]]
    else:
        copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


def read(layout: str, row: dict[str, Any], kind: str = "") -> Problem | BadRow:
    """What the reader of files makes of a row."""
    try:
        problem = canonical.check(LAYOUTS[layout].read(row, RowContext("set", 2, kind)))
        has_answer_key(problem.kind, problem.reference)
    except BadRow as fault:
        return fault
    return problem


def test_the_rows_themselves_are_read():
    assert all(isinstance(read(*one), Problem) for one in ROWS.values())


@pytest.mark.parametrize("name", ROWS)
def test_whatever_a_place_of_a_row_holds_is_a_problem_or_a_fault(name):
    layout, row, kind = ROWS[name]
    for path in places(row):
        for other in OTHERS:
            found = read(layout, put(row, path, other), kind)
            assert isinstance(found, Problem) or found.field, (path, other, found)


def test_a_layout_that_is_set_for_another_file_gives_problems_or_faults():
    for layout in LAYOUTS.keys() - {COLUMNS}:
        for name, (_, row, _) in [*ROWS.items(), ("empty", ("", {}, ""))]:
            for kind in ("", "math", "code", "choice", "lean"):
                assert isinstance(read(layout, row, kind), Problem | BadRow), (layout, name, kind)


KEYLESS = {
    "aime_opencompass": "answer",
    "deepmath": "final_answer",
    "webinstruct": "answer",
    "webinstruct_choice": "answer",
    "mmlu": "answer",
    "medmcqa": "cop",
    "arc": "answerKey",
    "rlvr": "ground_truth",
    "trl": "solution",
    "slime": "label",
    "intellect_3": "answer",
    "openrlhf": "answer",
    "nemo_rl": "output",
}


@pytest.mark.parametrize(("name", "column"), KEYLESS.items())
def test_a_row_without_its_answer_is_a_problem_without_an_answer_key(tmp_path, name, column):
    """The second row lacks what the first one has, as JSONL files do for a null."""
    one = made_up_answer_sets.SETS[name]
    second = {key: value for key, value in one.row.items() if key != column} | {"id": "second"}
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(one.row) + "\n" + json.dumps(second) + "\n")
    with pytest.raises(ProblemFileError, match=r"set\.jsonl:2: .*no answer key"):
        check_problems(Problems(files=[str(path)]))
    summary = check_problems(Problems(files=[str(path)], unchecked="accept"))
    assert (summary.num_problems, sum(summary.keyless.values())) == (2, 1)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("mmlu", "choices"),
        ("mmlu_pro", "options"),
        ("medqa", "options"),
        ("aqua", "options"),
        ("medmcqa", "opd"),
        ("orz", "conversations"),
        ("rlvr", "messages"),
        ("trl", "prompt"),
        ("slime", "prompt"),
        ("skyrl", "prompt"),
        ("nemo_gym", "responses_create_params"),
        ("nemo_gym", "expected_answer"),
        ("openrlhf", "input"),
    ],
)
def test_a_row_without_a_column_of_its_question_names_the_column(name, column):
    layout, row, kind = ROWS[f"answers-{name}"]
    for given in (put(row, (column,), DROP), {**row, column: None}):
        found = read(layout, given, kind)
        if (column, given.get(column, DROP)) == ("expected_answer", None):
            assert isinstance(found, Problem) and not has_answer_key(found.kind, found.reference)
        else:
            assert isinstance(found, BadRow) and found.field.startswith(column)
