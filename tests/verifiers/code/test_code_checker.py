"""Verdicts of the code checker in its three modes, on programs that mean well."""

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from verifiers.code.cells import languages
from verifiers.code.checker import CodeChecker
from verifiers.sandbox import kernel
from verifiers.sandbox.room import SandboxError, Tier
from verifiers.types import Kind, Limits, Problem, Status, Verdict

LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=512, output_kb=2048)


@pytest.fixture(scope="module")
def checker() -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1)
    yield checker
    checker.close()


def problem(**reference: object) -> Problem:
    return Problem("p", Kind.CODE, "", reference)


GCD = problem(
    mode="function",
    entry_point="gcd",
    tests=[{"input": [12, 18], "output": 6}, {"input": [5, 7], "output": 1}],
)
SUM = problem(mode="stdin", tests=[{"input": "3 4\n", "output": "7\n"}, {"input": "1 1", "output": "2"}])


def check(checker: CodeChecker, problem: Problem, text: str, limits: Limits = LIMITS) -> Verdict:
    return checker.verify(problem, text, limits)


def test_function_mode(checker: CodeChecker) -> None:
    right = "```python\ndef gcd(a, b):\n    while b: a, b = b, a % b\n    return a\n```"
    verdict = check(checker, GCD, right)
    assert (verdict.status, verdict.evidence["passed"]) == (Status.VERIFIED, 2)
    assert verdict.evidence["tier"] == str(checker.tier)
    wrong = check(checker, GCD, "def gcd(a, b): return 6")
    assert wrong.status is Status.REFUTED
    assert wrong.evidence["first_failure"] == {
        "test": 2,
        "tests": 2,
        "input": "gcd(5, 7)",
        "expected": "1",
        "got": "6",
    }


def test_stdin_mode(checker: CodeChecker) -> None:
    assert check(checker, SUM, "a, b = map(int, input().split())\nprint(a + b)").status is Status.VERIFIED
    wrong = check(checker, SUM, "print(7)")
    assert wrong.status is Status.REFUTED
    assert wrong.evidence["first_failure"]["got"] == "7\n"
    assert wrong.evidence["first_failure"]["test"] == 2


def test_limits_are_undecided(checker: CodeChecker) -> None:
    short = Limits(wall_s=1.0, cpu_s=10.0, memory_mb=256, output_kb=64)
    for text, reason in [
        ("import time\ntime.sleep(60)", "time limit"),
        ("while True: print('x' * 100)", "output limit"),
        ("x = bytearray(4 << 30)", "memory limit"),
    ]:
        verdict = check(checker, SUM, text, short)
        assert (verdict.status, verdict.reason) == (Status.UNDECIDED, reason)


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        ("import numpy\nnumpy.ones(1 << 30)", "python", "memory limit"),
        ("import threading\nthreading.stack_size(1 << 30)\nthreading.Thread().start()", "python", "thread limit"),
        ("#include <vector>\nint main() { std::vector<long> v(1L << 28, 1); }", "cpp", "memory limit"),
    ],
)
def test_the_last_words_tell_of_a_limit(checker: CodeChecker, text: str, language: str, reason: str) -> None:
    if not languages.available(language):
        pytest.skip(f"no {language} on this machine")
    reference = problem(mode="stdin", language=language, tests=[{"input": "", "output": "1"}])
    verdict = check(checker, reference, text)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, reason)


def test_a_missing_package_decides_nothing(checker: CodeChecker) -> None:
    code = "from torchvision.transforms import Resize\ndef gcd(a, b): return 6"
    for reference in (SUM, GCD, problem(mode="assert", test_list=["assert gcd(12, 18) == 6"])):
        verdict = check(checker, reference, code)
        assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "module not installed")
        assert check(checker, reference, code.replace("torchvision", "os")).status is Status.REFUTED


