"""Inputs for the programs of a problem without an answer key, made from the problem alone.

They are the inputs that the problem gives (tests without outputs), those of the examples in its prompt (blocks under
`Input`, calls of the entry point), or else values of the types in its starter code, and changed forms of all of these:
numbers one up and down, zero, negated, larger; texts and lists shortened and reversed. Bounds that the prompt states
are kept (`1 <= n <= 10`, "positive integer"), and so are counts on which the form of a text input rests.

Promises: pure and deterministic, so that every sample of a problem gets the same inputs in the same order.
Does not: say what is right for an input, or that the problem allows it.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from verifiers.code import reference as references
from verifiers.code.wire import values
from verifiers.types import Json, Problem

MAX_INPUTS = 12
MIN_INPUTS = 4
"""Fewer tell programs apart too badly: such a problem has no inputs."""
_MAX_INPUT_CHARS = 2000
_MAX_PROMPT_CHARS = 50_000
_MAX_CALLS = 40
_HEAD = (
    r"(?i)^[\W_]*(?:(?:sample|example|expected)s?[\s_]+)?(?:std)?%s(?:[\s_]*#?\d+)?"
    r"(?:[*_\s]*:[*_ \t]*(?P<rest>.*)|[\W_]*)$"
)
_INPUT, _OUTPUT = re.compile(_HEAD % "input"), re.compile(_HEAD % "output")
_PROSE = re.compile(r"[A-Za-z]{2,},? [A-Za-z]{2,},? [A-Za-z]{2,}.*[.$:]", re.DOTALL)
_LESS = r"\s*(?:<=?|≤|\\leq?\b)\s*"
_BOUNDS = re.compile(
    rf"(?<!\d)(?P<low>-?\d{{1,20}}+)(?P<power>\^\{{?\d{{1,3}}+\}}?)?{_LESS}[^<>≤\n]{{1,40}}?{_LESS}(?P<high>-?\d[\d,]{{0,25}}+)(?P<more>\s*(?:[\^*·×]|\\cdot|\\times))?"
)
_OF_TYPE: dict[str, list[Any]] = {
    "int": [3, 10, 1, 6],
    "float": [1.5, 4.0, 0.25, 10.0],
    "str": ["abca", "racecar", "Hello World 12", "b"],
    "bool": [True, False, True, False],
}
_Test = dict[str, Json]
_Call = tuple[list[Any], dict[str, Any]]
"""Positional and named arguments."""
_Allowed = Callable[[float], bool]


def read(problem: Problem) -> references.Reference | None:
    """The reference with the inputs as its tests, which have no outputs; in mode `assert` one of mode `function`, whose
    calls need no test program. None where no inputs can be made."""
    row = dict(problem.reference)
    prompt = problem.prompt[:_MAX_PROMPT_CHARS]
    try:
        if row.get("mode") == "assert":
            # MBPP's prompts show the asserts, and name the function nowhere else.
            (name,) = (
                [row.get("entry_point")] if row.get("entry_point") else set(re.findall(r"\bassert (\w+)\(", prompt))
            )
            kept = ("language", "prompt", "time_limit_s", "memory_limit_mb")
            row = {"mode": "function", "entry_point": name, **{key: row[key] for key in kept if key in row}}
        given = [{**test, "output": [None] * len(test.get("operations") or ())} for test in row.get("tests") or ()]
        made = _texts(prompt, given) if row["mode"] == "stdin" else _calls(row, prompt, given)
        tests = list(itertools.islice(_distinct(made), MAX_INPUTS))
        return references.parse({**row, "tests": tests}, prompt) if len(tests) >= MIN_INPUTS else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # what cannot be read is no example


def _distinct(tests: Iterable[_Test]) -> Iterator[_Test]:
    seen: set[str] = set()
    for test in tests:
        text = json.dumps(test, sort_keys=True)
        if len(text) <= _MAX_INPUT_CHARS and text not in seen:
            seen.add(text)
            yield test


def _in_turn(sources: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """The first of each, then the second of each, and so on."""
    nothing = object()
    rows = itertools.zip_longest(*sources, fillvalue=nothing)
    return (item for row in rows for item in row if item is not nothing)


# --- numbers and values ----------------------------------------------------------------------------------------------


def _bounds(prompt: str, shown: Iterable[float]) -> _Allowed:
    """Whether a number may be an input, by the bounds that the prompt states; `shown` are those of examples."""
    low, high = -math.inf, math.inf
    if word := re.search(r"(?i)(?<!non-)(?<!non )\b(?:positive|natural) (?:int|num)|\bnon[- ]?negative", prompt):
        low = 0 if word[0][:3].lower() == "non" else 1
    if found := [*_BOUNDS.finditer(prompt)]:
        low = min(-math.inf if match["power"] else int(match["low"]) for match in found)
        high = max(math.inf if match["more"] else int(match["high"].replace(",", "")) for match in found)
    numbers = [*shown]
    low, high = min([low, *numbers]), max([high, *numbers])
    return lambda number: low <= number <= high


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, list | tuple | set | dict):
        items = value.values() if isinstance(value, dict) else value
        yield from itertools.chain.from_iterable(map(_numbers, items))


def _changed(value: Any, allowed: _Allowed) -> Iterator[Any]:
    """Other values of the same type. None is empty, which many problems do not allow."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        # Not much larger than what an example has: a right program may take exponential time.
        half, larger = (
            value // 2 if isinstance(value, int) else value / 2,
            2 * value + 3 if abs(value) < 13 else value + 3,
        )
        yield from filter(allowed, (value + 1, value - 1, larger, 0 * value, -value, half))
    elif isinstance(value, str | list | tuple):
        others: list[Any] = [value[::-1], value[:-1], value[1:], value[: len(value) // 2], value * 2]
        if isinstance(value, str) and value == value.strip():
            # A cut leaves no blank at an end where there was none: programs may read words in several ways.
            others = [other.strip() for other in others]
        yield from filter(None, others)
        if not isinstance(value, str):
            yield from map(type(value), _with_one_changed(value, allowed))


def _with_one_changed(items: list[Any] | tuple[Any, ...], allowed: _Allowed, most: int = 4) -> Iterator[list[Any]]:
    def changed(at: int) -> Iterator[list[Any]]:
        return ([*items[:at], other, *items[at + 1 :]] for other in _changed(items[at], allowed))

    return _in_turn(map(changed, range(min(len(items), most))))


# --- calls -----------------------------------------------------------------------------------------------------------


def _calls(row: _Test, prompt: str, given: list[_Test]) -> Iterator[_Test]:
    name, text = str(row["entry_point"]).rpartition(".")[2], f"{row.get('prompt') or ''}\n{prompt}"
    calls = [*_shown_calls(name, text)]
    for test in given:
        yield test
        if "operations" not in test:
            calls.append((values.decode_object(test["input"]), values.decode_object(test.get("kwargs") or {})))
    parameters = _parameters(name, text)
    calls = calls or [*_typed_calls(parameters)]
    allowed = _bounds(text, _numbers([[args, *kwargs.values()] for args, kwargs in calls]))
    # LeetCode's lists and trees are shown as lists.
    tags = ["$list_node" if "ListNode" in kind else "$tree_node" if "TreeNode" in kind else "" for kind in parameters]
    for args, kwargs in itertools.chain(calls, _in_turn(_changed_calls(call, allowed) for call in calls)):
        with contextlib.suppress(values.NotPlainDataError):  # nodes that the problem itself gives
            parts = itertools.zip_longest(map(values.encode, args), tags[: len(args)], fillvalue="")
            wrapped = [{tag: arg} if tag and isinstance(arg, list) else arg for arg, tag in parts]
            yield {"input": wrapped, "output": [], "kwargs": values.encode(kwargs)}


def _changed_calls(call: _Call, allowed: _Allowed) -> Iterator[_Call]:
    args, kwargs = call
    for new in _with_one_changed([*args, *kwargs.values()], allowed):
        yield new[: len(args)], dict(zip(kwargs, new[len(args) :], strict=True))


def _shown_calls(name: str, text: str) -> Iterator[_Call]:
    """Calls of the function in doctests, asserts and prose, and LeetCode's `Input: nums = [1, 2], k = 3`."""
    shown = (text[match.end() - 1 :] for match in re.finditer(rf"\b{re.escape(name)}\(", text))
    blocks = (f"({', '.join(line for line in block.splitlines() if line.strip())})" for block in _blocks(text))
    for source in itertools.islice(itertools.chain(shown, blocks), _MAX_CALLS):
        tree = next(_parsed((source[: end.end()] for end in re.finditer(r"\)", source)), "f{}"), None)
        if isinstance(tree, ast.Expr) and isinstance(call := tree.value, ast.Call) and (call.args or call.keywords):
            with contextlib.suppress(ValueError, TypeError):
                args = [_literal(arg) for arg in call.args]
                named = {str(word.arg): _literal(word.value) for word in call.keywords}
                # Where every argument has a name, the order is the signature's, and a program may have other names.
                yield (args, named) if args else ([*named.values()], {})


def _parsed(sources: Iterable[str], form: str) -> Iterator[ast.stmt]:
    """The statements of the sources that parse, of the first few."""
    for source in itertools.islice(sources, 20):
        with contextlib.suppress(SyntaxError, ValueError, MemoryError):
            if len(source) <= _MAX_INPUT_CHARS:
                yield ast.parse(form.format(source)).body[0]


def _literal(node: ast.expr) -> Any:
    """Raises ValueError for what is none. JSON's names are literals too."""
    for name in ast.walk(node):
        if isinstance(name, ast.Name) and name.id in ("true", "false", "null"):
            name.id = {"true": "True", "false": "False", "null": "None"}[name.id]
    return ast.literal_eval(ast.unparse(node))


def _parameters(name: str, text: str) -> list[str]:
    """The types of the function's parameters in the starter code; none if a parameter has no type."""
    for match in itertools.islice(re.finditer(rf"def\s+{re.escape(name)}\s*\(", text), _MAX_CALLS):
        source = text[match.start() :]
        ends = re.finditer(r":|`|$", source, re.MULTILINE)
        for tree in _parsed((source[: end.start()] for end in ends), "{}: pass"):
            if isinstance(tree, ast.FunctionDef):
                types = [arg.annotation for arg in tree.args.args if arg.arg != "self"]
                return [ast.unparse(kind).strip("'") for kind in types if kind] if all(types) else []
    return []


def _typed_calls(parameters: list[str]) -> Iterator[_Call]:
    samples = [_of_type(ast.parse(kind, mode="eval").body) for kind in parameters]
    if samples and all(samples):
        for number in range(4):
            yield [of[(number + place) % 4] for place, of in enumerate(samples)], {}


def _of_type(node: ast.expr) -> list[Any]:
    """Four values of a type; none for one that is not known."""
    if isinstance(node, ast.BinOp):  # int | None
        return _of_type(node.left)
    if not isinstance(node, ast.Subscript):
        return _OF_TYPE.get(ast.unparse(node), [])
    parts = [_of_type(part) for part in (node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice])]
    match ast.unparse(node.value).rpartition(".")[2].lower():
        case "optional":
            return parts[0]
        case "list" | "sequence" | "iterable" if parts[0]:
            return [(parts[0] * 2)[number : 4 + number // 2] for number in range(4)]
        case "tuple" if all(parts):
            return [*zip(*parts, strict=True)]
    return []


# --- text ------------------------------------------------------------------------------------------------------------


def _texts(prompt: str, given: list[_Test]) -> Iterator[_Test]:
    texts = [*(test["input"] for test in given), *_blocks(prompt)]
    grids = [[line.split() for line in text.strip().split("\n")] for text in texts]
    allowed = _bounds(prompt, (int(token) for token in re.findall(r"-?\b\d{1,18}\b", " ".join(texts))))
    changed = ("\n".join(map(" ".join, grid)) for grid in _in_turn(_changed_grids(grid, allowed) for grid in grids))
    yield from ({"input": text.rstrip("\n") + "\n", "output": ""} for text in itertools.chain(texts, changed))


def _blocks(prompt: str) -> Iterator[str]:
    """What stands under `Input` and above `Output`, without fences, unless it is prose."""
    lines = prompt.split("\n")
    heads = [(number, head) for number, line in enumerate(lines) if (head := _INPUT.match(line))]
    outputs = [number for number, line in enumerate(lines) if _OUTPUT.match(line)]
    for start, head in heads[:_MAX_CALLS]:
        stop = next((number for number in outputs if number > start), start)
        body = [head["rest"] or "", *lines[start + 1 : stop]]
        fences = [place for place, line in enumerate(body) if line.lstrip().startswith("```")]
        if len(fences) > 1:
            body = body[fences[0] + 1 : fences[1]]
        block = "\n".join(line for line in body if "```" not in line).strip().strip("`").strip()
        if start < stop and 0 < len(block) <= _MAX_INPUT_CHARS and not _PROSE.search(block):
            yield block


def _changed_grids(grid: list[list[str]], allowed: _Allowed) -> Iterator[list[list[str]]]:
    """The lines of tokens with one token changed, a line reversed, or a counted line cut short."""

    def replaced(at: int, line: list[str]) -> list[list[str]]:
        return [*grid[:at], line, *grid[at + 1 :]]

    def changed(at: int, place: int) -> Iterator[list[list[str]]]:
        token, line = grid[at][place], grid[at]
        others = _changed(int(token) if re.fullmatch(r"-?\d{1,18}", token) else token, allowed)
        return (replaced(at, [*line[:place], str(other), *line[place + 1 :]]) for other in others)

    sizes = [_sizes(grid[at + 1 :]) for at in range(len(grid))]
    free = [[place for place, token in enumerate(line) if token not in sizes[at]] for at, line in enumerate(grid)]
    tokens = [(at, place) for at, places in enumerate(free) for place in places]
    of_one_sort = (len({token.lstrip("-").isdigit() for token in line}) == 1 < len(line) for line in grid)
    lines = [at for at, is_list in enumerate(of_one_sort) if is_list and len(free[at]) == len(grid[at])]
    shorter = (
        [*grid[: at - 1], [str(len(grid[at]) - 1)], grid[at][:-1], *grid[at + 1 :]]
        for at in lines
        # A count of lines that is the length of the next one by chance stays.
        if at and grid[at - 1] == [str(len(grid[at]))] and len(grid[at]) != len(grid) - at
    )
    reversed_lines = (replaced(at, grid[at][::-1]) for at in lines)
    return _in_turn([*(changed(*where) for where in tokens[:8]), reversed_lines, shorter])


def _sizes(lines: list[list[str]]) -> set[str]:
    """What a number above these lines may count: them, or the tokens or letters of one of them."""
    words = (line[0] for line in lines if len(line) == 1 and not line[0].isdigit())
    return set(map(str, [len(lines), *map(len, lines), *map(len, words)]))
