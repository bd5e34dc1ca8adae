"""GPU-hours of a run under `until_verified` or `adaptive`, with and without samples beyond a wave while engines stand
idle, and with the problems in the order of their lengths on an earlier night. A simulation: real are the policy, its
priority queue, `workers.sampling.widening` and the nightly's `longest_first`; made up are the problems (a share that no
sample solves, else a Beta pass rate), the lengths (log-normal; those of wrong answers are longer) and the engines (time
of a step by batch and KV bytes, for a 3B model on an H200).

The floor is what the samples up to each problem's settling index take in full batches: no waste, no drain. What a plan
can reach that does not know lengths beforehand is `foreknown`: the same fleet draws these samples and no others, in a
random order. What lies between the two is the drain.

    python -m benchmarks.tail --problems 4000 20000
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from jobs.nightly.history import Outcome
from jobs.nightly.selection import Past, longest_first
from workers.coordinator.dispatcher import IDLE_SHARE
from workers.sampling.policy import Policy
from workers.sampling.priority_queue import PriorityQueue
from workers.sampling.problem_state import ProblemState, SampleOutcome
from workers.sampling.registry import make_policy
from workers.sampling.until_verified import UntilVerified
from workers.sampling.widening import widened

UNSOLVABLE = 0.12
"""Share of problems that no sample solves."""
PASS_RATE = (0.9, 1.1)
"""Beta distribution of the other problems' pass rates."""
MEAN_TOKENS, SIGMA, MAX_TOKENS = 12_000.0, 0.9, 40_960
WRONG_FACTOR = 1.8
"""How much longer samples are on average that are wrong."""
TICK_S = 2.0
"""Step of the simulation in seconds."""
KV_BYTES = 36 << 10
"""KV cache per token."""


@dataclasses.dataclass
class Fleet:
    """Engines with samples under way; one array entry per slot."""

    replicas: int
    slots: int

    def __post_init__(self) -> None:
        shape = (self.replicas, self.slots)
        self.left = np.zeros(shape)
        """Tokens that a sample still needs; 0 = the slot is empty."""
        self.made = np.zeros(shape)
        self.sample = np.full(shape, -1)
        """Number of the sample in `work`."""
        self.work: list[tuple[ProblemState, int, int]] = []
        """(problem, index, tokens) of every sample begun."""
        self.tokens = 0.0

    def idle(self) -> int:
        return int((self.sample < 0).sum())

    def begin(self, samples: list[tuple[ProblemState, int, int]]) -> None:
        """Puts samples into the emptiest engines, as the dispatcher does where work is scarce."""
        if not samples:
            return
        load = (self.sample >= 0).sum(axis=1)
        order = np.argsort(load + np.arange(self.slots)[:, None], axis=None, kind="stable")
        rows = order % self.replicas
        free = {row: list(np.flatnonzero(self.sample[row] < 0)) for row in range(self.replicas)}
        places = iter(row for row in [*rows, *rows] if free[row])
        for state, index, tokens in samples:
            row = next(row for row in places if free[row])
            place = free[row].pop()
            self.sample[row, place], self.left[row, place], self.made[row, place] = len(self.work), tokens, 0
            self.work.append((state, index, tokens))

    def advance(self, seconds: float) -> list[tuple[ProblemState, int, int]]:
        """Draws for `seconds`; returns the samples that ended."""
        running = self.sample >= 0
        batch = running.sum(axis=1)
        held = (self.made * running).sum(axis=1) * KV_BYTES
        step_s = np.maximum(1.6e-3, 12.5e-6 * batch) + held / 3.8e12 + 1.5e-3 + 2e-6 * batch
        made = np.where(batch > 0, seconds / step_s, 0.0)[:, None] * running
        self.tokens += float(np.minimum(made, self.left)[running].sum())
        self.left -= made
        self.made += made
        ended = running & (self.left <= 0)
        numbers = self.sample[ended].tolist()
        self.sample[ended] = -1
        return [self.work[number] for number in numbers]

    def abort(self, keys: set[tuple[int, int]]) -> None:
        """Frees the slots of these samples, (problem, index)."""
        for row, place in zip(*np.nonzero(self.sample >= 0), strict=True):
            state, index, _ = self.work[self.sample[row, place]]
            if (state.number, index) in keys:
                self.sample[row, place] = -1


