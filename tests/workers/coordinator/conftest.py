"""A local Ray shared by the tests of the pipeline, and runs with stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    import ray
    import stand_ins

    from cluster.connect import connect

    ray.cloudpickle.register_pickle_by_value(stand_ins)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_metrics_report_interval_ms", "1000")  # tests that look at metrics need not wait ten seconds
        with connect("", num_cpus=8, num_gpus=2):
            yield
    ray.cloudpickle.unregister_pickle_by_value(stand_ins)


@pytest.fixture
def make_batch(ray_here: None, tmp_path: Path) -> Any:
    from batches import Batch

    def make(tasks: list[dict[str, Any]], **overrides: Any) -> Any:
        return Batch(tmp_path, tasks, **overrides)

    return make