def test_bytes_that_are_no_text(checker: CodeChecker) -> None:
    reference = problem(mode="stdin", tests=[{"input": "", "output": "\\xff"}])
    assert check(checker, reference, "print('\\\\xff')").status is Status.VERIFIED
    raw = "import sys\nsys.stdout.buffer.write(bytes([255]))"
    assert check(checker, reference, raw).status is Status.REFUTED


def test_a_closed_channel_is_not_waited_for(checker: CodeChecker) -> None:
    code = "import os, time\ndef gcd(a, b):\n    os.close(3)\n    time.sleep(60)"
    verdict = check(checker, GCD, code, Limits(wall_s=2.0))
    assert verdict.status is Status.REFUTED
    assert verdict.seconds < 10


def test_cpu_limit(checker: CodeChecker) -> None:
    verdict = check(checker, SUM, "while True: pass", Limits(wall_s=30.0, cpu_s=1.0))
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "cpu limit")


def test_malformed(checker: CodeChecker) -> None:
    for text in ("", "I do not know.", "```python\ndef gcd(a, b:\n```", "x" * 2_000_000):
        assert check(checker, GCD, text).status is Status.MALFORMED


def test_assert_mode_names_the_first_failure(checker: CodeChecker) -> None:
    reference = problem(mode="assert", test_list=["assert double(2) == 4", "assert double([1]) == [1, 1]"])
    assert check(checker, reference, "def double(x): return x + x").status is Status.VERIFIED
    wrong = check(checker, reference, "def double(x): return 4")
    assert wrong.status is Status.REFUTED
    failure = wrong.evidence["first_failure"]
    assert (failure["input"], failure["expected"], failure["got"]) == ("double([1])", "[1, 1]", "4")


def test_assert_mode_with_classes_callbacks_and_exceptions(checker: CodeChecker) -> None:
    test = """
import math
stack = Stack()
stack.push(3)
stack.push([4])
assert len(stack) == 2
assert stack.pop() == [4]
assert stack.size == 1
assert apply(lambda x: x * 2, [1, 2]) == [2, 4]
try:
    apply(None, [1])
    assert False
except TypeError as error:
    assert "callable" in str(error)
items = [3, 1, 2]
assert sort_in_place(items) is None
assert items == [1, 2, 3]
assert math.isclose(third(), 1 / 3)
"""
    code = """
class Stack:
    def __init__(self):
        self.items = []
    def push(self, x):
        self.items.append(x)
    def pop(self):
        return self.items.pop()
    def __len__(self):
        return len(self.items)
    @property
    def size(self):
        return len(self.items)

def apply(f, xs):
    return [f(x) for x in xs]

def sort_in_place(xs):
    xs.sort()

def third():
    return 1 / 3
"""
    verdict = check(checker, problem(mode="assert", test=test), code)
    assert verdict.status is Status.VERIFIED, verdict


def test_objects_of_the_candidate_can_not_decide(checker: CodeChecker) -> None:
    code = "class V:\n    def __init__(self, x): pass\n    def __eq__(self, other): return True\n"
    code += "def double(v): return V(0)"
    verdict = check(checker, problem(mode="assert", test_list=["assert double(V(1)) == V(2)"]), code)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "test cannot be separated")


@pytest.mark.parametrize("test", ["x = one(1)\nassert True", "assert (one(1) == 2, 'not 2')"])
def test_an_assert_that_always_holds_is_no_evidence(checker: CodeChecker, test: str) -> None:
    reference = problem(mode="assert", test_list=[test])
    assert check(checker, reference, "def one(x): return 5").status is Status.UNDECIDED


VECTOR = """
class V:
    def __init__(self, x): self.x = x
    def __add__(self, other): return V(self.x + other.x)
    def __lt__(self, other): return self.x < other.x
    @staticmethod
    def zero(): return V(0)
def year(date): return date.year
def day(year):
    import datetime
    return datetime.date(year, 1, 1)
async def later(): return 1
def greet(): print("hi")
def depth(x): return 0 if not x else 1 + depth(x[0])
"""


