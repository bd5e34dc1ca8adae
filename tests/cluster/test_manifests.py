"""Manifests, checked offline: schemas, Ray's own validator, the plan on what they start, the Slurm script on
stand-ins."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import jsonschema
import pydantic
import pytest
import yaml
from kuberay_schema import SCHEMAS

from cluster.inventory import GIB, GPU_GIB
from jobs.cli import COMMANDS
from jobs.config import ConfigError, check_config, load_config
from jobs.service.settings import load_service_config
from jobs.solve.plan import Where, plan_run
from jobs.solve.run_plan import plan_whole_run

MANIFESTS = Path("cluster/manifests")
KUBERNETES = sorted((MANIFESTS / "kubernetes").glob("*.yaml"))
QWEN = json.loads((Path(__file__).parent / "models" / "qwen25_3b.json").read_text())


def documents(path: Path) -> Iterator[dict]:
    """The file's resources, and those that its ConfigMaps carry."""
    for document in yaml.safe_load_all(path.read_text()):
        yield document
        for text in document.get("data", {}).values():
            yield yaml.safe_load(text)


def pods() -> Iterator[tuple[str, str, dict]]:
    """(file, role, pod spec) of every pod that a manifest makes."""

    def below(node: object, role: str) -> Iterator[tuple[str, dict]]:
        if isinstance(node, dict):
            if "containers" in node:
                yield role, node
            for key, value in node.items():
                yield from below(value, "head" if key == "headGroupSpec" else node.get("groupName", role))
        elif isinstance(node, list):
            for value in node:
                yield from below(value, role)

    for path in KUBERNETES:
        for document in documents(path):
            for role, pod in below(document, document["kind"]):
                yield path.name, role, pod


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
            elif document["kind"] == "RayService":
                specs[path.name] = spec["rayClusterConfig"]
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
    assert set(specs) == {f"{name}.yaml" for name in ("raycluster", "rayjob", "nightly", "nightly-cronjob", "service")}
    service = specs.pop("service.yaml")
    assert service["rayVersion"] == version("ray")
    first = specs["raycluster.yaml"]
    for name, spec in specs.items():
        assert spec["rayVersion"] == version("ray"), name
        assert spec["workerGroupSpecs"] == first["workerGroupSpecs"], name
    for ours, theirs in zip(service["workerGroupSpecs"], first["workerGroupSpecs"], strict=True):
        assert ours["rayStartParams"] == theirs["rayStartParams"]
        for mine, other in zip(*(group["template"]["spec"]["containers"] for group in (ours, theirs)), strict=True):
            assert {**mine, "volumeMounts": 0} == {**other, "volumeMounts": 0}
    assert specs["nightly.yaml"] == specs["nightly-cronjob.yaml"]


def test_scaling_from_zero_on_spot():
    generators, verifiers = cluster_specs()["raycluster.yaml"]["workerGroupSpecs"]
    assert generators["minReplicas"] == verifiers["minReplicas"] == 0
    for name, spec in cluster_specs().items():
        idle = next(group for group in spec["workerGroupSpecs"] if group["groupName"] == "generators")
        assert idle["idleTimeoutSeconds"] < 60 and spec["autoscalerOptions"]["version"] == "v2", name
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


