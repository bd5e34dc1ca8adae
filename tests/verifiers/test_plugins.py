"""Plugins: a kind, policy, engine, rollout and export format from a folder outside, with no edit in the tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOY = ROOT / "tests" / "fixtures" / "toy_plugin"
NAME = "toy_mill.proofmill"


def proofmill(*words: str, folder: Path, path: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a fresh process; `path`: whether the plugin's folder is on the path."""
    found = os.pathsep.join([str(ROOT), *([str(TOY)] if path else [])])
    environment = {**os.environ, "PYTHONPATH": found, **variables}
    command = [sys.executable, "-m", "jobs.cli", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def toml_config(folder: Path, plugins: str = f'plugins = ["{NAME}"]', address: str = "") -> Path:
    words = ("alpha", "beta", "gamma", "delta")
    rows = [
        {"id": f"p{i}", "kind": "echo", "prompt": f"Say silence or {word}", "reference": {"answer": word}}
        for i, word in enumerate(words)
    ]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "run.toml").write_text(
        f"""{plugins}
[run]
id = "toy"
[problems]
files = ["{folder}/problems.jsonl"]
[model]
path = "{ROOT}/models/tiny_reasoner"
engine = "parrot"
[output]
uri = "{folder}/out"
[sampling]
policy = "pair"
rollout = "told"
num_samples = 99
[verify.echo]
loud = true
[verify.limits.echo]
wall_s = 5
[resources]
cpus_per_replica = 0.5
cpus_per_verifier = 0.25
device = "cpu"
[ray]
address = "{address}"
"""
    )
    return folder / "run.toml"


def test_the_dry_run_knows_the_plugins_names(tmp_path: Path) -> None:
    done = proofmill("solve", str(toml_config(tmp_path)), "--dry-run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "policy pair, 8 samples" in done.stdout, "the bound of the plan is the policy's own"


def test_without_the_plugin_every_name_is_unknown(tmp_path: Path) -> None:
    done = proofmill("solve", str(toml_config(tmp_path, plugins="")), "--dry-run", folder=tmp_path)
    assert done.returncode == 2
    for fault in (
        "model.engine: unknown engine 'parrot'; known: vllm",
        "sampling.policy: unknown sampling policy 'pair'; known: fixed",
        "sampling.rollout: unknown rollout 'told'; known: single, repair",
    ):
        assert fault in done.stderr
    assert "verify.echo: unknown key" in done.stderr


@pytest.mark.parametrize("way", ["variable", "working folder", "entry point"])
def test_ways_to_name_a_plugin(tmp_path: Path, way: str) -> None:
    variables, path = {}, True
    if way == "working folder":
        (tmp_path / "toy_mill").symlink_to(TOY / "toy_mill")
        path = False
    if way == "variable":
        variables["PROOFMILL_PLUGINS"] = NAME
    if way == "entry point":
        info = tmp_path / "site" / "toy_mill-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-mill\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[proofmill]\ntoy = {NAME}\n")
        variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(TOY), str(tmp_path / "site")])
    named = f'plugins = ["{NAME}"]' if way == "working folder" else ""
    done = proofmill("solve", str(toml_config(tmp_path, named)), "--dry-run", folder=tmp_path, path=path, **variables)
    assert done.returncode == 0, done.stderr


