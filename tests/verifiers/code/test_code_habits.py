"""Programs as people write them for contests and LeetCode: headers, preludes, classes, and what they print through."""

from collections.abc import Iterator
from typing import Any

import pytest

from verifiers.code import reference as references
from verifiers.code.checker import CodeChecker
from verifiers.types import Kind, Limits, Problem, Status, Verdict

LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=512, output_kb=2048)
TOTAL = {"mode": "stdin", "tests": [{"input": "3\n1 2 3\n", "output": "6\n"}, {"input": "1\n-5\n", "output": "-5\n"}]}


@pytest.fixture(scope="module")
def checker() -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1)
    yield checker
    checker.close()


def check(checker: CodeChecker, reference: dict[str, Any], text: str) -> Verdict:
    return checker.verify(Problem("p", Kind.CODE, "", reference), text, LIMITS)


FAST_INPUT = """
import os, sys
from io import BytesIO, IOBase

class Reader(IOBase):
    lines = 0
    def __init__(self, file):
        self.fd = file.fileno()
        self.buffer = BytesIO()
        self.writable = "x" in file.mode or "r" not in file.mode
        self.write = self.buffer.write if self.writable else None
    def fill(self):
        data = os.read(self.fd, max(os.fstat(self.fd).st_size, 8192))
        position = self.buffer.tell()
        self.buffer.seek(0, 2), self.buffer.write(data), self.buffer.seek(position)
        return data
    def read(self):
        while self.fill():
            pass
        self.lines = 0
        return self.buffer.read()
    def readline(self):
        while self.lines == 0:
            data = self.fill()
            self.lines = data.count(b"\\n") + (not data)
        self.lines -= 1
        return self.buffer.readline()
    def flush(self):
        if self.writable:
            os.write(self.fd, self.buffer.getvalue())
            self.buffer.truncate(0), self.buffer.seek(0)

class Wrapper(IOBase):
    def __init__(self, file):
        self.buffer = Reader(file)
        self.flush = self.buffer.flush
        self.writable = self.buffer.writable
        self.write = lambda text: self.buffer.write(text.encode("ascii"))
        self.read = lambda: self.buffer.read().decode("ascii")
        self.readline = lambda: self.buffer.readline().decode("ascii")

sys.stdin, sys.stdout = Wrapper(sys.stdin), Wrapper(sys.stdout)
input = lambda: sys.stdin.readline().rstrip("\\r\\n")
n = int(input())
print(sum(map(int, input().split())))
"""
_READ = "n = input()\ntotal = sum(map(int, input().split()))\n"
STREAMS = {
    "fast input": FAST_INPUT,
    "fdopen": f"import os\nout = os.fdopen(1, 'w')\n{_READ}out.write(str(total))",
    "open(1)": f"w = open(1, 'w').write\n{_READ}w(str(total))",
    "open(1) in a list": f"ws = [open(1, 'w', closefd=False)]\n{_READ}ws[0].write(str(total))",
    "open(1, 'wb')": f"out = open(1, 'wb', 1 << 20)\n{_READ}out.write(b'%d' % total)",
    "dev stdout": f"out = open('/dev/stdout', 'w')\n{_READ}out.write(str(total))",
    "saved stdout": f"import io, sys\nold, sys.stdout = sys.stdout, io.StringIO()\n{_READ}print(total)\n"
    "old.write(sys.stdout.getvalue())\nsys.stdout = open('/dev/null', 'w')",
    "a stream of its own": f"import sys\nold = sys.stdout\nclass Out:\n    def write(self, text): old.write(text)\n"
    f"    def flush(self): old.flush()\nsys.stdout = Out()\n{_READ}print(total)",
    "dunder stdout": f"import io, sys\nsys.stdout = io.StringIO()\n{_READ}print(total)\n"
    "sys.__stdout__.write(sys.stdout.getvalue())",
    "buffer": f"import sys\n{_READ}sys.stdout.buffer.write(str(total).encode())",
    "TextIOWrapper": f"import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, write_through=False)\n"
    f"{_READ}print(total)",
    "print to it": f"import os\n{_READ}print(total, file=os.fdopen(1, 'w'))",
    "in a function": f"import os\ndef main():\n    out = os.fdopen(os.dup(1), 'w')\n    out.write(str(total))\n"
    f"{_READ}main()",
    "atexit": f"import atexit, io, sys\nbuffer = io.StringIO()\nsys.stdout = buffer\n"
    f"atexit.register(lambda: sys.__stdout__.write(buffer.getvalue()))\n{_READ}print(total)",
    "names": f"import sys\nassert (sys.stdin.name, sys.stdin.mode) == ('<stdin>', 'r')\n"
    f"assert (sys.stdout.name, sys.stdout.mode, sys.stderr.name) == ('<stdout>', 'w', '<stderr>')\n"
    f"assert sys.stdin.buffer.mode == 'rb' and sys.stdin.encoding == 'utf-8'\n{_READ}print(total)",
    "exit with it open": f"import os, sys\nout = os.fdopen(1, 'w')\n{_READ}out.write(str(total))\nsys.exit()",
    "last words": f"class Last:\n    def __del__(self): print(total)\nlast = Last()\n{_READ}",
    "a library's stream": f"import ctypes\n{_READ}ctypes.CDLL(None).puts(str(total).encode())",
    "long numbers": f"{_READ}assert len(str(10 ** 5000)) == 5001\nassert int('1' * 9999)\nprint(total)",
}


