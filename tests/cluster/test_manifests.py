"""Manifests, checked offline: schemas, Ray's own validator, the plan on what they start, the Slurm script on
stand-ins."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import jsonschema
import pytest
import yaml
from kuberay_schema import SCHEMAS

from cluster.inventory import GIB, GPU_GIB
from jobs.cli import COMMANDS
from jobs.config import load_config
from jobs.solve.plan import plan_run

MANIFESTS = Path("cluster/manifests")
KUBERNETES = sorted((MANIFESTS / "kubernetes").glob("*.yaml"))
QWEN = json.loads((Path(__file__).parent / "models" / "qwen25_3b.json").read_text())


def documents(path: Path) -> Iterator[dict]:
    """The file's resources, and those that its ConfigMaps carry."""
    for document in yaml.safe_load_all(path.read_text()):
        yield document
        for text in document.get("data", {}).values():
            yield yaml.safe_load(text)


def all_documents() -> list[dict]:
    return [document for path in KUBERNETES for document in documents(path)]


def faults(document: dict) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(SCHEMAS[document["kind"]]).iter_errors(document)]


def find(kind: str) -> dict:
    return next(document for document in all_documents() if document["kind"] == kind)


def cluster_specs() -> dict[str, dict]:
    specs = {}
    for path in KUBERNETES:
        for document in documents(path):
            spec = document.get("spec", {})
            job = spec.get("jobTemplate", spec) if document["kind"] == "RayCronJob" else spec
            if document["kind"] == "RayCluster":
                specs[path.name] = spec
            elif document["kind"] in ("RayJob", "RayCronJob"):
                specs[path.name] = job["rayClusterSpec"]
    return specs


# Kubernetes


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_every_resource_meets_its_schema(path):
    found = list(documents(path))
    assert found
    for document in found:
        assert faults(document) == [], document["kind"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda spec: spec["workerGroupSpecs"][0].update(minReplica=0), "minReplica"),
        (lambda spec: spec["workerGroupSpecs"][0].pop("maxReplicas"), "maxReplicas"),
        (lambda spec: spec["workerGroupSpecs"][0]["rayStartParams"].update({"num-cpus": 16}), "16 is not of type"),
        (lambda spec: container(spec, 0).update(image="proofmill:latest"), "latest"),
        (lambda spec: container(spec, 0).update(env=[{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]), "AWS_SECRET"),
        (lambda spec: container(spec, 0)["securityContext"].update(runAsNonRoot=False), "True was expected"),
        (lambda spec: spec["authOptions"].update(mode="disabled"), "'token' was expected"),
    ],
)
def test_the_schema_refuses(change, expected):
    document = copy.deepcopy(find("RayCluster"))
    change(document["spec"])
    assert any(expected in fault for fault in faults(document))


def container(spec: dict, group: int) -> dict:
    return spec["workerGroupSpecs"][group]["template"]["spec"]["containers"][0]


def test_all_start_the_same_workers_with_the_locked_ray():
    specs = cluster_specs()
    assert set(specs) == {"raycluster.yaml", "rayjob.yaml", "nightly.yaml", "nightly-cronjob.yaml"}
    first = specs["raycluster.yaml"]
    for name, spec in specs.items():
        assert spec["rayVersion"] == version("ray"), name
        assert spec["workerGroupSpecs"] == first["workerGroupSpecs"], name
    assert specs["nightly.yaml"] == specs["nightly-cronjob.yaml"]


