"""What the coordinator keeps of the answers to one problem: its clusters, their caps, and what order does to them."""

from __future__ import annotations

import gc
import itertools
import json
import random
import tracemalloc

from verifiers.agreement import MAX_REPRESENTATIVE_BYTES, MAX_REPRESENTATIVES
from workers.sampling.agreement import UNPLACED, AgreementRule
from workers.sampling.plan import Plan
from workers.sampling.problem_state import KeylessState
from workers.sampling.votes import NOWHERE, Clusters, Known, Placed, Votes, replayed

RULE = AgreementRule(0.05, 4, 32)


def told(votes: Votes | Clusters) -> list[tuple[int, bytes]]:
    return list(votes.known(0).representatives)


def test_a_new_answer_begins_a_cluster_and_an_equal_one_joins_it() -> None:
    votes = Clusters()
    votes.place(0, Placed(b"1/2"))
    votes.place(1, Placed(b"7", apart=(0,)))
    votes.place(2, Placed(b"0.5", equal=(0,), apart=(1,)))
    assert told(votes) == [(0, b"1/2"), (1, b"7")]
    assert [votes.vote(index) for index in range(3)] == [0, 1, 0]
    assert votes.known(4) == Known(4, ((0, b"1/2"), (1, b"7")), ())


def test_clusters_that_two_batches_began_at_once_are_merged_when_the_next_batch_meets_both() -> None:
    votes = Votes()
    for index in range(4):
        votes.place(index, Placed(b"1/2", equal=(0,)) if index else Placed(b"1/2"))
    for index in range(4, 8):  # another verifier was told of nothing
        votes.place(index, Placed(b"0.5", equal=(4,)) if index > 4 else Placed(b"0.5"))
    assert votes.known(0).unmet == ((0, 4),)
    assert votes.first_agreement(RULE, 8) == -1
    votes.place(8, Placed(b"7", apart=(0, 4), compared=((0, 4, True),)))
    assert told(votes) == [(0, b"1/2"), (8, b"7")]
    assert votes.known(0).unmet == ()
    assert votes.first_agreement(RULE, 8) == -1, "a prefix is judged by the reports of its own samples"
    assert votes.first_agreement(RULE, 9) == 8


def test_an_answer_equal_to_both_merges_them_too() -> None:
    votes = Votes()
    votes.place(0, Placed(b"1/2"))
    votes.place(1, Placed(b"0.5"))
    votes.place(2, Placed(b"2/4", equal=(0, 1)))
    assert told(votes) == [(0, b"1/2")]


def test_the_same_text_is_the_same_cluster_without_a_comparison() -> None:
    votes = Clusters()
    votes.place(0, Placed(b"7"))
    votes.place(1, Placed(b"7"))
    assert told(votes) == [(0, b"7")]
    assert votes.vote(1) == 0


def test_until_two_clusters_are_compared_the_smaller_one_has_no_vote() -> None:
    votes = Votes()
    for index in range(8):
        votes.place(index, Placed(b"1/2"))
    votes.place(8, Placed(b"0.5"))
    votes.place(9, Placed(b"0.5"))
    apart = replayed([*((index, Placed(b"1/2")) for index in range(8)), (8, Placed(b"3", apart=(0,)))])
    assert votes.first_agreement(RULE, 10) == apart.first_agreement(RULE, 9) == 8


def test_undecided_pairs_are_not_asked_about_again() -> None:
    votes = Votes()
    votes.place(0, Placed(b"x>3"))
    votes.place(1, Placed(b"5", compared=((1, 0, None),)))
    assert votes.known(0).unmet == ()


def test_a_founder_may_be_reported_after_those_that_are_equal_to_it() -> None:
    votes = Clusters()
    votes.place(3, Placed(b"0.5", equal=(0,)))
    votes.place(0, Placed(b"1/2"))
    assert told(votes) == [(0, b"0.5")]
    assert votes.vote(0) == 0


def test_a_founder_that_was_drawn_again_with_another_answer_has_no_vote() -> None:
    votes = Clusters()
    votes.place(3, Placed(b"0.5", equal=(0,)))
    votes.place(0, Placed(b"7", apart=(0,)))
    assert votes.vote(0) == UNPLACED


def test_pairs_are_known_before_their_first_answers() -> None:
    votes = Votes()
    votes.place(1, Placed(b"7", apart=(5, 8), compared=((5, 8, True),)))
    votes.place(5, Placed(b"1/2"))
    votes.place(8, Placed(b"0.5"))
    assert told(votes) == [(1, b"7"), (5, b"1/2")]


def test_clusters_above_the_cap_have_no_vote_and_count_against_the_leader() -> None:
    votes = Clusters()
    for index in range(MAX_REPRESENTATIVES + 4):
        votes.place(index, Placed(str(index).encode(), apart=tuple(range(min(index, MAX_REPRESENTATIVES)))))
    assert len(told(votes)) == MAX_REPRESENTATIVES
    assert [votes.vote(index) for index in range(16, 20)] == [UNPLACED] * 4