@pytest.mark.parametrize("name", STREAMS)
def test_what_a_program_writes_is_there_at_its_end(checker: CodeChecker, name: str) -> None:
    assert check(checker, TOTAL, STREAMS[name]).status is Status.VERIFIED
    if "total)" in STREAMS[name]:
        assert check(checker, TOTAL, STREAMS[name].replace("total)", "total + 1)")).status is Status.REFUTED


def test_an_exit_that_flushes_nothing_loses_what_it_loses_anywhere(checker: CodeChecker) -> None:
    assert check(
        checker, TOTAL, f"import os\nout = os.fdopen(1, 'w')\n{_READ}out.write(str(total))\nos._exit(0)"
    ).status is (Status.REFUTED)


def method(body: str, tests: list[Any], **changes: Any) -> tuple[dict[str, Any], str]:
    reference = {"mode": "function", "entry_point": "Solution.f", "tests": tests, "compare": "json", **changes}
    return reference, f"class Solution:\n    def f(self, x):\n        {body}"


PRELUDE = {
    "typing": "y: List[Optional[int]] = [x]\n        return y[0]",
    "datetime class": "return datetime.strptime(f'200{x}-01-01', '%Y-%m-%d').year - 2000",
    "datetime module": "return datetime.datetime(2000, 1, x).day",
    "timedelta": "return timedelta(days=x).days",
    "bisect function": "return bisect([1, 2, 3], x)",
    "bisect module": "return bisect.bisect_left([0, 1, 2, 3], x)",
    "copy": "return deepcopy([x])[0] + copy([0])[0]",
    "copy module": "return copy.deepcopy([x])[0]",
    "math": "return int(fabs(hypot(x, 0))) + gcd(0, 0) * comb(2, 1) + floor(0.5)",
    "math module": "return int(math.hypot(x, 0))",
    "counter": "return Counter([x])[x] * x * len(deque([1])) + defaultdict(int)[0]",
    "functools": "return reduce(add, [x], 0) + cache(lambda: 0)()",
    "itertools": "return sum(accumulate([x])) + len(list(permutations([])))-1",
    "heap": "h = [x]\n        heapify(h)\n        return heappop(h)",
    "random": "return randint(x, x) + random.randint(0, 0)",
    "string": "return len(ascii_lowercase[:x])",
    "json": "return loads(str(x))",
    "builtins stay": "return pow(x, 1, 10) + abs(0) + len(str(open)) * 0",
    "recursion": "def go(n): return 0 if n == 0 else 1 + go(n - 1)\n        return go(5000) - 5000 + x",
    "sorted list": "return list(SortedList([x, 9]))[0]",
}


@pytest.mark.parametrize("name", PRELUDE)
def test_methods_get_the_names_that_leetcode_gives(checker: CodeChecker, name: str) -> None:
    reference, text = method(PRELUDE[name], [{"input": [3], "output": 3}])
    verdict = check(checker, reference, text)
    missing = name == "sorted list" and verdict.reason == "module not installed"
    assert verdict.status is (Status.UNDECIDED if missing else Status.VERIFIED), verdict


