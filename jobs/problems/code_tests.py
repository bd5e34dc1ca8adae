"""From publishers' tests of programs to references (docs/code_problems.md): what a test is, and what is no test.

Promises: a set of tests that could accept a program without evidence is a fault: no test at all, an expected output
that is null, only empty outputs, a test that its publisher cut off. A task that no test can judge is one too: it shows
an image, asks to talk with a judge, or reads files.
Does not: run anything.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence

from jobs.problems.errors import BadRow
from jobs.problems.rows import parsed
from verifiers.reference_fields import excerpt, json_type
from verifiers.types import Json

Row = Mapping[str, Json]

MIN_CHARS_OF_CUT_TEST = 200
"""Codeforces shows no more of a test than some 255 characters, and three dots behind them. A text that ends in dots
and is shorter than this is whole."""
PYTHON_FACTOR = 3.0
"""Publishers' time limits are for compiled programs. A program in Python has this many times as long."""
MIN_TIME_LIMIT_S = 6.0
"""Shortest time limit per test: LiveCodeBench's, whose problems are of the same contests."""
MIN_MEMORY_LIMIT_MB = 256
"""A Python process needs some of a contest's memory limit for itself."""
MAX_LITERAL_CHARS = 2**26
"""Longest text that is read as a Python literal, which takes a hundred times its size in memory."""

_IMAGE = re.compile(r"<image>|\[image\]|<img\b|!\[[^\]\n]{0,200}\]\(", re.IGNORECASE)
_INTERACTIVE = re.compile(
    r"\binteractive (?:problem|task|version)\b|\b(?:problem|task|version) is interactive\b|\binteractor\b",
    re.IGNORECASE,
)
_VERBS = r"(?:print|output|return|report|display)s?"
_NOT_EXTRA = (
    r"(?!\s+(?:other|extra|additional|more|further|unnecessary|leading|trailing|spaces?|white|text|error|debug))"
)
_SEVERAL = re.compile(
    rf"(?<!not )(?<!n't )(?<!never )(?<!without )\b{_VERBS}\s+any\b{_NOT_EXTRA}"
    rf"|\b(?:{_VERBS}|choose|find|accept(?:s|ed)?|answers?|solutions?)\b[^.\n]{{0,80}}\bany\s+(?:one\s+)?of\s+"
    r"(?:them|these|those)\b"
    r"|\bany\s+(?:one\s+)?of\s+(?:them|these|those)\b[^.\n]{0,40}\b(?:accepted|allowed|fine|ok)\b"
    r"|\bany\s+(?:valid|correct|possible|optimal|acceptable|suitable)\s+(?:answer|solution|output|construction)s?\b"
    r"|\b(?:answer|output|print|return|result)s?\b[^.\n]{0,40}\bin\s+(?:any|arbitrary)\s+order\b",
    re.IGNORECASE,
)
_PYTHON_HEAD = re.compile(r"^\s*(?:(?:async\s+)?def\s+\w+\s*\(|class\s+\w+\s*[:(])", re.MULTILINE)
_FOREIGN_HEAD = re.compile(
    r"\bpublic:|#include\b|\bfunction\s*\w*\s*\(|\bpublic\s+(?:static\s+)?(?:class|\w+[\w<>\[\]]*\s+\w+\s*\()|\bfn\s+\w+"
    r"|\bfunc\s+\w+|\{\s*$|;\s*$",
    re.MULTILINE,
)
_ENTRY_POINT = re.compile(r"\s*(?:(\w+)\(\s*\)\s*\.|(\w+)\.)?(\w+)\s*")


def several_answers(statement: str) -> bool:
    """Whether the words of a task say that more than one output is right.

    >>> several_answers("If there are several, print any of them."), several_answers("Print no answer if any fails.")
    (True, False)
    """
    return _SEVERAL.search(statement) is not None


def check_statement(statement: str, field: str) -> None:
    """Raises BadRow for a task that lacks a part of itself, or that tests of input and output cannot judge."""
    if found := _IMAGE.search(statement):
        raise BadRow(field, f"shows an image ({found[0][:20]}), which a text cannot", "a task that is all text")
    if _INTERACTIVE.search(statement):
        raise BadRow(field, "an interactive problem, and the set has no judge to talk to", "input, then output")


