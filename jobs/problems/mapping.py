"""`problems.columns`: how the fields of a problem or a solution are made from the columns of a foreign file.

A field is given by a path (`reward_model.ground_truth`) or by one of the tables in FORMS:

    prompt = {template = "{Body} {Question}"}      # several columns
    "reference.mode" = {value = "stdin"}           # the same in all rows
    "reference.options" = {columns = ["A", "B", "C", "D"]}
    "reference.answer" = {column = "cop", choice = "from 0"}
    reference = {lean = "formal_statement"}        # a Lean text, split into header, name and statement
    reference = {tests = "input_output"}           # {"inputs": […], "outputs": […], "fn_name": …}

Promises: what is wrong with a mapping itself is found before a row is read; a column that a file does not have is one
error with the columns there are. Does not: know what kind of problem a row is (read_mapped in columns_layout does).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.problems import choices
from jobs.problems.errors import BadRow
from jobs.problems.paths import Path, missing
from verifiers.reference_fields import excerpt, json_type
from verifiers.types import Json

FIELDS = ("id", "kind", "prompt", "reference", "domain", "source", "split", "meta")
FORMS = {
    "value": "a constant",
    "template": "text with {column} in it",
    "column": "a path, with choice beside it",
    "columns": "a list of paths, whose values make a list",
    "lean": "a path to a Lean text, with header beside it",
    "tests": "a path to inputs and outputs",
}
BESIDE = {"column": ("choice",), "lean": ("header",)}
WHOLE_REFERENCE = ("lean", "tests")
_HOLE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")


class MappingError(ValueError):
    """A mapping that no file could be read with; the text is for the user."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """How one field is made. `form` is a name in FORMS; a path alone has the form `column`."""

    form: str
    constant: Json = None
    paths: tuple[Path, ...] = ()
    literals: tuple[str, ...] = ()
    """The text of a template before its first column, between two, and behind the last."""
    choice: str = ""

    def value(self, row: Mapping[str, Json]) -> Json:
        """What a row gives for the field; a `lean` or `tests` text as it stands. Raises BadRow."""
        if self.form == "value":
            return self.constant
        if self.form == "template":
            parts = [as_text(path.value(row), path.text) for path in self.paths]
            filled = "".join(a + b for a, b in zip(self.literals, [*parts, ""], strict=True))
            # A template of empty columns says nothing, whatever stands between them.
            return filled.strip() if any(part.strip() for part in parts) else None
        if self.form == "columns":
            return choices.without_empty_end([path.value(row) for path in self.paths])
        return self.paths[0].value(row)


def as_text(value: Json, column: str) -> str:
    """A column's value inside a template. Raises BadRow."""
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise BadRow(column, f"is a {json_type(value)}: {excerpt(value)}", "text or a number, inside a template")


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnMapping:
    """A mapping that is ready to read rows. `key` is where it stands in the config, for errors."""

    rules: Mapping[str, Rule]
    key: str = "problems.columns"

    def __bool__(self) -> bool:
        return bool(self.rules)

    def column_of(self, field: str) -> str:
        """The column that a field comes from, for errors and for the ids of rows that cannot be used."""
        rule = self.rules.get(field)
        return rule.paths[0].text if rule is not None and rule.paths else field

    def paths(self) -> dict[str, Path]:
        """Every path, by the field that it is for."""
        found: dict[str, Path] = {}
        for field, rule in self.rules.items():
            for number, path in enumerate(rule.paths):
                found[field if not number else f"{field} ({number + 1})"] = path
        return found

    def fault(self, rows: Sequence[Mapping[str, Json]]) -> BadRow | None:
        """What the mapping names and none of a file's first rows has."""
        found = missing(self.paths(), rows)
        if found is None:
            return None
        field, path, there = found
        where = f'{self.key}."{field.partition(" (")[0]}"'
        return BadRow(path.text, "no such column", f"{where} names it, but {there}")


def compile_mapping(columns: Mapping[str, Json], key: str = "problems.columns") -> ColumnMapping:
    """Raises MappingError."""
    return ColumnMapping({field: _rule(field, given) for field, given in columns.items()}, key)


