"""Right programs, a seeded mutator, and plain CPython as the oracle of what their mutants are worth.

The oracle knows nothing of the verifier: it runs the mutant with its tests in a child process, as any harness would.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

TIMEOUT_S = 3.0


@dataclasses.dataclass(frozen=True)
class Subject:
    """A right program. `calls` are arguments for mode `function`, `asserts` a test program, `inputs` standard input."""

    name: str
    source: str
    entry_point: str = ""
    calls: tuple[str, ...] = ()
    """Tuples of arguments, as Python text."""
    asserts: str = ""
    inputs: tuple[str, ...] = ()


SUBJECTS = (
    Subject(
        "unique",
        "def unique(items):\n    seen = set()\n    result = []\n    for item in items:\n        if item not in seen:\n"
        "            seen.add(item)\n            result.append(item)\n    return result",
        "unique",
        ("([1, 2, 1, 3],)", "([],)", "(['a', 'b', 'a'],)"),
        "x = [3, 1, 3]\nassert unique(x) == [3, 1]\nassert x == [3, 1, 3]\nassert unique([]) == []",
    ),
    Subject(
        "rotate",
        "def rotate(items, k):\n    copied = list(items)\n    if not copied:\n        return copied\n"
        "    k = k % len(copied)\n    return copied[-k:] + copied[:-k]",
        "rotate",
        ("([1, 2, 3, 4], 1)", "([1, 2, 3], 0)", "([], 5)", "([1, 2], 7)"),
        "a = [1, 2, 3]\nb = rotate(a, 1)\nassert b == [3, 1, 2]\nb.append(9)\nassert a == [1, 2, 3]\n"
        "assert rotate([1, 2], k=4) == [1, 2]",
    ),
    Subject(
        "grid",
        "def grid(n, m, value=0):\n    rows = []\n    for i in range(n):\n        row = [value] * m\n"
        "        rows.append(row)\n    return rows",
        "grid",
        ("(2, 3)", "(1, 1, 7)", "(0, 4)"),
        "g = grid(2, 2)\ng[0][0] = 5\nassert g == [[5, 0], [0, 0]]\nassert grid(1, 2, value=3) == [[3, 3]]",
    ),
    Subject(
        "remove_element",
        "def remove_element(nums, val):\n    k = 0\n    for i in range(len(nums)):\n        if nums[i] != val:\n"
        "            nums[k] = nums[i]\n            k += 1\n    return k",
        "remove_element",
        ("([3, 2, 2, 3], 3)", "([1], 1)", "([4, 5], 0)"),
        "nums = [3, 2, 2, 3]\nk = remove_element(nums, 3)\nassert k == 2\nassert nums[:k] == [2, 2]",
    ),
    Subject(
        "sort_in_place",
        "def sort_in_place(items):\n    for i in range(1, len(items)):\n        j = i\n"
        "        while j > 0 and items[j - 1] > items[j]:\n            items[j - 1], items[j] = items[j], items[j - 1]\n"
        "            j -= 1",
        "sort_in_place",
        (),
        "x = [3, 1, 2]\nassert sort_in_place(x) is None\nassert x == [1, 2, 3]\ny = []\nsort_in_place(y)\nassert y == []",
    ),
    Subject(
        "merge",
        "def merge(left, right):\n    result = dict(left)\n    for key, value in right.items():\n"
        "        if key in result:\n            result[key] = result[key] + value\n        else:\n"
        "            result[key] = value\n    return result",
        "merge",
        ("({'a': 1}, {'a': 2, 'b': 3})", "({}, {})"),
        "a = {'x': 1}\nassert merge(a, {'x': 2, 'y': 3}) == {'x': 3, 'y': 3}\nassert a == {'x': 1}",
    ),
    Subject(
        "group",
        "def group(words):\n    groups = {}\n    for word in words:\n        groups.setdefault(len(word), []).append(word)\n"
        "    return groups",
        "group",
        (),
        "assert group(['a', 'bb', 'c']) == {1: ['a', 'c'], 2: ['bb']}\ng = group(['a', 'b'])\ng[1].append('z')\n"
        "assert g == {1: ['a', 'b', 'z']}\nassert group([]) == {}",
    ),
    Subject(
        "stack",
        "class Stack:\n    def __init__(self, items=()):\n        self.items = list(items)\n\n"
        "    def push(self, item):\n        self.items.append(item)\n        return len(self.items)\n\n"
        "    def pop(self):\n        if not self.items:\n            raise IndexError('empty')\n"
        "        return self.items.pop()\n\n    def __len__(self):\n        return len(self.items)",
        "",
        (),
        "given = [1]\ns = Stack(given)\nassert s.push(2) == 2\nassert given == [1]\nassert s.pop() == 2\nassert len(s) == 1\n"
        "assert s.pop() == 1\ntry:\n    s.pop()\n    assert False\nexcept IndexError as error:\n"
        "    assert str(error) == 'empty'",
    ),
    Subject(
        "account",
        "class Account:\n    def __init__(self, start=0):\n        self.balance = start\n        self.log = []\n\n"
        "    def pay(self, amount):\n        if amount > self.balance:\n            raise ValueError('too much')\n"
        "        self.balance -= amount\n        self.log.append(amount)\n        return self.balance",
        "",
        (),
        "a = Account(10)\nassert a.pay(3) == 7\nassert a.log == [3]\nb = Account(1)\nassert b.log == []\ntry:\n    b.pay(2)\n"
        "    assert False, 'no error'\nexcept ValueError:\n    pass\nassert b.balance == 1\nassert b.log == []",
    ),
    Subject(
        "chunks",
        "def chunks(items, size):\n    for start in range(0, len(items), size):\n        yield items[start:start + size]",
        "chunks",
        (),
        "assert list(chunks([1, 2, 3], 2)) == [[1, 2], [3]]\ng = chunks([1, 2], 1)\nassert next(g) == [1]\n"
        "assert list(g) == [[2]]\nassert list(g) == []",
    ),
    Subject(
        "take",
        "def take(iterator, count):\n    result = []\n    for _ in range(count):\n        result.append(next(iterator))\n"
        "    return result",
        "take",
        (),
        "it = iter([1, 2, 3, 4])\nassert take(it, 2) == [1, 2]\nassert list(it) == [3, 4]",
    ),
    Subject(
        "apply_all",
        "def apply_all(functions, value):\n    for function in functions:\n        value = function(value)\n    return value",
        "apply_all",
        (),
        "calls = []\ndef note(x):\n    calls.append(x)\n    return x + 1\nassert apply_all([note, note], 1) == 3\n"
        "assert calls == [1, 2]\nassert apply_all([], 5) == 5",
    ),
    Subject(
        "transpose",
        "def transpose(rows):\n    if not rows:\n        return []\n    return [[row[i] for row in rows]"
        " for i in range(len(rows[0]))]",
        "transpose",
        ("([[1, 2], [3, 4]],)", "([[1, 2, 3]],)", "([],)"),
        "m = [[1, 2], [3, 4]]\nt = transpose(m)\nassert t == [[1, 3], [2, 4]]\nt[0][0] = 9\nassert m == [[1, 2], [3, 4]]",
    ),
    Subject(
        "mean",
        "def mean(numbers):\n    if len(numbers) == 0:\n        raise ValueError('no numbers')\n"
        "    return sum(numbers) / len(numbers)",
        "mean",
        ("([1, 2, 3],)", "([0.5, 1.5],)", "([4],)"),
        "import math\nassert math.isclose(mean([1, 2]), 1.5)\ntry:\n    mean([])\nexcept ValueError as e:\n"
        "    assert 'no' in str(e)\nelse:\n    assert False",
    ),
    Subject(
        "is_palindrome",
        "def is_palindrome(text):\n    kept = [c.lower() for c in text if c.isalnum()]\n    return kept == kept[::-1]",
        "is_palindrome",
        ("('A man, a plan',)", "('',)", "('abba',)", "('ab',)"),
        "assert is_palindrome('Ab, ba')\nassert not is_palindrome('ab')\nassert is_palindrome('') is True",
    ),
    Subject(
        "primes",
        "def primes(n):\n    sieve = [True] * (n + 1)\n    found = []\n    for i in range(2, n + 1):\n        if sieve[i]:\n"
        "            found.append(i)\n            for j in range(i * i, n + 1, i):\n                sieve[j] = False\n"
        "    return found",
        "primes",
        ("(10,)", "(1,)", "(2,)", "(30,)"),
        "assert primes(10) == [2, 3, 5, 7]\nassert primes(0) == []\nassert isinstance(primes(3), list)",
    ),
    Subject(
        "divide",
        "def divide(a, b):\n    quotient, rest = divmod(a, b)\n    return quotient, rest",
        "divide",
        ("(7, 2)", "(-7, 2)", "(0, 3)"),
        "assert divide(7, 2) == (3, 1)\nq, r = divide(9, 4)\nassert q * 4 + r == 9\ntry:\n    divide(1, 0)\n    assert False\n"
        "except ZeroDivisionError:\n    pass",
    ),
    Subject(
        "count",
        "from collections import Counter\n\n\ndef count(text):\n    counts = Counter()\n    for c in text:\n"
        "        if c != ' ':\n            counts[c] += 1\n    return counts",
        "count",
        (),
        "c = count('a ab')\nassert c == {'a': 2, 'b': 1}\nassert c['z'] == 0\nassert c.most_common(1) == [('a', 2)]",
    ),
    Subject(
        "flatten",
        "def flatten(tree, depth=0):\n    result = []\n    for item in tree:\n        if isinstance(item, list):\n"
        "            result.extend(flatten(item, depth + 1))\n        else:\n            result.append((item, depth))\n"
        "    return result",
        "flatten",
        (),
        "assert flatten([1, [2, [3]]]) == [(1, 0), (2, 1), (3, 2)]\nassert flatten([]) == []",
    ),
    Subject(
        "cache",
        "_memo = {}\n\n\ndef cache(n):\n    if n < 2:\n        return n\n    if n not in _memo:\n"
        "        _memo[n] = cache(n - 1) + cache(n - 2)\n    return _memo[n]",
        "cache",
        ("(10,)", "(1,)", "(0,)", "(20,)"),
        "assert cache(10) == 55\nassert [cache(i) for i in range(5)] == [0, 1, 1, 2, 3]",
    ),
    Subject(
        "add_item",
        "def add_item(item, items=None):\n    if items is None:\n        items = []\n    items.append(item)\n    return items",
        "add_item",
        ("(1,)", "(2, [1])"),
        "a = add_item(1)\nb = add_item(2)\nassert a == [1] and b == [2]\nx = [0]\nassert add_item(1, x) is x\n"
        "assert x == [0, 1]",
    ),
    Subject(
        "point",
        "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = y\n\n"
        "    def move(self, dx, dy=0):\n        return Point(self.x + dx, self.y + dy)\n\n    @property\n"
        "    def norm(self):\n        return abs(self.x) + abs(self.y)\n\n    def __str__(self):\n"
        "        return f'({self.x}, {self.y})'",
        "",
        (),
        "p = Point(1, 2)\nq = p.move(2)\nassert (q.x, q.y) == (3, 2)\nassert p.x == 1\nassert q.norm == 5\n"
        "assert str(p) == '(1, 2)'",
    ),
    Subject(
        "total",
        "import sys\n\n\ndef main():\n    data = sys.stdin.read().split()\n    n = int(data[0])\n"
        "    numbers = list(map(int, data[1:n + 1]))\n    print(sum(numbers))\n    print(max(numbers) - min(numbers))\n\n\n"
        "main()",
        inputs=("3\n1 2 3\n", "1\n-5\n", "4\n10 0 10 7\n"),
    ),
    Subject(
        "words",
        "count = int(input())\nfor _ in range(count):\n    word = input().strip()\n    if len(word) > 4:\n"
        "        print(word[0] + str(len(word) - 2) + word[-1])\n    else:\n        print(word)",
        inputs=("3\nword\nlocal\nabc\n", "1\nabcdef\n"),
    ),
    Subject(
        "paths",
        "n, m = map(int, input().split())\ngraph = {i: [] for i in range(1, n + 1)}\nfor _ in range(m):\n"
        "    a, b = map(int, input().split())\n    graph[a].append(b)\n    graph[b].append(a)\nseen = {1}\nqueue = [1]\n"
        "while queue:\n    node = queue.pop(0)\n    for other in graph[node]:\n        if other not in seen:\n"
        "            seen.add(other)\n            queue.append(other)\nprint('YES' if len(seen) == n else 'NO')",
        inputs=("3 2\n1 2\n2 3\n", "3 1\n1 2\n", "1 0\n"),
    ),
)

# --- the mutator -----------------------------------------------------------------------------------------------------

_SWAPS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.Pow),
    ast.Div: (ast.FloorDiv,),
    ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.FloorDiv,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq, ast.Is),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
_COPIES = {"list", "dict", "set", "sorted", "tuple"}


def _changes(node: ast.AST) -> Iterator[Callable[[], None]]:
    """What may be done to one node, each as a function that does it in place."""

    def put(field: str, value: Any) -> Callable[[], None]:
        return lambda: setattr(node, field, value)

    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        yield from (put("op", other()) for other in _SWAPS.get(type(node.op), ()))
    if isinstance(node, ast.Compare):
        yield from (put("ops", [other(), *node.ops[1:]]) for other in _SWAPS.get(type(node.ops[0]), ()))
    if isinstance(node, ast.Constant):
        if type(node.value) is bool:
            yield put("value", not node.value)
        elif type(node.value) in (int, float):
            yield from (put("value", value) for value in (node.value + 1, -node.value, float(node.value)))
        elif type(node.value) is str:
            yield put("value", node.value + "x")
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield put("test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Return) and node.value is not None:
        value = node.value
        wrapped = (ast.Tuple([value], ast.Load()), ast.List([value], ast.Load()), ast.Constant(None))
        yield from (put("value", other) for other in wrapped)
        yield put("value", ast.Call(ast.Name("str", ast.Load()), [value], []))
        yield put("value", ast.Call(ast.Name("iter", ast.Load()), [value], []))
    if isinstance(node, ast.Call):
        if len(node.args) > 1:
            yield put("args", node.args[::-1])
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("append", "add", "extend", "pop"):
            others = {"append": "extend", "add": "discard", "extend": "append", "pop": "remove"}
            yield lambda: setattr(node.func, "attr", others[node.func.attr])  # type: ignore[attr-defined]
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
        if node.value.func.id in _COPIES and node.value.args:
            yield put("value", node.value.args[0])  # the defensive copy forgotten
    if isinstance(node, ast.FunctionDef):
        for default in node.args.defaults:
            yield lambda default=default: node.args.defaults.__setitem__(  # type: ignore[misc]
                node.args.defaults.index(default), ast.List([], ast.Load())
            )
    if isinstance(node, ast.Slice):
        yield put("lower", ast.Constant(1))
        yield put("upper", None)
    body = getattr(node, "body", None)
    if isinstance(body, list):
        for position, statement in enumerate(body):
            if len(body) > 1 and not isinstance(statement, ast.Import | ast.ImportFrom):
                yield lambda position=position: body.__delitem__(position)  # type: ignore[misc]
            if position and not isinstance(statement, ast.FunctionDef | ast.ClassDef):
                yield lambda position=position: body.insert(position - 1, body.pop(position))  # type: ignore[misc]


def _parameters_changed(tree: ast.Module) -> Iterator[Callable[[], None]]:
    """A function that spoils what it was given, before it does its work or while it returns."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for argument in function.args.args:
                for what in ("sort()", "clear()", "append(0)", "reverse()"):
                    source = f"try:\n    {argument.arg}.{what}\nexcept AttributeError:\n    pass"
                    statement = ast.parse(source).body[0]
                    yield lambda f=function, s=statement: f.body.insert(0, s)  # type: ignore[misc]
                    finish = ast.Try(list(function.body), [], [], [statement])
                    yield lambda f=function, t=finish: setattr(f, "body", [t])  # type: ignore[misc]


