"""Rows per second and peak memory of `problems.parquet` and `report.html` over a made-up run on the local disk.

    python benchmarks/report.py [--rows 1000000]

The peer is DuckDB's plain GROUP BY over the same columns: counts only, no index order, no estimates, no texts.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from jobs.report.page import write_report
from jobs.report.problems_table import write_problems_table
from runstore.parts import append_part, encode_part
from runstore.schema import SAMPLE_SCHEMA
from runstore.storage import open_storage

PART_ROWS = 20_000
PER_PROBLEM = 16
RULE = json.dumps({"policy": "until_verified", "estimates": "unbiased", "num_samples": PER_PROBLEM, "num_verified": 2})


def write_run(uri: str, num_rows: int) -> None:
    """Rows of one problem lie scattered over all parts."""
    rng = np.random.default_rng(0)
    storage = open_storage(uri)
    order = rng.permutation(num_rows)
    for part, start in enumerate(range(0, num_rows, PART_ROWS)):
        rows = order[start : start + PART_ROWS]
        right = rng.random(len(rows)) < 0.15 + 0.8 * (rows // PER_PROBLEM % 97) / 97
        columns: dict[str, Any] = {field.name: constant(field, len(rows)) for field in SAMPLE_SCHEMA}
        columns["problem_id"] = pa.array([f"problem-{row // PER_PROBLEM:07d}" for row in rows])
        columns["sample_index"] = pa.array(rows % PER_PROBLEM, pa.int32())
        columns["domain"] = pa.array([f"domain {row // PER_PROBLEM % 12}" for row in rows])
        columns["stopping_rule"] = pa.array([RULE] * len(rows))
        columns["status"] = pa.array(np.where(right, "verified", "refuted").astype(object))
        columns["text"] = pa.array([f"Work of sample {row}. " * 20 for row in rows])
        columns["completion_tokens"] = pa.array(rng.integers(50, 900, len(rows)), pa.int32())
        table = pa.table([columns[field.name].cast(field.type) for field in SAMPLE_SCHEMA], schema=SAMPLE_SCHEMA)
        append_part(storage, "e0001-w00", part, encode_part(table))


def constant(field: pa.Field, count: int) -> pa.Array:
    if pa.types.is_string(field.type):
        return pa.array(["{}" if field.name in ("meta", "reference", "evidence") else field.name] * count)
    if pa.types.is_timestamp(field.type):
        return pa.array(np.zeros(count, "datetime64[us]")).cast(field.type)
    return pa.array(np.full(count, 1)).cast(field.type)


def count_with_duckdb(uri: str) -> None:
    query = (
        "select problem_id, status, count(*), sum(completion_tokens), sum(verify_s) "
        f"from read_parquet('{uri}/samples/*.parquet') group by all"
    )
    duckdb.sql(query).fetchall()


def timed(name: str, num_rows: int, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    work()
    elapsed = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:18} {elapsed:7.1f} s {num_rows / elapsed:12,.0f} rows/s   peak so far {peak:,.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--bucket-rows", type=int, default=250_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="proofmill-bench-") as uri:
        write_run(uri, arguments.rows)
        rows = arguments.rows
        timed("written", rows, lambda: None)
        timed("problems, spilled", rows, lambda: write_problems_table(uri, bucket_rows=arguments.bucket_rows))
        timed("problems", rows, lambda: write_problems_table(uri))
        timed("report", rows, lambda: write_report(uri))
        timed("duckdb group by", rows, lambda: count_with_duckdb(uri))


if __name__ == "__main__":
    main()
