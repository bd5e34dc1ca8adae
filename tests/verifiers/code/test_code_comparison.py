"""How outputs and values are compared: LiveCodeBench's own rule is the oracle for lines."""

import decimal
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.code import reference as references
from verifiers.code.judges import comparison
from verifiers.code.reference import Tolerance
from verifiers.code.wire import values

NONE = Tolerance()


def livecodebench(prediction: str, expected: str) -> bool:
    """The comparison of lcb_runner/evaluation/testing_util.py, written down again."""

    def stripped(text: str) -> list[str]:
        return [line.strip() for line in text.strip().split("\n")]

    def decimals(line: str) -> list[decimal.Decimal] | None:
        try:
            return [decimal.Decimal(token) for token in line.split()]
        except decimal.InvalidOperation:
            return None

    left, right = stripped(prediction), stripped(expected)
    if len(left) != len(right):
        return False
    for a, b in zip(left, right, strict=True):
        if a == b:
            continue
        x, y = decimals(a), decimals(b)
        if x is None or y is None or x != y:
            return False
    return True


_TOKENS = st.sampled_from(
    ["1", "1.0", "01", "1e0", "-0", "0", "0.00001", "1e-05", "NaN", "nan", "inf", "Infinity", "a", "YES"]
)
_TEXTS = st.lists(st.tuples(st.sampled_from(["", " ", "\n", "  ", " \n", "\r\n", "\t"]), _TOKENS), max_size=5).map(
    lambda parts: "".join(gap + token for gap, token in parts)
)


@settings(max_examples=2000, deadline=None)
@given(_TEXTS, _TEXTS)
def test_lines_are_compared_as_livecodebench_compares_them(expected: str, got: str) -> None:
    assert comparison.same_output(expected, got, "lines", NONE) is livecodebench(got, expected)


@pytest.mark.parametrize(
    ("expected", "got", "lines", "exact"),
    [
        ("1\n2\n", "1\n2", True, True),
        ("1\n2", "1 \r\n2\n\n\n", True, True),
        ("1 2", "1  2", True, False),
        ("a b", "a  b", False, False),
        ("1\n\n2", "1\n2", False, False),
        ("1", "1.0", True, False),
        ("", "", True, True),
        ("", "\n \n", True, True),
        ("0.30000", "0.3", True, False),
        ("0.00001", "1e-05", True, False),
        (" 1", "1", True, False),
        ("1", "\n1", True, False),
        ("1 x", "1.0 x", False, False),
        ("0.1", "0.10000000000000001", False, False),
        ("1000000000000000000001", "1e21", False, False),
        ("1" * 5000, "1" * 5000 + ".0", True, False),
        ("nan", "NaN", False, False),
        ("sNaN", "NaN", False, False),
        ("1000", "1_000", False, False),  # LiveCodeBench's Decimal reads it; no contest's judge does
        ("1", "\uff11", False, False),
    ],
)
def test_lines_and_exact(expected: str, got: str, lines: bool, exact: bool) -> None:
    assert comparison.same_output(expected, got, "lines", NONE) is lines
    assert comparison.same_output(expected, got, "exact", NONE) is exact


def test_the_first_line_that_differs_is_named() -> None:
    assert comparison.first_difference("1\n2\n3", "1\n2\n4", "lines", NONE) == 3
    assert comparison.first_difference("1\n2", "1\n2\n4", "lines", NONE) == 3
    assert comparison.first_difference("1", "1", "exact", NONE) is None


def test_tolerance_of_lines() -> None:
    loose = Tolerance(abs=1e-6)
    for compare in ("lines", "exact"):
        assert comparison.same_output("x 0.3333333", "x 0.33333334", compare, loose)
        assert not comparison.same_output("x 0.3", "y 0.3", compare, loose)
        assert not comparison.same_output("0.3", "nan", compare, loose)
        assert not comparison.same_output("0.3 1", "0.3", compare, loose)
        assert not comparison.same_output("1" * 350, "2" * 350, compare, loose)
        assert not comparison.same_output("1.0", "\uff11", compare, loose)
        assert comparison.same_output("inf", "Infinity", compare, loose)


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("a\nb\na", "b\na\na", {"multiset", "sorted_lines", "set"}),
        ("a\nb\na", "b\na", {"set"}),
        ("a\nb", "a\nc", set()),
        ("1\n2", "2.0\n1e0", {"multiset", "sorted_lines", "set"}),
        ("10\n9", "9\n10", {"multiset", "sorted_lines", "set"}),
        ("1 2\n3 4", "3 4\n1 2", {"multiset", "sorted_lines", "set"}),
        ("1 2", "2 1", set()),
        ("0", "-0.0", {"multiset", "sorted_lines", "set"}),
        ("nan\n1", "1\nnan", {"multiset", "sorted_lines", "set"}),
    ],
)
def test_lines_in_any_order(expected: str, got: str, same: set[str]) -> None:
    for compare in ("set", "multiset", "sorted_lines"):
        assert comparison.same_output(expected, got, compare, NONE) is (compare in same), compare