def mutants(subject: Subject, seed: int, count: int) -> list[str]:
    """Up to `count` different programs, each with one or two changes."""
    chooser = random.Random(f"{subject.name} {seed}")
    found: dict[str, None] = {}
    for _ in range(count * 6):
        tree = ast.parse(subject.source)
        for _ in range(chooser.choice((1, 1, 1, 2))):
            changes = [change for node in ast.walk(tree) for change in _changes(node)]
            spoils = list(_parameters_changed(tree))
            chooser.choice(spoils if spoils and chooser.random() < 0.15 else changes)()
        source = ast.unparse(ast.fix_missing_locations(tree))
        if source != ast.unparse(ast.parse(subject.source)):
            found[source] = None
        if len(found) == count:
            break
    return list(found)


# --- the oracle ------------------------------------------------------------------------------------------------------

_CALLER = """
import json, sys
code, entry_point, calls = json.loads(sys.argv[1])
for expected in calls:
    scope = {"__name__": "solution"}
    exec(compile(code, "solution.py", "exec", dont_inherit=True), scope)
    print(repr(scope[entry_point](*eval(expected))))
"""


def _plain(arguments: list[str], stdin: str = "") -> str | None:
    """Standard output of plain Python, or None if it fails or does not end."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None


def results(subject: Subject, source: str) -> list[str] | None:
    """The reprs of what a program returns for each call of its subject, each in a fresh namespace."""
    printed = _plain([_CALLER, json.dumps([source, subject.entry_point, subject.calls])])
    return None if printed is None else printed.splitlines()


def passes_asserts(subject: Subject, source: str) -> bool:
    """The mutant and the asserts in one namespace, as plain execution has them."""
    return _plain([f"{source}\n{subject.asserts}\n"]) is not None


def outputs(subject: Subject, source: str) -> list[list[str]] | None:
    found = []
    for text in subject.inputs:
        printed = _plain([source], text)
        if printed is None:
            return None
        found.append([line.strip() for line in printed.strip().split("\n")])
    return found