def test_scaling_from_zero_on_spot():
    generators, verifiers = cluster_specs()["raycluster.yaml"]["workerGroupSpecs"]
    assert generators["minReplicas"] == verifiers["minReplicas"] == 0
    pod = generators["template"]["spec"]
    assert {"key": "spot", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
    assert pod["terminationGracePeriodSeconds"] < 120, "a spot notice is two minutes"


def quantity(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w*)", text).groups()
    return float(number) * {"": 1, "Gi": GIB, "m": 1e-3}[unit]


def started_nodes(group: dict) -> list[dict]:
    """The nodes of a worker group at its largest, as `ray.nodes()` would list them."""
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    params = group["rayStartParams"]
    resources = {"CPU": float(params.get("num-cpus") or limits["cpu"]), "memory": quantity(limits["memory"])}
    if num_gpus := int(limits.get("nvidia.com/gpu", 0)):
        (argument,) = shlex.split(params["resources"])
        resources |= {"GPU": num_gpus, **json.loads(argument)}
    return [
        {"Alive": True, "NodeManagerAddress": f"{group['groupName']}{i}", "Resources": resources}
        for i in range(group["maxReplicas"])
    ]


def test_the_vibethinker_plan_fits_with_no_verifier_on_a_gpu_node(monkeypatch):
    monkeypatch.setattr("jobs.solve.plan.read_model_config", lambda path, revision: QWEN)
    nodes = [node for group in cluster_specs()["rayjob.yaml"]["workerGroupSpecs"] for node in started_nodes(group)]
    config = load_config("configs/solve/vibethinker_3b.toml")
    plan = plan_run(config, nodes)
    assert plan.num_gpus == 8
    for place in plan.placements:
        assert not (place.num_replicas and place.num_verifiers)
    resources = nodes[0]["Resources"]
    left = resources["CPU"] - resources["GPU"] * config.resources.cpus_per_replica
    assert left < config.resources.cpus_per_verifier, "a verifier would fit beside the replicas of a spot GPU node"


def test_ray_resources_of_the_gpu_group_are_readable_json():
    group = cluster_specs()["raycluster.yaml"]["workerGroupSpecs"][0]
    # KubeRay hands it to a shell, which takes the outer quotes away.
    (argument,) = shlex.split(group["rayStartParams"]["resources"])
    assert json.loads(argument) == {"accelerator_type:H100": 1}


def test_entrypoints_are_commands_with_configs_that_parse():
    spec = find("RayJob")["spec"]
    entrypoints = [document["spec"]["entrypoint"] for document in all_documents() if document["kind"] == "RayJob"]
    assert find("RayCronJob")["spec"]["jobTemplate"]["entrypoint"] in entrypoints
    for entrypoint in entrypoints:
        assert shlex.split(entrypoint)[1] in COMMANDS
    solve = next(entrypoint for entrypoint in entrypoints if " solve " in entrypoint)
    words = shlex.split(solve)
    assert words[:2] == ["proofmill", "solve"]
    config = load_config(words[2], [words[i + 1] for i, word in enumerate(words) if word == "--set"])
    assert config.output.uri.startswith("s3://")
    assert config.ray.address == "auto"
    assert spec["shutdownAfterJobFinishes"] is True


def test_names_that_are_referred_to_exist():
    made = {(document["kind"], document["metadata"].get("name")) for document in all_documents()}
    text = "\n".join(path.read_text() for path in KUBERNETES)
    for account in re.findall(r"serviceAccountName: (\S+)", text):
        assert ("ServiceAccount", account) in made
    for claim in re.findall(r"claimName: ([\w-]+)", text):
        assert ("PersistentVolumeClaim", claim) in made
    for name in re.findall(r"configMap: \{name: ([\w-]+)\}", text):
        assert ("ConfigMap", name) in made or f"create configmap {name}" in text
    for name in re.findall(r"secretRef: \{name: ([\w-]+)\}", text):
        assert f"create secret generic {name}" in text


def test_the_scheduler_may_create_ray_jobs_and_nothing_else():
    (rule,) = find("Role")["rules"]
    assert rule == {"apiGroups": ["ray.io"], "resources": ["rayjobs"], "verbs": ["create"]}


# Virtual machines


def test_the_launcher_config_passes_rays_own_validator():
    util = pytest.importorskip("ray.autoscaler._private.util")
    config = yaml.safe_load((MANIFESTS / "vm" / "aws.yaml").read_text())
    util.validate_config(util.prepare_config(copy.deepcopy(config)))
    with pytest.raises(jsonschema.ValidationError):
        util.validate_config(util.prepare_config({**config, "idle_timeout_minute": 5}))
    generators = config["available_node_types"]["generators"]
    assert generators["min_workers"] == 0
    assert generators["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    (kind,) = [name.partition(":")[2] for name in generators["resources"] if ":" in name]
    assert kind in GPU_GIB


# The image


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", (MANIFESTS / "Dockerfile").read_text(), flags=re.M)
    text = text.replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def test_dockerfile():
    found = instructions()
    stages = {words.split(" AS ")[1] for name, words in found if name == "FROM"}
    for name, words in found:
        assert name in {"ARG", "FROM", "RUN", "ENV", "WORKDIR", "COPY", "USER", "CMD"}, name
        if name == "FROM":
            base = words.split(" AS ")[0]
            assert base in stages or base in ("${PYTHON_IMAGE}", "lean-${LEAN}"), base
        if name == "COPY" and "--from=" not in words:
            for engine in ("cpu", "gpu"):
                *sources, _ = words.replace("${ENGINE}", engine).split()
                assert all(Path(source).exists() for source in sources), words
        if name in ("ARG", "ENV"):
            assert not re.search(r"(?i)secret|token|password|_key", words)
        if name == "RUN":
            assert "; " not in re.sub(r"'[^']*'|\"[^\"]*\"", "", words), f"a failing step would be passed over: {words}"
    for lean in ("mathlib", "embedded"):
        assert f"lean-{lean}" in stages
    python = dict(words.split("=", 1) for name, words in found if name == "ARG" and "=" in words)["PYTHON_IMAGE"]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", python)
    users = [words for name, words in found if name == "USER"]
    assert users[-1] == "1000", "not root"
    assert [name for name, _ in found][-1] == "CMD"


def test_the_image_copies_what_the_ignore_file_lets_through():
    kept = {
        line[1:] for line in (MANIFESTS / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        source.split("/")[0]
        for name, words in instructions()
        if name == "COPY" and "--from=" not in words
        for source in words.split()[:-1]
    }
    assert copied == kept
    for package in ("verifiers", "workers", "cluster", "jobs"):
        assert package in copied


# Slurm

SLURM = MANIFESTS / "slurm" / "solve.sbatch"
STAND_INS = {
    "scontrol": 'if [ "$1" = show ]; then printf "node1\\nnode2\\n"; fi',
    # What runs on the head node answers for it; Ray's processes stay until they are killed.
    "srun": 'case "$*" in *"hostname"*) echo "10.0.0.1 fe80::1";; *) exec sleep 60;; esac',
    "ray": "",
    "python": "echo 2",
    "proofmill": """trap 'exit 130' TERM
if [ -e "$STATE/wait" ]; then touch "$STATE/running"; while :; do sleep 0.1; done; fi
exit "${CODE:-0}"
""",
}


@pytest.fixture
def slurm(tmp_path):
    """A node's environment with stand-ins for Slurm, Ray and proofmill that record how they are called."""
    place = tmp_path / ".venv" / "bin"
    place.mkdir(parents=True)
    for name, body in STAND_INS.items():
        script = place / name
        script.write_text(f'#!/bin/bash\necho "{name} $*" >> "$STATE/calls"\n{body}\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    environment = {
        **os.environ,
        "STATE": str(tmp_path),
        "SLURM_JOB_ID": "77",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_CPUS_PER_TASK": "64",
        "SLURM_GPUS_PER_NODE": "h100:8",
    }
    environment.pop("RAY_AUTH_TOKEN", None)
    return tmp_path, environment


def start(slurm, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    place, base = slurm
    return subprocess.Popen(
        ["bash", str(SLURM.absolute()), *arguments],
        cwd=place,
        env={**base, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> int:
    """Waits, then ends what Slurm would end with the job."""
    try:
        return process.wait(60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("code", [0, 3])
def test_slurm_starts_a_head_and_workers_and_returns_the_runs_code(slurm, code):
    assert finish(start(slurm, "configs/x.toml", "--set", "run.id=n 1", CODE=str(code))) == code
    calls = (slurm[0] / "calls").read_text().splitlines()
    head = next(call for call in calls if call.startswith("srun") and "--head" in call)
    assert "--nodelist=node1" in head
    assert "--node-ip-address=10.0.0.1 --port=20077 --num-cpus=64 --num-gpus=8" in head
    worker = next(call for call in calls if call.startswith("srun") and "ray start --address" in call)
    assert "--nodes=1 --ntasks=1 --exclude=node1" in worker
    assert "ray start --address=10.0.0.1:20077" in worker
    assert "proofmill solve configs/x.toml --set run.id=n 1 --set ray.address=10.0.0.1:20077" in calls
    assert not any("requeue" in call for call in calls)


def test_slurm_hands_the_signal_on_and_queues_again(slurm):
    place = slurm[0]
    (place / "wait").touch()
    process = start(slurm, "configs/x.toml")
    for _ in range(600):
        if (place / "running").exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == 130
    assert "scontrol requeue 77" in (place / "calls").read_text().splitlines()


def test_slurm_without_a_config(slurm):
    process = start(slurm)
    assert process.wait(30) == 2
    assert "usage: sbatch" in process.communicate()[1]


def test_slurm_directives():
    lines = [line for line in SLURM.read_text().splitlines() if line.startswith("#SBATCH")]
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in lines)
    assert "#SBATCH --requeue" in lines
    assert "#SBATCH --signal=B:TERM@120" in lines