@pytest.mark.parametrize(
    "test",
    [
        "assert (V(1) + V(2)).x == 3",
        "assert V(1) < V(2)",
        "assert isinstance(V(1), V)",
        "class W(V): pass\nassert W(1).x == 1",
        "try:\n    year(None)\nexcept V:\n    pass\nassert V(1).x == 1",
        "assert len({V(1), V(2)}) == 2",
        "import asyncio\nassert asyncio.run(later()) == 1",
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as out:\n    greet()\n"
        "assert out.getvalue() == 'hi\\n'",
    ],
)
def test_what_can_not_cross_is_not_the_candidates_fault(checker: CodeChecker, test: str) -> None:
    verdict = check(checker, problem(mode="assert", test_list=[test]), VECTOR)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "test cannot be separated")


@pytest.mark.parametrize(
    "test",
    [
        "assert V.zero().x == 0",
        "x = []\nfor _ in range(300): x = [x]\nassert depth(x) == 301",
        "import datetime\nassert year(datetime.date(2020, 1, 1)) == 2020",
        "import datetime\nassert day(2020) == datetime.date(2020, 1, 1)",
    ],
)
def test_what_crosses_is_decided(checker: CodeChecker, test: str) -> None:
    code = VECTOR.replace("return 0 if not x", "return 1 if not x")
    assert check(checker, problem(mode="assert", test_list=[test]), code).status is Status.VERIFIED


def test_a_test_builds_a_tree_of_the_candidates_nodes(checker: CodeChecker) -> None:
    setup = "root = Node(1)\nroot.left = Node(2)\nroot.left.left = Node(3)"
    reference = problem(
        mode="assert", test_setup=setup, test_list=["assert height(root) == 3", "assert root.left is root.left"]
    )
    code = "class Node:\n    def __init__(self, data):\n        self.data, self.left = data, None\n"
    right = code + "def height(node): return 1 + height(node.left) if node else 0"
    assert check(checker, reference, right).status is Status.VERIFIED
    assert check(checker, reference, code + "def height(node): return 2").status is Status.REFUTED


def test_builtin_types_are_arguments(checker: CodeChecker) -> None:
    reference = problem(mode="assert", test_list=["assert without((4, 7.5, 'a', True), int) == [7.5, 'a']"])
    right = "def without(xs, kind): return [x for x in xs if not isinstance(x, kind)]"
    assert check(checker, reference, right).status is Status.VERIFIED
    assert check(checker, reference, right.replace("not ", "")).status is Status.REFUTED


def test_a_function_with_the_name_of_a_builtin(checker: CodeChecker) -> None:
    """It is tested itself, and it is never what a test computes an expected value with."""
    named = problem(mode="assert", test_list=["assert sum(10, 15) == 6", "assert sum(4, 8) == 7"])
    right = "def sum(a, b): return len([]) + max([0] + [0]) + (6 if a == 10 else 7)"
    assert check(checker, named, right).status is Status.VERIFIED
    assert check(checker, named, "def sum(a, b): return 6").status is Status.REFUTED
    several = problem(mode="assert", test_list=["assert set(sum([1, 2])) == set([3])"])
    assert check(checker, several, "def set(x): return 1\ndef sum(x): return x").status is Status.UNDECIDED
    test = "def check(candidate):\n    assert candidate([1, 2]) == sum([1, 2])"
    entry = problem(mode="assert", entry_point="sum", test=test)
    assert (
        check(checker, entry, "def sum(xs):\n    for x in xs: last = x\n    return 1 + last").status is Status.VERIFIED
    )
    assert check(checker, entry, "def sum(xs): return 7").status is Status.REFUTED


def test_the_message_of_a_key_error(checker: CodeChecker) -> None:
    test = "try:\n    look('a')\nexcept KeyError as error:\n    assert str(error) == repr('a')"
    assert check(checker, problem(mode="assert", test=test), "def look(key): return {}[key]").status is Status.VERIFIED