def test_a_cluster_for_pools_has_a_group_for_each_type_of_gpu(monkeypatch):
    monkeypatch.setattr("jobs.solve.plan.read_model_config", lambda path, revision: QWEN)
    (document,) = documents(MANIFESTS / "kubernetes" / "pools" / "raycluster.yaml")
    assert faults(document) == []
    one_model = find("RayCluster")["spec"]
    groups = document["spec"]["workerGroupSpecs"]
    assert groups[1]["template"] == one_model["workerGroupSpecs"][0]["template"] and groups[2:] == [
        one_model["workerGroupSpecs"][1]
    ]
    resources = {"cpus_per_replica": 2.0}
    models = {
        "small": {"path": "a/b", "resources": {"replicas": 12, "accelerator_type": "L4"}},
        "large": {"path": "c/d", "max_model_len": 4096, "resources": {"replicas": 8, "accelerator_type": "H100"}},
    }
    models["small"]["max_model_len"] = 4096
    stages = [{"model": "small", "samples": 4}, {"model": "large", "samples": 2}]
    table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "resources": resources, "cascade": {"stages": stages}}
    nodes = [node for group in groups for node in started_nodes(group)]
    plan = plan_whole_run(check_config({**table, "models": models}, "t"), Where(nodes=nodes))
    assert plan.together is not None and not plan.together.takes_turns
    for name, own in plan.plans.items():
        assert own.gpu_kind == models[name]["resources"]["accelerator_type"]
        assert {place.node.rstrip("0123456789") for place in own.placements} == {name}
    assert {place.node.rstrip("0123456789") for place in plan.together.verifiers} == {"verifiers"}


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
        # Without `attempt`, KubeRay tries a regression or a wrong config again, each time on a new cluster.
        assert shlex.split(entrypoint)[:2] == ["proofmill", "attempt"]
        assert shlex.split(entrypoint)[2] in COMMANDS
    solve = next(entrypoint for entrypoint in entrypoints if " solve " in entrypoint)
    words = shlex.split(solve)
    assert words[:3] == ["proofmill", "attempt", "solve"]
    config = load_config(words[3], [words[i + 1] for i, word in enumerate(words) if word == "--set"])
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
    for name in re.findall(r"secretRef: \{name: ([\w-]+)", text):
        assert f"create secret generic {name}" in text
    for name in re.findall(r"secretName: ([\w-]+)", text):
        assert f"create secret tls {name}" in text


def test_sandboxes_have_what_they_need_and_only_verifiers_do():
    """A filter that is left makes verdicts of the weaker tier; one that is missing elsewhere protects nothing."""
    seen = set()
    for file, role, pod in pods():
        for each in pod["containers"]:
            security = each["securityContext"]
            profiles = {key: security[key]["type"] for key in ("seccompProfile", "appArmorProfile") if key in security}
            loose = {"seccompProfile": "Unconfined", "appArmorProfile": "Unconfined"}
            assert (profiles == loose) == (role == "verifiers"), (file, role)
            assert role == "verifiers" or "Unconfined" not in profiles.values(), (file, role)
            seen.add(role)
    assert {"head", "generators", "verifiers"} <= seen


def test_models_are_mounted_where_they_are_read_and_filled_by_one_job():
    """The plan on the head reads config.json, the engines the weights; all work offline from a read-only mount."""
    claim = find("PersistentVolumeClaim")["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"] and claim["storageClassName"]
    filling = find("Job")["spec"]["template"]["spec"]
    (container,) = filling["containers"]
    assert filling["securityContext"]["fsGroup"] == container["securityContext"]["runAsUser"]
    writers = []
    for file, role, pod in pods():
        (container,) = pod["containers"]
        mounts = {mount["name"]: mount for mount in container.get("volumeMounts", [])}
        claimed = [volume["name"] for volume in pod.get("volumes", []) if "persistentVolumeClaim" in volume]
        assert ("models" in mounts) == (claimed == ["models"]) == (role in ("head", "generators", "Job")), (file, role)
        if "models" in mounts:
            place = mounts["models"]["mountPath"]
            variables = {each["name"]: each["value"] for each in container["env"]}
            assert variables.pop("HF_HUB_CACHE") == place
            if mounts["models"].get("readOnly"):
                assert variables == {"HF_HUB_OFFLINE": "1", "RAY_worker_niceness": "0"}, (file, role)
            else:
                writers.append((file, variables))
    assert writers == [("prerequisites.yaml", {})]


def test_the_job_that_fills_the_volume_fetches_the_model_that_the_manifests_run():
    (container,) = find("Job")["spec"]["template"]["spec"]["containers"]
    tool, verb, model = container["args"]
    assert (tool, verb) == ("hf", "download")
    assert shutil.which(tool, path=str(Path(sys.executable).parent)), (
        "the image has what the lock installs, and no more"
    )
    assert model == load_config("configs/solve/vibethinker_3b.toml").model.path
    assert model == load_config(load_service_config("configs/service/kubernetes.toml").solve.config[15:]).model.path


