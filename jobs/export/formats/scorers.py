"""What each trainer's own reward code takes as ground truth, or that it cannot score a reference at all.

Promises: a reference is converted only where the trainer's code means what ours means by it: for a right answer, in
the form that the trainer reads, it gives its full reward, and for a wrong one it does not. All else has no scorer, and
is counted: a pool in which right programs score 0 teaches to write wrong ones.
Does not: judge how a trainer reads an answer out of a text (docs/export.md says what each reads).

The readings are those of verl 0.9.1 (`reward_score/prime_code`), open-instruct of 2026-08 (`ground_truth_utils`,
`code_utils`), SkyRL-Gym 0.4 (`envs/lcb`, `envs/aime`) and NeMo Gym of 2026-08 (`resources_servers`).
"""

from __future__ import annotations

import ast
import builtins
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from verifiers.code import reference as code_reference

Json = Any
Reference = Mapping[str, Json]


class Scorer(NamedTuple):
    """A trainer's scorer and what it compares with."""

    name: str
    truth: str


def answer_text(reference: Reference) -> str | None:
    """The final answer that a trainer compares with, None where the reference is more than one answer.

    Trainers compare texts. They know no tolerance, and no list of answers of which any or all are right.
    """
    answer = reference.get("answer")
    if not isinstance(answer, str | int | float) or isinstance(answer, bool):
        return None
    if reference.get("tolerance") or reference.get("answers") or reference.get("all"):
        return None
    return str(answer)


def plain_tests(reference: Reference, modes: Sequence[str]) -> list[Mapping[str, Json]] | None:
    """The tests of a Python program that is scored by equality alone; None for what only our own checker can judge.

    No trainer has a tolerance, a checker program, an order that does not count, or another language, and none leaves
    open what it cannot tell (`several_answers`). Where white space counts (`exact` of stdin), all of them would take an
    answer that is wrong.
    """
    mode = reference.get("mode")
    special = reference.get("tolerance") or reference.get("checker") or reference.get("output_argument") is not None
    special = special or reference.get("several_answers")
    if mode not in modes or special or str(reference.get("language") or "python").lower() != "python":
        return None
    if (reference.get("compare") or "") not in (("", "exact", "json") if mode == "function" else ("", "lines")):
        return None
    tests = reference.get("tests")
    if not isinstance(tests, list) or not tests or not all(isinstance(test, dict) for test in tests):
        return None
    if any(test.get("kwargs") or test.get("operations") for test in tests):
        return None
    return tests


