"""Memory of driver and coordinator from 1,000 to 100,000 problems, with a stand-in engine; and what one open problem
costs the coordinator (a run with a wide window against one with a narrow one).

    python -m benchmarks.memory --problems 1000 10000 100000
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from benchmarks.stand_in import rows, run_stand_in
from cluster.connect import connect

REPLICAS = 4
"""1,024 samples per second: the driver opens problems faster, so that a wide window fills."""


def measure(sizes: list[int]) -> Iterator[dict[str, Any]]:
    for size in sizes:
        yield run_stand_in(size, 1, REPLICAS)
    narrow = run_stand_in(20_000, 1, REPLICAS, window=500)
    wide = run_stand_in(20_000, 1, REPLICAS, window=20_000)
    kilobytes = (wide["coordinator_mb"] - narrow["coordinator_mb"]) * 1024
    opened = wide["most_open_problems"] - narrow["most_open_problems"]
    yield {"kb_per_open_problem": round(kilobytes / max(1, opened), 3), "narrow": narrow, "wide": wide}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, nargs="+", default=[1000, 10_000, 100_000])
    with connect("", num_cpus=4):
        rows(measure(parser.parse_args().problems))


if __name__ == "__main__":
    main()
