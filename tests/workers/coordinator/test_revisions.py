"""A node with other code is told in one line, before the run is claimed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runstore.code_revision import PACKAGES, code_revision

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


DRIVER = """
import asyncio, sys
import ray
from ray.cluster_utils import Cluster
from workers.coordinator.revisions import other_code

older = sys.argv[1]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20})
ray.init(address=cluster.address, log_to_driver=False)
print("alone:", asyncio.run(other_code()), flush=True)
cluster.add_node(num_cpus=1, object_store_memory=100 << 20, env_vars={"PYTHONPATH": older})
print("together:", asyncio.run(other_code()), flush=True)
ray.shutdown()
cluster.shutdown()
"""


def older_tree(folder: Path, with_question: bool) -> Path:
    """A copy of our packages in which a file differs, and one may be missing."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "jobs" / "exit_codes.py").write_text("EXIT_DONE = 0\n")
    if not with_question:
        (folder / "workers" / "coordinator" / "revisions.py").unlink()
    return folder


@pytest.mark.parametrize("with_question", [True, False])
def test_a_node_with_older_code_is_named(tmp_path: Path, with_question: bool) -> None:
    # In a process of its own: Ray hands the working folder of a driver to every node.
    older = older_tree(tmp_path / "older", with_question)
    here = tmp_path / "here"
    here.mkdir()
    (here / "driver.py").write_text(DRIVER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "driver.py", str(older)]
    done = subprocess.run(words, cwd=here, env=environment, capture_output=True, text=True, timeout=300)
    lines = {name: rest for name, _, rest in (line.partition(": ") for line in done.stdout.splitlines())}
    assert lines.get("alone") == "", done.stdout + done.stderr
    assert lines["together"].startswith(f"nodes of this cluster have other code than this job ({code_revision()}): ")
    assert ("cannot answer" in lines["together"]) is not with_question