def test_the_prelude_belongs_to_classes_and_to_livecodebench(checker: CodeChecker) -> None:
    plain = {"mode": "function", "entry_point": "f", "tests": [{"input": [4], "output": 2}]}
    for reference in (plain, {**plain, "compare": "json"}):
        assert check(checker, reference, "def f(x): return isqrt(x)").status is Status.REFUTED
    assert check(checker, {**plain, "prelude": "livecodebench"}, "def f(x): return isqrt(x)").status is Status.VERIFIED
    script = "print(isqrt(int(input())))"
    stdin = {"mode": "stdin", "tests": [{"input": "4", "output": "2"}]}
    assert check(checker, stdin, script).status is Status.REFUTED
    assert check(checker, {**stdin, "prelude": "livecodebench"}, script).status is Status.VERIFIED
    own = "def gcd(a, b): return 2\nprint(gcd(int(input()), 0))"
    assert check(checker, {**stdin, "prelude": "livecodebench"}, own).status is Status.VERIFIED
    assert references.parse({**plain, "entry_point": "Solution.f"}).time_limit_s == 6.0
    assert references.parse({**plain, "entry_point": "Solution.f", "time_limit_s": 2}).time_limit_s == 2
    assert references.parse(plain).time_limit_s is None


def test_wrapped_outputs(checker: CodeChecker) -> None:
    tests = [{"input": ["ab", "ba"], "output": [True]}, {"input": ["a", "b"], "output": [False]}]
    wrapped = {"mode": "function", "entry_point": "f", "compare": "json", "tests": tests}
    right = "def f(a, b): return sorted(a) == sorted(b)"
    assert check(checker, wrapped, right).status is Status.VERIFIED
    assert check(checker, wrapped, right.replace("return ", "return [") + "]").status is Status.VERIFIED
    assert check(checker, wrapped, right.replace("==", "!=")).status is Status.REFUTED
    assert check(checker, {**wrapped, "wrapped_outputs": False}, right).status is Status.REFUTED


def test_json_is_compared_by_python(checker: CodeChecker) -> None:
    reference, text = method("return x / 1", [{"input": [2], "output": 2}])
    assert check(checker, reference, text).status is Status.VERIFIED
    assert check(checker, {**reference, "compare": "exact"}, text).status is Status.REFUTED
    assert check(checker, reference, text.replace("x / 1", "str(x)")).status is Status.REFUTED


def test_integers_of_any_length(checker: CodeChecker) -> None:
    long = 10**5000 + 7
    tests = [{"input": [long], "kwargs": {"y": -long}, "output": {"$tuple": [long - 1, -long]}}]
    reference = {"mode": "function", "entry_point": "f", "tests": tests}
    assert check(checker, reference, "def f(x, y): return x - 1, y").status is Status.VERIFIED
    assert check(checker, reference, "def f(x, y): return x, y").status is Status.REFUTED
    lines = {"mode": "stdin", "tests": [{"input": "9" * 6000, "output": "1" + "0" * 6000}]}
    assert check(checker, lines, "print(int(input()) + 1)").status is Status.VERIFIED
    assert check(checker, lines, "print(int(input()) + 2)").status is Status.REFUTED


def test_answers_in_any_order(checker: CodeChecker) -> None:
    tests = [{"input": [[1, 2, 2]], "output": [[1], [2], [2]]}]
    for compare, right in (("set", ["{2, 1}"]), ("multiset", ["[2, 1, 2]"]), ("sorted_lines", ["[2, 2, 1]"])):
        reference, text = method(f"return [[n] for n in {right[0]}]", tests, compare=compare)
        assert check(checker, reference, text).status is Status.VERIFIED
        assert check(checker, reference, text.replace("[[n]", "[[n + 1]")).status is Status.REFUTED
    lines = {"mode": "stdin", "compare": "multiset", "tests": [{"input": "", "output": "a 1\nb 2\nb 2\n"}]}
    assert check(checker, lines, "print('b 2', 'a 1', 'b 2', sep='\\n')").status is Status.VERIFIED
    assert check(checker, lines, "print('b 2', 'a 1', sep='\\n')").status is Status.REFUTED


LRU = """
class LRUCache:
    def __init__(self, capacity: int):
        self.capacity, self.items = capacity, OrderedDict()
    def get(self, key: int) -> int:
        if key not in self.items:
            return -1
        self.items.move_to_end(key)
        return self.items[key]
    def put(self, key: int, value: int) -> None:
        self.items[key] = value
        self.items.move_to_end(key)
        if len(self.items) > self.capacity:
            self.items.popitem(last=False)
"""
LRU_TEST = {
    "operations": ["LRUCache", "put", "put", "get", "put", "get"],
    "input": [[2], [1, 1], [2, 2], [1], [3, 3], [2]],
    "output": [None, None, None, 1, None, -1],
}
DESIGN = {"mode": "function", "entry_point": "LRUCache", "tests": [LRU_TEST, LRU_TEST]}