@pytest.mark.parametrize(
    "line",
    [
        "assert numpy.allclose(half(3), 1.5, rtol=1e-7, atol=1e-6)",
        "assert numpy.isclose(half(3), 1.5).all()",
        "numpy.testing.assert_allclose(half(3), 1.5)\nassert half(0) is not None",
        "numpy.testing.assert_array_equal(half(3), 1.5)\nassert half(0) is not None",
    ],
)
def test_nothing_is_not_close_to_a_number(checker: CodeChecker, line: str) -> None:
    reference = problem(mode="assert", test_list=["import numpy", line])
    assert check(checker, reference, "def half(x): return x / 2").status is Status.VERIFIED
    for nothing in ("[]", "numpy.array([])", "[[], []]"):
        code = f"import numpy\ndef half(x): return {nothing}"
        assert check(checker, reference, code).status is Status.REFUTED


def test_a_method_is_the_entry_point_of_a_test(checker: CodeChecker) -> None:
    test = "def check(candidate):\n    assert candidate(1, b=2) == 3"
    reference = problem(mode="assert", entry_point="Solution.add", test=test)
    method = "class Solution:\n    def add(self, a, b): return a + b"
    assert check(checker, reference, method).status is Status.VERIFIED
    plain = check(checker, reference, "def add(a, b): return a + b")
    assert (plain.status, plain.reason) == (Status.REFUTED, "no such function")  # a NameError wherever it is run
    assert check(checker, reference, method.replace("+", "-")).status is Status.REFUTED


def test_time_limit_of_the_problem(checker: CodeChecker) -> None:
    slow = problem(mode="stdin", tests=[{"input": "", "output": ""}], time_limit_s=0.3)
    verdict = check(checker, slow, "import time\ntime.sleep(30)")
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "time limit")
    assert verdict.seconds < 20


def test_many_threads_share_two_slots() -> None:
    checker = CodeChecker(num_workers=2)
    texts = [f"a, b = map(int, input().split())\nprint(a + b + {i % 2})" for i in range(24)]
    try:
        with ThreadPoolExecutor(8) as pool:
            verdicts = list(pool.map(lambda text: check(checker, SUM, text), texts))
    finally:
        checker.close()
    assert [v.status for v in verdicts] == [Status.VERIFIED, Status.REFUTED] * 12


def test_a_broken_slot_is_replaced() -> None:
    """Only the processes of this checker are killed: other tests have servers among the children of this process."""
    right = "a, b = map(int, input().split())\nprint(a + b)"
    others = set(psutil.Process().children())
    checker = CodeChecker(num_workers=1)
    try:
        assert check(checker, SUM, right).status is Status.VERIFIED
        launchers = set(psutil.Process().children()) - others
        assert launchers
        for process in launchers:
            process.kill()
        assert check(checker, SUM, right).status is Status.VERIFIED
    finally:
        checker.close()


@pytest.mark.parametrize("reference", [SUM, GCD], ids=["stdin", "function"])
def test_a_cell_that_can_not_be_made_is_our_error(reference: Problem) -> None:
    checker = CodeChecker(num_workers=1, tmp_mb=-1)  # no such file system
    try:
        if checker.tier.boundary != "namespaces":
            pytest.skip("a cell mounts nothing here")
        verdict = check(checker, reference, "def gcd(a, b): return 6")
    finally:
        checker.close()
    assert (verdict.status, verdict.reason) == (Status.ERROR, "sandbox failure")


