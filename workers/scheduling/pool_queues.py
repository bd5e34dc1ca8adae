"""What each pool has to draw, and what it has drawn so far. Pure."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence

from runstore.durable import DurableRow
from verifiers.types import Status
from workers.messages import Finished
from workers.sampling.budget import Budget
from workers.scheduling.draw_queue import DrawQueue
from workers.scheduling.routes import Route, RouteStage
from workers.scheduling.sample_state import LedgerSettings, OpenProblem, SampleState, Totals


class PoolQueues(Mapping[int, DrawQueue]):
    """The queue of every pool that a route leads to, by the pool's index. Owned by the ledger."""

    def __init__(
        self,
        routes: Sequence[Route],
        totals: Totals,
        settings: LedgerSettings,
        problems: Mapping[int, OpenProblem],
        waits: Callable[[SampleState], bool],
        open_sample: Callable[[OpenProblem, int, int], SampleState],
    ) -> None:
        stages: dict[int, list[RouteStage]] = collections.defaultdict(list)
        for stage in (stage for route in routes for stage in route.stages):
            stages[stage.pool].append(stage)
        self._all = totals
        self.totals = {pool: Totals() if len(stages) > 1 else totals for pool in stages}
        """The counts of each pool's samples; those of problems stay zero where there are several pools."""
        self.most = {pool: stages[pool][0].most for pool in stages}
        """The most that a sample of each pool may use of the budget."""
        self._prices = settings.prices
        self.open = dict.fromkeys(stages, 0)
        """Number of open problems whose stage each pool draws."""
        self.lost: dict[int, str] = {}
        """Pools that are lost for good, and why."""
        self._queues = {
            pool: DrawQueue(
                *(stages[pool], self.totals[pool], settings, problems, waits),
                lambda state, base: _open_next(problems[state.number], base, open_sample),
            )
            for pool in sorted(stages)
        }

    def __getitem__(self, pool: int) -> DrawQueue:
        return self._queues[pool]

    def __iter__(self) -> Iterator[int]:
        return iter(self._queues)

    def __len__(self) -> int:
        return len(self._queues)

    def __contains__(self, pool: object) -> bool:
        return pool in self._queues

    def waiting(self) -> list[SampleState]:
        """The samples that wait in all pools."""
        return [sample for queue in self._queues.values() for sample in queue]

    def wants(self, pool: int | None = None) -> bool:
        """Whether a pool would get something to draw; None: any of them."""
        return any(queue.wants() for each, queue in self._queues.items() if pool is None or each == pool)

    def stranded(self, budget: Budget) -> str:
        """The ceiling that leaves no room for any of the samples that are wanted, with nothing in flight; empty while
        there is none."""
        barred = [budget.stranded(self.most[pool]) for pool in self._queues if self.wants(pool)]
        return barred[0] if barred and all(barred) else ""

    def charge(self, budget: Budget, pool: int, rows: Sequence[Finished]) -> None:
        """Samples of a pool have ended: what was set aside for them is free, and what they used is charged. An answer
        that was cut off keeps in dollars what was set aside for it, since nothing says what the endpoint charges."""
        price, most = self._prices.get(pool), self.most[pool]
        prompt_tokens = tokens = paid_tokens = num_cut = 0
        for row in rows:
            drawn = row.completion_tokens + row.wasted_completion_tokens
            tokens += drawn
            if row.is_cut:
                num_cut += 1
                budget.lose(most)
            else:
                prompt_tokens += row.prompt_tokens + row.wasted_prompt_tokens
                paid_tokens += drawn
        budget.release(most, len(rows) - num_cut)
        budget.charge(tokens=tokens, usd=price.usd(prompt_tokens, paid_tokens) if price else 0.0)

    def push(self, problem: OpenProblem) -> None:
        """Queues a problem that may want samples of its stage."""
        self._queues[problem.at.pool].push(problem)

    def append(self, sample: SampleState) -> None:
        """Queues a sample that is open already."""
        self._queues[sample.at.pool].append(sample)

    def forget(self, replica: int) -> None:
        """The replica is gone."""
        for queue in self._queues.values():
            queue.forget(replica)

    def count(self, sample: SampleState, status: Status | None, verify_s: float) -> None:
        """Counts a row in the run and in its pool; `status` None: it was aborted."""
        row, kind = sample.finished, sample.problem.kind
        assert row is not None
        told = None if status is None else str(status)
        cost = row.prompt_tokens, row.completion_tokens, row.generation_s, verify_s
        self._all.count(kind, told, *cost)
        if (own := self.totals[sample.at.pool]) is not self._all:
            own.count(kind, told, *cost)

    def uncount(self, sample: SampleState) -> None:
        """Takes back the verdict of a sample that has to be drawn again."""
        self._all.uncount(sample.problem.kind, sample.status)
        if (own := self.totals[sample.at.pool]) is not self._all:
            own.uncount(sample.problem.kind, sample.status)

    def restore(self, kind: str, pool: int, row: DurableRow) -> None:
        """Counts a row that an earlier start of the run made durable."""
        self._all.restore(kind, row)
        if (own := self.totals[pool]) is not self._all:
            own.restore(kind, row)


def _open_next(
    problem: OpenProblem, base: int, open_sample: Callable[[OpenProblem, int, int], SampleState]
) -> SampleState:
    return open_sample(problem, problem.at.sample_index(base), base)
