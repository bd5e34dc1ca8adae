"""Mode `assert`: what two processes have to make look like one, and what a candidate must not decide."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from verifiers.code.cells import rpc
from verifiers.code.checker import CodeChecker
from verifiers.code.wire.heap import Heap, UnsupportedError
from verifiers.types import Kind, Limits, Problem, Status, Verdict

CASES = tomllib.loads(Path(__file__).with_name("assert_cases.toml").read_text())["case"]
LIMITS = Limits(wall_s=30.0, cpu_s=10.0, memory_mb=1024, output_kb=4096)


@pytest.fixture(scope="module")
def checker() -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1)
    yield checker
    checker.close()


def check(checker: CodeChecker, test: str, program: str, **more: str) -> Verdict:
    return checker.verify(Problem("p", Kind.CODE, "", {"mode": "assert", "test": test, **more}), program, LIMITS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(checker: CodeChecker, case: dict[str, Any]) -> None:
    more = {key: case[key] for key in ("entry_point", "prompt") if key in case}
    verdict = check(checker, case["test"], case["program"], **more)
    assert str(verdict.status) in case["want"], verdict


def test_a_tree_node_of_none_is_no_missing_child(checker: CodeChecker) -> None:
    program = "def f(x): return TreeNode(1, {}, TreeNode(2))"
    for expected, child, status in [
        ([1, None, 2], "None", Status.VERIFIED),
        ([1, None, 2], "TreeNode(None)", Status.REFUTED),
        ([1, {"$none": []}, 2], "TreeNode(None)", Status.VERIFIED),
        ([1, {"$none": []}, 2], "None", Status.REFUTED),
    ]:
        tests = [{"input": [1], "output": {"$tree_node": expected}}]
        problem = Problem("p", Kind.CODE, "", {"mode": "function", "entry_point": "f", "tests": tests})
        assert checker.verify(problem, program.format(child), LIMITS).status is status, (expected, child)


@pytest.mark.parametrize(
    ("returned", "status"),
    [
        ("__import__('pathlib').Path('3')", Status.UNDECIDED),
        ("__import__('numpy').array([3])", Status.UNDECIDED),
        ("__import__('sympy').Integer(3)", Status.VERIFIED),
        ("[0] * 1_100_000", Status.UNDECIDED),
        ("object()", Status.REFUTED),
        ("type('V', (), {'__eq__': lambda *_: True})()", Status.REFUTED),
    ],
)
def test_values_that_cannot_cross_in_function_mode(checker: CodeChecker, returned: str, status: Status) -> None:
    reference = {"mode": "function", "entry_point": "f", "tests": [{"input": [], "output": 3}]}
    verdict = checker.verify(Problem("p", Kind.CODE, "", reference), f"def f(): return {returned}", LIMITS)
    assert verdict.status is status, verdict


@pytest.mark.parametrize(
    "reference",
    [
        {"mode": "assert", "test": "assert is_even(2)\nassert not is_even(3)"},
        {"mode": "assert", "test": "def check(f):\n    assert f(2) is True", "entry_point": "is_even"},
        {"mode": "function", "entry_point": "is_even", "tests": [{"input": [2], "output": True}]},
    ],
)
def test_a_renamed_function(checker: CodeChecker, reference: dict[str, Any]) -> None:
    """Every harness raises NameError for it; a user may accept it, and is told."""
    problem = Problem("p", Kind.CODE, "", reference)
    program = "def foo(n): return n % 2 == 0"
    strict = checker.verify(problem, program, LIMITS)
    assert (strict.status, strict.reason) == (Status.REFUTED, "no such function")
    lenient = CodeChecker(num_workers=1, accept_renamed=True)
    try:
        verdict = lenient.verify(problem, program, LIMITS)
        assert (verdict.status, verdict.evidence["renamed"]) == (Status.VERIFIED, {"asked": "is_even", "found": "foo"})
        two = lenient.verify(problem, f"```python\n{program}\ndef bar(n): return True\n```", LIMITS)
        assert two.status is not Status.VERIFIED
    finally:
        lenient.close()


# --- the shared heap, by itself --------------------------------------------------------------------------------------


def heaps() -> tuple[Heap, Heap]:
    def refuse(value: Any) -> Any:
        raise UnsupportedError(str(type(value)))

    return Heap(0, refuse, {}), Heap(1, refuse, {})


def test_sharing_and_changes_cross_in_both_directions() -> None:
    left, right = heaps()
    row = [0]
    message, _ = right.unpack(left.pack({"value": [row, row]}))
    arrived = message["value"]
    assert arrived[0] is arrived[1]
    arrived[0].append(1)
    back, changed = left.unpack(right.pack({"value": None}))
    assert (row, back, len(changed)) == ([0, 1], {"value": None}, 1)


def test_what_one_side_has_forgotten_is_forgotten_by_the_other() -> None:
    left, right = heaps()
    for _ in range(1000):
        message, _ = right.unpack(left.pack({"value": [[1], {"a": [2]}]}))
        del message
        left.unpack(right.pack({"value": None}))
    assert len(left._entries) + len(right._entries) < 20


def test_a_copy_leaves_the_original_as_it_was() -> None:
    left, right = heaps()
    inner = [3, 1]
    outer = [inner]
    message, _ = right.unpack(left.pack({"value": outer}))
    message["value"][0].sort()
    answer, _ = left.unpack(right.pack(message), keep=True)
    assert (outer, inner, answer["value"]) == ([[3, 1]], [3, 1], [[1, 3]])
    again, _ = right.unpack(left.pack({"value": outer}))
    assert again["value"] == [[3, 1]]


@pytest.mark.parametrize(
    "packed",
    [
        {},
        {"body": "1", "heap": [["x", "list", "[]"]], "dropped": []},
        {"body": "1", "heap": [[7, "object", "[]"]], "dropped": []},
        {"body": '{"value": {"$ref": 99}}', "heap": [], "dropped": []},
        {"body": '{"value": {"$evil": 1}}', "heap": [], "dropped": []},
        {"body": '{"value": {"$reduced": ["X", []]}}', "heap": [], "dropped": []},
        {"body": "1", "heap": [[1, "ndarray |O 2", "[1, 2]"]], "dropped": []},
    ],
)
def test_what_is_no_message_is_refused(packed: Any) -> None:
    with pytest.raises((ValueError, KeyError)):
        heaps()[0].unpack(packed)


def test_an_object_that_is_not_shared_answers_nothing_by_itself() -> None:
    remote = rpc.RemoteObject(None, 1, "Thing", True, False)  # type: ignore[arg-type]
    for use in (bool, float, lambda x: isinstance(x, int), lambda x: x < 1, lambda x: 1 in x, lambda x: x == x.y):
        with pytest.raises((UnsupportedError, AttributeError)):
            use(remote)
    assert remote != 1
    with pytest.raises(UnsupportedError):
        assert rpc.RemoteObject(None, 1, "Liar", False, False) == 1  # type: ignore[arg-type]