def check_starter(starter: str, field: str) -> None:
    """Raises BadRow for starting code that is not Python, where only Python can be judged."""
    if starter.strip() and not _PYTHON_HEAD.search(starter) and _FOREIGN_HEAD.search(starter):
        raise BadRow(field, f"is no Python: {excerpt(starter.strip())}", "starting code in Python")


def stdin_reference(
    pairs: Sequence[tuple[Json, Json]], field: str, statement: str = "", language: str = "python"
) -> dict[str, Json]:
    """Mode `stdin`: text in, text out. `statement` says whether several outputs are right. Raises BadRow."""
    tests: list[Json] = []
    for number, (given, wanted) in enumerate(pairs, start=1):
        where = f"{field}: test {number}"
        tests.append({"input": text_of(given, f"{where}: input"), "output": text_of(wanted, f"{where}: output")})
    if not tests:
        raise BadRow(field, "no tests", "at least one test")
    if not any(test["output"].strip() for test in tests):
        wrong = "every expected output is empty, so a program that prints nothing would be right"
        raise BadRow(field, wrong, "a test whose expected output says something")
    reference: dict[str, Json] = {"mode": "stdin", "tests": tests}
    if language != "python":
        reference["language"] = language
    if several_answers(statement):
        reference["several_answers"] = True
    return reference


def text_of(value: Json, field: str) -> str:
    """The text of a test; APPS writes some as the list of its lines. Raises BadRow."""
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = json.dumps(value)
    if not isinstance(value, str):
        found = "missing" if value is None else f"is a {json_type(value)}: {excerpt(value)}"
        raise BadRow(field, found, "the text that is read or printed")
    if len(value) >= MIN_CHARS_OF_CUT_TEST and value.rstrip().endswith(("...", "…")):
        raise BadRow(field, f"was cut off by its publisher: {excerpt(value.rstrip()[-40:])}", "the whole test")
    return value


def function_reference(
    name: str,
    pairs: Sequence[tuple[Json, Json]],
    field: str,
    statement: str = "",
    as_lines: bool | None = None,
    may_wrap: bool = True,
) -> dict[str, Json]:
    """Mode `function`: each input the list of arguments, or text with one JSON value per line, as verl and
    LiveCodeBench have it. Where the texts themselves do not tell (`as_lines` None), outputs that are wrapped in a list
    tell that inputs are lists. Raises BadRow.

    Tests of this origin are JSON on both sides, where a tuple is a list and a key is text. APPS, like TACO and PRIME
    which follow it, puts each expected value into a list of its own, and compares with the list or with what is in it;
    of values that are text, verifiers.code.reference decides by all tests of the problem.
    """
    if not name.isidentifier() and not all(part.isidentifier() for part in name.split(".", 1)):
        raise BadRow(field, f"the function's name is {excerpt(name)}", "the name of a function")
    if not pairs:
        raise BadRow(field, "no tests", "at least one test")
    texts = [isinstance(given, str) for given, _ in pairs]
    if all(texts):
        read = _from_text(pairs, field, as_lines)
    elif not any(texts) and all(isinstance(given, list) for given, _ in pairs):
        read = [(given, wanted) for given, wanted in pairs]
    else:
        raise BadRow(field, "an input of a function is not a list", "each input the list of arguments")
    outputs = [wanted for _, wanted in read]
    may_wrap = may_wrap and not all(texts)
    if all(wanted is None or wanted == [None] for wanted in outputs):
        wrong = "every expected value is null, so a function that does nothing would be right"
        raise BadRow(field, wrong, "a test whose expected value says something")
    wrapped = may_wrap and all(isinstance(wanted, list) and len(wanted) == 1 for wanted in outputs)
    tests = [_with_number_keys(given, wanted) for given, wanted in read]
    reference: dict[str, Json] = {"mode": "function", "entry_point": name, "compare": "json", "tests": tests}
    if wrapped:
        reference["wrapped_outputs"] = True
    if several_answers(statement):
        reference["several_answers"] = True
    return reference


