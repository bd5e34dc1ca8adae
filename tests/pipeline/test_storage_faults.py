"""A whole run onto an S3 server behind a proxy that breaks requests: what lands is right all the same."""

from __future__ import annotations

import collections
import random
from typing import Any

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


def test_a_run_through_a_bad_network(ray_here: None, proxy: Any, s3: str, tmp_path: Any) -> None:
    from batches import Batch

    dice = random.Random(5)
    # Every third PUT of parts, claims and heartbeats fails in one of these ways; "lost" took effect all the same.
    proxy.faults = [
        dice.choice(["500", "reset", "lost", "slow", "503", "expired", "", "", "", "", ""]) for _ in range(200)
    ]
    proxy.faults[:2] = ["", ""]
    batch = Batch(tmp_path, [{"answer": str(i), "p": 0.5, "tokens": 20, "token_s": 0.01} for i in range(40)], uri=s3)
    outcome = batch.run(flush_s=0.1)
    assert outcome.summary and outcome.summary["complete"], outcome.error
    counts = collections.Counter((row["problem_id"], row["sample_index"]) for row in batch.rows())
    assert counts == {(f"p{i:04d}", j): 1 for i in range(40) for j in range(8)}
    assert {"PUT lost", "PUT reset"} <= set(proxy.seen)
