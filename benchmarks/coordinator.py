"""Samples per second through coordinator, one trivial verifier and one writer, from 1 to 64 stand-in replicas, and
what a sample costs each kind of process. benchmarks/stand_in.py says what is a stand-in.

A replica ends at most 256 samples per second. One to sixteen replicas show how close to that the pipeline keeps them,
and 64 replicas (16,384) show what the pipeline itself can do.

    python -m benchmarks.coordinator --replicas 1 4 16 64
    python -m benchmarks.coordinator --replicas 64 --pools 2        every problem through a stage in each pool
    python -m benchmarks.coordinator --replicas 64 --text-chars 160000 --most-problems 3000     texts per second
"""

from __future__ import annotations

import argparse

from benchmarks.stand_in import CONCURRENCY, SECONDS, rows, run_stand_in
from cluster.connect import connect


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0, help="of samples for each replica, at its own rate")
    parser.add_argument("--most-problems", type=int, default=10_000)
    parser.add_argument("--verifiers", type=int, default=1)
    parser.add_argument("--pools", type=int, default=1, help="share the replicas and samples among so many pools")
    parser.add_argument(
        "--text-chars", type=int, default=0, help="longest of log-normal texts; 0 = 200 characters each"
    )
    args = parser.parse_args()
    rate = CONCURRENCY / SECONDS
    # Few processors: Ray starts an idle worker process for each.
    with connect("", num_cpus=4):
        for count in args.replicas:
            problems = min(args.most_problems, int(args.seconds * rate * count / args.samples))
            rows(iter([run_stand_in(problems, args.samples, count, args.verifiers, args.text_chars, args.pools)]))


if __name__ == "__main__":
    main()