def compile_problem_mapping(
    columns: Mapping[str, Json], key: str = "problems.columns", needs_reference: bool = True
) -> ColumnMapping:
    """The same for fields of a problem, of which some must be there. Raises MappingError."""
    for field in columns:
        head, _, rest = field.partition(".")
        if head not in FIELDS or (rest and head not in ("reference", "meta")) or field.endswith("."):
            raise MappingError(f"{field}: unknown field; known are {', '.join(FIELDS)}, reference.… and meta.…")
    found = compile_mapping(columns, key)
    for field, rule in found.rules.items():
        if rule.form in WHOLE_REFERENCE and field != "reference":
            raise MappingError(f"{field}: {rule.form} gives a whole reference; write reference = {{{rule.form} = …}}")
        if rule.choice and field != "reference.answer":
            raise MappingError(f"{field}: choice says how the right option is named, in reference.answer")
    whole = found.rules.get("reference")
    if "prompt" not in columns and (whole is None or whole.form != "lean"):
        raise MappingError("no column for prompt")
    if needs_reference and not any(field == "reference" or field.startswith("reference.") for field in columns):
        raise MappingError('no column for the reference, for instance "reference.answer"')
    return found


def _rule(field: str, given: Json) -> Rule:
    try:
        if isinstance(given, str):
            return Rule("column", paths=(Path.of(given),))
        if not isinstance(given, Mapping):
            raise ValueError(f"is a {json_type(given)}; a column, or a table such as {{value = …}}")
        return _table_rule(given)
    except ValueError as error:
        raise MappingError(f"{field}: {error}") from None


def _table_rule(given: Mapping[str, Json]) -> Rule:
    forms = [name for name in FORMS if name in given]
    known = "; ".join(f"{name}: {what}" for name, what in FORMS.items())
    if len(forms) != 1:
        what = "several of these at once" if forms else f"has {', '.join(given) or 'no key'}"
        raise ValueError(f"{what}; give one of {known}")
    form = forms[0]
    if extra := [name for name in given if name != form and name not in BESIDE.get(form, ())]:
        raise ValueError(f"{extra[0]}: has no effect beside {form}; known are {known}")
    value: Any = given[form]
    if form == "value":
        return Rule(form, constant=value)
    if form == "columns":
        if not isinstance(value, list) or not value:
            raise ValueError(f"columns: is {excerpt(value)}; a list of paths")
        return Rule(form, paths=tuple(_path(item, "columns") for item in value))
    if form == "template":
        return _template(value)
    paths = [_path(value, form)]
    if "header" in given:
        paths.append(_path(given["header"], "header"))
    choice = given.get("choice", "")
    if choice and choice not in choices.FORMS:
        raise ValueError(f"choice: is {excerpt(choice)}; one of {', '.join(choices.FORMS)}")
    return Rule(form, paths=tuple(paths), choice=choice)


def _path(value: Json, name: str) -> Path:
    if not isinstance(value, str):
        raise ValueError(f"{name}: is a {json_type(value)}; a path, such as column or column.key")
    return Path.of(value)


def _template(value: Json) -> Rule:
    if not isinstance(value, str):
        raise ValueError(f"template: is a {json_type(value)}; text with {{column}} in it")
    literals, paths, begin = [""], [], 0
    for hole in _HOLE.finditer(value):
        literals[-1] += value[begin : hole.start()]
        begin = hole.end()
        if hole[1]:
            paths.append(Path.of(hole[1].strip()))
            literals.append("")
        elif len(hole[0]) == 2:
            literals[-1] += hole[0][0]
        else:
            raise ValueError(f"template: a lone {hole[0]} in {excerpt(value)}; write {{{{ and }}}} for braces")
    literals[-1] += value[begin:]
    if not paths:
        raise ValueError(f"template: no column in {excerpt(value)}; for a constant write {{value = …}}")
    return Rule("template", paths=tuple(paths), literals=tuple(literals))