def test_no_signal_by_way_of_a_descriptor() -> None:
    """Without namespaces, and on a kernel whose Landlock does not look at signals."""
    if not kernel.landlock_abi():
        pytest.skip("no Landlock on this machine")
    checker = CodeChecker(num_workers=1, tier=Tier("landlock", os.geteuid() == 0, None, min(kernel.landlock_abi(), 5)))
    victim = subprocess.Popen(["sleep", "60"])
    code = f"""
import fcntl, os, socket, struct
a, b = socket.socketpair()
for call, request, argument in [
    (fcntl.fcntl, fcntl.F_SETOWN, {victim.pid}),
    (fcntl.fcntl, 15, struct.pack("ii", 1, {victim.pid})),
    (fcntl.ioctl, 0x8901, struct.pack("i", {victim.pid})),
    (fcntl.ioctl, 0x8902, struct.pack("i", {victim.pid})),
]:
    try:
        call(a, request, argument)
        print("made owner")
    except PermissionError:
        pass
try:
    fcntl.fcntl(a, fcntl.F_SETSIG, 9)
except PermissionError:
    pass
fcntl.fcntl(a, fcntl.F_SETFL, fcntl.fcntl(a, fcntl.F_GETFL) | os.O_ASYNC)
b.send(b"x")
print("done")
"""
    try:
        verdict = check(checker, problem(mode="stdin", tests=[{"input": "", "output": "done"}]), code)
        assert verdict.status is Status.VERIFIED, verdict
        assert victim.poll() is None
    finally:
        checker.close()
        victim.kill()
        victim.wait()


def test_unprotected_needs_consent(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SandboxError, match="allow_unprotected"):
        CodeChecker(tier=Tier("none"))
    checker = CodeChecker(tier=Tier("none"), allow_unprotected=True)
    try:
        assert "WITHOUT ANY PROTECTION" in capfd.readouterr().err
        verdict = check(checker, GCD, "from math import gcd")
        assert (verdict.status, verdict.evidence["tier"]) == (Status.VERIFIED, "none")
    finally:
        checker.close()


@pytest.mark.parametrize(
    "way",
    [
        "type(f).__dict__['_peer'].__get__(f).ask((0, 'attribute'), ('__globals__',), {})",
        "type(f).__dict__['_peer'].__get__(f).ask((0, 'set attribute'), ('__code__', 1), {})",
        "f.__code__",
    ],
)
def test_a_callback_can_be_called_and_nothing_else(checker: CodeChecker, way: str) -> None:
    """Through a function's attributes the candidate would reach the test program's own process."""
    reference = problem(mode="assert", test_list=["assert apply(lambda x: x + 1, 1) == 2"])
    assert check(checker, reference, "def apply(f, x): return f(x)").status is Status.VERIFIED
    code = f"def apply(f, x):\n    {way}\n    return f(x)"
    assert check(checker, reference, code).status is Status.UNDECIDED


def test_a_raised_stop_iteration_ends_no_loop_of_the_test(checker: CodeChecker) -> None:
    test = "assert one(0) == 1\nfor got in map(one, [1, 2]):\n    assert got == 1"
    code = "def one(x):\n    if x: raise StopIteration\n    return 1"
    assert check(checker, problem(mode="assert", test=test), code).status is Status.REFUTED


@pytest.mark.parametrize("field", ["raised", "not_plain", "value"])
def test_absurd_answers_are_refuted(checker: CodeChecker, field: str) -> None:
    code = f"""
import json, os, struct

def gcd(a, b):
    body = json.dumps({{"{field}": {{"$int": hex(1 << 100_000)}}, "message": {{"$int": hex(1 << 100_000)}}}}).encode()
    for fd in range(3, 16):
        try:
            os.write(fd, struct.pack("=I", len(body)) + body)
        except OSError:
            pass
    os._exit(0)
"""
    assert check(checker, GCD, code).status is Status.REFUTED


def test_names_of_standard_modules(checker: CodeChecker) -> None:
    """`math.` in a test is the real one, whatever the candidate has by that name; `copy(…)` is the candidate's."""
    reference = problem(mode="assert", test_list=["assert math.fabs(copy(2.0) - 2.0) < 1e-9"])
    assert check(checker, reference, "def copy(x): return x").status is Status.VERIFIED
    forged = "class math:\n    @staticmethod\n    def fabs(x): return 0\ndef copy(x): return 7.0"
    assert check(checker, reference, forged).status is Status.REFUTED
