"""What decides a test is the test's own, a library's, or asked for by the problem; no helper of the candidate's is."""

import pytest

from verifiers.code import reference as references
from verifiers.code.checker import CodeChecker
from verifiers.types import Kind, Limits, Problem, Status, Verdict

LIMITS = Limits(wall_s=60.0, cpu_s=10.0, memory_mb=512, output_kb=1024)
F = "def f(x): return x * x + 1\n"
CODEC = "def encode(s): return s[::-1]\ndef decode(s): return s[::-1]\n"
ROUND_TRIP = ["assert decode(encode('abc')) == 'abc'"]
NEGATIVE = 'def f(x):\n    if x < 0: raise ValueError("negative")\n    return x\n'


def check(checker: CodeChecker, test: str | list[str], text: str, task: str = "", **more: str) -> Verdict:
    reference = {"mode": "assert", "test" if isinstance(test, str) else "test_list": test, **more}
    return checker.verify(Problem("p", Kind.CODE, task, reference), text, LIMITS)


DECIDED_BY_THE_CANDIDATE = {
    "expected": (["assert f(2) == expected(2)"], "expected = f"),
    "one of two": (["assert f(2) == 5", "assert f(3) == expected(3)"], "expected = f"),
    "checker": (["assert check(f(2), 4)"], "def check(a, b): return True"),
    "assertEqual": (["assertEqual(f(2), 4)", "assert f(2)"], "def assertEqual(a, b): pass"),
    "loop": ("for i in range(3):\n    assert f(i) == solve_ref(i)\n", "solve_ref = f"),
    "variable": ("want = [solve(i) for i in range(3)]\nfor i in range(3):\n    assert f(i) == want[i]", "solve = f"),
    "class": (["assert f(2) == Expected(2)"], "class Expected:\n    def __new__(cls, x): return f(x)"),
    "constant": (["assert f(2) == EXPECTED"], "EXPECTED = f(2)"),
    "item": (["assert f(2) == ANSWERS[0]", "assert f(1) == 2"], "ANSWERS = [f(2)]"),
    "parameter": ("def check(candidate):\n    assert candidate(2) == expected(2)\ncheck(f)", "expected = f"),
    "library's name": ("def check(candidate):\n    assert candidate(2) == sqrt(2)\ncheck(f)", "sqrt = f"),
    "default": ("def run(x, want=expected(2)):\n    assert f(x) == want\nrun(2)", "expected = f"),
    "argument": (["assert f(given()) == 5"], "def given(): return 2"),
    "effect": ("x = [9]\nprepare(x)\nassert f(x[0]) == 5", "def prepare(x): x[0] = 2"),
    "object": ("c = Checker()\nassert c.equal(f(2), 4)", "class Checker:\n    def equal(self, a, b): return True"),
    "attribute": (["assert f(2) == Expected(2).x"], "class Expected:\n    def __init__(self, x): self.x = f(x)"),
    "condition": ("assert f(1) == 2\nif ready():\n    assert f(2) == 4", "def ready(): return False"),
    "raise": ("assert f(1) == 2\nif f(2) != expected(2): raise ValueError", "expected = f"),
    "runner": ("assert f(1) == 2\nrun(lambda: f(2))", "def run(test): pass"),
    "decorator": (
        "@repeat\ndef test():\n    assert f(2) == 4\ntest()\nassert f(1) == 2",
        "def repeat(f): return lambda: 0",
    ),
    "comprehension": (["assert [f(i) for i in range(9) if ok(i)] == [2]"], "def ok(i): return i == 1"),
}


@pytest.mark.parametrize("entry_point", ["", "f"])
@pytest.mark.parametrize("name", DECIDED_BY_THE_CANDIDATE)
def test_a_helper_of_the_candidate_decides_nothing(name: str, entry_point: str, shared_checker: CodeChecker) -> None:
    test, helper = DECIDED_BY_THE_CANDIDATE[name]
    more = {"entry_point": entry_point} if entry_point and name not in ("parameter", "library's name") else {}
    verdict = check(shared_checker, test, F + helper, **more)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "test cannot be separated"), verdict
    scope: dict[str, object] = {"sqrt": None}
    # Plain execution passes.
    exec(F + helper + "\n" + (test if isinstance(test, str) else "\n".join(test)), scope)  # noqa: S102


@pytest.mark.parametrize(
    "task",
    [
        "Write `encode` and `decode`.",
        "Write `encode(s)` and `decode(s: str) -> str`.",
        "Write two functions encode and decode.",
        "Write the functions encode(s), which hides, and its inverse:\n\ndef decode(s):\n    ...",
    ],
)
def test_functions_that_the_task_names_are_asked_together(task: str, shared_checker: CodeChecker) -> None:
    assert check(shared_checker, ROUND_TRIP, CODEC, task).status is Status.VERIFIED
    wrong = CODEC.replace("decode(s): return s[::-1]", "decode(s): return s")
    assert check(shared_checker, ROUND_TRIP, wrong, task).status is Status.REFUTED


