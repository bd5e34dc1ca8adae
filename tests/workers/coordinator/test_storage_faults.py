"""A whole run onto an S3 server behind a proxy that breaks requests: what lands is right all the same."""

from __future__ import annotations

import collections
import random
from typing import Any

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


def test_a_run_through_a_bad_network(proxy: Any, s3: str, tmp_path: Any) -> None:
    import ray
    import stand_ins
    from batches import Batch

    from cluster.connect import connect

    ray.cloudpickle.register_pickle_by_value(stand_ins)
    dice = random.Random(5)
    # Every third PUT of parts, claims and heartbeats fails in one of these ways; "lost" took effect all the same.
    proxy.faults = [
        dice.choice(["500", "reset", "lost", "slow", "503", "expired", "", "", "", "", ""]) for _ in range(200)
    ]
    proxy.faults[:2] = ["", ""]
    batch = Batch(tmp_path, [{"answer": str(i), "p": 0.5, "tokens": 20, "token_s": 0.04} for i in range(40)], uri=s3)
    with connect("", num_cpus=8):  # begun after the credentials are in the environment, which the workers inherit
        outcome = batch.run(flush_s=0.1)
    ray.cloudpickle.unregister_pickle_by_value(stand_ins)
    assert outcome.summary and outcome.summary["complete"], outcome.error
    counts = collections.Counter((row["problem_id"], row["sample_index"]) for row in batch.rows())
    assert counts == {(f"p{i:04d}", j): 1 for i in range(40) for j in range(8)}
    assert {"PUT lost", "PUT reset"} <= set(proxy.seen)
