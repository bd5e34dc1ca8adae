"""Problems that the corpora of hostile and honest programs are run against, and how a file becomes an answer."""

import re
from pathlib import Path

from verifiers.types import Kind, Problem

HERE = Path(__file__).parents[1] / "verifiers" / "code"


def problem(name: str, **reference: object) -> Problem:
    return Problem(name, Kind.CODE, "", reference)


_PROMPT = 'def add(a, b):\n    """The sum."""\n'
_CIPHER = """
def encode(s):
    return "".join(chr((ord(c) - 97 + 5) % 26 + 97) for c in s)


def decode(s):
    \"\"\"Undoes encode.\"\"\"
"""
_SUM = [{"input": "3 4\n", "output": "7\n"}, {"input": "1 1\n", "output": "2\n"}]
_SPLIT = {
    "$tuple": [
        {"$tuple": ["a", "b", "a"]},
        {"$set": ["a", "b"]},
        {"a": 2, "b": 1},
    ]
}
PROBLEMS = {
    "function": problem(
        "add-function",
        mode="function",
        entry_point="add",
        tests=[{"input": [3, 4], "output": 7}, {"input": [1, 0], "output": 1}],
    ),
    "stdin": problem("add-stdin", mode="stdin", tests=_SUM),
    "assert": problem(
        "add-assert",
        mode="assert",
        prompt=_PROMPT,
        entry_point="add",
        test="def check(candidate):\n    assert candidate(3, 4) == 7\n    assert abs(candidate(1, 0) - 1) < 1e-6\n",
    ),
    "assert-list": problem(
        "total", mode="assert", test_list=["x = [1, 2]\nassert total(x) == sum(x)", "assert total([]) == 0"]
    ),
    "assert-text": problem(
        "name", mode="assert", test_list=["assert name(1).startswith('n')", "assert name(2).isalnum()"]
    ),
    "assert-helper": problem(
        "cipher",
        mode="assert",
        prompt=_CIPHER,
        entry_point="decode",
        test="def check(candidate):\n    for s in ('abc', 'xyz'):\n        assert candidate(encode(s)) == s\n",
    ),
    "honest-import": problem("import", mode="stdin", tests=[{"input": "", "output": "1\n"}]),
    "cpp": problem("add-cpp", mode="stdin", language="cpp", tests=_SUM),
    "javascript": problem("add-js", mode="stdin", language="javascript", tests=_SUM),
    "lines": problem("add-lines", mode="stdin", tests=[{"input": "3\r\n4", "output": "7"}]),
    "range": problem(
        "range", mode="stdin", tests=[{"input": "100000", "output": "".join(f"{i}\n" for i in range(100_000))}]
    ),
    "unicode": problem("unicode", mode="stdin", tests=[{"input": "wörld", "output": "héllo wörld ✓\n"}]),
    "split": problem("split", mode="function", entry_point="split", tests=[{"input": ["aba"], "output": _SPLIT}]),
    "list": problem(
        "reverse",
        mode="function",
        entry_point="Solution.reverse",
        tests=[
            {"input": [{"$list_node": [1, 2, 3]}], "output": {"$list_node": [3, 2, 1]}},
            {"input": [{"$list_node": []}], "output": {"$list_node": []}},
        ],
    ),
    "tree": problem(
        "invert",
        mode="function",
        entry_point="Solution.invert",
        tests=[{"input": [{"$tree_node": [1, 2, 3, None, 4]}], "output": {"$tree_node": [1, 3, 2, None, None, 4]}}],
    ),
    "method": problem(
        "add-method", mode="function", entry_point="Solution.add", tests=[{"input": [3, 4], "output": 7}]
    ),
    "in_place": problem(
        "sort",
        mode="function",
        entry_point="sort",
        output_argument=0,
        tests=[{"input": [[3, 1, 2]], "output": [1, 2, 3]}],
    ),
    "assert_generator": problem(
        "evens", mode="assert", test_list=["assert list(evens(5)) == [0, 2, 4]", "assert add(1, 2) == 3"]
    ),
}
# What the corpus calls each honest problem.
HONEST = {"sum": "stdin", "add": "function", "assert": "assert_generator"}


def header(path: Path) -> dict[str, str]:
    """The `# key: value` lines at the top of a corpus file."""
    return dict(re.findall(r"^(?:#|//) (\w+): (.*)$", path.read_text().partition("\n\n")[0], re.MULTILINE))


def as_answer(path: Path) -> str:
    tag = {".py": "python", ".cpp": "cpp", ".js": "javascript"}[path.suffix]
    return f"Here it is.\n\n```{tag}\n{path.read_text()}```\n"
