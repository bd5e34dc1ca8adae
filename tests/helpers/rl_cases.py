"""Problems of every form that a trainer can score, each with a right and a wrong answer."""

from __future__ import annotations

import json
from typing import Any

from made_up_runs import sample

Json = Any

FENCED = "Here it is.\n```python\n{}\n```\n"
RIGHT_GCD = "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a"
WRONG_GCD = "def gcd(a, b):\n    return a"
GCD = [{"input": [12, 18], "output": 6}, {"input": [5, 10], "output": 5}]
TAIL = [{"input": [[1, 2, 3]], "output": [2, 3]}, {"input": [[7]], "output": []}]

CASES: dict[str, tuple[str, dict[str, Json], str, str]] = {
    "math": ("math", {"answer": "17"}, "So \\boxed{17}.", "So \\boxed{18}."),
    "choice": ("choice", {"options": ["one", "two"], "answer": "B"}, "So \\boxed{B}.", "So \\boxed{A}."),
    "function": ("code", {"mode": "function", "entry_point": "gcd", "tests": GCD}, RIGHT_GCD, WRONG_GCD),
    "method": (
        "code",
        {"mode": "function", "entry_point": "Solution.gcd", "tests": GCD},
        "class Solution:\n" + "\n".join("    " + line for line in RIGHT_GCD.replace("(a", "(self, a").split("\n")),
        "class Solution:\n    def gcd(self, a, b):\n        return a",
    ),
    # verl alone takes the first element of an expected list for the list.
    "list": (
        "code",
        {"mode": "function", "entry_point": "tail", "tests": TAIL[:1]},
        "def tail(xs):\n    return xs[1:]",
        "def tail(xs):\n    return xs[1]",
    ),
    "strings": (
        "code",
        {
            "mode": "function",
            "entry_point": "twice",
            "tests": [{"input": ["a\nb", {"k": [None]}], "output": "a\nba\nb"}],
        },
        "def twice(text, _):\n    return 2 * text",
        "def twice(text, _):\n    return text",
    ),
    "wrapped": (
        "code",
        {
            "mode": "function",
            "entry_point": "gcd",
            "compare": "json",
            "wrapped_outputs": True,
            "tests": [{**test, "output": [test["output"]]} for test in GCD],
        },
        RIGHT_GCD,
        WRONG_GCD,
    ),
    "stdin": (
        "code",
        {"mode": "stdin", "tests": [{"input": "1 2\n", "output": "3\n"}, {"input": "4 5\n", "output": "9\n"}]},
        "print(sum(map(int, input().split())))",
        "print(input())",
    ),
    "asserts": (
        "code",
        {
            "mode": "assert",
            "test_setup": "limit = 6",
            "test_list": ["assert gcd(12, 18) == limit", "assert gcd(8, 4) == 4"],
        },
        RIGHT_GCD,
        WRONG_GCD,
    ),
    "loop of asserts": (
        "code",
        {"mode": "assert", "test_list": ["for a in (4, 6):", "    assert gcd(a, 2) == 2"]},
        RIGHT_GCD,
        WRONG_GCD,
    ),
    "check": (
        "code",
        {
            "mode": "assert",
            "entry_point": "gcd",
            "test": "def check(candidate):\n    assert candidate(12, 18) == 6\n",
        },
        RIGHT_GCD,
        WRONG_GCD,
    ),
    "check of a builtin's name": (
        "code",
        {
            "mode": "assert",
            "entry_point": "sum",
            "test": "def check(candidate):\n    assert candidate([1, 2]) == 3\n",
        },
        "def sum(xs):\n    return 3",
        "def total(xs):\n    return 3",
    ),
    "check of a method": (
        "code",
        {
            "mode": "assert",
            "entry_point": "Solution.gcd",
            "test": "def check(candidate):\n    assert candidate(12, 18) == 6\n",
        },
        "class Solution:\n    def gcd(self, a, b):\n        return 6",
        "class Solution:\n    def gcd(self, a, b):\n        return a",
    ),
}
"""Name → kind, reference, a right answer and a wrong one that fails every test."""


def half_right(name: str, kind: str, reference: dict[str, Json], right: str, wrong: str) -> list[dict[str, Json]]:
    return [
        sample(
            name,
            at,
            kind=kind,
            prompt=f"Problem with the name {name}.",
            reference=json.dumps(reference),
            text=FENCED.format(wrong if at % 2 else right) if kind == "code" else (wrong if at % 2 else right),
            status="refuted" if at % 2 else "verified",
        )
        for at in range(2)
    ]
