"""The clusters of answers: proven equal joins, proven different stays apart, undecided joins neither."""

from __future__ import annotations

import itertools
import random

import pytest

from verifiers.agreement import MAX_REPRESENTATIVE_BYTES, Agreement, Clusters, cluster_answers, place
from verifiers.math import agreement as math_agreement
from verifiers.math.comparing.compare import compare
from verifiers.math.judge import read_answer
from verifiers.partition import Classes, partition
from verifiers.types import Problem, Status

MATH = Problem("m", "math", "How much is it?", {})
CHOICE = Problem("c", "choice", "Which?", {"options": ["one", "two", "three"]})


# The partition.


def test_equal_answers_share_a_class_and_different_ones_never_do():
    found = partition(6, lambda one, other: one % 2 == other % 2)
    assert found.founders == [0, 1, 0, 1, 0, 1]
    assert found.apart == [(1, 0)]


def test_an_answer_equal_to_two_classes_merges_them_unless_they_are_proven_different():
    between = {(0, 1): None, (0, 2): True, (1, 2): True}
    merged = partition(3, lambda one, other: one == other or between[one, other])
    assert merged.founders == [0, 0, 0]
    between[0, 1] = False
    kept = partition(3, lambda one, other: one == other or between[one, other])
    assert kept.founders == [0, 1, 0]


def test_what_differs_from_one_of_two_merged_classes_differs_from_both():
    classes = Classes()
    for founder in range(3):
        classes.place(founder, [], [])
    classes.part(1, 2)
    assert not classes.are_apart(0, 2)
    classes.merge(0, 1)
    assert classes.are_apart(0, 2)
    assert classes.root(1) == 0


def test_a_class_that_may_be_a_larger_one_has_no_vote():
    classes = Classes()
    for founder in range(3):
        classes.found(founder)
    classes.part(0, 1)
    assert classes.voting([(0, 1), (1, 5), (2, 3)]) == [1, 0]
    assert classes.voting([(0, 1), (1, 2), (2, 3)]) == [2], "the largest stands, and the others may be the same"


# Math.


def test_math_answers_cluster_by_proven_equality():
    answers = ["1/2", "0.5", None, "7", r"\frac{2}{4}", "x^2+1", "1+x^2", r"50\%", "7.0"]
    found = cluster_answers(MATH, answers)
    assert found == Clusters(((0, 1, 4, 7), (3, 8), (5, 6)), 8, ())


def test_the_symbolic_engine_is_asked_about_what_stays_open():
    one, other = r"\sin(3x)", r"3\sin(x)-4\sin^3(x)"
    assert cluster_answers(MATH, [one, other]).members == ((0, 1),)


@pytest.mark.parametrize("unreadable", ["", r"\frac{1}{", "1/0", "2=3"])
def test_what_cannot_agree_even_with_itself_has_no_vote(unreadable):
    found = cluster_answers(MATH, [unreadable, "5", unreadable, "5"])
    assert (found.members, found.unplaced) == (((1, 3),), (0, 2))


def test_an_odd_first_answer_does_not_keep_the_others_from_agreeing():
    found = cluster_answers(MATH, ["x>3", "5", "5", "5"])
    assert (found.members, found.unplaced) == (((1, 2, 3),), (0,))


def test_an_answer_that_bridges_two_different_ones_does_not_join_them():
    found = cluster_answers(MATH, ["x=5", "y=5", "5", "y=5"])
    assert all(not {0, 1} <= set(places) for places in found.members)


def test_a_reference_accepts_more_than_an_equal_answer():
    # As a reference, 5 accepts 5 m; but of two answers 5 m and 5 km only one can be meant.
    assert compare(read_answer("5"), read_answer(r"5 \text{ m}")).status is Status.VERIFIED
    found = cluster_answers(MATH, ["5", r"5 \text{ m}", r"5 \text{ km}", "5"])
    assert found.members == ((0, 3),)


