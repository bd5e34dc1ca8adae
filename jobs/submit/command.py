"""`proofmill submit`, `jobs`, `logs` and `stop`: a run on a remote Ray cluster, from this terminal.

Promises: the config is checked here, before anything is sent; code, config and files go once (a package the cluster has
is not sent again) and are listed; variables go by name, and no file, log, command line or answer of the cluster's API
shows their values (cluster.handover); a submission that is cut off half-way is not started twice; the command's exit
code is the job's.
Does not: encrypt the connection. Give an https address, or a tunnel, where the network is not trusted. Anyone who may
run code on the cluster can read the memory of the job.
Exit codes: 2 for what the user can put right here, 3 when the cluster refuses or cannot be reached, 130 when
interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import secrets
import shlex
import sys
import tempfile
import time
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ray.job_submission import JobDetails

from cluster.handover import Handover, HandoverError
from cluster.ray_jobs import TERMINAL, RemoteError, connect, follow_log, is_private_channel
from jobs.config import ConfigError, SolveConfig, load_config
from jobs.exit_codes import EXIT_CONFIG, EXIT_DONE, EXIT_ERRORS, EXIT_INTERRUPTED
from jobs.run_secrets import HUB_VARIABLES, check_passed, named_variables, storage_variables, temporary_keys
from jobs.submit.package import MAX_PACKAGE_MB, Package, plan_package, zip_package
from runstore.layout import run_uri

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

STOP_WAIT_S = 60
"""Seconds that a stopped run has to write finished samples before it is killed; Ray's own default is 3 s."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="TOML config of the run")
    add_address(parser)
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override a config value"
    )
    parser.add_argument("--detach", action="store_true", help="return once the job is accepted")
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME",
        help="hand this environment variable over (AWS_*, HF_TOKEN and what the config names go by themselves)",
    )
    parser.add_argument(
        "--cluster-env",
        action="append",
        default=[],
        metavar="NAME",
        help="the cluster's nodes have this variable of their own: do not hand it over, and do not miss it",
    )
    parser.add_argument("--include", action="append", default=[], metavar="GLOB", help="further files to package")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="leave these out of the package"
    )
    parser.add_argument("--max-package-mb", type=float, default=MAX_PACKAGE_MB, metavar="MB")
    parser.add_argument("--dry-run", action="store_true", help="list what would go, and stop")
    parser.add_argument("--python", default="python", help="the interpreter on the cluster (default: %(default)s)")
    add_interrupt(parser)


def run(args: argparse.Namespace) -> int:
    try:
        return submit(args)
    except ConfigError as error:
        return fail(str(error), EXIT_CONFIG)
    except RemoteError as error:
        return fail(str(error), EXIT_ERRORS)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def submit(args: argparse.Namespace) -> int:
    overrides = [*args.overrides, "ray.address=auto"]
    config = load_config(args.config, overrides)
    check_passed(args.env, os.environ, "--env")
    check_passed({*config.ray.pass_env} - {*args.cluster_env}, os.environ, "ray.pass_env")
    if args.env or args.cluster_env:
        passed = sorted({*config.ray.pass_env, *args.env} - {*args.cluster_env})
        overrides.append(f"ray.pass_env={json.dumps(passed)}")
        config = load_config(args.config, overrides)
    check_output(config)
    package = plan_package(
        Path(args.config),
        config,
        folder=Path.cwd(),
        include=args.include,
        exclude=args.exclude,
        max_mb=args.max_package_mb,
    )
    variables = passed_variables(config, os.environ, args.cluster_env)
    require_notify(config, {*variables, *args.cluster_env})
    entrypoint = solve_entrypoint(args.python, package.config_path, overrides)
    print(describe(package, variables, entrypoint, every_file=args.dry_run))
    if args.dry_run:
        return EXIT_DONE

    client = connect(args.address)
    if variables and not is_private_channel(client.get_address()):
        print(f"warning: {client.get_address()} is not encrypted: the variables travel in the clear", file=sys.stderr)
    output = run_uri(config.output.uri, config.run.id)
    job_id = send(client, config.run.id, package, variables, entrypoint, output)
    print(f"job {job_id} accepted by {client.get_address()}\noutput {output}", flush=True)
    if args.detach:
        print(f"follow it with: proofmill logs {job_id} --follow --address {client.get_address()}")
        return EXIT_DONE
    return watch(client, job_id, on_interrupt=args.on_interrupt, output=output)


def require_notify(config: SolveConfig, variables: Container[str]) -> None:
    """Raises ConfigError where the job would not have a variable that `notify` names."""
    for index, entry in enumerate(config.notify):
        if entry.url_env not in variables:
            raise ConfigError(
                f"notify.{index}.url_env: the job would not have the environment variable {entry.url_env}; export it, "
                f"or give --cluster-env {entry.url_env} where the cluster's nodes have it"
            )


