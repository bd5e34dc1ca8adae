"""How many samples are drawn by a replica that has their problem's prompt in its prefix cache, and what the preference
costs in utilisation. A simulation: real are the dispatcher, the ledger and the policy; made up are the engines (a slot
is busy for the length of a sample; a replica reports four times per second) and the lengths (log-normal).

    python -m benchmarks.prompt_homes --replicas 64 --slots 256 --problems 4000 --samples 16
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import heapq
import itertools
import json
import math
import random
from types import SimpleNamespace
from typing import Any

from runstore.batches import pack_verdicts
from verifiers.types import Limits, Status, Verdict
from workers.coordinator.dispatcher import Dispatcher
from workers.coordinator.slots import GeneratorSlot
from workers.messages import Checked, Finished, SampleKey, SampleTask
from workers.sampling.budget import Budget, Reserve
from workers.sampling.registry import make_policy
from workers.scheduling.ledger import Ledger
from workers.scheduling.routes import Route, RouteStage
from workers.scheduling.sample_state import LedgerSettings, ProblemEntry

REPORT_S = 0.25
"""Seconds between two reports of a replica."""
LOOKAHEAD = 0.1
"""Share of a replica's slots that may wait inside the engine, as in workers.actors.generator."""
PROMPT_TOKENS, MEAN_TOKENS, SIGMA = 8000, 1000.0, 0.7
TOKEN_S = 0.02
CACHED_PROBLEMS = 8
"""Prompts that a replica's cache holds beside those of its running samples."""


@dataclasses.dataclass
class Replica:
    """A stand-in engine: which samples run, which wait, which prompts its cache has."""

    slots: int
    running: int = 0
    waiting: collections.deque[SampleTask] = dataclasses.field(default_factory=collections.deque)
    received: int = 0
    finished: list[SampleTask] = dataclasses.field(default_factory=list)
    prompts: collections.OrderedDict[tuple[int, int], None] = dataclasses.field(default_factory=collections.OrderedDict)
    """(problem, repair round's parent or -1), the least recently used first."""

    def has(self, task: SampleTask) -> bool:
        """Whether the cache has the task's prompt, which it has from now on."""
        prompt = (task.key[0], -1 if task.parent_index is None else task.parent_index)
        known = prompt in self.prompts or (prompt[0], -1) in self.prompts
        self.prompts[prompt] = None
        self.prompts.move_to_end(prompt)
        while len(self.prompts) > CACHED_PROBLEMS + self.slots:
            self.prompts.popitem(last=False)
        return known


