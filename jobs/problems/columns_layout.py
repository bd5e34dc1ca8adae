"""Rows of any columns, read by a mapping (jobs.problems.mapping) into problems."""

from __future__ import annotations

import math
from collections.abc import Mapping

from jobs.problems import canonical, choices
from jobs.problems.code_tests import reference_of_truth
from jobs.problems.errors import BadRow
from jobs.problems.lean_texts import lean_reference, lean_task
from jobs.problems.mapping import ColumnMapping, Rule
from jobs.problems.rows import RowContext, answer_list, answer_text, identity, is_nothing, parsed, some
from jobs.problems.training_layouts import known_kind, one_user_message
from verifiers.reference_fields import excerpt, json_type
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]

AS_JSON = ("tests", "test_list", "options", "tolerance")
"""Keys of a reference that a file may hold as JSON text."""
KEYS = ("reference.answer", "reference.answers", "reference.all")
"""Fields of which an empty cell of a CSV file says that there is no answer key."""
NO_MAPPING = ColumnMapping({})


def read_columns(mapping: ColumnMapping, row: Row, context: RowContext) -> Problem:
    """A problem by a mapping: canonical field (`prompt`, `reference.answer`, `meta.level`) → where it stands."""
    fields: dict[str, Json] = {}
    for target, rule in mapping.rules.items():
        value = reference_of(rule, row, mapping) if target == "reference" else rule.value(row)
        if target == "meta" and value is not None:
            value = canonical.object_field(value, mapping.column_of("meta"))
        head, _, key = target.partition(".")
        if not key:
            fields[head] = {**(value or {}), **fields.get(head, {})} if isinstance(value, dict) else value
        elif value is not None and not (target in KEYS and (value == "" or is_nothing(value))):
            put(fields.setdefault(head, {}), key.split("."), value, target)
    kind = context.kind or known_kind(fields.get("kind"), "kind")
    given = reference_of_kind(kind, fields.get("reference") or {}, mapping)
    prompt, system = asked(fields, kind, given, mapping)
    meta = fields.get("meta") or {}
    return Problem(
        id=identity(fields, "id", context),
        kind=kind,
        prompt=prompt,
        reference=given,
        domain=label(fields, "domain", mapping),
        source=label(fields, "source", mapping),
        split=label(fields, "split", mapping),
        meta={**meta, **some(system=system)},
    )


def reference_of(rule: Rule, row: Row, mapping: ColumnMapping) -> Json:
    """A whole reference from one column. Raises BadRow."""
    value, column = rule.value(row), rule.paths[0].text if rule.paths else "reference"
    if rule.form == "tests":
        statement = mapping.rules["prompt"].value(row)
        return reference_of_truth(value, column, statement if isinstance(statement, str) else "")
    if rule.form == "lean":
        if not isinstance(value, str) or not value.strip():
            raise BadRow(column, "missing" if value is None else f"is {excerpt(value)}", "a Lean text")
        return lean_reference(value, column, rule.paths[1].value(row) if len(rule.paths) > 1 else None)
    return canonical.object_field(value, column) if value is not None else None


def put(target: dict[str, Json], keys: list[str], value: Json, field: str) -> None:
    """Sets a value inside objects, which are made on the way. Raises BadRow where one of them is no object."""
    for key in keys[:-1]:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise BadRow(field, f"{key} is a {json_type(target)} already", "one of the two")
    target[keys[-1]] = value


def reference_of_kind(kind: str, given: dict[str, Json], mapping: ColumnMapping) -> dict[str, Json]:
    """The reference with its values in the form that the kind wants. Raises BadRow."""
    reference = {
        key: parsed(value, mapping.column_of(f"reference.{key}"))
        if key in AS_JSON and isinstance(value, str) and value.lstrip()[:1] in ("[", "{")
        else value
        for key, value in given.items()
    }
    if "tolerance" in reference:
        tolerance = read_tolerance(reference.pop("tolerance"), mapping)
        reference |= {"tolerance": tolerance} if tolerance else {}
    if kind == Kind.MATH:
        if "answer" in reference:
            reference["answer"] = answer_text(reference["answer"], mapping.column_of("reference.answer"))
        for key in ("answers", "all"):
            if key in reference:
                reference[key] = answer_list(reference[key], mapping.column_of(f"reference.{key}"))
    if kind == Kind.CHOICE and "options" in reference:
        column = mapping.column_of("reference.options")
        options, labels = choices.read_options(reference["options"], column)
        reference["options"] = options
        if "answer" in reference:
            rule = mapping.rules.get("reference.answer")
            column, form = mapping.column_of("reference.answer"), rule.choice if rule else ""
            reference["answer"] = choices.right_letter(reference["answer"], column, options, labels, form)
    return reference


def read_tolerance(given: Json, mapping: ColumnMapping) -> dict[str, Json]:
    """Numbers, also those written as text (`1e-1`); an empty one is none. Raises BadRow."""
    if not isinstance(given, dict):
        column = mapping.column_of("reference.tolerance")
        raise BadRow(column, f"is {excerpt(given)}", 'an object {"abs": …}; a number goes to "reference.tolerance.abs"')
    found: dict[str, Json] = {}
    for key, value in given.items():
        if value is None or value == "" or value != value:
            continue
        column = mapping.column_of(f"reference.tolerance.{key}")
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise BadRow(column, f"is {excerpt(value)}", "a number, such as 1e-2")
        found[key] = number
    return found


def asked(fields: Row, kind: str, reference: Row, mapping: ColumnMapping) -> tuple[str, str]:
    """(prompt, system text). A Lean problem without words is asked as the layouts of Lean sets ask it."""
    prompt = fields.get("prompt")
    if kind == Kind.LEAN and (prompt is None or (isinstance(prompt, str) and not prompt.strip())):
        return lean_task("", reference), ""
    return one_user_message(prompt, mapping.column_of("prompt"))


def label(fields: Row, field: str, mapping: ColumnMapping) -> str:
    """`domain`, `source` or `split`; a list of words is joined, a number written out. Raises BadRow."""
    value = fields.get(field)
    if value is None or value != value:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRow(mapping.column_of(field), f"is a {json_type(value)}: {excerpt(value)}", "a string")
    return str(value)