def check_output(config: SolveConfig) -> None:
    uri = config.output.uri
    if "://" not in uri and not Path(uri).is_absolute():
        raise ConfigError(
            f"output.uri: {uri} would lie in the job's own folder on a node of the cluster and be deleted with it; "
            "give s3://bucket/prefix, or an absolute path that all nodes share: --set output.uri=s3://…"
        )


def passed_variables(
    config: SolveConfig, environ: Mapping[str, str], on_the_cluster: Sequence[str] = ()
) -> dict[str, str]:
    """What is handed over with the job: the keys of the object storage, the hub's token, and what the config names.

    A variable that a key ending in `_env` names and that is not set here is left to the nodes, since a setting may name
    one by default; `require_notify` and the receiver of an empty key say so where it matters.
    """
    storage = {name: environ[name] for name in storage_variables(environ)}
    named = (*HUB_VARIABLES, *named_variables(config.model_dump()), *config.ray.pass_env)
    return {
        name: value
        for name, value in {**storage, **{name: environ[name] for name in named if name in environ}}.items()
        if name not in on_the_cluster
    }


def solve_entrypoint(python: str, config_path: str, overrides: Sequence[str]) -> str:
    """The job's command. It runs without a shell in between, so that the stop signal reaches the run."""
    words = [python, "-m", "jobs.submit.start", "solve", config_path]
    for override in overrides:
        words += ["--set", override]
    return "exec " + shlex.join(words)


def describe(package: Package, variables: Mapping[str, str], entrypoint: str, every_file: bool) -> str:
    lines = [f"package: {len(package.entries)} files, {package.size / 1e6:.2f} MB"]
    if every_file:
        lines += [f"  {entry.size:>10,}  {entry.path}" for entry in package.entries]
    else:
        folders: dict[str, list[int]] = {}
        for entry in package.entries:
            folders.setdefault(entry.path.partition("/")[0], []).append(entry.size)
        lines += [f"  {sum(sizes) / 1e6:8.2f} MB  {len(sizes):4d} files  {name}" for name, sizes in folders.items()]
    lines += [f"note: {note}" for note in package.notes]
    lines.append(f"variables handed over (values not shown): {', '.join(sorted(variables)) or 'none'}")
    lines += temporary_keys(variables)
    lines.append(f"runs: {entrypoint}")
    return "\n".join(lines)


def send(
    client: JobSubmissionClient,
    run_id: str,
    package: Package,
    variables: Mapping[str, str],
    entrypoint: str,
    output: str,
    attempts: int = 5,
) -> str:
    """Uploads and starts the job once. The id is chosen here, so that a lost answer does not lead to a second job."""
    import requests

    now = datetime.datetime.now(datetime.UTC)
    job_id = f"proofmill-{run_id}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    handover, left = open_handover(variables), False
    # The supervisor reads these two: a stopped run gets an interrupt and time, so that it ends resumable.
    env_vars = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}
    if handover is not None:
        env_vars |= handover.environment()
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "proofmill.zip"
        archive.write_bytes(zip_package(package))
        for attempt in range(1, attempts + 1):
            try:
                if handover is not None and not left:  # once: the job of a lost answer may have taken it already
                    handover.deposit(client)
                    left = True
                return client.submit_job(
                    entrypoint=entrypoint,
                    submission_id=job_id,
                    runtime_env={"working_dir": str(archive), "env_vars": env_vars},
                    metadata={"proofmill_run": run_id, "proofmill_output": output},
                )
            except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
                if attempt == attempts:
                    raise RemoteError(f"the cluster went away while the job was sent: {error}") from error
                time.sleep(min(2.0**attempt, 15.0))
            except (RuntimeError, HandoverError) as error:
                if attempt > 1 and "already exists" in str(error):
                    return job_id
                if handover is not None:
                    with contextlib.suppress(Exception):
                        handover.withdraw(client)
                raise RemoteError(f"the cluster refused the job: {error}") from error
    raise AssertionError("unreachable")


def open_handover(variables: Mapping[str, str]) -> Handover | None:
    """The variables on their way; None where there are none. Raises ConfigError for too much of them."""
    try:
        return Handover(variables) if variables else None
    except HandoverError as error:
        raise ConfigError(str(error)) from error