def is_plain(value: Json) -> bool:
    """Whether a value of a reference is JSON as it stands: `{"$tuple": …}` and its like are of our own making, and NaN
    is equal to nothing."""
    if isinstance(value, dict):
        return all(not key.startswith("$") and is_plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    return not isinstance(value, float) or math.isfinite(value)


def bare_name(entry_point: Json) -> str | None:
    """The name of a function or of a method of `Solution`, which trainers make an object of by themselves."""
    owner, dot, name = str(entry_point or "").rpartition(".")
    return name if name and (not dot or owner == "Solution") else None


class Calls(NamedTuple):
    """The tests of a function: its name, and for each call the arguments and the value."""

    name: str
    arguments: list[list[Json]]
    values: list[Json]


def calls(reference: Reference) -> Calls | None:
    """The calls of a `function` reference in plain JSON; None where they cannot be written so."""
    tests = plain_tests(reference, ("function",))
    name = bare_name(reference.get("entry_point"))
    if tests is None or name is None:
        return None
    try:
        wrapped = code_reference.parse(reference).wrapped_outputs
    except ValueError:
        return None
    arguments = [test["input"] for test in tests]
    values = [test["output"][0] if wrapped else test["output"] for test in tests]
    if not all(arguments) or not is_plain(arguments) or not is_plain(values):
        return None  # the trainers read one argument per line, and an empty text is no argument
    return Calls(name, arguments, values)


def lines_of(values: Sequence[Json]) -> str:
    """One JSON value per line, as LiveCodeBench and all its heirs read arguments."""
    return "\n".join(json.dumps(value) for value in values)


def has_number_keys(value: Json) -> bool:
    """Whether verl takes the keys of this object for integers."""

    def is_number(key: str) -> bool:
        try:
            int(key)
        except ValueError:
            return False
        return True

    return isinstance(value, dict) and all(map(is_number, value))


def verl_tests(reference: Reference) -> str | None:
    """The ground truth of verl's `prime_code`: inputs and outputs of a program, or those of a function `fn_name`.

    verl takes the first element of an expected list for the list itself (files of PRIME wrap their values). A list is
    therefore written inside another, so that its own first element does not count as right.
    """
    if reference.get("mode") == "stdin":
        tests = plain_tests(reference, ("stdin",))
        if tests is None:
            return None
        return json.dumps({"inputs": [test["input"] for test in tests], "outputs": [test["output"] for test in tests]})
    found = calls(reference)
    if found is None:
        return None
    # Keys that look like numbers become integers, and what stands beside such a first argument is dropped.
    if any(has_number_keys(call[0]) and (call[0] or len(call) > 1) for call in found.arguments):
        return None
    if any(has_number_keys(value) and value for value in found.values):
        return None
    outputs = [json.dumps([value] if isinstance(value, list) and value else value) for value in found.values]
    inputs = [lines_of(call) for call in found.arguments]
    return json.dumps({"inputs": inputs, "outputs": outputs, "fn_name": found.name})


def test_programs(reference: Reference) -> str | None:
    """The ground truth of open-instruct's `code`: a list of programs, each run behind the candidate's, in its names.

    Asserts that stand alone are given one by one, because their share that holds is the reward.
    """
    try:
        parsed = code_reference.parse(reference)
    except ValueError:
        return None
    if parsed.mode != "assert" or parsed.runner:
        return None  # a module of pytest or unittest has no place there
    setup = str(reference.get("test_setup") or "")
    tests = [str(test) for test in reference.get("test_list") or ()]
    if tests and all(map(is_one_assert, tests)):
        return json.dumps([f"{setup}\n{test}" if setup else test for test in tests])
    return json.dumps([entry_point_line(parsed.entry_point) + parsed.program])


def is_one_assert(test: str) -> bool:
    try:
        body = ast.parse(test).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return len(body) == 1 and isinstance(body[0], ast.Assert)


def entry_point_line(entry_point: str) -> str:
    """The line that gives the candidate's function the name under which `check` gets it, where that is another one. A
    builtin of the same name does not stand in for a function that the candidate has not written."""
    name = code_reference.test_name(entry_point)
    owner, _, method = entry_point.rpartition(".")
    if owner:
        return f"{name} = {owner}().{method}\n"
    return f"{name} = globals()[{entry_point!r}]\n" if entry_point in dir(builtins) else ""


def stdio_tests(reference: Reference) -> str | None:
    """The ground truth of open-instruct's `code_stdio`: what a program reads and what it has to print."""
    tests = plain_tests(reference, ("stdin",))
    if tests is None:
        return None
    return json.dumps([{"input": test["input"], "output": test["output"]} for test in tests])


def for_verl(name: str, reference: Reference) -> Scorer | None:
    """`name` is the kind's scorer there."""
    truth = verl_tests(reference) if name == "apps" else answer_text(reference)
    return Scorer(name, truth) if name and truth is not None else None


def for_open_instruct(name: str, reference: Reference) -> Scorer | None:
    """`name` is the kind's verifier there; a program that reads its input has one of its own."""
    if name != "code":
        truth = answer_text(reference)
    elif reference.get("mode") == "stdin":
        name, truth = "code_stdio", stdio_tests(reference)
    else:
        truth = test_programs(reference)
    return Scorer(name, truth) if name and truth is not None else None


def for_own(name: str, reference: Reference) -> Scorer:
    """A reward function of the user's own, which takes a final answer as a text and any other reference whole."""
    answer = answer_text(reference)
    return Scorer(name, answer if answer is not None else json.dumps(reference))


def live_code_bench_tests(reference: Reference) -> dict[str, Json] | None:
    """Inputs and outputs as LiveCodeBench's harness takes them, which SkyRL and NeMo Gym have each copied: texts, and
    for a function `fn_name` one JSON value per line."""
    if reference.get("mode") == "stdin":
        tests = plain_tests(reference, ("stdin",))
        if tests is None:
            return None
        return {"inputs": [test["input"] for test in tests], "outputs": [test["output"] for test in tests]}
    found = calls(reference)
    if found is None:
        return None
    inputs = [lines_of(call) for call in found.arguments]
    return {"inputs": inputs, "outputs": [json.dumps(value) for value in found.values], "fn_name": found.name}


def for_live_code_bench(name: str, reference: Reference) -> Scorer | None:
    """The ground truth of SkyRL's `lcb`: LiveCodeBench's own list of tests, as JSON."""
    found = live_code_bench_tests(reference)
    if found is None:
        return None
    called = {"testtype": "functional", "metadata": {"func_name": found["fn_name"]}} if "fn_name" in found else {}
    pairs = zip(found["inputs"], found["outputs"], strict=True)
    tests = [{"input": given, "output": wanted, "testtype": "stdin", **called} for given, wanted in pairs]
    return Scorer(name, json.dumps(tests))
