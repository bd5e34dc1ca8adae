"""Which sample is drawn next, and by which replica: what was queued first, then what the policy ranks highest.

An engine keeps the KV blocks of a prompt for a while, and a further sample of the same problem need not compute them
again. Where prompts are long against outputs (a repair round quotes a whole attempt, a Lean problem its context) that
decides the cost of a sample. So the samples of one problem prefer the replica that drew the one before, and a repair
round prefers the replica of its parent: while others ask, they are kept for that replica.

Promises: it is a preference and no pin. A replica that asks gets as many samples as without it, since what is kept for
others is handed out before anything stands idle. For one replica at most KEPT_SHARE of its room is kept, and nothing
for longer than WAIT_SHARE of the time of a sample. What was kept for a replica that dies, is retired, gives its GPUs
back or no longer asks is for all. A sample beside which a replica stood still prefers none, and no other follows it.
Does not: change which samples of a problem are drawn, their seeds, or how often; know rooms or loads (the dispatcher).
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from workers.sampling.priority_queue import PriorityQueue
from workers.sampling.problem_state import ProblemState
from workers.sampling.widening import widened
from workers.scheduling.routes import RouteStage
from workers.scheduling.sample_state import LedgerSettings, OpenProblem, SampleState, Totals
from workers.scheduling.task_queue import TaskQueue

WAIT_SHARE = 0.5
"""Longest time that a sample is kept for a replica, as a share of the mean time of a sample. A wave becomes longer by
that much at most."""

LOOK = 128
"""The most problems that are passed over when one replica asks. Each costs the coordinator a microsecond or two."""


class DrawQueue:
    """Owned by the ledger, which shares its counts and problems, and says what still waits and opens samples."""

    def __init__(
        self,
        stages: Sequence[RouteStage],
        totals: Totals,
        settings: LedgerSettings,
        problems: Mapping[int, OpenProblem],
        waits: Callable[[SampleState], bool],
        open_sample: Callable[[ProblemState, int], SampleState],
    ) -> None:
        # What was begun goes on before something new is begun: later stages come first.
        ordered = sorted(stages, key=lambda stage: -stage.index)
        self._priorities = {stage: PriorityQueue(stage.policy) for stage in ordered}
        self._totals = totals
        self._settings = settings
        self._problems = problems
        self._waits = waits
        self._open = open_sample
        self._tasks = TaskQueue()
        self._now = 0.0
        """The latest time that a caller of `take` has passed in."""

    def __len__(self) -> int:
        """Number of problems and samples that may want to be drawn now, dead entries included."""
        return sum(map(len, self._priorities.values())) + len(self._tasks)

    def __iter__(self) -> Iterator[SampleState]:
        """The samples that wait."""
        return filter(self._waits, self._tasks)

    def __contains__(self, sample: object) -> bool:
        return sample in self._tasks

    def wants(self) -> bool:
        return any(queue.wants() for queue in self._priorities.values()) or any(map(self._waits, self._tasks))

    def prefers(self) -> bool:
        """Whether prompts are long enough against outputs for samples to prefer a replica."""
        totals, settings = self._totals, self._settings
        is_short = totals.prompt_tokens <= settings.short_prompt * (totals.samples + totals.aborted)
        return not is_short and totals.prompt_tokens > settings.prompt_share * totals.completion_tokens

    def push(self, problem: OpenProblem) -> None:
        """Queues a problem that may want samples of its stage."""
        self._priorities[problem.at].push(problem.state)

    def append(self, sample: SampleState) -> None:
        """Queues a sample that is open already."""
        if not (self.prefers() and self._tasks.keep(sample, sample.home(), self._now)):
            self._tasks.append(sample)

    def forget(self, replica: int) -> None:
        """The replica is gone."""
        self._tasks.forget(replica)

    def take(self, room: int, replica: int, capacity: int, now: float, max_suspects: int) -> list[SampleState]:
        """Up to `room` samples, suspects first, for one replica, which runs `capacity` at once. `replica` -1: for
        several, from which nothing is kept back."""
        self._now = now
        if replica >= 0:
            self._tasks.meet(replica, capacity, now)
        found: list[SampleState] = []
        kept_before = now - self._longest_wait_s()
        while (
            len(found) < room
            and (sample := self._tasks.take(len(found) < max_suspects, replica, kept_before)) is not None
        ):
            if self._waits(sample):
                found.append(sample)
        if replica >= 0 and self.prefers():
            found += self._begin_at(replica, room - len(found))
        while len(found) < room and (sample := self._tasks.take_kept()) is not None:
            if self._waits(sample):
                found.append(sample)
        return found + [self._open(*issued) for issued in self._issue(room - len(found))]

    def take_spare(self, problems: Collection[OpenProblem], room: int) -> list[SampleState]:
        """Up to `room` samples beyond what the policies want now (see workers.sampling.widening)."""
        spare: list[SampleState] = []
        for stage in self._priorities:
            states = (problem.state for problem in problems if problem.at is stage)
            spare += [self._open(*issued) for issued in widened(stage.policy, states, room - len(spare))]
        return spare

    def _issue(
        self, room: int, limit: Callable[[ProblemState, int], int] | None = None
    ) -> list[tuple[ProblemState, int]]:
        issued: list[tuple[ProblemState, int]] = []
        for queue in self._priorities.values():
            issued += queue.take(room - len(issued), limit)
        return issued

    def _begin_at(self, replica: int, room: int) -> list[SampleState]:
        """Up to `room` new samples that may be drawn by this replica, in order of priority. Those that prefer another
        one are kept for it. Problems whose replica has enough waiting already are passed over, LOOK at most."""
        begun: list[SampleState] = []
        promised: collections.Counter[int] = collections.Counter()
        passes = 0

        def limit(state: ProblemState, wanted: int) -> int:
            nonlocal passes
            home = self._problems[state.number].replica
            others = None if home == replica else self._tasks.room_for(home)
            if others is None or passes >= LOOK:
                return wanted
            granted = max(0, min(wanted, others - promised[home]))
            promised[home] += granted
            passes += not granted
            return granted

        while len(begun) < room and (issued := self._issue(room - len(begun), limit)):
            promised.clear()
            for state, index in issued:
                sample = self._open(state, index)
                home = sample.home()
                if home != replica and self._tasks.keep(sample, home, self._now):
                    continue
                begun.append(sample)
                sample.problem.replica = replica
        return begun

    def _longest_wait_s(self) -> float:
        totals = self._totals
        return WAIT_SHARE * totals.generation_s / max(1, totals.samples + totals.aborted)