BROKEN = {
    "no_such_module": ("", "there is no module no_such_module"),
    "without_register": ("x = 1\n", "has no function register(tables)"),
    "raises": ("raise OSError('no disk')\n", "could not be imported: OSError: no disk"),
    "takes_a_name": (
        "from verifiers.kinds import KindRow\n"
        "def register(tables):\n    tables.kinds.add('math', KindRow('a:b', print))\n",
        "the problem kind 'math' exists already",
    ),
    "no_such_table": (
        "def register(tables):\n    tables.kindz.add('x', 1)\n",
        "there is no table 'kindz'; known: kinds",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_plugin_that_cannot_be_loaded_is_one_clear_error(tmp_path: Path, name: str) -> None:
    source, fault = BROKEN[name]
    if source:
        (tmp_path / f"{name}.py").write_text(source)
    config = toml_config(tmp_path, plugins=f'plugins = ["{name}"]')
    # Both ways to name a plugin end in the same loader, so each fault is tried by one of them.
    by_config = ("solve", str(config), "--dry-run")
    words = by_config if list(BROKEN).index(name) % 2 else ("verify", "--plugin", name)
    done = proofmill(*words, folder=tmp_path)
    assert done.returncode == 2 and name in done.stderr and fault in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_verify_takes_a_plugin_into_the_checkers_own_process(tmp_path: Path) -> None:
    toml_config(tmp_path)
    (tmp_path / "answers.jsonl").write_text(
        '{"problem_id": "p0", "text": "alpha"}\n{"problem_id": "p1", "text": "b"}\n'
    )
    words = ["verify", "--problems", "problems.jsonl", "--solutions", "answers.jsonl", "--out", "verdicts.jsonl"]
    refused = proofmill(*words, folder=tmp_path)
    assert refused.returncode == 2 and "unknown kind 'echo'" in refused.stderr
    done = proofmill(*words, "--plugin", NAME, "--set", "echo.loud=true", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    verdicts = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert [verdict["status"] for verdict in verdicts] == ["verified", "refuted"]
    assert all("echo" in verdict["evidence"]["kinds"] and verdict["evidence"]["loud"] for verdict in verdicts)


def test_the_code_revision_has_the_plugins_source(tmp_path: Path) -> None:
    def revision(**variables: str) -> str:
        return proofmill("--version", folder=tmp_path, **variables).stdout

    (tmp_path / "mine.py").write_text("def register(tables): pass\n")
    plain, first = revision(), revision(PROOFMILL_PLUGINS="mine")
    (tmp_path / "mine.py").write_text("def register(tables): pass  # changed\n")
    assert len({plain, first, revision(PROOFMILL_PLUGINS="mine")}) == 3


def test_a_submitted_job_takes_a_local_plugin_along(tmp_path: Path) -> None:
    """The package alone is enough: unpacked elsewhere, with nothing else on the path, the same config can be used."""
    script = (
        "import sys; from pathlib import Path; from jobs.config import load_config\n"
        "from jobs.submit.package import plan_package, zip_package\n"
        "config = Path(sys.argv[1])\n"
        "package = plan_package(config, load_config(config), folder=config.parent)\n"
        "Path(sys.argv[2]).write_bytes(zip_package(package))\n"
    )
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    config = toml_config(here)
    config.write_text(config.read_text().replace(f"{here}/problems", "problems"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(TOY)])}
    command = [sys.executable, "-c", script, str(config), str(tmp_path / "package.zip")]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    zipfile.ZipFile(tmp_path / "package.zip").extractall(there)
    assert (there / "toy_mill" / "proofmill.py").is_file()
    shutil.rmtree(here)
    done = proofmill("solve", "run.toml", "--dry-run", folder=there, PYTHONPATH=str(there))
    assert done.returncode == 0, done.stderr
    assert "policy pair, 8 samples" in done.stdout


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # What an image of the cluster would have installed; it is not named there.
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(TOY)]))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100 << 20})
        cluster.add_node(num_cpus=4, object_store_memory=100 << 20)
        yield cluster
        cluster.shutdown()


@pytest.mark.ray
def test_a_whole_run_on_two_nodes(two_nodes: Any, tmp_path: Path) -> None:
    """Solve, verify again, report and export; nothing of the plugin is loaded because a stored run names it."""
    done = proofmill("solve", str(toml_config(tmp_path, address=two_nodes.address)), folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "out" / "runs" / "toy"
    record = json.loads((run / "run.json").read_text())
    assert [plugin["name"] for plugin in record["plugins"]] == [NAME] and record["complete"]
    rows = pq.read_table(run / "samples").to_pylist()
    assert len(rows) == 8 and {row["status"] for row in rows} <= {"verified", "refuted"}
    verified = [row for row in rows if row["status"] == "verified"]
    assert all(json.loads(row["messages"])[0] == {"role": "system", "content": "One word."} for row in rows)
    assert verified and all("echo" in json.loads(row["evidence"])["kinds"] for row in rows)

    export = ("export", "words", "--run", str(run), "--out", "data", "--set", "work.processes=2")
    for words in (export[1:], ("verify", "--run", str(run)), ("report", "--run", str(run))):
        words = ("export", *words) if words[0] == "words" else words
        refused = proofmill(*words, folder=tmp_path)
        assert f"--plugin {NAME}" in refused.stderr or "unknown export format 'words'" in refused.stderr
        assert (refused.returncode == 0) == (words[0] == "report")
        done = proofmill(*words, "--plugin", NAME, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "data" / "data" / "train.parquet").to_pylist()
    assert sorted(row["problem_id"] for row in table) == sorted({row["problem_id"] for row in verified})


@pytest.mark.ray
def test_a_night_with_a_plugin(two_nodes: Any, tmp_path: Path) -> None:
    """The plugin stands in the nightly's config only; the config of its track then may use what it adds."""
    toml_config(tmp_path, plugins="", address=two_nodes.address)
    night = tmp_path / "night.toml"
    night.write_text(
        f'plugins = ["{NAME}"]\n[nightly]\nname = "toys"\noutput_uri = "{tmp_path}/out"\n'
        '[[legs]]\nname = "toy"\nconfig = "run.toml"\n'
    )
    done = proofmill("nightly", str(night), "--date", "2026-03-01", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = (tmp_path / "out" / "runs").glob("*/run.json")
    body = json.loads(record.read_text())
    assert [plugin["name"] for plugin in body["plugins"]] == [NAME] and body["config"]["sampling"]["rollout"] == "told"
    report = json.loads(next((tmp_path / "out").glob("nightly/toys/nights/2026-03-01/report.json")).read_text())
    assert [run["samples"] for run in report["legs"][0]["runs"]] == [8]