def _from_text(pairs: Sequence[tuple[Json, Json]], field: str, as_lines: bool | None) -> list[tuple[list[Json], Json]]:
    """Arguments and expected values of tests that are text: a JSON value per line, or one JSON list of arguments."""
    outputs = [parsed(wanted, f"{field}: test {n}: output") for n, (_, wanted) in enumerate(pairs, start=1)]
    lines = [[line for line in str(given).split("\n") if line.strip()] for given, _ in pairs]
    inputs = [
        [parsed(line, f"{field}: test {number}: input") for line in some] for number, some in enumerate(lines, start=1)
    ]
    is_list = all(len(given) == 1 and isinstance(given[0], list) for given in inputs)
    is_wrapped = all(isinstance(wanted, list) and len(wanted) == 1 for wanted in outputs)
    if is_list and is_wrapped and not as_lines:
        inputs = [given[0] for given in inputs]
    return list(zip(inputs, outputs, strict=True))


def _with_number_keys(given: list[Json], wanted: Json) -> dict[str, Json]:
    """A test whose dicts have the whole numbers as keys that JSON has made text, where APPS's own runner puts them
    back: in the first argument and in the expected value."""
    arguments = [_number_keys(value) if index == 0 else value for index, value in enumerate(given)]
    if isinstance(wanted, list) and len(wanted) == 1:
        return {"input": arguments, "output": [_number_keys(wanted[0])]}
    return {"input": arguments, "output": _number_keys(wanted)}


def _number_keys(value: Json) -> Json:
    if isinstance(value, dict) and value and all(re.fullmatch(r"-?\d{1,18}", key) for key in value):
        return {"$dict": [[int(key), inner] for key, inner in value.items()]}
    return value


def inputs_outputs(truth: Json, field: str, statement: str = "", name: Json = None) -> dict[str, Json]:
    """PRIME's, APPS's and TACO's tests: an object, or its JSON text, with parallel lists `inputs` and `outputs`; with
    `fn_name` a function is called. Raises BadRow."""
    tests = parsed(truth, field)
    if not isinstance(tests, dict) or not isinstance(tests.get("inputs"), list):
        raise BadRow(field, excerpt(truth), 'a JSON object {"inputs": […], "outputs": […]}')
    inputs, outputs = tests["inputs"], tests.get("outputs")
    if not isinstance(outputs, list):
        raise BadRow(field, "has no list of outputs, so nothing to check against", "as many outputs as inputs")
    if len(inputs) != len(outputs):
        raise BadRow(field, f"{len(inputs)} inputs, {len(outputs)} outputs", "as many outputs as inputs")
    name = tests.get("fn_name") or name
    pairs = list(zip(inputs, outputs, strict=True))
    if not name:
        return stdin_reference(pairs, field, statement)
    if not isinstance(name, str):
        raise BadRow(field, f"fn_name is {excerpt(name)}", "the name of a function")
    return function_reference(name, pairs, field, statement, as_lines=True)


def reference_of_truth(truth: Json, field: str, statement: str, prefix: Json = None) -> dict[str, Json]:
    """What verl's sets of code hold in `ground_truth`: PRIME's parallel lists (Eurus-2, rStar-Coder), Skywork-OR1's
    LeetCode tests (`entry_point`, `test_code`, `import_prefix`), or guru's test program (`functional` or `pytest`,
    with imports in `extra_info.prefix`). Raises BadRow."""
    check_statement(statement, "prompt")
    tests = parsed(truth, field)
    if isinstance(tests, list):
        return cases(tests, field, statement)
    if not isinstance(tests, dict):
        raise BadRow(field, excerpt(truth), 'a JSON object {"inputs": […], "outputs": […]}')
    if tests.get("test_code") is not None:
        name = entry_point(str(tests.get("entry_point") or ""), f"{field}.entry_point")
        return program_reference(tests["test_code"], f"{field}.test_code", name, tests.get("import_prefix"))
    for key in ("functional", "pytest"):
        if tests.get(key) is not None:
            return program_reference(tests[key], f"{field}.{key}", prefix=prefix)
    return inputs_outputs(tests, field, statement)


