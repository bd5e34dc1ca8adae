"""A ledger with shorthand for what its workers would answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runstore.batches import pack_verdicts, unpack_verdicts
from verifiers.types import Limits, Status, Verdict
from workers.messages import Checked, Finished, SampleTask
from workers.sampling.budget import Budget, Reserve
from workers.sampling.policy import Policy
from workers.sampling.registry import make_policy
from workers.scheduling.ledger import Ledger
from workers.scheduling.routes import Route, RouteStage
from workers.scheduling.sample_state import LedgerSettings, ProblemEntry


def verdict(status: str) -> Verdict:
    return Verdict(Status(status), status, {"got": 1}, "test", "1", 0.01, Limits())


STEPS = (
    *("feed", "spend_out", "lose_pool", "next_tasks", "assign", "finished", "next_checks", "checked", "cut", "durable"),
    *("not_written", "batch_gone", "lost_generator", "lost_verifier"),
)


class ValidatedLedger(Ledger):
    """Checks after every step what is always true of a ledger."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in STEPS:
            return found

        def step(*args: Any, **kwargs: Any) -> Any:
            result = found(*args, **kwargs)
            self.validate()
            return result

        return step


def route_of(policies: Sequence[Policy], repair_rounds: int = 0) -> Route:
    """A route through one stage per policy, each with a pool of its own."""
    stages: list[RouteStage] = []
    for index, policy in enumerate(policies):
        start = stages[-1].stop if stages else 0
        stages.append(RouteStage(policy, Reserve(10), index, f"pool{index}", index, start, repair_rounds))
    return Route(stages)


class Bench:
    """A ledger and shorthand for what its workers would answer."""

    def __init__(
        self,
        num_problems: int = 3,
        durable: Any = None,
        budget: Any = None,
        stages: Sequence[dict[str, Any]] = (),
        audit: float = 0.0,
        keyless: bool = False,
        **sampling: Any,
    ) -> None:
        """`stages`: those of the cascade that every problem takes, each with a pool of its own; none: one stage.
        `keyless`: the problems have no answer key."""
        repair = sampling.pop("repair_rounds", 0)
        tables = [{"policy": "fixed", "num_samples": 4, **sampling, **stage} for stage in stages or ({},)]
        settings = LedgerSettings(
            run_seed=0,
            max_tokens=10,
            audit=audit,
            repair_rounds=repair,
            repair_kinds=frozenset({"math"}),
            check_attempts=2,
            max_unchecked=sampling.pop("max_unchecked", 1000),
            short_prompt=sampling.pop("short_prompt", 0),
        )
        self.policies = [make_policy(table) for table in tables]
        self.route = route_of(self.policies, repair_rounds=repair)
        self.ledger: Ledger = ValidatedLedger(settings, [self.route], budget or Budget(), durable)
        self.ledger.feed(0, [ProblemEntry(f"p{i}", "math", "d", 0, keyless) for i in range(num_problems)])
        self.written: list[tuple[str, int, str | None]] = []

    def draw(self, room: int = 100, worker: int = 1, pool: int = 0) -> list[SampleTask]:
        return self.ledger.next_tasks(room, worker, pool=pool)

    def finish(self, tasks: list[SampleTask], worker: int = 1, aborted: bool = False, batch: str = "b") -> None:
        rows = [Finished(task.key, task.attempt, aborted, "", 5, 7, 0.1, 100, 0) for task in tasks]
        self.ledger.finished(worker, rows, batch)

    def take_checks(self, worker: int = 50, room: int = 1000, idle: bool = True) -> list[Any]:
        items, _ = self.ledger.next_checks(worker, 1, room, 1e9, idle)
        return [key for item in items for key, _ in item.rows]

    def check(self, keys: list[Any], status: str = "refuted", worker: int = 50) -> list[Any]:
        rows = [Checked(key, Status(status), 0.01, row) for row, key in enumerate(keys)]
        return self.ledger.checked(worker, rows, pack_verdicts([verdict(status) for _ in keys]))

    def write(self) -> int:
        samples = self.ledger.cut(1000, 1 << 30)
        for sample in samples:
            status = unpack_verdicts(sample.verdict[0])[sample.verdict[1]][0] if sample.verdict else None
            assert status == (str(sample.status) if sample.status else None)
            self.written.append((sample.problem.id, sample.key[1], status))
        self.ledger.durable(samples, "part")
        return len(samples)
