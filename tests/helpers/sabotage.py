"""What tests of faults share: a run that something happens to in its middle, and the check that no row was lost."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any


def easy(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"answer": str(i), "p": 0.5, "tokens": 10, "token_s": 0.04, **more} for i in range(count)]


def check_exactly_once(batch: Any, num_samples: int = 8) -> list[dict[str, Any]]:
    import stand_ins

    from runstore.batches import problem_of
    from verifiers.types import Problem

    rows = batch.rows()
    counts = collections.Counter((row["problem_id"], row["sample_index"]) for row in rows)
    expected = {(f"p{i:04d}", j) for i in range(batch.num_problems) for j in range(num_samples)}
    assert set(counts) == expected
    assert max(counts.values()) == 1
    checkers = stand_ins.StandInCheckers(1, {})
    for row in rows:
        problem: Problem = problem_of(row)
        if "fault" not in row["prompt"]:
            assert row["status"] == checkers.verify(problem, row["text"]).status
    return rows


def check_cascade(batch: Any, blocks: Sequence[int]) -> list[dict[str, Any]]:
    """For stages of the policy `fixed`, with so many samples each: every problem has every sample of the stages up to
    its first verified one, once, and no other."""
    rows = batch.rows()
    found = collections.Counter((row["problem_id"], row["sample_index"]) for row in rows)
    solved = {(row["problem_id"], row["stage"]) for row in rows if row["status"] == "verified"}
    expected = set()
    for problem in (f"p{i:04d}" for i in range(batch.num_problems)):
        start = 0
        for stage, block in enumerate(blocks):
            expected |= {(problem, index) for index in range(start, start + block)}
            start += block
            if (problem, stage) in solved:
                break
    assert set(found) == expected and max(found.values()) == 1
    for row in rows:
        assert row["stage"] == sum(row["sample_index"] >= sum(blocks[: s + 1]) for s in range(len(blocks)))
    return rows


class Saboteur:
    """Kills something while a run goes on; `strike` is called once `counting` has come to `after_samples`."""

    def __init__(self, batch: Any, strike: Any, after_samples: int = 20, counting: str = "samples") -> None:
        self.struck = False
        self.error: BaseException | None = None

        def watch(status: Any) -> None:
            if not self.struck and status.get(counting, 0) >= after_samples:
                self.struck = True
                try:
                    strike()
                except BaseException as error:
                    self.error = error

        batch.display.on_update = watch


def coordinator_handle() -> Any:
    """The live coordinator, found as Ray's state knows it (the driver keeps its handle to itself)."""
    import jobs.solve.driver

    return jobs.solve.driver.current_coordinator()
