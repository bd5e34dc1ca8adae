"""Samples per second and bytes per open problem of the sampling policies alone (no Ray, no engine), one core.

    python benchmarks/policies.py [--problems 20000]

Every sample is issued by the queue, answered in random order among 4,096 in flight, observed and settled. The peer is
`fixed`: what the others cost beyond it is the price of ranking and settling.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
import tracemalloc

from workers.sampling.priority_queue import PriorityQueue
from workers.sampling.problem_state import SampleOutcome
from workers.sampling.registry import make_policy

IN_FLIGHT = 4096


def run(name: str, num_problems: int) -> tuple[float, int]:
    """Samples per second and samples of one run."""
    rng = random.Random(0)
    policy = make_policy({"policy": name, "num_samples": 16, "wave": 4, "num_verified": 1})
    queue = PriorityQueue(policy)
    rates = [rng.betavariate(0.5, 0.7) for _ in range(num_problems)]
    flying: list = []
    samples = 0
    started = time.perf_counter()
    for number in range(num_problems):
        queue.push(policy.open(number, f"domain {number % 12}"))
    while True:
        flying += queue.take(IN_FLIGHT - len(flying))
        if not flying:
            return samples / (time.perf_counter() - started), samples
        for _ in range(min(256, len(flying))):
            position = rng.randrange(len(flying))
            flying[position], flying[-1] = flying[-1], flying[position]
            state, index = flying.pop()
            if state.outcome(index):
                continue
            samples += 1
            right = rng.random() < rates[state.number]
            policy.observe(
                state, index, SampleOutcome.VERIFIED if right else SampleOutcome.REFUTED, tokens=rng.randint(50, 500)
            )
            if not policy.settle(state):
                queue.push(state)
            for doomed in policy.abortable(state):
                policy.observe(state, doomed, SampleOutcome.ABORTED)


def bytes_per_problem(name: str, num_problems: int = 5000) -> float:
    policy = make_policy({"policy": name, "num_samples": 16, "wave": 16, "num_verified": 2})
    queue = PriorityQueue(policy)
    tracemalloc.start()
    states = []
    for number in range(num_problems):
        states.append(policy.open(number + 100_000, "domain"))
        queue.push(states[-1])
    queue.take(8 * num_problems)
    for state in states:
        for index in range(state.next_index):
            policy.observe(state, index, SampleOutcome.REFUTED, tokens=20_000)
        queue.push(state)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used / num_problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    names = ("fixed", "until_verified", "adaptive")
    speeds: dict[str, list[float]] = {name: [] for name in names}
    drawn = {}
    for _ in range(arguments.rounds):
        for name in names:
            speed, drawn[name] = run(name, arguments.problems)
            speeds[name].append(speed)
    for name in names:
        median = statistics.median(speeds[name])
        print(
            f"{name:15} {median:10,.0f} samples/s  {drawn[name]:9,} samples  {bytes_per_problem(name):5.0f} B/problem"
        )


if __name__ == "__main__":
    main()