def program_reference(test: Json, field: str, name: str = "", prefix: Json = None) -> dict[str, Json]:
    """Mode `assert`: a test program, `check(candidate)` where `name` says what it is called with. `prefix` are the
    imports and classes that both sides are given. Raises BadRow."""
    if not isinstance(test, str) or not test.strip():
        raise BadRow(field, "missing" if not test else f"is a {json_type(test)}", "a test program")
    reference: dict[str, Json] = {"mode": "assert", "test": test}
    if name:
        reference["entry_point"] = name
    if isinstance(prefix, str) and prefix.strip():
        reference["prompt"] = prefix
    return reference


def cases(value: Json, field: str, statement: str = "", language: str = "python", name: Json = None) -> dict[str, Json]:
    """A list of tests `{"input", "output"}`, with `type` (or `testtype`) and `fn_name` where there are such, or its
    JSON text; also PRIME's object of parallel lists. Raises BadRow."""
    tests = parsed(value, field)
    if isinstance(tests, dict):
        return inputs_outputs(tests, field, statement, name)
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        raise BadRow(field, "missing" if tests is None else excerpt(tests), "a list of tests")
    if not tests:
        raise BadRow(field, "no tests", "at least one test")
    for number, test in enumerate(tests, start=1):
        if test.get("input") is None or test.get("output") is None:
            raise BadRow(field, f"test {number} is {excerpt(test)}", '{"input": "…", "output": "…"}')
    pairs = [(test["input"], test["output"]) for test in tests]
    types = {str(test.get("type") or test.get("testtype") or "") for test in tests}
    names = {str(test["fn_name"]) for test in tests if test.get("fn_name")} or ({str(name)} if name else set())
    if types <= {"stdin_stdout", "stdin", ""} and not names:
        return stdin_reference(pairs, field, statement, language)
    if types <= {"function_call", "functional", "call", ""} and len(names) == 1:
        if language != "python":
            raise BadRow(field, f"calls a function in {language}", "Python, or programs that read and print")
        called = names.pop()
        if "functional" in types:  # LiveCodeBench's, which wraps nothing and calls a method
            method = entry_point(called, field)
            method = method if "." in method else f"Solution.{method}"
            return function_reference(method, pairs, field, statement, as_lines=True, may_wrap=False)
        return function_reference(called, pairs, field, statement)
    raise BadRow(field, f"tests of type {excerpt(sorted(types))} for {sorted(names)}", "all of one type")


def entry_point(name: str, field: str) -> str:
    """`Solution.f` of `Solution().f`, the way LeetCode's sets write it; a plain name as it is. Raises BadRow."""
    found = _ENTRY_POINT.fullmatch(name)
    if found is None:
        raise BadRow(field, f"is {excerpt(name)}", "`f` or `Solution().f`")
    owner = found[1] or found[2]
    return f"{owner}.{found[3]}" if owner else found[3]


def literal(value: Json, field: str) -> Json:
    """`value`, read where it is text: as JSON, or as the Python literal that a set has in its place. Raises BadRow."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    try:
        if len(value) > MAX_LITERAL_CHARS:
            raise ValueError("too long")
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise BadRow(field, f"text that is not JSON: {excerpt(value)}", "JSON")


def time_limit(seconds: float | None) -> dict[str, Json]:
    """The key of a time limit that a publisher gives for compiled programs; none where there is none."""
    if seconds is None or not 0 < seconds < 1e5:
        return {}
    return {"time_limit_s": max(MIN_TIME_LIMIT_S, PYTHON_FACTOR * seconds)}


def memory_limit(megabytes: float | None) -> dict[str, Json]:
    if megabytes is None or not 0 < megabytes < 1e6:
        return {}
    return {"memory_limit_mb": max(MIN_MEMORY_LIMIT_MB, int(megabytes))}
