"""Share of tokens that an engine computes twice, by how the number of running samples is bounded.

    python -m benchmarks.kv_room [--sequences 1024] [--samples 8000]

A simulation of one replica: log-normal lengths, a cache of the size that an H100 or an H200 leaves beside a 3B model,
and vLLM's preemption (the youngest running sample gives its memory up and is computed anew later). The bound that the
generator uses stands beside the peers: none (all is left to vLLM) and the mean length alone (what the generator did
before). `watermark` is the share of the cache that vLLM keeps free when it admits a sample.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import deque
from collections.abc import Callable

import numpy as np

from workers.scheduling.kv_room import KvRoom

CACHE_TOKENS = {"H100": 1_800_000, "H200": 3_434_000}
"""Tokens of KV cache beside VibeThinker-3B's weights at 36 KiB per token (cluster.plan)."""
LONGEST = 40_960
SIGMA = 0.9
"""Spread of the logarithm of lengths, as reasoning models show it on mixed problems."""
OLD_FIRST_TOKENS = 256
OLD_MEAN_WEIGHT = 0.02


@dataclasses.dataclass
class Outcome:
    """What one simulated replica did."""

    useful: int = 0
    recomputed: int = 0
    steps: int = 0

    @property
    def recomputed_share(self) -> float:
        return self.recomputed / max(1, self.useful + self.recomputed)


class MeanOnly:
    """The bound that the generator used before. It divides the capacity by the mean length of finished samples, and
    begins with a small guess of that mean."""

    def __init__(self, capacity: int, max_tokens: int) -> None:
        self.capacity, self.mean = capacity, float(OLD_FIRST_TOKENS)

    def add(self, tokens: int) -> None:
        self.mean += OLD_MEAN_WEIGHT * (tokens - self.mean)

    def limit(self) -> int | None:
        return int(self.capacity / self.mean)


class NoBound(MeanOnly):
    def limit(self) -> int | None:
        return None


def lengths(mean: float, count: int, seed: int, longest: int = LONGEST) -> np.ndarray:
    """Seeded log-normal lengths with the given mean, cut off at `longest`."""
    draws = np.random.default_rng(seed).lognormal(np.log(mean) - SIGMA**2 / 2, SIGMA, count)
    return np.clip(draws, 16, longest).astype(np.int64)


def simulate(
    bound: Callable[[int, int], KvRoom | MeanOnly],
    wanted: np.ndarray,
    capacity: int,
    sequences: int,
    watermark: float = 0.0,
    longest: int = LONGEST,
) -> Outcome:
    """One replica that always has a next sample, until all of `wanted` are drawn. A step adds one token to each running
    sample."""
    room, done = bound(capacity, longest), Outcome()
    queue = deque(range(len(wanted)))
    preempted: deque[tuple[int, int]] = deque()
    running = np.zeros(0, dtype=np.int64)  # index of each running sample, oldest first
    held = np.zeros(0, dtype=np.int64)  # tokens that it holds
    while queue or preempted or len(running):
        limit = room.limit()
        most = sequences if limit is None else min(sequences, limit)
        used = int(held.sum())
        # What was preempted comes first, and takes its memory at once.
        while preempted and len(running) < sequences and used + preempted[0][1] < (1 - watermark) * capacity:
            index, tokens = preempted.popleft()
            running, held = np.append(running, index), np.append(held, tokens)
            used += tokens
            done.recomputed += tokens
        if not preempted:
            admitted = [queue.popleft() for _ in range(min(len(queue), max(0, most - len(running))))]
            running = np.append(running, np.array(admitted, dtype=np.int64))
            held = np.append(held, np.zeros(len(admitted), dtype=np.int64))
        # As many steps at once as nothing can change in.
        left = wanted[running] - held
        stride = int(max(1, min(left.min(), (capacity - held.sum()) // len(running))))
        held = held + stride
        done.useful += stride * len(running)
        done.steps += stride
        ended = held >= wanted[running]
        for tokens in held[ended]:
            room.add(int(tokens))
        running, held = running[~ended], held[~ended]
        while held.sum() > capacity and len(running) > 1:
            preempted.appendleft((int(running[-1]), int(held[-1])))
            running, held = running[:-1], held[:-1]
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=1024)
    parser.add_argument("--samples", type=int, default=8000)
    parser.add_argument("--watermark", type=float, default=0.05)
    args = parser.parse_args()
    for gpu, capacity in CACHE_TOKENS.items():
        for mean in (500, 4000, 12_000):
            wanted = lengths(mean, args.samples, seed=1)
            shares = {
                name: simulate(bound, wanted, capacity, args.sequences, args.watermark)
                for name, bound in (("ours", KvRoom), ("mean only", MeanOnly), ("no bound", NoBound))
            }
            row = {name: [round(found.recomputed_share, 4), found.steps] for name, found in shares.items()}
            print(json.dumps({"gpu": gpu, "mean_tokens": mean, "recomputed_share_and_steps": row}), flush=True)


if __name__ == "__main__":
    main()
