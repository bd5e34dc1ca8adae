"""Samples per second through coordinator, one trivial verifier and one writer, from 1 to 64 stand-in replicas; memory
per open problem. Everything but the engine and the checker is the real thing.

    python -m benchmarks.coordinator --replicas 1 4 16 64
"""

from __future__ import annotations

import argparse

from benchmarks.stand_in import rows, run_stand_in
from cluster.connect import connect


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--problems", type=int, default=5000)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--verifiers", type=int, default=1)
    args = parser.parse_args()
    with connect("", num_cpus=64):
        rows(run_stand_in(args.problems, args.samples, count, args.verifiers) for count in args.replicas)


if __name__ == "__main__":
    main()
