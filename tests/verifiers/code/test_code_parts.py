"""Extraction, references, values and comparison: the parts that need no sandbox."""

import json
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.code import extraction, reference
from verifiers.code.judges import function
from verifiers.code.wire import values

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False, allow_infinity=False)
    | st.fractions(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
        | st.sets(st.integers() | st.text(max_size=2), max_size=4)
        | st.frozensets(st.integers(), max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(PLAIN)
def test_values_survive_the_channel(value: Any) -> None:
    assert values.same(value, values.decode(json.dumps(values.encode(value))))


@pytest.mark.parametrize(
    ("a", "b"),
    [(1, 1.0), (1, True), ([1], (1,)), ({1}, frozenset({1})), (b"a", "a"), ({1: 2}, {True: 2}), ([1, [2]], [1, [2.0]])],
)
def test_exact_types_differ(a: Any, b: Any) -> None:
    assert not values.same(a, b)
    assert not values.same(b, a)


def test_decimals_that_are_no_numbers() -> None:
    quiet, signalling, one = (values.decode(f'{{"$decimal": "{text}"}}') for text in ("NaN", "sNaN", "1"))
    assert values.same(quiet, quiet)
    assert not values.same(one, signalling)
    assert not values.same(signalling, quiet)


def test_tolerance_and_json_comparison() -> None:
    assert values.same(0.3, 0.1 + 0.2, rel=1e-9)
    assert not values.same(0.3, 0.1 + 0.2)
    assert not values.same(1, True, rel=0.5)
    assert values.same([1, [2]], (1, (2,)), tuples_are_lists=True)
    assert not values.same([1], [1.0], tuples_are_lists=True)


@pytest.mark.parametrize(
    "text",
    [
        '{"$tuple": 1}',
        '{"$evil": 1}',
        "NaN",
        "[" * 100_000,
        '{"$set": [[1]]}',
        '{"$int": "x"}',
        '{"$fraction": [1, 0]}',
        "",
        pytest.param(json.dumps({"$fraction": [{"$int": "f" * 2_000_000}, {"$int": "7" * 1_999_999}]}), id="gcd"),
        pytest.param(json.dumps({"$set": [i * sys.hash_info.modulus for i in range(200_000)]}), id="set"),
        pytest.param(json.dumps({"$dict": [[i * sys.hash_info.modulus, 0] for i in range(200_000)]}), id="dict"),
    ],
)
def test_decode_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        values.decode(text)


def test_subclasses_are_reduced_to_their_value() -> None:
    class Int(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    assert values.encode([Int(3)]) == [3]
    with pytest.raises(values.NotPlainDataError):
        values.encode(object())


ADD = "def add(a, b):\n    return a + b"
EXTRACTIONS = {
    "one block": (f"Text\n```python\n{ADD}\n```\nmore", ADD),
    "last block wins": (f"```python\ndef add(a, b):\n    return 0\n```\nBetter:\n```python\n{ADD}\n```", ADD),
    "example after it": (f"```python\n{ADD}\n```\n```\n>>> add(1, 2)\n3\n```", ADD),
    "usage after it": (f"```python\n{ADD}\n```\n```python\nprint(add(1, 2))\n```", ADD),
    "helper before it": (
        "```python\ndef h(a):\n    return a\n```\n```python\ndef add(a, b):\n    return h(a) + b\n```",
        "def h(a):\n    return a\ndef add(a, b):\n    return h(a) + b",
    ),
    "unclosed": (f"```python\n{ADD}\n", ADD + "\n"),
    "tildes": (f"~~~python\n{ADD}\n~~~", ADD),
    "no fence": (ADD, ADD),
    "prose around": (f"Here is my answer:\n\n{ADD}\n\nI hope this helps!", ADD + "\n\n"),
    "thought before": (f"<think>```python\nx = 1\n```</think>\n```python\n{ADD}\n```", ADD),
    "other language ignored": (f"```python\n{ADD}\n```\n```bash\npython add.py\n```", ADD),
    "indented block": ("```python\n    def add(a, b):\n        return a + b\n```", ADD),
}


@pytest.mark.parametrize("name", EXTRACTIONS)
def test_extraction(name: str) -> None:
    text, source = EXTRACTIONS[name]
    program = extraction.extract(text, entry_point="add")
    assert (program.source.strip(), program.entry_point) == (source.strip(), "add")


def test_entry_point_under_another_name() -> None:
    assert extraction.extract("```python\ndef plus(a, b): return a + b\n```", entry_point="add").entry_point == "plus"
    solution = "class Solution:\n    def add(self, a, b): return a + b"
    assert extraction.extract(solution, entry_point="add").entry_point == "Solution.add"
    assert extraction.extract(ADD, entry_point="Solution.add").entry_point == "add"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no idea",
        "```python\ndef add(:\n```",
        "```python\nx = 1\n```",
        "42",
        "</think>",
        f"<think>\n```python\n{ADD}\n```\nBut is it",
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(extraction.MalformedError):
        extraction.extract(text, entry_point="add")


def test_a_line_explained_is_no_program() -> None:
    text = "```cpp\n#include <cstdio>\nint main() {}\n```\nThe point is\n```cpp\nx += y;\n```"
    assert extraction.extract(text, "cpp").source.endswith("int main() {}")


@pytest.mark.parametrize("shown", ["-1", "{1: 2}", "1 < 2", "{1}"])
def test_shown_output_is_no_program(shown: str) -> None:
    text = f"```\nprint(-1)\n```\nprints\n```\n{shown}\n```"
    assert extraction.extract(text).source == "print(-1)"


_IMPORTS = "import " + ",".join(f"name{i}" for i in range(400))


@pytest.mark.parametrize("language", ["python", "cpp"])
@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * 300_000 + "!",
        "```" + " " * 300_000 + "`",
        "\n" * 300_000 + "!",
        "\n".join(["Hello there!", *[_IMPORTS] * 300, "= = bad", *["zz yy"] * 100]),
    ],
    ids=["blanks", "fence", "lines", "tries"],
)
def test_extraction_takes_seconds_at_most(text: str, language: str) -> None:
    began = time.process_time()
    for prompt in ("", "def f(x):\n"):
        with pytest.raises(extraction.MalformedError):
            extraction.extract(text, language, "f" if prompt else "", prompt)
    assert time.process_time() - began < 30


PROMPT = 'import math\n\n\ndef helper(x):\n    return x\n\n\ndef area(r):\n    """Area."""\n'


@pytest.mark.parametrize(
    "text",
    [
        "    return math.pi * r * r\n",
        "return math.pi * r * r",
        "```python\n    return math.pi * r * r\n```",
        "    return math.pi * r * r\n\n\nprint(area(1))\nassert Fals",
        "```python\ndef area(r):\n    return math.pi * helper(r) * r\n```",
    ],
)
def test_completion_of_a_prompt(text: str) -> None:
    program = extraction.extract(text, entry_point="area", prompt=PROMPT)
    scope: dict[str, Any] = {}
    exec(program.source, scope)  # noqa: S102
    assert abs(scope["area"](2) - 12.566) < 0.01


def test_preamble_keeps_imports_and_finished_helpers_only() -> None:
    assert extraction.preamble(PROMPT, "area") == "import math\ndef helper(x):\n    return x"


@pytest.mark.parametrize(
    ("source", "stateless"),
    [
        ("import math\nLIMIT = 10\ndef f(x): return x", True),
        ("memo = {}\ndef f(x): return x", False),
        ("def f(x, seen=[]): return x", False),
        ("def f(x):\n    global y\n    y = x", False),
        ("def f(x):\n    f.n = x", False),
        ("class S:\n    cache = {}\n    def f(self, x): return x", False),
        ("class S:\n    def f(self, x): return x", True),
        ("total = " + "+".join("1" * 2000), True),
        ("x = 1\nif x == 0:\n    y = 0\n" + "".join(f"elif x == {i}:\n    y = {i}\n" for i in range(1500)), False),
        ("first = open('x').name", False),
    ],
)
def test_is_stateless(source: str, stateless: bool) -> None:
    tree = extraction.parse(source)
    assert tree is not None
    assert function.is_stateless(tree) is stateless


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({}, "mode"),
        ({"mode": "stdin"}, "tests"),
        ({"mode": "stdin", "tests": [{"input": 1, "output": ""}]}, "tests[0]"),
        ({"mode": "stdin", "tests": [{"input": "", "output": ""}], "time_limits": 1}, "time_limits"),
        ({"mode": "stdin", "tests": [{"input": "", "output": ""}], "language": "cobol"}, "language"),
        ({"mode": "function", "tests": [{"input": [], "output": 1}]}, "entry_point"),
        ({"mode": "function", "entry_point": "f", "tests": [{"input": [{"$x": 1}], "output": 1}]}, "tests[0]"),
        ({"mode": "function", "entry_point": "f g", "tests": [{"input": [], "output": 1}]}, "entry_point"),
        ({"mode": "assert", "test": "x = 1"}, "test"),
        ({"mode": "assert", "test": "assert", "test_list": []}, "test"),
        ({"mode": "assert", "test_list": ["assert ("]}, "test_list"),
    ],
)
def test_unusable_reference_is_named(row: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError) as caught:
        reference.parse(row)
    assert named in str(caught.value)