def watch(client: JobSubmissionClient, job_id: str, *, on_interrupt: str, output: str = "") -> int:
    """Follows a job to its end. Returns its exit code, or 130 when the user leaves."""
    try:
        status = asyncio.run(
            follow_log(client, job_id, write_now, note=lambda text: print(f"[{text}]", file=sys.stderr, flush=True))
        )
    except KeyboardInterrupt:
        if wants_stop(on_interrupt):
            print(f"\nstopping {job_id}; finished samples are kept, the same command resumes", file=sys.stderr)
            stop_and_wait(client, job_id)
        else:
            print(f"\nleft {job_id} running; proofmill stop {job_id} ends it", file=sys.stderr)
        return EXIT_INTERRUPTED
    details = client.get_job_info(job_id)
    code = exit_code(details)
    ending = f"job {job_id} {status.lower()}, exit code {code}"
    if status == "FAILED" and details.driver_exit_code is None:
        ending += f": {(details.message or 'never started').strip()}"
    print(ending + (f"\noutput {output}" if output else ""), flush=True)
    return code


def write_now(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def wants_stop(on_interrupt: str) -> bool:
    if on_interrupt != "ask":
        return on_interrupt == "stop"
    if not sys.stdin.isatty():
        return False
    try:
        return input("\nStop the job on the cluster too? [y/N] ").strip().lower() in ("y", "yes")
    except (KeyboardInterrupt, EOFError):
        return False


def stop_and_wait(client: JobSubmissionClient, job_id: str, poll_s: float = 1.0) -> str:
    """Asks the job to stop and waits until it has; returns its last status. Raises RemoteError."""
    try:
        client.stop_job(job_id)
        deadline = time.monotonic() + 2 * STOP_WAIT_S
        while (status := str(client.get_job_status(job_id).value)) not in TERMINAL:
            if time.monotonic() > deadline:
                raise RemoteError(f"{job_id} is still {status.lower()} after {2 * STOP_WAIT_S} s")
            time.sleep(poll_s)
        return status
    except RuntimeError as error:
        raise RemoteError(f"{job_id}: {error}") from error


# The three small commands beside `submit`.


def add_jobs_arguments(parser: argparse.ArgumentParser) -> None:
    add_address(parser)


def run_jobs(args: argparse.Namespace) -> int:
    """Lists the cluster's Proofmill jobs, newest first."""
    try:
        jobs = [job for job in connect(args.address).list_jobs() if "proofmill_run" in (job.metadata or {})]
    except (RemoteError, RuntimeError) as error:
        return fail(str(error), EXIT_ERRORS)
    for job in sorted(jobs, key=lambda job: -(job.start_time or 0)):
        start = datetime.datetime.fromtimestamp((job.start_time or 0) / 1000, datetime.UTC)
        status, output = job.status.value.lower(), job.metadata["proofmill_output"]
        print(f"{job.submission_id}  {status:9}  {start:%Y-%m-%d %H:%M:%SZ}  {output}")
    return EXIT_DONE


def add_logs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="id of the job, as `submit` and `jobs` print it")
    parser.add_argument("--follow", "-f", action="store_true", help="go on until the job ends; exit with its code")
    add_address(parser)
    add_interrupt(parser, default="leave")


def run_logs(args: argparse.Namespace) -> int:
    try:
        client = connect(args.address)
        if args.follow:
            return watch(client, args.job, on_interrupt=args.on_interrupt)
        write_now(client.get_job_logs(args.job))
        return EXIT_DONE
    except (RemoteError, RuntimeError) as error:
        return fail(str(error), EXIT_ERRORS)


def add_stop_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="id of the job, as `submit` and `jobs` print it")
    add_address(parser)


def run_stop(args: argparse.Namespace) -> int:
    try:
        print(f"{args.job} {stop_and_wait(connect(args.address), args.job).lower()}")
    except (RemoteError, RuntimeError) as error:
        return fail(str(error), EXIT_ERRORS)
    return EXIT_DONE


def add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address",
        default="",
        metavar="URL",
        help="http://head:8265 (default: RAY_API_SERVER_ADDRESS, RAY_ADDRESS, this machine)",
    )


def add_interrupt(parser: argparse.ArgumentParser, default: str = "ask") -> None:
    parser.add_argument(
        "--on-interrupt",
        choices=["ask", "stop", "leave"],
        default=default,
        help="what Ctrl-C does to the job (default: %(default)s)",
    )


def fail(text: str, code: int) -> int:
    print(f"proofmill: {text}", file=sys.stderr)
    return code


def exit_code(details: JobDetails) -> int:
    """The job's own exit code; 128 + n where signal n ended it; 130 for a stopped job; 3 where it never started."""
    status = str(details.status.value)
    if status == "SUCCEEDED":
        return EXIT_DONE
    if status == "STOPPED":
        return EXIT_INTERRUPTED
    code = details.driver_exit_code
    if code is None or code == 0:
        return EXIT_ERRORS
    return 128 - code if code < 0 else int(code)