def test_sorted_lines_take_a_tolerance() -> None:
    assert comparison.same_output("1.5\n0.25", "0.2500001\n1.5", "sorted_lines", Tolerance(abs=1e-3))
    assert not comparison.same_output("1.5\n0.25", "0.26\n1.5", "sorted_lines", Tolerance(abs=1e-3))


def test_values_as_json_are_compared_by_python() -> None:
    def same(a: Any, b: Any) -> bool:
        return comparison.same_value(a, b, "json", NONE)

    for a, b in [(2, 2.0), (1, True), ([1, [2]], (1, (2,))), ({"a": 1}, {"a": 1.0}), ([], ()), (0, -0.0)]:
        assert same(a, b)
        assert same(b, a)
    signalling = values.decode('{"$decimal": "sNaN"}')
    for a, b in [
        (2, "2"),
        ([1], [1, 2]),
        ([1], 1),
        ({"1": 2}, {1: 2}),
        (None, 0),
        (signalling, 1),
        ("a", b"a"),
        ([], {}),
    ]:
        assert not same(a, b)
        assert not same(b, a)
    assert comparison.same_value([0.3], (0.1 + 0.2,), "json", Tolerance(rel=1e-9))
    assert not comparison.same_value([0.3], (0.1 + 0.2,), "json", NONE)


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ([1, 2, 2], [2, 1, 2], {"multiset", "sorted_lines", "set"}),
        ([1, 2, 2], [2, 1], {"set"}),
        ([[1, 2], [3]], ((3,), (1, 2)), {"multiset", "sorted_lines", "set"}),
        ([[1, 2]], [[2, 1]], set()),
        (["b", 1, None], [None, 1.0, "b"], {"multiset", "sorted_lines", "set"}),
        ([1], ["1"], set()),
        (3, 3, {"multiset", "sorted_lines", "set"}),
        ([3], 3, set()),
        ([True], [1], {"multiset", "sorted_lines", "set"}),
        ([{"a": 1, "b": 2}], [{"b": 2.0, "a": 1}], {"multiset", "sorted_lines", "set"}),
    ],
)
def test_values_in_any_order(expected: Any, got: Any, same: set[str]) -> None:
    for compare in ("set", "multiset", "sorted_lines"):
        assert comparison.same_value(expected, got, compare, NONE) is (compare in same), compare


@pytest.mark.parametrize(
    "got",
    [
        "1e999999999 " * 50_000,
        "9" * 3_000_000,
        "-" * 1_000_000,
        " ".join(str(i * (2**61 - 1)) for i in range(100_000)),
        "\n".join(str(i * (2**61 - 1)) for i in random.Random(0).sample(range(200_000), 100_000)),
        "1e-999999999999999999\n" * 100_000,
    ],
    ids=["exponents", "digits", "signs", "same hash", "same hash by lines", "small"],
)
def test_no_output_makes_comparing_slow(got: str) -> None:
    """The judge itself compares, and nothing could stop it."""
    began = time.process_time()
    for compare in ("lines", "exact", "set", "multiset", "sorted_lines"):
        assert comparison.same_output(got, got + " ", compare, NONE)
        assert not comparison.same_output("x\n" + got, got + "\n-1", compare, NONE)
    assert time.process_time() - began < 30, "processor time, whatever else the machine does"


WRAPPED = [{"input": ["foefet", "toffee"], "output": [True]}, {"input": ["a", "b"], "output": [False]}]


@pytest.mark.parametrize(
    ("changes", "wrapped"),
    [
        ({}, True),
        ({"entry_point": "Solution.f"}, False),
        ({"compare": "exact"}, False),
        ({"wrapped_outputs": False}, False),
        ({"tests": WRAPPED[:1]}, False),
        ({"tests": WRAPPED[:1], "wrapped_outputs": True}, True),
        ({"tests": [*WRAPPED, {"input": [], "output": [1, 2]}]}, False),
    ],
)
def test_when_outputs_count_as_wrapped(changes: dict[str, Any], wrapped: bool) -> None:
    row = {"mode": "function", "entry_point": "f", "compare": "json", "tests": WRAPPED, **changes}
    assert references.parse(row).wrapped_outputs is wrapped
