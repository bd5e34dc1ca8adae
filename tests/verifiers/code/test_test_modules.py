"""Test modules as pytest and unittest run them: KodCode's, BigCodeBench's and NaturalCodeBench's kinds."""

import ast
from collections.abc import Iterator

import pytest

from verifiers.code import reference as references
from verifiers.code import test_modules
from verifiers.code.checker import CodeChecker
from verifiers.types import Kind, Limits, Problem, Status, Verdict

LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=512, output_kb=2048)


@pytest.fixture(scope="module")
def checker() -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1)
    yield checker
    checker.close()


def check(checker: CodeChecker, test: str, text: str, **reference: str) -> Verdict:
    return checker.verify(Problem("p", Kind.CODE, "", {"mode": "assert", "test": test, **reference}), text, LIMITS)


RIGHT = """
class Stack:
    def __init__(self):
        self.items = []
    def push(self, x):
        self.items.append(x)
    def pop(self):
        if not self.items:
            raise IndexError("empty")
        return self.items.pop()

def add(a, b):
    return a + b

def third(x):
    return x / 3
"""
WRONG = {
    "add": RIGHT.replace("a + b", "a - b"),
    "pop": RIGHT.replace("self.items.pop()", "self.items.pop(0)"),
    "raise": RIGHT.replace('raise IndexError("empty")', "return None"),
    "third": RIGHT.replace("x / 3", "x / 4"),
}
UNITTEST = """
import unittest
from solution import Stack, add, third

class TestAll(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = 2

    def setUp(self):
        self.stack = Stack()

    def tearDown(self):
        self.stack = None

    def test_add(self):
        self.assertEqual(add(self.base, 3), 5)
        self.assertNotEqual(add(1, 1), 3)
        self.assertTrue(add(0, 1))
        self.assertIn(add(1, 2), [3])
        self.assertIsInstance(add(1, 2), int)

    def test_third(self):
        self.assertAlmostEqual(third(1), 0.333333333, places=5)
        self.assertGreater(third(6), 1.9)

    def test_stack(self):
        for x in (1, 2):
            with self.subTest(x=x):
                self.stack.push(x)
        self.assertEqual(self.stack.pop(), 2)
        self.assertCountEqual([self.stack.pop()], [1])
        with self.assertRaises(IndexError):
            self.stack.pop()
        self.assertRaises(IndexError, self.stack.pop)

if __name__ == "__main__":
    unittest.main()
"""
PYTEST = """
import solution
from solution import add as plus

def make():
    return solution.Stack()

def test_add():
    assert plus(2, 3) == 5

class TestStack:
    def setup_method(self):
        self.stack = make()

    def test_pop(self):
        self.stack.push(1)
        self.stack.push(2)
        assert self.stack.pop() == 2
        assert self.stack.pop() == 1

    def test_empty(self):
        try:
            self.stack.pop()
        except IndexError:
            return
        assert False, "no error"

def test_third():
    assert abs(solution.third(6) - 2) < 1e-9
"""
PARAMETRIZED = """
import pytest
from your_module import Stack, add, third

@pytest.fixture
def stack():
    made = Stack()
    yield made
    made.push(1)

@pytest.fixture(scope="module")
def two():
    return 2

@pytest.mark.parametrize("a, b, expected", [(1, 2, 3), pytest.param(0, 0, 0, id="zero"), (2, -2, 0)])
def test_add(a, b, expected, two):
    assert add(a, b) == expected
    assert add(two, two) == 4

@pytest.mark.parametrize("x", [1, 2])
@pytest.mark.parametrize("y", [3])
def test_pop(stack, x, y):
    stack.push(y)
    stack.push(x)
    assert stack.pop() == x

def test_third():
    assert third(1) == pytest.approx(0.3333333)

def test_empty(stack):
    with pytest.raises(IndexError, match="empty"):
        stack.pop()
"""


@pytest.mark.parametrize("test", [UNITTEST, PYTEST, PARAMETRIZED], ids=["unittest", "pytest", "parametrized"])
def test_a_module_is_run_as_its_runner_runs_it(checker: CodeChecker, test: str) -> None:
    verdict = check(checker, test, RIGHT)
    if verdict.reason == "the test program fails by itself" and "pytest" in verdict.evidence["detail"]:
        pytest.skip("pytest is not among the packages of the rooms")
    assert verdict.status is Status.VERIFIED, verdict
    for name, text in WRONG.items():
        verdict = check(checker, test, text)
        assert verdict.status is Status.REFUTED, (name, verdict)
        assert verdict.evidence["first_failure"]


def test_a_function_that_only_has_to_raise(checker: CodeChecker) -> None:
    test = """
import unittest
class T(unittest.TestCase):
    def test(self):
        with self.assertRaises(ValueError):
            f(1)
"""
    assert check(checker, test, "def f(x): raise ValueError").status is Status.VERIFIED
    assert check(checker, test, "def f(x): return x").status is Status.REFUTED
    assert check(checker, test, "def f(x): raise KeyError").status is Status.REFUTED


def test_names_of_the_runner_are_not_taken_from_a_test(checker: CodeChecker) -> None:
    """The lines that run the tests use names of their own, which a candidate may have too."""
    for name in ("call", "cases", "value", "wanted", "skipped", "run_class", "item", "fixtures"):
        test = f"def test_it():\n    assert {name}(1) == 2"
        assert check(checker, test, f"def {name}(x): return x + 1").status is Status.VERIFIED, name
        assert check(checker, test, f"def {name}(x): return x").status is Status.REFUTED, name


def test_a_skipped_test_is_no_evidence(checker: CodeChecker) -> None:
    test = "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.skipTest('later')\n        "
    test += "assert f(1) == 1"
    assert check(checker, test, "def f(x): return 0").status is Status.UNDECIDED


def test_a_candidates_exception_decides_nothing(checker: CodeChecker) -> None:
    test = "import unittest\nfrom solution import f, Bad\nclass T(unittest.TestCase):\n    def test(self):\n"
    test += "        self.assertEqual(f(0), 0)\n        with self.assertRaises(Bad):\n            f(1)\n"
    text = "class Bad(Exception): pass\ndef f(x):\n    if x: raise Bad\n    return 0"
    assert check(checker, test, text).status is Status.UNDECIDED


@pytest.mark.parametrize(
    ("test", "named"),
    [
        ("def test_it(tmp_path):\n    assert f(tmp_path)", "tmp_path"),
        ("async def test_it():\n    assert f()\ndef test_two(): assert f()", "asynchronous"),
        ("import pytest\n@pytest.fixture(autouse=True)\ndef g(): pass\ndef test_it(): assert f()", "autouse"),
        ("import pytest\n@pytest.mark.usefixtures('g')\ndef test_it(): assert f()", "fixtures"),
    ],
)
def test_what_is_not_run_here_is_named(test: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        references.parse({"mode": "assert", "test": test})


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ("def test_a(): pass", True),
        ("def test_a(): pass\ntest_a()", False),
        ("class TestA:\n    def test_b(self): pass", True),
        ("import unittest\nclass Checks(unittest.TestCase):\n    def test_b(self): pass", True),
        ("class TestA:\n    def run(self): pass", False),
        ("def check(candidate): pass", False),
        ("assert f(1) == 1", False),
    ],
)
def test_what_is_a_test_module(source: str, is_one: bool) -> None:
    assert test_modules.is_test_module(ast.parse(source)) is is_one
