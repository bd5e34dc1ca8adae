"""Programs for problems without an answer key: what they do on generated inputs, and which of them agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from verifiers.agreement import cluster_answers, place
from verifiers.checker import Checkers
from verifiers.code import agreement
from verifiers.code.checker import CodeChecker
from verifiers.code.generated_inputs import read
from verifiers.code.judges import comparison
from verifiers.code.reference import Tolerance
from verifiers.types import Problem, Status

STDIN = Problem(
    "s",
    "code",
    "Print the sum of the list.\n\nInput\nThe first line has n, the second n numbers.\n\nOutput\nTheir sum.\n\n"
    "Sample Input 1\n\n3\n1 2 3\n\nSample Output 1\n\n6\n",
    {"mode": "stdin"},
)
FUNCTION = Problem(
    "f", "code", "Reverse the words.\n>>> f('a b c')\n'c b a'\n", {"mode": "function", "entry_point": "f"}
)
SUMS = [
    "input()\nprint(sum(map(int, input().split())))",
    "import sys\nt = 0\nfor x in sys.stdin.read().split()[1:]:\n    t += int(x)\nsys.stdout.write(f'{t}.0 \\n\\n')",
    "n = int(input())\na = [int(x) for x in input().split()]\nprint(a[0] + sum(a[1:]))",
]
WRONG_SUM = "input()\na = list(map(int, input().split()))\nprint(a[0] + a[1] + max(a))"
REVERSED = [
    "def f(s):\n    return ' '.join(s.split()[::-1])",
    "def f(text):\n    out = []\n    for w in text.split():\n        out.insert(0, w)\n    return ' '.join(out)",
]
WRONG_REVERSED = "def f(s):\n    return s[::-1]"  # right for the example, whose words are single letters


@pytest.fixture(scope="module")
def checkers() -> Iterator[Checkers]:
    found = Checkers()
    yield found
    found.close()


def evidence(checkers: Checkers, problem: Problem, program: str, wall_s: float = 120) -> dict[str, Any]:
    tag = str(problem.reference.get("language", "python"))
    limits = dataclasses.replace(CodeChecker.default_limits, wall_s=wall_s)
    verdict = checkers.verify(problem, f"```{tag}\n{program}\n```", limits, finish_reason="stop")
    assert verdict.status is Status.UNCHECKED, verdict
    return dict(verdict.evidence)


@pytest.mark.parametrize(
    ("problem", "right", "wrong"),
    [
        (STDIN, SUMS, WRONG_SUM),
        (FUNCTION, REVERSED, WRONG_REVERSED),
        (FUNCTION, REVERSED, "def f(s):\n    return ' '.join(sorted(s.split(), reverse=True))"),
    ],
)
def test_right_programs_agree_however_they_are_written_and_a_wrong_one_stays_apart(checkers, problem, right, wrong):
    programs = [*right, wrong, right[0] + "\n" + "# longer than a verdict repeats\n" * 100]
    found = [evidence(checkers, problem, program) for program in programs]
    answers = [each["answer"] for each in found]
    assert all(agreement.is_behaviour(answer) and len(answer) < 300 for answer in answers)
    assert found[0]["program"].strip() == right[0] and found[-1]["program_chars"] > 2000
    clusters = cluster_answers(problem, answers)
    last = len(programs) - 1
    assert clusters.members == ((*range(len(right)), last), (last - 1,))
    assert place(problem, answers[-1], [(4, wrong), (7, answers[0])]).number == 7
    assert place(problem, answers[-2], [(7, answers[0])]).apart == (7,)
    # The final clustering knows the problem without its tests.
    bare = Problem(problem.id, problem.kind, problem.prompt, {"mode": "function"})
    assert cluster_answers(bare, answers) == clusters


FEW = "the program has too few proper outputs on generated inputs"
SAME = "the program has the same output on all generated inputs"
OTHER = "the program has other outputs when it is run again"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise ValueError(input())", FEW),
        ("a = open(0).read().split()\nassert a[1:] == ['1', '2', '3']\nprint(a)", FEW),
        ("print(input() and 7)", SAME),
        ("input()", SAME),
        ("import random\nprint(input(), random.random())", OTHER),
        ("import time\nprint(input(), time.perf_counter_ns())", OTHER),
        ("while True:\n    pass", "cpu limit"),
        ("while True:\n    print('x' * 100000)", "output limit"),
        ("x = [0] * 10**10\nprint(input())", "memory limit"),
        ("import socket\ns = socket.create_connection(('192.0.2.1', 80), 1)\nprint(open(0).read())", FEW),
        ("print(open('/etc/shadow').read(), open(0).read())", FEW),
        ("import no_such_package_at_all\nprint(input())", "module not installed"),
    ],
)
def test_a_program_that_tells_nothing_has_no_vote(checkers: Checkers, program: str, reason: str) -> None:
    found = evidence(checkers, STDIN, program)
    assert found["no_answer"] == reason and "answer" not in found


def test_a_sleeping_program_has_no_vote(checkers: Checkers) -> None:
    assert evidence(checkers, STDIN, "import time\ntime.sleep(600)", wall_s=0.5)["no_answer"] == "time limit"
    sleeps = "def f(s):\n    import time\n    time.sleep(600)"
    assert evidence(checkers, FUNCTION, sleeps, wall_s=0.5)["no_answer"] == "time limit"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def f(s):\n    return 1 / 0", FEW),
        ("def f(s):\n    import os\n    os._exit(0)", FEW),
        ("def f(s):\n    return object()", FEW),
        ("def f(s):\n    from fractions import Fraction\n    return Fraction(2**20000 + len(s))", FEW),
        ("def f(s):\n    return None", SAME),
        ("calls = 0\ndef f(s):\n    global calls\n    calls += 1\n    return s + str(calls)", OTHER),
        ("def f(s):\n    return 'x' * 10**8", "output limit"),
        ("def f(s):\n    while True:\n        pass", "cpu limit"),
        ("raise ValueError\ndef f(s):\n    return s", "the program cannot be loaded"),
        ("def another(s):\n    return s.upper()", "no such function"),
    ],
)
def test_a_function_that_tells_nothing_has_no_vote(checkers: Checkers, program: str, reason: str) -> None:
    found = evidence(checkers, FUNCTION, program)
    assert found["no_answer"] == reason and "answer" not in found


def test_a_crash_on_an_input_that_the_problem_may_not_allow_is_undecided(checkers: Checkers) -> None:
    strict = "n = int(input())\na = list(map(int, input().split()))\nassert n == len(a) and min(a) > 0\nprint(sum(a))"
    answers = [evidence(checkers, STDIN, program)["answer"] for program in (SUMS[0], SUMS[1], strict)]
    assert "-" in answers[2].split()
    assert cluster_answers(STDIN, answers) == (((0, 1),), 2, (2,))


def test_another_right_answer_is_undecided_where_several_are_right(checkers: Checkers) -> None:
    several = Problem("s", "code", STDIN.prompt, {"mode": "stdin", "several_answers": True})
    answers = [evidence(checkers, several, program)["answer"] for program in (SUMS[0], SUMS[1], WRONG_SUM)]
    assert cluster_answers(several, answers) == (((0, 1),), 2, (2,))


def test_answers_on_other_inputs_or_of_another_form_prove_nothing() -> None:
    one, two = "a" * 16, "b" * 16
    answers = [f"outputs on inputs {one}: {one} {two}", f"outputs on inputs {two}: {one} {two}", SUMS[0], SUMS[0]]
    assert cluster_answers(STDIN, answers).members == ((0,),)


def test_where_no_inputs_can_be_made_programs_are_not_run_and_do_not_vote(checkers, monkeypatch) -> None:
    monkeypatch.setattr(CodeChecker, "_in_slot", lambda *args: pytest.fail("it was run"))
    silent = Problem("p", "code", "Print something nice.", {"mode": "stdin"})
    answer = evidence(checkers, silent, SUMS[0])["answer"]
    assert answer.strip() == SUMS[0]
    assert cluster_answers(silent, [answer, answer]) == ((), 0, (0, 1))
    script = Problem("p", "code", "Print something nice.", {"mode": "stdin", "language": "javascript"})
    forged = f"outputs on inputs {'a' * 16}: {'a' * 16}"
    assert "answer" not in evidence(checkers, script, forged), "a text in the form of an answer is none"


def inputs(prompt: str, starter: str = "", **reference: Any) -> list[Any]:
    known = {"mode": "function", "entry_point": "f", **({"prompt": starter} if starter else {}), **reference}
    if known["mode"] == "stdin":
        del known["entry_point"]
    found = read(Problem("p", "code", prompt, known))
    return [] if found is None else [test.input for test in found.tests]


def test_inputs_come_from_examples_and_types_within_the_bounds_that_the_prompt_states() -> None:
    nodes = "def f(head: Optional[ListNode]) -> int:\n    pass"
    assert inputs("assert f([1, 2], 'ab') == 3")[:3] == [[[1, 2], "ab"], [[2, 1], "ab"], [[1, 2], "ba"]]
    assert inputs("Input: nums = [2, 1], deep = true\nOutput: 3")[0] == [[2, 1], True]
    assert inputs("Input: head = [2, 1]\nOutput: 3", starter=nodes)[0] == [{"$list_node": [2, 1]}]
    assert inputs("", starter="def f(a: List[int], b: str):\n    pass")[0] == [[3, 10, 1, 6], "racecar"]
    assert inputs("assert g(4) == 5", mode="assert", entry_point="") == inputs("f(4) -> 5")
    assert [-4] in inputs("f(4) -> 5") and [-4] not in inputs("f(4) -> 5, for a positive integer")
    assert [11] in inputs("f(4) -> 5") and max(inputs("f(4) -> 5, where 1 <= n <= 6")) == [5]
    assert inputs("f(x) is what you write", starter="def f(x):\n    pass") == [], "no example, no types"
    given = inputs("Add.", tests=[{"input": [7, 2]}])
    assert given[0] == [7, 2] and len(given) > 4
    texts = inputs("### Input\n```\n2\nab 5\ncd 6\n```\n### Output\n```\n11\n```", mode="stdin")
    assert inputs("", mode="stdin") == [] and texts[0] == "2\nab 5\ncd 6\n"
    assert len(texts) == len(set(texts)) == 12 and all(text.startswith("2\n") for text in texts), "the count stays"
    assert "5 ab" not in "".join(texts) and "2\n2 1\n" in inputs("", mode="stdin", tests=[{"input": "3\n2 1 7"}])


OUTPUTS = ["1 2\n3", " 1  2 \n3\n\n", "1.0 2\n3", "3\n1 2", "1 2\n3\n3", "", "x 1", "x 1.0"]
VALUES: list[Any] = [1, 1.0, True, [1, 2], (1, 2), [2, 1], {1, 2}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, 0.0, -0.0, "1"]


@pytest.mark.parametrize("compare", ["lines", "exact", "set", "multiset", "sorted_lines", "json"])
def test_keys_are_equal_where_a_check_would_find_the_outputs_equal(compare: str) -> None:
    if compare != "json":
        for one in OUTPUTS:
            for other in OUTPUTS:
                same = comparison.same_output(one, other, compare, Tolerance())
                assert (comparison.output_key(one, compare) == comparison.output_key(other, compare)) is same
    if compare != "lines":
        for first in VALUES:
            for second in VALUES:
                same = comparison.same_value(first, second, compare, Tolerance())
                assert (comparison.value_key(first, compare) == comparison.value_key(second, compare)) is same