def test_functions_of_the_starter_code_are_asked_together(shared_checker: CodeChecker) -> None:
    test = "def check(candidate):\n    assert candidate(encode('abc')) == 'abc'\n"
    starter = 'def encode(s):\n    """Hides."""\n\ndef decode(s):\n    """Shows."""\n'
    more = {"entry_point": "decode", "prompt": starter}
    assert check(shared_checker, test, CODEC, **more).status is Status.VERIFIED
    assert check(shared_checker, test, CODEC.replace("[::-1]", "", 1), **more).status is Status.REFUTED


def test_names_that_only_examples_have_are_not_the_tasks(shared_checker: CodeChecker) -> None:
    assert check(shared_checker, ROUND_TRIP, CODEC).status is Status.UNDECIDED
    shown = "Write a function that passes:\nassert decode(encode('abc')) == 'abc'"
    assert check(shared_checker, ROUND_TRIP, CODEC, shown).status is Status.UNDECIDED
    # Nor is a function asked whether another's result is right, whatever names it.
    judged = check(shared_checker, ["assert valid(f(2))"], F + "def valid(x): return True", "Write `f` and `valid`.")
    assert judged.status is Status.UNDECIDED
    task = "Write f. Compare by `isclose(a, b)`."
    judged = check(shared_checker, ["assert isclose(f(2), 4)"], F + "def isclose(a, b): return True", task)
    assert judged.status is Status.UNDECIDED


def test_each_function_may_be_compared_with_the_tests_own_values(shared_checker: CodeChecker) -> None:
    program = "def add(a, b): return a + b\ndef mul(a, b): return a * b"
    for test in (
        ["assert add(1, 2) == 3", "assert mul(2, 3) == 6"],
        "for a, b in [(1, 2), (2, 3)]:\n    assert add(a, b) == a + b\n    assert a * b == mul(a, b)\n",
    ):
        assert check(shared_checker, test, program).status is Status.VERIFIED
        assert check(shared_checker, test, program, entry_point="add").status is Status.VERIFIED
        assert check(shared_checker, test, program.replace("a * b", "a")).status is Status.REFUTED


def test_a_class_of_the_program_may_make_arguments(shared_checker: CodeChecker) -> None:
    test = "root = Node(1)\nroot.left = Node(2)\nassert height(root) == 2\nassert root.left.data == 2"
    node = "class Node:\n    def __init__(self, data): self.data, self.left = data, None\n"
    right = node + "def height(node): return 1 + height(node.left) if node else 0"
    assert check(shared_checker, test, right).status is Status.VERIFIED
    assert check(shared_checker, test, right.replace("else 0", "else 1")).status is Status.REFUTED


def test_what_words_name_something() -> None:
    task = "Write a function that sorts, a class named Box and the methods push, pop and peek(x). It `adds` `x + y`."
    assert references.names_in(task) >= {"Box", "push", "pop", "peek", "adds"}
    assert not references.names_in("Write a function expected to return x.") & {"expected", "that", "x"}
    assert references.names_in("assert f(2) == expected(2)") == frozenset()


ENDS = {
    "assert": "try:\n    f(-1)\n    assert False\nexcept ValueError:\n    pass\n",
    "else": "try:\n    f(-1)\nexcept ValueError:\n    pass\nelse:\n    assert False, 'no error'\n",
    "raise": "try:\n    f(-1)\nexcept (ValueError, TypeError):\n    pass\nelse:\n    raise AssertionError\n",
    "finally": "try:\n    f(-1)\nexcept ValueError:\n    pass\nelse:\n    assert False\nfinally:\n    x = 1\n",
    "return": "def t():\n    try:\n        f(-1)\n    except ValueError:\n        return\n    assert False\nt()\n",
    "loop": "for x in (-1, -2):\n    try: f(x)\n    except ValueError: continue\n    raise RuntimeError\n",
}


@pytest.mark.parametrize("name", ENDS)
def test_an_exception_that_the_test_needs_is_evidence(name: str, shared_checker: CodeChecker) -> None:
    assert check(shared_checker, ENDS[name], NEGATIVE).status is Status.VERIFIED
    for wrong in ("def f(x): return x", "def f(x): raise KeyError(x)"):
        assert check(shared_checker, ENDS[name], wrong).status is Status.REFUTED


@pytest.mark.parametrize(
    "test",
    [
        "try:\n    f(-1)\nexcept ValueError:\n    pass\nassert True\n",
        "try:\n    f(-1)\n    assert False\nexcept Exception:\n    pass\n",
        "try:\n    int('x')\nexcept ValueError:\n    pass\nelse:\n    assert False\nf(1)\n",
        "try:\n    f(1)\n    raise ValueError\nexcept ValueError:\n    pass\n",
    ],
)
def test_an_exception_that_proves_nothing_is_no_evidence(test: str, shared_checker: CodeChecker) -> None:
    assert check(shared_checker, test, NEGATIVE).status is Status.UNDECIDED
