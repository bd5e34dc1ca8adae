"""Reading single fields of a foreign row, with faults that name the field."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence

from jobs.problems.errors import BadRow
from verifiers.reference_fields import excerpt, json_type
from verifiers.types import Json

NO_ANSWER = re.compile(
    r"[\s$]{0,4}(?:\\(?:text|boxed|mathrm)\{)?\s{0,4}(?:proof|not ?found)\s{0,4}\}?[\s$.]{0,4}", re.IGNORECASE
)
"""Words that NuminaMath puts in place of an answer. As a reference, such a word would verify itself."""


@dataclasses.dataclass(frozen=True, slots=True)
class RowContext:
    """Where a row stands, and what the config says about its file."""

    label: str
    line: int
    kind: str = ""

    @property
    def made_id(self) -> str:
        return f"{self.label}-{self.line:05d}"


def string(row: Mapping[str, Json], field: str) -> str:
    """A string that must be there and say something. Raises BadRow."""
    value = row.get(field)
    if value is None:
        raise BadRow(field, "missing", "a string")
    if not isinstance(value, str):
        raise BadRow(field, f"is a {json_type(value)}: {excerpt(value)}", "a string")
    if not value.strip():
        raise BadRow(field, "empty", "some text")
    return value


def optional_string(row: Mapping[str, Json], field: str) -> str:
    value = row.get(field)
    if is_nothing(value):
        return ""
    if not isinstance(value, str):
        raise BadRow(field, f"is a {json_type(value)}: {excerpt(value)}", "a string")
    return value


def identity(row: Mapping[str, Json], field: str, context: RowContext) -> str:
    """The id that the publisher gave, a number or a string. Made from file and line where there is none."""
    value = row.get(field)
    if value == "" or is_nothing(value):
        return context.made_id
    value = number_as_text(value)
    if not isinstance(value, str):
        raise BadRow(field, f"is a {json_type(value)}: {excerpt(value)}", "a string or a whole number")
    return value


def first_words(row: Mapping[str, Json], fields: Sequence[str]) -> str:
    """What the first of these columns that says something says; empty: none does."""
    return next((words(row[field]) for field in fields if row.get(field)), "")


def own_id(row: Mapping[str, Json], fields: Sequence[str], context: RowContext) -> str:
    """The first of `fields` that gives an id. A bare number is unique only within its file, whose label goes in
    front."""
    field = next((name for name in fields if row.get(name) != "" and not is_nothing(row.get(name))), "")
    given = identity(row, field, context) if field else context.made_id
    return f"{context.label}-{given}" if given.isdecimal() else given


def number_as_text(value: Json) -> Json:
    """An id that is a whole number, as text; anything else as it is. pandas makes floats of a column of whole numbers
    that has a gap."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def is_nothing(value: Json) -> bool:
    """Whether a cell is empty: null, or NaN, which pandas writes in its place."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def words(value: Json) -> str:
    """A label of any type as text: a list of words is joined."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def answer_text(value: Json, field: str) -> str:
    """A final answer as text. Publishers give whole numbers as JSON numbers; a fraction of binary digits is refused."""
    if isinstance(value, str) and value.strip():
        if NO_ANSWER.fullmatch(value):
            raise BadRow(field, f"{value.strip()!r} is no answer: there is nothing to check", "the final answer")
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, list) and len(value) == 1:
        return answer_text(value[0], field)
    what = "missing" if value is None or value == "" else f"is {excerpt(value)}"
    raise BadRow(field, what, "the final answer, a string or a number")


def answer_list(value: Json, field: str) -> list[Json]:
    """Several final answers: a list, also as the JSON text of texts, or a single one. Raises BadRow."""
    value = list_in(value)
    given = value if isinstance(value, list) else [value]
    if not given:
        raise BadRow(field, "an empty list", "at least one answer")
    found = [answer_text(one, f"{field}[{number}]" if len(given) > 1 else field) for number, one in enumerate(given)]
    return list(dict.fromkeys(found))


def list_in(value: Json) -> Json:
    """The list that a text such as `["5", "5.0"]` holds; else the value. `[1, 2]` without quotes stays one answer: it
    is as likely an interval, of which no end is right."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        found = load_json(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, list) and found and all(isinstance(one, str) for one in found) else value


SEVERAL = (
    'one answer; for several set problems.layout = "columns" with "reference.answers" where any one of them is right, '
    'or "reference.all" where all of them are asked for'
)
"""What would be right in the place of several answers of which nothing says how they count."""


def key_of(value: Json, field: str) -> dict[str, Json]:
    """The answer key of a column that holds one answer; none where it is empty. A column cannot say whether
    one of several answers is enough or all are asked for, and a guess could make a part of an answer right. Raises
    BadRow."""
    key = key_of_any(value, field)
    if answers := key.get("answers"):
        raise BadRow(field, f"{len(answers)} answers: {excerpt(answers)}", SEVERAL)
    return key


def key_of_any(value: Json, field: str) -> dict[str, Json]:
    """The same for a column whose publisher's own scorer accepts any one of several answers."""
    if is_nothing(value) or value == "":
        return {}
    given = list_in(value)
    while isinstance(given, list) and len(given) == 1:
        given = list_in(given[0])
    if isinstance(given, list) and given:
        found = answer_list(given, field)
        return {"answers": found} if len(found) > 1 else {"answer": found[0]}
    return {"answer": answer_text(given, field)}


def first_there(row: Mapping[str, Json], names: Sequence[str]) -> str:
    """The first of `names` that is a column of the row. JSONL leaves out what is null, so a row may have none of them:
    then the first name, whose value is missing."""
    return next((name for name in names if name in row), names[0])


def objects(row: Mapping[str, Json], field: str) -> list[dict[str, Json]]:
    """A list of objects, which may also be written as JSON text. Raises BadRow."""
    value = parsed(row.get(field), field)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRow(field, "missing" if value is None else excerpt(value), "a list of objects")
    return value


def parsed(value: Json, field: str) -> Json:
    """`value`, read as JSON where it is text. Raises BadRow."""
    if not isinstance(value, str):
        return value
    try:
        return load_json(value)
    except (ValueError, RecursionError):
        raise BadRow(field, f"text that is not JSON: {excerpt(value)}", "JSON")


def load_json(text: str) -> Json:
    """JSON in which each object has each key once: of two values only one could be meant. NaN, which Python writes, is
    read, and refused where it is used. Raises ValueError and RecursionError."""
    return _DECODER.decode(text)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for number, key in enumerate(keys) if key in keys[:number])
        raise ValueError(f"the key {excerpt(twice)} stands twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
"""Made once: `json.loads` with an option makes a new decoder at each call."""


def some(**fields: Json) -> dict[str, Json]:
    """The fields that are not empty, for `meta`."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {}) and not is_nothing(value)}
