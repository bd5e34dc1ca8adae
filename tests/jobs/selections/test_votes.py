"""Votes: which samples have one, which answer wins, and that verdicts have no part in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from made_up_run import sample_row, write_run

from jobs.selections.rows import drawn_problems
from jobs.selections.suspects import may_be_suspect
from jobs.selections.votes import Draw, Votes, as_keyless, count_votes, is_right, looks_at_verdicts
from runstore.errors import StoredRunError
from runstore.storage import open_storage
from verifiers.types import Problem

PROBLEM = Problem("p", "math", "What is 2 + 3?", {"answer": "5", "type": "number"})


class Same(NamedTuple):
    """A clustering by spelling."""

    members: tuple[tuple[int, ...], ...]
    unplaced: tuple[int, ...]


def by_spelling(problem: Problem, answers: Sequence[str | None]) -> Same:
    assert "answer" not in problem.reference  # no vote is counted by the answer key
    places: dict[str, list[int]] = {}
    for at, answer in enumerate(answers):
        if answer is not None and answer != "?":
            places.setdefault(answer, []).append(at)
    unplaced = tuple(at for at, answer in enumerate(answers) if answer == "?")
    return Same(tuple(map(tuple, places.values())), unplaced)


def draw(index: int, answer: str | None, status: str | None = "unchecked", **other: object) -> Draw:
    return Draw(index, 0, status, "stop", answer, "model 1.0")._replace(**other)


def test_what_votes_and_what_does_not() -> None:
    draws = [
        draw(0, "5"),
        draw(1, "6"),
        draw(2, None),
        draw(3, "5", finish_reason="length"),
        draw(4, "5", finish_reason="repetition"),
        draw(5, "5", status="malformed"),
        draw(6, None, status=None),
        draw(7, "5", status="error"),
        draw(8, "5", round=1),
        draw(9, "?"),
        draw(10, "5"),
    ]
    votes = count_votes(PROBLEM, draws, by_spelling)
    assert [[each.sample_index for each in members] for members in votes.clusters] == [[0, 10], [1]]
    assert (votes.samples, votes.voters, votes.votes, votes.runner_up_votes) == (8, 3, 2, 1)
    assert votes.unplaced == {9} and votes.silent == {2, 3, 4, 5}
    assert votes.score == pytest.approx(1 / 10) and votes.margin == pytest.approx(1 / 3)


def test_a_tie_goes_to_the_answer_that_came_first_and_scores_nothing() -> None:
    votes = count_votes(PROBLEM, [draw(0, "6"), draw(1, "5"), draw(2, "5"), draw(3, "6")], by_spelling)
    assert votes.clusters[0][0].answer == "6" and votes.score == 0.0 and votes.margin == 0.0


def test_no_sample_votes() -> None:
    votes = count_votes(PROBLEM, [draw(0, None)], by_spelling)
    assert votes.clusters == () and votes.score is None and votes.margin is None and votes.sources == 0


def test_the_choice_does_not_depend_on_verdicts() -> None:
    answers = ["5", "6", "6", "6", "5", "7"]
    hidden = count_votes(PROBLEM, [draw(at, text) for at, text in enumerate(answers)], by_spelling)
    for right in "567":
        draws = [draw(at, text, "verified" if text == right else "refuted") for at, text in enumerate(answers)]
        shown = count_votes(PROBLEM, draws, by_spelling)
        assert [[each.sample_index for each in members] for members in shown.clusters] == [
            [each.sample_index for each in members] for members in hidden.clusters
        ]
        assert shown.score == hidden.score
        assert [is_right(members) for members in shown.clusters] == [text == right for text in ("6", "5", "7")]


AGREEMENT = {"alpha": 0.05, "min_samples": 4, "max_samples": 6}


def indices(votes: Votes) -> list[list[int]]:
    return [[each.sample_index for each in members] for members in votes.clusters]


def test_a_vote_with_a_key_is_compared_as_if_there_were_none() -> None:
    """What agreement would have ended, a higher number of samples and a later stage do not count."""
    draws = [draw(at, text) for at, text in enumerate(["5", None, "5", "5", "5", "6", "6", "6", "6", "6", "6"])]
    votes = count_votes(PROBLEM, draws, by_spelling)
    assert indices(votes)[0] == [5, 6, 7, 8, 9, 10]
    assert as_keyless(votes, {"policy": "fixed", "num_samples": 11}) == votes
    early = as_keyless(votes, {"num_samples": 6, "agreement": AGREEMENT})
    assert indices(early) == [[0, 2, 3, 4]] and early.samples == 5 and early.silent == {1}
    strict = as_keyless(votes, {"num_samples": 6, "agreement": {**AGREEMENT, "min_samples": 6, "alpha": 0.0}})
    assert indices(strict) == [[0, 2, 3, 4], [5]] and strict.samples == 6
    stages = [{"num_samples": 5, "start": 0, "agreement": AGREEMENT}, {"num_samples": 6, "start": 5}]
    assert indices(as_keyless(votes, {"num_samples": 5, "stages": stages})) == [[0, 2, 3, 4]]
    divided = [draw(at, text) for at, text in enumerate(["5", "6", "5", "6", "7", "6", "6"])]
    both = as_keyless(count_votes(PROBLEM, divided, by_spelling), {"num_samples": 5, "stages": stages})
    assert indices(both) == [[1, 3, 5, 6], [0, 2], [4]]


def test_right_only_with_a_proof() -> None:
    assert is_right([draw(0, "5", "verified"), draw(1, "5", "undecided")])
    assert not is_right([draw(0, "5", "undecided")])
    assert not is_right([draw(0, "5", "verified"), draw(1, "5", "refuted")])


@pytest.mark.parametrize(
    ("rule", "looks"),
    [
        ({"policy": "fixed", "num_samples": 8}, False),
        ({}, True),
        ({"policy": "until_verified", "num_samples": 8, "num_verified": 1}, True),
        ({"policy": "adaptive", "num_samples": 8, "give_up": [4]}, True),
        ({"num_samples": 8, "stages": [{"num_samples": 8}, {"num_samples": 4}]}, True),
        ({"num_samples": 8, "audit": True, "stages": [{"num_samples": 8}, {"num_samples": 4}]}, False),
        (
            {"num_samples": 8, "audit": True, "stages": [{"num_samples": 8, "num_verified": 1}, {"num_samples": 4}]},
            True,
        ),
    ],
)
def test_plans_that_look_at_verdicts(rule: dict[str, object], looks: bool) -> None:
    assert looks_at_verdicts(rule) is looks


def refuted(number: int, answer: str = "6", sources: Sequence[str] = ("small 0.6", "small 1.0")) -> list[Draw]:
    return [draw(at, answer, "refuted", source=sources[at % len(sources)]) for at in range(number)]


def suspect(draws: Sequence[Draw]) -> bool:
    return may_be_suspect(draws, count_votes(PROBLEM, draws, by_spelling))


def test_suspects_need_votes_sources_and_no_verified_sample() -> None:
    assert suspect(refuted(8))
    assert not suspect(refuted(7))
    assert not suspect(refuted(16, sources=["small 1.0"]))
    assert suspect([*refuted(8), draw(8, "7", "refuted")])
    assert not suspect([*refuted(8), draw(8, "5", "verified")])
    assert not suspect([*refuted(8), draw(8, "5", "verified", round=1)])
    # The checker cannot compare: the reference is not what is doubtful.
    assert not suspect([*refuted(8), draw(8, "6", "undecided")])


def rows_of(problem_id: str, number: int, **other: object) -> list[dict[str, object]]:
    rule = {"policy": "fixed", "num_samples": number}
    return [sample_row(problem_id, at, "verified", rule, extracted_answer=str(at), **other) for at in range(number)]


def test_rows_are_read_problem_by_problem_in_index_order_whatever_the_size_of_a_bucket(tmp_path: Path) -> None:
    rows = [row for name in range(20) for row in rows_of(f"p{name}", 5)]
    rows[7]["sampling"] = '{"temperature": 0.5}'
    storage = open_storage(write_run(str(tmp_path / "run"), rows[::-1]))
    whole = {each.problem.id: each for each in drawn_problems(storage)}
    pieces = {each.problem.id: each for each in drawn_problems(storage, bucket_rows=12)}
    assert whole == pieces and len(whole) == 20
    assert [each.answer for each in whole["p3"].draws] == list("01234")
    assert {each.source for each in whole["p1"].draws} == {"models/tiny_reasoner 1.0", "models/tiny_reasoner 0.5"}


def test_a_sample_that_is_committed_twice_is_named(tmp_path: Path) -> None:
    storage = open_storage(write_run(str(tmp_path / "run"), [*rows_of("p", 2), *rows_of("p", 1)]))
    with pytest.raises(StoredRunError, match="problem p has a sample"):
        list(drawn_problems(storage))


def test_letters_are_those_of_the_set_whatever_order_a_sample_was_shown(tmp_path: Path) -> None:
    """Two samples that chose the same option under two letters, and one that chose another under the same letter."""
    options = ["one", "two", "three"]
    rows = []
    for at, (order, letter) in enumerate([([2, 0, 1], "B"), ([0, 1, 2], "A"), ([1, 0, 2], "A")]):
        shown = [options[place] for place in order]
        right = "ABC"[order.index(1)]
        rows.append(
            sample_row(
                "c",
                at,
                "refuted",
                {"num_samples": 3},
                kind="choice",
                extracted_answer=letter,
                reference=f'{{"options": {shown}, "answer": "{right}"}}'.replace("'", '"'),
                meta=f'{{"shuffle": {{"seed": 1, "order": {order}}}}}',
            )
        )
    (drawn,) = drawn_problems(open_storage(write_run(str(tmp_path / "run"), rows)))
    assert [each.answer for each in drawn.draws] == ["A", "A", "B"]
    assert drawn.problem.reference == {"options": options, "answer": "B"}


def test_a_stored_answer_that_may_have_been_cut_does_not_vote(tmp_path: Path) -> None:
    rows = rows_of("p", 3)
    rows[0]["extracted_answer"] = "1" * 300
    rows[1]["extracted_answer"] = "1" * 299
    (drawn,) = drawn_problems(open_storage(write_run(str(tmp_path / "run"), rows)))
    assert [each.vote is None for each in drawn.draws] == [True, False, False]
