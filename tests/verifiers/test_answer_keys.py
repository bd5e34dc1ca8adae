"""Problems without an answer key: which ones they are, and that each of their samples is `unchecked`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.problems.canonical import check
from verifiers.answer_keys import has_answer_key
from verifiers.checker import Checkers
from verifiers.choice.checker import shuffle
from verifiers.choice.reference import without_order
from verifiers.code.agreement import is_behaviour
from verifiers.code.checker import CodeChecker
from verifiers.kinds import KINDS, KindRow
from verifiers.types import NO_ANSWER_KEY, Problem, Status

OPTIONS = {"options": ["red", "green", "blue"]}
STDIN = {"mode": "stdin"}
CHECKER = {"language": "python", "source": "print(1)", "protocol": "score"}
KEYED: list[tuple[str, dict[str, Any]]] = [
    ("math", {"answer": "5"}),
    ("math", {"answers": ["5"]}),
    ("math", {"all": ["5", "6"]}),
    ("choice", {**OPTIONS, "answer": "A"}),
    ("code", {**STDIN, "tests": [{"input": "1", "output": "2"}]}),
    ("code", {**STDIN, "tests": [{"input": "1"}, {"input": "1", "output": "2"}]}),
    ("code", {**STDIN, "tests": [{"input": "1"}], "checker": CHECKER}),
    ("code", {**STDIN, "tests": [{"input": "1", "output": None}], "checker": CHECKER}),
    ("code", {"mode": "function", "entry_point": "f", "tests": [{"input": [1], "output": None}]}),
    ("code", {"mode": "assert", "test": "assert f() == 1"}),
    ("code", {"mode": "assert", "test_list": ["assert f() == 1"]}),
    ("lean", {"header": "", "name": "t", "statement": "theorem t : True"}),
]
KEYLESS: list[tuple[str, dict[str, Any], str, str]] = [
    ("math", {}, r"so $x = 2$, and the answer is \boxed{7}", "7"),
    ("math", {"tolerance": {"abs": 0.1}}, r"\boxed{1} and \boxed{2}", r"1 \text{ and } 2"),
    ("math", {"answer": None}, r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    ("choice", OPTIONS, "The answer is B.", "B"),
    ("code", STDIN, "```python\nprint(int(input()) + 1)\n```", "print(int(input()) + 1)"),
    ("code", {**STDIN, "tests": None, "checker": None}, "```python\nprint(2)\n```", "print(2)"),
    ("choice", {**OPTIONS, "answer": None}, "The answer is B.", "B"),
    (
        "code",
        {"mode": "function", "entry_point": "f"},
        "```python\ndef f(x):\n    return x\n```",
        "def f(x):\n    return x",
    ),
    ("code", {"mode": "assert", "entry_point": "f"}, "```python\ndef f():\n    pass\n```", "def f():\n    pass"),
]


@pytest.fixture(scope="module")
def checkers() -> Iterator[Checkers]:
    found = Checkers()
    yield found
    found.close()


@pytest.mark.parametrize(("kind", "reference"), KEYED)
def test_any_of_the_keys_is_an_answer_key(kind: str, reference: dict[str, Any]) -> None:
    assert has_answer_key(kind, reference)


@pytest.mark.parametrize("test", [{"input": "1"}, {"input": "1", "output": None}, {"input": "1", "output": "2"}])
def test_a_test_may_lack_its_output_beside_a_checker(checkers: Checkers, test: dict[str, Any]) -> None:
    problem = Problem("p", "code", "?", {**STDIN, "tests": [test], "checker": CHECKER})
    assert has_answer_key("code", problem.reference) and check(problem)
    assert checkers.check_problem(problem) is None


def test_a_null_beside_the_key_is_no_answer(checkers: Checkers) -> None:
    """Parquet has a null for each key that other rows have. The name that Python gives to it would verify itself."""
    for reference in (
        {"answer": None, "answers": ["5"]},
        {"answer": None, "all": ["5"]},
        {"answers": None, "all": ["5"]},
    ):
        given: dict[str, Any] = {"type": None, "tolerance": None, **reference}
        problem = check(Problem("p", "math", "?", given))
        assert has_answer_key("math", given) and checkers.check_problem(problem) is None
        statuses = [checkers.verify(problem, rf"\boxed{{{answer}}}").status for answer in ("None", "6", "5")]
        assert Status.VERIFIED not in statuses[:2] and statuses[2] is Status.VERIFIED


@pytest.mark.parametrize(
    "reference",
    [
        {"answers": [None]},
        {"all": ["5", None]},
        {"answers": [True]},
        {"answers": "5"},
        {"answer": "5", "answers": ["6"]},
    ],
)
def test_what_is_no_answer_is_never_the_right_one(checkers: Checkers, reference: dict[str, Any]) -> None:
    problem = Problem("p", "math", "?", reference)
    assert checkers.check_problem(problem)
    for answer in ("None", "True", "5", "5, None"):
        assert checkers.verify(problem, rf"\boxed{{{answer}}}").status is Status.ERROR


@pytest.mark.parametrize(("kind", "reference", "text", "answer"), KEYLESS)
def test_a_sample_of_a_problem_without_a_key_is_unchecked_and_its_answer_is_read(
    checkers: Checkers, kind: str, reference: dict[str, Any], text: str, answer: str
) -> None:
    problem = Problem("p", kind, "?", reference)
    assert not has_answer_key(kind, reference)
    assert check(Problem("p", kind, "?", {k: v for k, v in reference.items() if v is not None}))
    assert checkers.check_problem(problem) is None
    verdict = checkers.verify(problem, text, finish_reason="stop")
    assert (verdict.status, verdict.reason) == (Status.UNCHECKED, NO_ANSWER_KEY)
    assert verdict.checker == kind and verdict.evidence["answer"].strip() == answer


@pytest.mark.parametrize(
    ("kind", "text", "finish_reason"),
    [
        ("math", "I do not know.", "stop"),
        ("math", r"\boxed{1} or rather \boxed{2}. So the answer is \boxed{3}", "stop"),
        ("math", r"\boxed{", "stop"),
        ("math", r"$2x = \boxed{5}$", "stop"),
        ("math", r"\boxed{" + "+".join(f"a_{{{i}}}" for i in range(500)) + "}", "stop"),
        ("math", "<think>the answer is 5", "length"),
        ("math", "x" * 1_000_001, "stop"),
        ("choice", "Either A or B.", "stop"),
        ("choice", "x" * 1_000_001, "stop"),
        ("code", "no program here", "stop"),
        ("code", "```python\nprint(1)", "length"),
        ("code", "x" * 1_000_001, "stop"),
    ],
)
def test_a_text_without_one_final_answer_is_unchecked_and_not_malformed(
    checkers: Checkers, kind: str, text: str, finish_reason: str
) -> None:
    reference = {"math": {}, "choice": OPTIONS, "code": STDIN}[kind]
    verdict = checkers.verify(Problem("p", kind, "?", reference), text, finish_reason=finish_reason)
    assert (verdict.status, verdict.reason) == (Status.UNCHECKED, NO_ANSWER_KEY)
    assert "answer" not in verdict.evidence and verdict.evidence["no_answer"]


def test_a_long_program_is_an_answer_that_the_verdict_does_not_repeat(checkers: Checkers) -> None:
    text = "```python\n" + "print(input())\n" * 200 + "```"
    evidence = checkers.verify(Problem("p", "code", "?", STDIN), text).evidence
    assert evidence["program_chars"] > 2000 and not {"answer", "no_answer"} & set(evidence)


def test_a_reference_that_cannot_be_used_is_still_our_error(checkers: Checkers) -> None:
    broken = Problem("p", "choice", "?", {"options": ["same", "same"]})
    assert "twice" in str(checkers.check_problem(broken))
    assert checkers.verify(broken, "A").status is Status.ERROR
    present = Problem("p", "code", "?", {**STDIN, "tests": []})
    assert has_answer_key("code", present.reference), "an empty list is a fault, and not a missing key"
    assert checkers.verify(present, "```python\nprint(1)\n```").status is Status.ERROR


@pytest.mark.parametrize("missing", [{}, {"output": None}])
def test_inputs_without_outputs_are_no_key_and_show_what_a_program_does(
    checkers: Checkers, missing: dict[str, None]
) -> None:
    problem = Problem("p", "code", "?", {**STDIN, "tests": [{"input": "1", **missing}]})
    assert not has_answer_key("code", problem.reference) and checkers.check_problem(problem) is None
    evidence = checkers.verify(problem, "```python\nprint(input())\n```").evidence
    assert is_behaviour(evidence["answer"]) and evidence["program"].strip() == "print(input())"


def test_no_program_is_run_for_a_problem_without_inputs(checkers: Checkers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CodeChecker, "_in_slot", lambda *args: pytest.fail("it was run"))
    assert checkers.verify(Problem("p", "code", "?", STDIN), "```python\nprint(1)\n```").status is Status.UNCHECKED


def test_a_choice_without_a_key_is_shuffled_and_recognised_in_any_order() -> None:
    problem = Problem("p", "choice", "?\nA. red\nB. green\nC. blue", OPTIONS)
    shuffled = shuffle(problem, 3)
    assert set(shuffled.reference) == {"options"} and shuffled.meta["shuffle"]["order"]
    assert shuffled.prompt != problem.prompt
    assert without_order(shuffled.prompt, shuffled.reference) == without_order(problem.prompt, OPTIONS)
    assert without_order("?", OPTIONS) != without_order("?", {**OPTIONS, "answer": "A"})


class Mute:
    name = "mute"
    version = "1"
    default_limits = CodeChecker.default_limits

    def __init__(self, num_workers: int) -> None: ...

    def check_problem(self, problem: Problem) -> str | None:
        raise AssertionError

    verify = check_problem

    def close(self) -> None: ...


def never(reference: object) -> bool:
    return False


def test_a_plugins_kind_has_a_key_unless_its_row_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KINDS, "_rows", dict(KINDS._rows))
    KINDS.add("plain", KindRow("x:y", lambda reference: None))
    KINDS.add("mute", KindRow(f"{__name__}:Mute", lambda reference: None, never))
    assert has_answer_key("plain", {}) and not has_answer_key("mute", {"answer": "5"})
    checkers = Checkers()
    problem = Problem("p", "mute", "?", {})
    verdict = checkers.verify(problem, "x")
    assert checkers.check_problem(problem) is None and verdict.status is Status.UNCHECKED
    assert verdict.evidence == {"no_answer": "the checker mute reads no final answers"}
