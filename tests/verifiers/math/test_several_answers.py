"""References with several right answers (`answers`, any one is enough) and with several parts (`all`, in any order)."""

from __future__ import annotations

import pytest

from verifiers.checker import Checkers
from verifiers.math.judge import work
from verifiers.math.reference import check_math
from verifiers.reference_fields import BadReferenceError
from verifiers.types import Problem

CASES = [
    ({"answers": ["1/2", "50\\%"]}, "0.5", "verified"),
    ({"answers": ["1", "2"]}, "2", "verified"),
    ({"answers": ["1", "2"]}, "3", "refuted"),
    ({"answers": ["1", "2"]}, "1, 2", "refuted"),
    ({"answers": ["1", "2"]}, "1 \\text{ or } 2", "refuted"),
    ({"answers": ["B", "D"], "type": "text"}, "D", "verified"),
    ({"answers": ["3.1", "9"], "tolerance": {"abs": 0.1}}, "3.15", "verified"),
    ({"all": ["1", "2"]}, "2, 1", "verified"),
    ({"all": ["1", "2"]}, "\\{1, 2\\}", "verified"),
    ({"all": ["1", "2"]}, "1", "refuted"),
    ({"all": ["1", "2"]}, "1, 2, 3", "refuted"),
    ({"all": ["1", "1"]}, "1", "refuted"),
    ({"all": ["(1,2)", "(3,4)"]}, "(3,4), (1,2)", "verified"),
    ({"all": ["(1,2)", "(3,4)"]}, "(1,2)", "refuted"),
    ({"all": ["x=1", "y=2"]}, "y=2, x=1", "verified"),
    ({"all": ["x=1", "y=2"]}, "y=1, x=2", "refuted"),
    ({"all": ["81,256", "5"]}, "81256, 5", "verified"),
    ({"all": ["3.1", "2"], "tolerance": {"abs": 0.1}}, "2, 3.15", "verified"),
    ({"all": ["7"]}, "7", "verified"),
]


@pytest.mark.parametrize(("reference", "answer", "status"), CASES)
def test_verdicts(reference, answer, status):
    check_math(reference)
    assert work({"reference": reference, "text": f"So $\\boxed{{{answer}}}$."})["status"] == status


def test_boxes_of_their_own_are_the_parts():
    text = "$\\boxed{1}$ and $\\boxed{2}$"
    assert work({"reference": {"all": ["2", "1"]}, "text": text})["status"] == "verified"
    assert work({"reference": {"answers": ["2", "1"]}, "text": text})["status"] != "verified"


@pytest.mark.parametrize("key", ["answers", "all"])
def test_the_one_that_cannot_be_read_is_named(key):
    checkers = Checkers()
    try:
        problem = Problem("p", "math", "?", {key: ["5", "\\frac{1}{"]})
        assert str(checkers.check_problem(problem)).startswith(f"reference.{key}[1]: ")
        verdict = checkers.verify(Problem("p", "math", "?", {key: ["5"]}), "\\boxed{5}")
        assert verdict.status == "verified"
    finally:
        checkers.close()


@pytest.mark.parametrize(
    ("reference", "wrong"),
    [
        ({"answers": []}, "a list of 1 to 100"),
        ({"answers": "5"}, "a list of 1 to 100"),
        ({"all": ["5"] * 101}, "a list of 1 to 100"),
        ({"all": [5]}, r"reference.all\[0\]: is the number 5"),
        ({"answers": ["5", " "]}, r"reference.answers\[1\]: empty"),
        ({"answer": "5", "answers": ["5"]}, "beside answer; one of the two"),
    ],
)
def test_faults(reference, wrong):
    with pytest.raises(BadReferenceError, match=wrong):
        check_math(reference)
