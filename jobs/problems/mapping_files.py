"""A mapping in a TOML file of its own, for commands that have no config: `--mapping set.toml`.

    layout = "columns"            # or left out, where [columns] is there
    kind = "math"
    [columns]
    prompt = {template = "{Body} {Question}"}
    "reference.answer" = "Answer"
    [solutions]
    text = "generations[]"

A config of a run is taken too: then its table [problems] counts, without its files.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pydantic

from jobs.config import ConfigError, Problems
from jobs.faults import told_faults
from jobs.problems.mapping import MappingError, compile_mapping
from jobs.problems.solutions import FIELDS
from jobs.sections import KindName, Section
from jobs.toml_tables import read_toml
from verifiers.types import Json, Kind

CONFIG_KEY = re.compile(
    r'problems\.(?P<name>columns|layout|kind)\b(?:\."(?P<field>[^"]+)"|: (?P<first>[\w.]+)(?=: ))?'
    r'|solutions\."(?P<solution>[^"]+)"'
)
"""A key of a config, with the field of a mapping, as the errors of those that read a config name it."""
OF_A_CONFIG = ("layout", "kind", "columns")


class MappingFile(Section):
    layout: str = "auto"
    kind: KindName | Literal[""] = ""
    columns: dict[str, Json] = pydantic.Field(default_factory=dict)
    solutions: dict[str, Json] = pydantic.Field(default_factory=dict)


def read_mapping_file(path: str) -> MappingFile:
    """Raises ConfigError."""
    table = read_toml(Path(path))
    problems = table.get("problems")
    if isinstance(problems, dict):
        if problems.get("sources"):
            raise ConfigError(f"{path}: problems.sources has several mappings; give a file with the one that is meant")
        table = {key: problems[key] for key in OF_A_CONFIG if key in problems}
    try:
        found = MappingFile.model_validate(table)
    except pydantic.ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in told_faults(error, MappingFile))) from None
    if found.columns and found.layout not in ("auto", "columns"):
        raise ConfigError(f'{path}: layout: is {found.layout!r} beside [columns]; leave it out, or say "columns"')
    return found


def add_mapping_arguments(parser: argparse.ArgumentParser) -> None:
    """How a command that has no config reads foreign files."""
    parser.add_argument("--layout", default="auto", help="layout of the problem set (default: recognised)")
    parser.add_argument(
        "--columns",
        action="extend",
        nargs="+",
        default=[],
        metavar="field=column",
        help="names of foreign columns: problem_id, text and finish_reason of the solutions; id, prompt, kind, "
        "reference.answer and so on of the problems, which are then of layout columns. A value in braces is a table "
        "as in docs/problem_files.md, for instance 'prompt={template = \"{Body} {Question}\"}'",
    )
    parser.add_argument(
        "--mapping",
        metavar="TOML",
        help="the same from a file: layout, kind, [columns] and [solutions]; or a config, whose [problems] counts",
    )
    parser.add_argument("--kind", default="", choices=["", *Kind], help="kind of problems whose file does not say it")


def problems_of(file: str, args: argparse.Namespace) -> tuple[Problems, MappingFile]:
    """How problems are read, and the whole mapping with that of solutions; what --columns says goes before what
    --mapping says. Raises ConfigError."""
    mapped = read_mapping_file(args.mapping) if args.mapping else MappingFile()
    for_problems, for_solutions = split_columns(args.columns)
    check_solutions(mapped.solutions, f"{args.mapping}: solutions.")
    check_solutions(for_solutions, "--columns ")
    columns = {**mapped.columns, **for_problems}
    config = Problems(
        files=[file],
        layout="columns" if columns else (mapped.layout if args.layout == "auto" else args.layout),
        columns=columns,
        kind=args.kind or mapped.kind,
    )
    return config, mapped.model_copy(update={"solutions": {**mapped.solutions, **for_solutions}})


def check_solutions(columns: Mapping[str, Json], where: str) -> None:
    """Raises ConfigError for a mapping that no solutions could be read with; `where` stands before the field."""
    if unknown := next((field for field in columns if field not in FIELDS), None):
        raise ConfigError(f"{where}{unknown}: no field of a solution; known are {', '.join(FIELDS)}")
    try:
        compile_mapping(columns)
    except MappingError as error:
        raise ConfigError(f"{where}{error}") from None


def in_terms_of_flags(text: str, args: argparse.Namespace) -> str:
    """An error's text with the flag, or the key of the mapping file, in the place of a key of a config."""
    flags = {entry.partition("=")[0].strip() for entry in args.columns}

    def given(key: re.Match[str]) -> str:
        name = key["name"] or "solutions"
        field = key["field"] or key["first"] or key["solution"] or ""
        if name in ("columns", "solutions"):
            is_flag, flag = field in flags or not (field and args.mapping), "--columns"
        else:
            is_flag, flag = getattr(args, name) not in ("", "auto"), f"--{name}"
        if is_flag or not args.mapping:
            return f"{flag} {field}".strip()
        return f"{args.mapping}: {name}.{field}".rstrip(".")

    return CONFIG_KEY.sub(given, text)


def split_columns(given: Sequence[str]) -> tuple[dict[str, Json], dict[str, Json]]:
    """`field=column` entries, split into those of the problems and those of the solutions. Raises ConfigError."""
    for_problems: dict[str, Json] = {}
    for_solutions: dict[str, Json] = {}
    for entry in given:
        field, equals, column = entry.partition("=")
        field, column = field.strip(), column.strip()
        if not equals or not field or not column:
            raise ConfigError(f"--columns {entry}: write field=column, for instance text=generation")
        target = for_solutions if field in FIELDS else for_problems
        if field in target:
            raise ConfigError(f"--columns {entry}: {field} is given twice")
        target[field] = inline_table(entry, column) if column.startswith("{") else column
    return for_problems, for_solutions


def inline_table(entry: str, value: str) -> Json:
    """The table that a value in braces is. Raises ConfigError."""
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--columns {entry}: no TOML table: {error}") from None
