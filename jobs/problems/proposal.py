"""A mapping for a file of no known layout, guessed from the names and values of its first row.

Promises: what is proposed names columns that the row has. Does not: know what they mean; the user reads the first rows
by it and decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from jobs.problems.rows import list_in, load_json
from verifiers.types import Json, Kind

Row = Mapping[str, Json]

PROMPTS = ("question", "problem", "prompt", "query", "instruction", "input", "statement", "description", "text")
CONTEXTS = ("context", "passage", "body", "support", "background")
ANSWERS = (
    *("final_answer", "expected_answer", "ground_truth", "answer", "label", "target", "gold", "solution"),
    *("correct", "correct_answer", "result", "output"),
)
IDS = ("id", "uuid", "uid", "problem_id", "question_id", "task_id", "unique_id", "index", "name")
DOMAINS = ("subject", "category", "topic", "domain", "field", "type")
OPTIONS = ("options", "choices", "candidates", "answers")
LETTERED = (("A", "B", "C", "D", "E"), ("opa", "opb", "opc", "opd"), ("option_a", "option_b", "option_c", "option_d"))
TOLERANCES = ("error", "tolerance")
MAX_DEPTH = 3


def propose(row: Row) -> dict[str, Json]:
    """`kind` and `columns` as in [problems]; nothing where the row has no text to ask."""
    paths = dict(places(row))
    prompt = named(paths, PROMPTS, str) or longest_text(paths)
    if not prompt:
        return {}
    columns: dict[str, Json] = {}
    if identity := named(paths, IDS, str, int):
        columns["id"] = identity
    context = named(paths, CONTEXTS, str)
    columns["prompt"] = {"template": f"{{{context}}} {{{prompt}}}"} if context and context != prompt else prompt
    used = {prompt, context, identity}
    lean = next((path for path, value in paths.items() if is_lean(value)), "")
    options = options_of(row, paths)
    tests = next((path for path, value in paths.items() if has_tests(value)), "")
    if lean:
        kind: str = Kind.LEAN
        columns["reference"] = {"lean": lean}
        if prompt == lean:
            del columns["prompt"]
    elif tests:
        kind, columns["reference"] = Kind.CODE, {"tests": tests}
    else:
        kind = Kind.CHOICE if options else Kind.MATH
        if options:
            columns["reference.options"] = options
        answer = named(
            {path: value for path, value in paths.items() if path not in used}, ANSWERS, str, int, float, list
        )
        answer = answer or shortest_text(paths, used)
        if answer:
            is_number = isinstance(paths[answer], int) or str(paths[answer]).isdecimal()
            by_number = options and is_number
            columns["reference.answer"] = {"column": answer, "choice": "from 0"} if by_number else answer
        if kind == Kind.MATH and (error := named(paths, TOLERANCES, str, float)):
            columns["reference.tolerance.abs"] = error
    if domain := named(paths, DOMAINS, str):
        columns["domain"] = domain
    return {"kind": str(kind), "columns": columns}


def places(row: Row, prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Json]]:
    """Every path that holds a value, objects and their JSON text looked into."""
    for name, value in row.items():
        if any(character in name for character in ".[]{}"):
            continue  # no path leads there
        path = f"{prefix}{name}"
        yield path, value
        inner = inside(value)
        if isinstance(inner, Mapping) and depth < MAX_DEPTH:
            yield from places(inner, f"{path}.", depth + 1)


def inside(value: Json) -> Json:
    """The object that a value is, or holds as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return load_json(value)
        except (ValueError, RecursionError):
            return None
    return value


def named(paths: Mapping[str, Json], names: Sequence[str], *types: type) -> str:
    """The first path whose last part is one of the names, in their order, and whose value is of one of the types."""
    for name in names:
        for path, value in paths.items():
            fits = isinstance(value, types) and not isinstance(value, bool) and value != ""
            if path.rpartition(".")[2].lower() == name and fits:
                return path
    return ""


def longest_text(paths: Mapping[str, Json]) -> str:
    texts = {
        path: len(value)
        for path, value in paths.items()
        if isinstance(value, str) and " " in value.strip() and not isinstance(inside(value), Mapping)
    }
    return max(texts, key=lambda path: texts[path], default="")


def shortest_text(paths: Mapping[str, Json], used: set[str]) -> str:
    """Where a final answer may stand: the shortest value that is neither the question nor an id."""
    texts = {
        path: len(str(value))
        for path, value in paths.items()
        if path not in used and isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
    }
    return min(texts, key=lambda path: texts[path], default="")


def is_lean(value: Json) -> bool:
    return isinstance(value, str) and ("theorem " in value or "lemma " in value) and ":" in value


def has_tests(value: Json) -> bool:
    inner = inside(value)
    return isinstance(inner, Mapping) and {"inputs", "outputs"} <= set(inner)


def options_of(row: Row, paths: Mapping[str, Json]) -> Json:
    """Where the options stand, None where there are none."""
    for letters in LETTERED:
        own = [name for name in letters if name in row]
        if own[:3] == list(letters[:3]):
            return {"columns": own}
    for path, value in paths.items():
        given = list_in(value)
        if path.rpartition(".")[2].lower() in OPTIONS and isinstance(given, list | Mapping) and len(given) > 1:
            return path
    return None


def as_toml(proposal: Mapping[str, Json], file: str) -> str:
    """The proposal as a config has it."""
    lines = ["[problems]", f"files = [{json.dumps(file)}]", 'layout = "columns"', f'kind = "{proposal["kind"]}"']
    lines.append("[problems.columns]")
    for field, rule in proposal["columns"].items():
        key = field if "." not in field else json.dumps(field)
        lines.append(f"{key} = {toml(rule)}")
    return "\n".join(lines)


def toml(value: Json) -> str:
    """A value of a mapping on one line. JSON's texts are TOML's too."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