class Problems:
    """What each sample of each problem would be: it depends on problem and index alone, not on what is drawn."""

    def __init__(self, count: int, seed: int) -> None:
        rng = random.Random(seed)
        self.seed = seed
        self.rates = [0.0 if rng.random() < UNSOLVABLE else rng.betavariate(*PASS_RATE) for _ in range(count)]
        self.order = list(range(count))
        """Place in the run → number of the problem."""

    def sample(self, number: int, index: int) -> tuple[SampleOutcome, int]:
        """(outcome, tokens) of a sample of the problem at this place."""
        number = self.order[number]
        rng = random.Random(f"{self.seed} {number} {index}")
        is_right = rng.random() < self.rates[number]
        mean = MEAN_TOKENS * (1.0 if is_right else WRONG_FACTOR)
        tokens = min(MAX_TOKENS, max(1, int(rng.lognormvariate(math.log(mean) - SIGMA**2 / 2, SIGMA))))
        outcome = SampleOutcome.VERIFIED if is_right and tokens < MAX_TOKENS else SampleOutcome.REFUTED
        return outcome, tokens

    def put_longest_first(self, samples: int, wave: int) -> None:
        """Orders the problems by what an earlier night saw, which drew other samples of them."""
        past = {}
        earlier = Problems(0, self.seed + 1000)
        earlier.rates, earlier.order = self.rates, self.order
        for number in self.order:
            drawn: list[tuple[SampleOutcome, int]] = []
            while len(drawn) < samples and not any(outcome is SampleOutcome.VERIFIED for outcome, _ in drawn):
                drawn += (earlier.sample(number, len(drawn) + place) for place in range(wave))
            verified = sum(outcome is SampleOutcome.VERIFIED for outcome, _ in drawn)
            outcome = Outcome(len(drawn), verified, 0, 0, 0, sum(tokens for _, tokens in drawn), 0.0, False)
            past[str(number)] = Past(((dt.date.min, outcome),))
        self.order = [int(name) for name in longest_first(past, past)]

    def floor_hours(self, samples: int, slots: int) -> float:
        """GPU-hours of the samples that no plan can do without, in full batches."""
        seconds = 0.0
        for _, _, tokens in self.needed(samples):
            seconds += tokens * (12.5e-6 + 2e-6 + 1.5e-3 / slots) + tokens**2 / 2 * KV_BYTES / 3.8e12
        return seconds / 3600

    def needed(self, samples: int) -> Iterator[tuple[int, int, int]]:
        """(place, index, tokens) of every sample up to its problem's settling index."""
        for place in range(len(self.order)):
            for index in range(samples):
                outcome, tokens = self.sample(place, index)
                yield place, index, tokens
                if outcome is SampleOutcome.VERIFIED:
                    break


def foreknown_hours(problems: Problems, samples: int, replicas: int, slots: int) -> float:
    """GPU-hours of a fleet that is told which samples are needed, but not how long they are."""
    fleet = Fleet(replicas, slots)
    plan = UntilVerified(samples, wave=1)
    states = [plan.open(number, "") for number in range(len(problems.order))]
    waiting = [(states[place], index, tokens) for place, index, tokens in problems.needed(samples)]
    random.Random(problems.seed).shuffle(waiting)
    now = 0.0
    while waiting or fleet.idle() < replicas * slots:
        fleet.begin([waiting.pop() for _ in range(min(fleet.idle(), len(waiting)))])
        fleet.advance(TICK_S)
        now += TICK_S
    return now / 3600 * replicas


def simulate(policy: Policy, problems: Problems, replicas: int, slots: int, widen: bool) -> dict[str, Any]:
    fleet, queue = Fleet(replicas, slots), PriorityQueue(policy)
    states = [policy.open(number, "") for number in range(len(problems.rates))]
    for state in states:
        queue.push(state)
    open_now = dict(enumerate(states))
    now = half_empty_s = 0.0
    while open_now:
        idle = fleet.idle()
        issued = queue.take(idle)
        if widen and idle - len(issued) > IDLE_SHARE * replicas * slots:
            issued += widened(policy, open_now.values(), idle - len(issued))
        fleet.begin([(state, index, problems.sample(state.number, index)[1]) for state, index in issued])
        half_empty_s += TICK_S * (fleet.idle() > replicas * slots / 2)
        now += TICK_S
        superfluous: set[tuple[int, int]] = set()
        for state, index, tokens in fleet.advance(TICK_S):
            if state.number not in open_now:
                continue
            policy.observe(state, index, problems.sample(state.number, index)[0], tokens)
            if policy.settle(state):
                del open_now[state.number]
            else:
                queue.push(state)
            superfluous |= {(state.number, other) for other in policy.abortable(state)}
        if superfluous:
            fleet.abort(superfluous)
            for number, index in superfluous:
                policy.observe(states[number], index, SampleOutcome.ABORTED)
    first = [problems.sample(state.number, 0)[0] is SampleOutcome.VERIFIED for state in states]
    return {
        "problems": len(states),
        "policy": policy.name,
        "widened": widen,
        "hours": round(now / 3600, 2),
        "half_empty_hours": round(half_empty_s / 3600, 2),
        "gpu_hours": round(now / 3600 * replicas, 1),
        "tokens_millions": round(fleet.tokens / 1e6),
        "solved": sum(state.solved for state in states),
        "settled_at": sum(state.settled_at_index for state in states),
        "first_try": sum(first),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, nargs="+", default=[4000, 20_000])
    parser.add_argument("--replicas", type=int, default=64)
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--wave", type=int, default=4)
    parser.add_argument("--policies", nargs="+", default=["until_verified"])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for count in args.problems:
        for name in args.policies:
            problems, hours = Problems(count, args.seed), []
            for widen, sort in ((False, False), (True, False), (True, True)):
                if sort:
                    problems.put_longest_first(args.samples, args.wave)
                policy = make_policy({"policy": name, "num_samples": args.samples, "wave": args.wave})
                figures = simulate(policy, problems, args.replicas, args.slots, widen)
                hours.append(figures["gpu_hours"])
                print(json.dumps({**figures, "longest_first": sort}), flush=True)
            shares = ", ".join(f"{hour / max(hours[0], 1e-9):.3f}" for hour in hours[1:])
            floor = problems.floor_hours(args.samples, args.slots) / max(hours[0], 1e-9)
            known = foreknown_hours(problems, args.samples, args.replicas, args.slots) / max(hours[0], 1e-9)
            print(
                f"{count} problems, {name}: {shares} of the GPU-hours; foreknown {known:.3f}, the floor {floor:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
