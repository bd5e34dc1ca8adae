"""The ledger's rules and stories: what is broken on purpose is found, and a sample tells where it has been."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ledger_bench import Bench

from workers.sampling.budget import Reserve
from workers.scheduling.ledger import Ledger
from workers.scheduling.sample_state import STORY_MOVES, Stage


def midway() -> Bench:
    """Four samples each: drawn, finished, at a verifier, and waiting for a part."""
    bench = Bench(4)
    tasks = bench.draw()
    bench.finish(tasks[:12])
    bench.check(bench.take_checks(room=4))
    bench.take_checks(room=4)
    return bench


def first(ledger: Ledger, stage: Stage) -> object:
    return next(sample for sample in ledger._samples.values() if sample.stage is stage)


def forget_a_count(ledger: Ledger) -> None:
    ledger._num_stage[Stage.DRAWING] -= 1


def skip_the_one_function(ledger: Ledger) -> None:
    first(ledger, Stage.FINISHED).stage = Stage.CHECKING


def lose_a_ready_row(ledger: Ledger) -> None:
    ledger.writes.cut(1, 1)


def forget_bytes(ledger: Ledger) -> None:
    ledger._pending_bytes += 1


def reserve_too_much(ledger: Ledger) -> None:
    ledger.budget.reserve(Reserve(10))


def keep_a_chunk(ledger: Ledger) -> None:
    ledger._chunk_uses[7] = 1


def lose_a_row_of_a_problem(ledger: Ledger) -> None:
    first(ledger, Stage.FINISHED).problem.num_rows -= 1


def queue_without_the_queue(ledger: Ledger) -> None:
    ledger._move(first(ledger, Stage.DRAWING), Stage.QUEUED, 1.0)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (forget_a_count, "3 samples are counted as DRAWING, and 4 are"),
        (skip_the_one_function, "a sample is CHECKING, and its story ends with FINISHED"),
        (lose_a_ready_row, "has to be either held back or ready for a part"),
        (forget_bytes, "bytes are counted as pending"),
        (reserve_too_much, "tokens are reserved"),
        (keep_a_chunk, "chunks are counted as"),
        (lose_a_row_of_a_problem, "counts 3 samples and has 4"),
        (queue_without_the_queue, "a sample is QUEUED and not in the queue"),
    ],
)
def test_a_broken_rule_is_found(fault: Callable[[Ledger], None], text: str) -> None:
    bench = midway()
    bench.ledger.validate()
    fault(bench.ledger)
    with pytest.raises(AssertionError, match=text):
        bench.ledger.validate()


def test_a_sample_tells_its_story() -> None:
    bench = Bench(1)
    tasks = bench.ledger.next_tasks(4, now=1.0)
    for task in tasks:
        bench.ledger.assign(task.key, 3)
    bench.ledger.lost_generator(3)
    again = bench.ledger.next_tasks(4, worker=5, now=2.5)
    bench.finish(again, worker=5)
    assert bench.ledger.story("p0", 2).splitlines() == [
        "sample p0:2, attempt 2",
        "  1.000 DRAWING worker 3",
        "  1.000 QUEUED",
        "  2.500 DRAWING worker 5",
        "  2.500 FINISHED worker 5",
    ]
    assert bench.ledger.story("p0", 9) == "" and bench.ledger.story("p1", 2) == ""


def test_a_story_has_its_last_moves_only() -> None:
    bench = Bench(1, num_samples=1)
    for round_ in range(STORY_MOVES):
        bench.ledger.next_tasks(1, worker=round_, now=float(round_))
        bench.ledger.lost_generator(round_)
    story = bench.ledger.story("p0", 0).splitlines()[1:]
    assert len(story) == STORY_MOVES and story[-1] == f"  {STORY_MOVES - 1:.3f} QUEUED"