def test_no_answer_is_cut_off_and_then_called_equal():
    long = "1" * MAX_REPRESENTATIVE_BYTES
    found = cluster_answers(MATH, [long + "2", long + "2", "3", long[:100], long[:100]])
    assert (found.members, found.unplaced) == (((2,), (3, 4)), (0, 1))


def test_hostile_answers_cost_their_own_comparison_only():
    hostile = "9^{9^{9^{9}}}"
    found = cluster_answers(MATH, ["5", hostile, "(" * 2000, "5", "7"])
    assert (0, 3) in found.members
    assert (4,) in found.members


def test_an_answer_that_hangs_the_engine_leaves_the_others_their_votes(monkeypatch):
    agreement = Agreement()
    engine = agreement._of("math")
    real = engine._pool.call

    def call(payload, *limits):
        if "hang" in payload["answers"]:
            payload = {**payload, "answers": ["9", 5]}  # the worker fails as it would at a limit
        return real(payload, *limits)

    monkeypatch.setattr(engine._pool, "call", call)
    found = agreement.clusters(MATH, ["5", "hang", "5.0", "7"])
    agreement.close()
    assert (found.members, found.unplaced) == (((0, 2), (3,)), (1,))


def test_enclosures_prove_no_more_than_the_engine_would():
    rng = random.Random(5)
    leaves = ["x", "y", "2", "3", "7", r"\pi", r"\sqrt{2}", r"\frac{1}{3}"]

    def grown(depth: int) -> str:
        if not depth or rng.random() < 0.3:
            return rng.choice(leaves)
        left, right = grown(depth - 1), grown(depth - 1)
        return rng.choice([f"({left}+{right})", f"({left}-{right})", f"({left} \\cdot {right})", f"({left})^2"])

    answers = [grown(2) for _ in range(60)] + ["(1,2)", r"(\sqrt{4},1)", r"(x,\sqrt{2})", "[1,2]"]
    read = [found for answer in answers if (found := math_agreement._read(answer, None)) and found.shape]
    disjoint = 0
    for one, other in itertools.combinations(read, 2):
        if one.shape == other.shape and math_agreement._same(one, other) is False:
            disjoint += 1
            assert Status.VERIFIED not in (
                compare(one.node, other.node).status,
                compare(other.node, one.node).status,
            )
    assert disjoint > 50


def test_a_text_reference_type_compares_words():
    worded = Problem("w", "math", "Who?", {"type": "text"})
    assert cluster_answers(worded, ["Ada  Lovelace", "Ada Lovelace", "Alan Turing"]).members == ((0, 1), (2,))


def test_clusters_do_not_depend_on_when_they_are_made():
    answers = ["1/2", "x>3", "0.5", "7", "x>3", "7", r"\frac{1}{2}"]
    assert cluster_answers(MATH, answers) == cluster_answers(MATH, list(answers))


def test_placing_says_which_representatives_are_equal_and_which_are_apart():
    found = place(MATH, "2/4", [(3, "7"), (5, "1/2"), (9, "0.5"), (11, r"\{x : x > 2\}")])
    assert (found.number, found.equal) == (5, (5, 9))
    assert 3 in found.apart
    assert found.readable
    assert place(MATH, "8", [(3, "7")]).number is None
    assert not place(MATH, r"\frac{1}{", [(3, "7")]).readable


# Other kinds.


def test_choice_letters_are_compared_as_letters():
    found = cluster_answers(CHOICE, ["A", "B", "A", None, "D"])
    assert found == Clusters(((0, 2), (1,)), 3, (4,))
    assert place(CHOICE, "B", [(0, "A"), (4, "B")]) == (4, (4,), (0,), True)


def test_a_kind_without_an_engine_leaves_all_answers_undecided():
    lean = Problem("l", "lean", "Prove it.", {"header": "", "name": "t", "statement": "theorem t : True"})
    assert cluster_answers(lean, ["trivial", "trivial"]) == Clusters((), 0, (0, 1))