def test_call_sequences(checker: CodeChecker) -> None:
    assert check(checker, DESIGN, LRU).status is Status.VERIFIED
    shared = LRU.replace("self.capacity, self.items = capacity, OrderedDict()", "self.capacity = capacity").replace(
        "class LRUCache:", "class LRUCache:\n    items = OrderedDict()"
    )
    assert check(checker, {**DESIGN, "tests": [LRU_TEST]}, shared).status is Status.VERIFIED
    wrong = check(checker, DESIGN, LRU.replace("last=False", "last=True"))
    assert wrong.status is Status.REFUTED
    assert wrong.evidence["first_failure"]["input"].startswith("LRUCache(2); put(1, 1);")
    assert check(checker, DESIGN, LRU.replace("return -1", "raise KeyError")).status is Status.REFUTED
    assert check(checker, DESIGN, LRU.replace("def put", "def set")).status is Status.REFUTED
    assert check(checker, DESIGN, "class LRUCache:\n    def __init__(self, n): pass").status is Status.REFUTED


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"operations": []}, "operations"),
        ({"operations": ["LRUCache"]}, "operations"),
        ({"input": [[2]] * 5}, "operations"),
        ({"input": [2] * 6}, "input"),
        ({"output": [None]}, "outputs"),
        ({"kwargs": {"a": 1}}, "kwargs"),
    ],
)
def test_unusable_sequences_are_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        references.parse({**DESIGN, "tests": [{**LRU_TEST, **changes}]})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"compare": "json"}, "compare"),
        ({"compare": "set", "tolerance": {"abs": 0.1}}, "tolerance"),
        ({"prelude": "leetcode"}, "prelude"),
        ({"checker": {"language": "python", "source": "x"}}, "checker"),
        ({"checker": {"language": "rust", "source": "x", "protocol": "score"}}, "language"),
        ({"checker": {"language": "python", "source": "x", "protocol": "exit"}}, "protocol"),
        ({"checker": {"language": "python", "source": "x = (", "protocol": "score"}}, "source"),
        ({"checker": {"language": "python", "source": " ", "protocol": "score"}}, "source"),
        ({"checker": {"language": "python", "source": "x", "protocol": "score"}, "compare": "set"}, "checker"),
        ({"wrapped_outputs": True}, "wrapped_outputs"),
    ],
)
def test_unusable_keys_are_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        references.parse({**TOTAL, **changes})


STATEFUL = {
    "a counter": "calls = []\ndef f(x):\n    calls.append(x)\n    return x + len(calls) - 1",
    "a default": "def f(x, seen=[]):\n    seen.append(x)\n    return sum(seen)",
    "a class attribute": "class Solution:\n    total = 0\n    def f(self, x):\n        Solution.total += x\n"
    "        return Solution.total",
    "an exhausted iterator": "ones = iter([0])\ndef f(x): return x + next(ones, 1)",
    "a hang at the second call": "import time\ncalls = []\ndef f(x):\n    calls.append(x)\n"
    "    time.sleep(60 * len(calls) - 60)\n    return x",
}


@pytest.mark.parametrize("name", STATEFUL)
def test_a_function_that_is_right_only_the_first_time_is_not_verified(checker: CodeChecker, name: str) -> None:
    """Each test has a process of its own, in which every call is the first one. Public harnesses have one for all."""
    tests = [{"input": [value], "output": value} for value in (5, 6, 6)]
    reference = {"mode": "function", "entry_point": "f", "tests": tests, "time_limit_s": 2.0}
    verdict = check(checker, reference, STATEFUL[name])
    assert verdict.status is Status.UNDECIDED
    assert verdict.reason == ("time limit" if "hang" in name else "the answers depend on earlier calls")
    assert verdict.evidence["first_failure"]["test"] == 2
    assert check(checker, {**reference, "tests": tests[:1]}, STATEFUL[name]).status is Status.VERIFIED
    wrong = {**reference, "tests": [{"input": [5], "output": 7}, *tests]}
    assert check(checker, wrong, STATEFUL[name]).status is Status.REFUTED


def test_a_function_that_remembers_what_stays_right_is_verified(checker: CodeChecker) -> None:
    tests = [{"input": [value], "output": value * value} for value in (2, 3, 2)]
    for program in (
        "known = {}\ndef f(x):\n    return known.setdefault(x, x * x)",
        "from functools import cache\n@cache\ndef f(x): return x * x",
    ):
        assert (
            check(checker, {"mode": "function", "entry_point": "f", "tests": tests}, program).status is Status.VERIFIED
        )