class Simulation:
    """One run from its first sample to its last one."""

    def __init__(
        self,
        replicas: int,
        slots: int,
        problems: int,
        prefer: bool,
        repair_rounds: int = 0,
        seed: int = 1,
        **sampling: Any,
    ) -> None:
        self.dice = random.Random(seed)
        self.now = self.next_round = 0.0
        settings = LedgerSettings(
            run_seed=seed, max_tokens=100_000, repair_rounds=repair_rounds,
            repair_kinds=frozenset({"math"}), prompt_share=0.1 if prefer else math.inf,
        )  # fmt: skip
        self.rates = [0.0 if self.dice.random() < 0.2 else self.dice.betavariate(0.9, 1.1) for _ in range(problems)]
        stage = RouteStage(make_policy(sampling), Reserve(settings.max_tokens), repair_rounds=repair_rounds)
        self.ledger = Ledger(settings, [Route([stage])], Budget())
        self.ledger.feed(0, [ProblemEntry(f"p{number}", "math", "") for number in range(problems)])
        self.seats = [GeneratorSlot(index) for index in range(replicas)]
        self.engines = [Replica(slots) for _ in range(replicas)]
        self.workers = itertools.count()
        for seat in self.seats:
            seat.worker, seat.capacity, seat.ready, seat.credit = next(self.workers), slots, True, slots
        state: Any = SimpleNamespace(
            ledger=self.ledger, generators=self.seats, stopping=False, fed_all=True,
            settings=SimpleNamespace(pools=[SimpleNamespace(gpus_per_replica=1)]),
        )  # fmt: skip
        self.dispatcher = Dispatcher(state, None, lambda: self.now)  # type: ignore[arg-type]
        self.ends: list[tuple[float, int, int, SampleTask]] = []
        self.count = itertools.count()
        self.drawn: collections.Counter[SampleKey] = collections.Counter()
        self.hits = self.begun = 0
        self.busy_s = self.full_s = self.room_s = 0.0
        """Slot seconds: busy ones, busy ones while there was work for all, and all slots' meanwhile."""

    def run(self) -> dict[str, float]:
        while not self.ledger.is_done():
            if self.now >= self.next_round:
                self.next_round = self.now + self.dispatcher.pace_s()
                self.dispatcher.assign_in_rounds()
            for index, seat in enumerate(self.seats):
                if index % 4 == int(self.now / REPORT_S * 4 + 0.5) % 4:
                    self.report(index)
                    self.dispatcher.assign_to(seat)
                self.deliver(index)
            self.advance(REPORT_S / 4)
        return self.figures()

    def deliver(self, index: int) -> None:
        """Hands the tasks of a seat to its engine."""
        seat, engine = self.seats[index], self.engines[index]
        tasks, seat.tasks = seat.tasks, []
        engine.waiting += tasks
        engine.received += len(tasks)
        self.begin(index)

    def begin(self, index: int) -> None:
        engine = self.engines[index]
        while engine.waiting and engine.running < engine.slots:
            task = engine.waiting.popleft()
            self.hits += engine.has(task)
            self.begun += 1
            engine.running += 1
            length = random.Random(task.seed).lognormvariate(math.log(MEAN_TOKENS) - SIGMA**2 / 2, SIGMA)
            heapq.heappush(self.ends, (self.now + length * TOKEN_S, next(self.count), index, task))

    def advance(self, seconds: float) -> None:
        running = sum(engine.running for engine in self.engines)
        self.busy_s += running * seconds
        if self.ledger.queues.wants():
            self.full_s += running * seconds
            self.room_s += sum(engine.slots for engine in self.engines) * seconds
        self.now += seconds
        while self.ends and self.ends[0][0] <= self.now:
            _, _, index, task = heapq.heappop(self.ends)
            engine = self.engines[index]
            engine.running -= 1
            engine.finished.append(task)
            self.begin(index)

    def report(self, index: int) -> None:
        """Reports what a replica finished, has it checked and written at once, and tells its room."""
        seat, engine = self.seats[index], self.engines[index]
        tasks, engine.finished = engine.finished, []
        if tasks:
            batch = f"{seat.worker} {self.now}"
            length = int(MEAN_TOKENS)
            costs = PROMPT_TOKENS, length, length * TOKEN_S, 100, 0
            rows = [Finished(task.key, task.attempt, False, "", *costs) for task in tasks]
            if any(task.key == seat.suspect for task in tasks):
                seat.suspect = None
            self.ledger.finished(seat.worker, rows, batch, self.now)
            self.check()
        on_the_way = seat.num_assigned - engine.received
        free = engine.slots + max(1, int(engine.slots * LOOKAHEAD)) - engine.running - len(engine.waiting)
        seat.credit = max(0, free - on_the_way)
        seat.running = engine.running + len(engine.waiting) + on_the_way

    def check(self) -> None:
        items, _ = self.ledger.next_checks(-2, 1, 1 << 20, 1e9, True, self.now)
        keys = [key for item in items for key, _ in item.rows]
        for key in keys:
            right = random.Random(f"{key}").random() < self.rates[key[0]]
            status = Status.VERIFIED if right else Status.REFUTED
            verdicts = pack_verdicts([Verdict(status, "a coin", {}, "coin", "1", 0.0, Limits())])
            self.ledger.checked(-2, [Checked(key, status, 0.0, 0)], verdicts, self.now)
        rows = self.ledger.cut(1 << 20, 1 << 40, self.now)
        self.drawn.update(row.key for row in rows)
        self.ledger.durable(rows, "part")

    def lose(self, index: int, stalled: bool = False) -> None:
        """The replica dies, and another one takes its place at once."""
        seat, slots = self.seats[index], self.engines[index].slots
        self.ends = [entry for entry in self.ends if entry[2] != index]
        heapq.heapify(self.ends)
        self.ledger.lost_generator(seat.worker, stalled)
        seat.vacate()
        self.engines[index] = Replica(slots)
        seat.worker, seat.credit = next(self.workers), slots

    def figures(self) -> dict[str, float]:
        return {
            "samples": self.begun,
            "prompt_in_cache": round(self.hits / self.begun, 3),
            "busy_while_work_waits": round(self.full_s / self.room_s, 4),
            "seconds": round(self.now, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=64)
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--problems", type=int, default=4000)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--repair-rounds", type=int, default=0)
    parser.add_argument("--policies", nargs="+", default=["fixed", "until_verified", "adaptive"])
    args = parser.parse_args()
    for name in args.policies:
        for prefer in (False, True):
            table = {"policy": name, "num_samples": args.samples}
            run = Simulation(args.replicas, args.slots, args.problems, prefer, args.repair_rounds, **table)
            print(json.dumps({"policy": name, "prefer": prefer, **run.run()}), flush=True)


if __name__ == "__main__":
    main()
