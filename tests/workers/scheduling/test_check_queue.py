"""Which rows a verifier gets next when several kinds wait."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from workers.scheduling.check_queue import CheckQueue
from workers.scheduling.sample_state import Stage

ALL = 10**6


def row(kind: str) -> Any:
    """As much of a SampleState as the queue looks at."""
    return SimpleNamespace(problem=SimpleNamespace(kind=kind), stage=Stage.FINISHED, suspect=False, num_bytes=100)


def queue_of(seconds: dict[str, float]) -> CheckQueue:
    """A queue that has seen checks of these kinds take so long."""
    queue = CheckQueue()
    for kind, length in seconds.items():
        for _ in range(200):
            queue.note_seconds(kind, length)
    return queue


def add(queue: CheckQueue, kind: str, number: int) -> None:
    for _ in range(number):
        queue.add(row(kind))


def take(queue: CheckQueue, seconds: float) -> Counter[str]:
    return Counter(sample.problem.kind for sample in queue.take(1, ALL, seconds, idle=False))


def test_a_long_row_of_slow_checks_does_not_hold_up_fast_ones() -> None:
    queue = queue_of({"lean": 0.06, "math": 0.0003})
    add(queue, "lean", 1000)
    add(queue, "math", 100)
    assert take(queue, 0.25)["math"] == 100


def test_fast_checks_without_end_leave_slow_ones_half_of_the_time() -> None:
    queue = queue_of({"lean": 0.1, "math": 0.001})
    add(queue, "lean", 100)
    add(queue, "math", 10_000)
    taken = take(queue, 4.0)
    assert 19 <= taken["lean"] <= 21 and 1900 <= taken["math"] <= 2100


def test_a_kind_that_did_not_wait_has_saved_nothing_up() -> None:
    queue = queue_of({"lean": 0.1, "math": 0.001})
    add(queue, "math", 100_000)
    take(queue, 60.0)
    add(queue, "lean", 1000)
    assert 4 <= take(queue, 1.0)["lean"] <= 6


def test_number_of_rows_has_its_own_bounds() -> None:
    queue = queue_of({"lean": 60.0, "math": 0.0})
    add(queue, "lean", 10)
    assert len(queue.take(2, 5, 0.25, idle=False)) == 2, "so that no thread waits"
    assert len(queue.take(0, 5, 0.0, idle=False)) == 0
    add(queue, "math", 10)
    assert len(queue.take(1, 5, 0.25, idle=False)) == 5


def test_rows_that_are_no_longer_wanted_cost_nothing() -> None:
    queue = queue_of({"lean": 0.1})
    add(queue, "lean", 3)
    gone = row("lean")
    queue.add(gone)
    gone.stage = Stage.CHECKED
    assert take(queue, 1.0) == {"lean": 3} and not queue.num_waiting()


def test_the_size_of_rows_follows_what_comes() -> None:
    queue = CheckQueue()
    add(queue, "math", 100)
    assert abs(queue.row_bytes - 100) < 1