def test_a_model_is_read_offline_from_a_cache_that_nothing_may_write(tmp_path):
    """`hf download`'s layout, read-only, as the pods have it."""
    cache = tmp_path / "models"
    repository = cache / "models--org--tiny"
    snapshot = repository / "snapshots" / ("0" * 40)
    shutil.copytree("models/tiny_reasoner", snapshot, ignore=shutil.ignore_patterns("*.py", "problems"))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    code = """
import os, sys
from jobs.model_path import read_model_config
from transformers import AutoConfig, AutoTokenizer
assert read_model_config("org/tiny", "")["model_type"] == "qwen2"
assert AutoConfig.from_pretrained("org/tiny").model_type == "qwen2"
AutoTokenizer.from_pretrained("org/tiny")
"""
    before = {path: path.lstat().st_mtime_ns for path in [cache, *cache.rglob("*")]}
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}
    environment.pop("HF_HOME", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {path: path.lstat().st_mtime_ns for path in [cache, *cache.rglob("*")]} == before


def test_the_service_manifest_is_what_serve_and_the_ingress_expect():
    from ray.serve.schema import ServeDeploySchema

    from jobs import service_builder
    from jobs.service.deploy import APP

    resource = find("RayService")
    deployment = ServeDeploySchema.model_validate(yaml.safe_load(resource["spec"]["serveConfigV2"]))
    (application,) = deployment.applications
    assert application.name == APP, "its parts look each other up by this name"
    assert application.import_path == f"{service_builder.__name__}:{service_builder.build.__name__}"
    arguments = service_builder.BuilderArguments.model_validate(application.args)
    for file, role, pod in pods():
        if file == "service.yaml":
            mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
            assert Path(arguments.config).parent == Path(mounts["service"]), role
    ingress = find("Ingress")["spec"]
    (rule,) = ingress["rules"]
    (way,) = rule["http"]["paths"]
    assert ingress["tls"][0]["hosts"] == [rule["host"]], "what is not listed is served without TLS"
    assert way["backend"]["service"]["name"] == f"{resource['metadata']['name']}-serve-svc"
    port = deployment.http_options.port
    assert way["backend"]["service"]["port"]["number"] == port
    head = resource["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert {"containerPort": port, "name": "serve"} in head["ports"]
    policy = find("NetworkPolicy")["spec"]
    assert policy["ingress"][1]["ports"] == [{"protocol": "TCP", "port": port}]
    labels = policy["podSelector"]["matchLabels"].items()
    spec = resource["spec"]["rayClusterConfig"]
    for template in (spec["headGroupSpec"]["template"], *(group["template"] for group in spec["workerGroupSpecs"])):
        assert labels <= template["metadata"]["labels"].items()


def test_the_service_is_built_from_its_file_and_not_without_tokens(tmp_path):
    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary as as_serve_does

    from jobs.service_builder import build

    path = tmp_path / "service.toml"
    text = Path("configs/service/kubernetes.toml").read_text().replace("/opt/proofmill/", "")
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"no \[\[tokens\]\] are set"):
        as_serve_does(build, {"config": str(path)})
    path.write_text(text + f'\n[[tokens]]\nname = "a"\nsha256 = "{"0" * 64}"\n')
    assert as_serve_does(build, {"config": str(path)})
    with pytest.raises(pydantic.ValidationError, match="config_path"):
        as_serve_does(build, {"config_path": str(path)})


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
    (command,) = config["initialization_commands"]
    documented = Path("docs/cluster.md").read_text()
    for setting in command.split()[4:]:
        assert setting.split("=")[0] in documented, "the Kubernetes nodes need the same"
    assert config["idle_timeout_minutes"] == 1, "the shortest that the launcher knows"
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


def test_the_image_has_what_its_users_start_inside_it():
    """Each tool, and what would start it: a container without it fails on the cluster and nowhere else."""
    packages = next(words for name, words in instructions() if name == "RUN" and "apt-get install" in words).split()
    from ray.autoscaler._private import command_runner

    assert "rsync -e '{cmd} exec -i'" in Path(command_runner.__file__).read_text(), "the launcher has another way now"
    assert "rsync" in packages
    for tool in ("bash", "ca-certificates", "g++", "gcc", "procps", "wget"):
        assert tool in packages


@pytest.mark.parametrize(("engine", "expected"), [("cpu", "--extra-index-url https://x/cpu"), ("gpu", "")])
def test_only_the_cpu_image_looks_for_a_torch_without_cuda(engine, expected):
    """The public index has the CUDA build under the same number, and the cpu lock has no CUDA libraries for it."""
    install = next(words for name, words in instructions() if name == "RUN" and "--requirement" in words)
    (choice,) = re.findall(r"\$\(.*?\)", install)
    environment = {"ENGINE": engine, "CPU_INDEX": "https://x/cpu", "PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-ec", f"echo {choice}"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
    assert "import torch" in install, "the wrong build is found out when the image is made"


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