def test_an_answer_that_cannot_be_compared_has_no_vote() -> None:
    votes = Clusters()
    votes.place(0, NOWHERE)
    assert votes.vote(0) == UNPLACED
    assert told(votes) == []


def test_a_second_report_changes_nothing() -> None:
    votes = Votes()
    votes.place(0, Placed(b"1"))
    votes.place(0, Placed(b"2"))
    assert told(votes) == [(0, b"1")]


def reports(answers: list[int], told_of: int) -> list[tuple[int, Placed]]:
    """What a verifier would say that has seen the last `told_of` answers, where equal numbers are equal answers."""
    found = []
    for index, answer in enumerate(answers):
        seen = range(max(0, index - told_of), index)
        first = {answers[other]: other for other in reversed(seen)}
        equal = (first[answer],) if answer in first else ()
        apart = tuple(other for value, other in first.items() if value != answer)
        found.append((index, Placed(str(answer).encode(), equal, apart)))
    return found


def test_the_order_of_arrival_changes_nothing() -> None:
    rng = random.Random(4)
    for _ in range(60):
        answers = rng.choices(range(5), [8, 2, 1, 1, 1], k=24)
        placed = reports(answers, 24)
        in_order = replayed(placed).first_agreement(RULE, 24)
        votes = Votes()
        known: set[int] = set()
        found = -1
        for index, report in rng.sample(placed, len(placed)):
            votes.place(index, report)
            known.add(index)
            prefix = next(i for i in itertools.count() if i not in known)
            found = found if found > 0 else votes.first_agreement(RULE, prefix)
        assert found == in_order


def test_rows_hold_what_was_reported() -> None:
    for placed in (Placed(b"1/2", (0,), (1, 2), ((0, 1, None), (1, 2, True))), Placed(b"7"), NOWHERE):
        again = Placed.from_json(json.loads(json.dumps(placed.to_json())), placed.answer.decode())
        assert again == placed


def test_an_open_problem_takes_less_than_40_kb() -> None:
    size = MAX_REPRESENTATIVE_BYTES
    answers = [b"\xf0\x9f\xa6\x84" * (size // 4) if index % 2 else bytes([65 + index]) * size for index in range(16)]
    assert {len(answer) for answer in answers} == {MAX_REPRESENTATIVE_BYTES}
    rule = AgreementRule(0.05, 4, 256)
    plan = Plan(256, agreement=rule)
    placed = [Placed(bytes(a[:-1]) + bytes([index + 1]), apart=tuple(range(index))) for index, a in enumerate(answers)]

    def opened(number: int, straggles: bool) -> KeylessState:
        state = KeylessState(number, "d", plan)
        for index in range(256):
            mine = placed[index % 16]
            equal = () if index < 16 else (index % 16,)
            state.votes.place(index, Placed(bytes(bytearray(mine.answer)), equal, (*mine.apart,)))
            if not straggles:
                state.votes.first_agreement(rule, index + 1)
        state.outcomes = b"\x08" * index + b"\x08"
        return state

    for straggles, most in ((False, 40_000), (True, 40_000 + 256 * 500)):  # all 256 reports wait for the first sample
        opened(0, straggles)  # so that caches of functions are not counted
        gc.collect()
        tracemalloc.start()
        states = [opened(number, straggles) for number in range(20)]
        gc.collect()  # the free lists of the interpreter are not counted
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(told(states[0].votes)) == 16
        assert used / len(states) < most


def test_room_goes_to_clusters_in_index_order_whatever_the_order_of_arrival() -> None:
    """A cluster that comes late by its index takes no room by coming first."""
    late = range(MAX_REPRESENTATIVES, MAX_REPRESENTATIVES + 8)
    placed = [(index, Placed(b"answer %d" % index)) for index in range(MAX_REPRESENTATIVES)]
    placed += [(index, Placed(b"late %d" % index)) for index in late]
    placed += [(index, Placed(b"answer 0", equal=(0,))) for index in range(late.stop, 60)]
    rule = AgreementRule(0.05, 4, 64)
    for seed in range(20):
        votes = Votes()
        for index, report in [*placed[MAX_REPRESENTATIVES:], *random.Random(seed).sample(placed[:16], 16)]:
            votes.place(index, report)
        assert votes.first_agreement(rule, 60) == replayed(placed).first_agreement(rule, 60) > 0


def test_what_arrives_after_an_agreement_changes_nothing_of_it() -> None:
    """A resume reads the rows above the agreement too, and one of them parts two small clusters."""
    rule = AgreementRule(0.05, 4, 32)
    rng = random.Random(5)
    for _ in range(200):
        placed = []
        for index, answer in enumerate(rng.choices(range(4), [8, 2, 2, 2], k=24)):
            others = [other for other, _ in placed if rng.random() < 0.5]
            placed.append((index, Placed(b"%d" % answer, apart=tuple(others))))
        at_each = [replayed(placed[:length]).first_agreement(rule, length) for length in range(1, 25)]
        assert replayed(placed).first_agreement(rule, 24) == next((stop for stop in at_each if stop > 0), -1)
