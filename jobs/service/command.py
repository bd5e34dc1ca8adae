"""`proofmill serve`: starts the service and runs until it is interrupted.

    main thread:  the port ─► waits for signals ─────────────────► says how it ended
    host thread:  imports Ray ─► Host.start ─► … ─► drain, close   (jobs.service.hosting)

Promises: a port in use is refused before Ray is imported. Signals work at any time, also while a model loads.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NoReturn

import pydantic

from jobs.config import ConfigError, SolveConfig, load_config
from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_CONFIG, EXIT_DONE, EXIT_ERRORS, EXIT_INTERRUPTED
from jobs.pools.checks import is_remote
from jobs.service.port import Reservation
from jobs.service.settings import ServiceConfig, check_service_config, load_service_config, new_token
from jobs.solve.published import settle_pools
from jobs.stop_signals import StopSignals, stop_signals
from verifiers import plugins
from verifiers.checker import check_settings
from verifiers.kinds import KINDS

if TYPE_CHECKING:
    from jobs.service.hosting import Host

POLL_S = 0.1
CLOSE_S = 30.0
"""Longest wait for a Ray to end by itself, in seconds; after it what is ours is killed."""


class Interrupted(Exception):
    """The user wants the command to end at once."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", metavar="CONFIG", nargs="?", default="", help="TOML config (default: local, verify only)"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a value of the service's config; those of its model stand in [solve] overrides",
    )
    parser.add_argument("--new-token", metavar="NAME", help="print a new token and the config lines that admit it")


def run(args: argparse.Namespace) -> int:
    try:
        if args.new_token:
            return print_token(args.new_token)
        if args.config:
            config = load_service_config(args.config, args.overrides)
        else:
            from jobs.config import merge_overrides

            config = check_service_config(merge_overrides({}, args.overrides), "--set")
        return serve_until_stopped(config)
    except TOLD as error:
        print(f"proofmill serve: {error}", file=sys.stderr)
        return exit_code_of(error)


def print_token(name: str) -> int:
    try:
        token, lines = new_token(name)
    except pydantic.ValidationError:
        raise ConfigError(f"--new-token {name}: a name has 1 to 64 letters, digits, dots, dashes and underscores")
    print(
        f"# Give this to the client; it is stored nowhere:\n# {token}\n# Add this to the service's config:\n{lines}",
        end="",
    )
    return EXIT_DONE


def serve_until_stopped(config: ServiceConfig) -> int:
    """The service, until a signal ends it. The first one ends it in order; a second one, or any during the start, ends
    it at once."""
    # The replicas get only the config, so plugins that this shell's environment names must be added to it.
    config = config.model_copy(update={"plugins": plugins.named()})
    check_settings(config.verify.tables())
    # What is free on a cluster is for its nodes to say.
    reserved = Reservation(config.server.host, config.server.port) if not config.ray.address else None
    try:
        with stop_signals() as signals:
            return run_hosted(config, signals)
    finally:
        if reserved is not None:
            reserved.close()


def solve_config(config: ServiceConfig) -> SolveConfig | None:
    """The models of the service, its endpoints asked; None without any. Raises ConfigError, whose text is for the
    user."""
    from jobs.solve.endpoints import check_prompts, try_endpoint  # imports Ray

    if not config.solve.config:
        return None
    solve = settle_pools(load_config(config.solve.config, config.solve.overrides))[0]
    if solve.sampling.variants:
        raise ConfigError(
            f"{config.solve.config}: sampling.variants: the service asks for all samples of a request in the same "
            "way; leave it out, or put what you want of it into [prompt] and [sampling]"
        )
    for pool in solve.pools().values():
        if is_remote(pool.model):
            check_prompts(pool, KINDS)
    # On a cluster it is the nodes that reach an endpoint and may have its key.
    for pool in solve.pools().values() if not config.ray.address else ():
        if is_remote(pool.model):
            try_endpoint(pool)
    return solve


def run_hosted(config: ServiceConfig, signals: StopSignals) -> int:
    """Starts the service, waits for a signal in `signals` and stops it. Returns the exit code."""
    hosts: list[Host] = []

    def start() -> None:
        from jobs.service.hosting import Host

        hosts.append(Host(config, solve_config(config)))
        hosts[0].start()

    # One thread starts Ray and lives on: the kernel ends Ray's processes with the thread that started them.
    with ThreadPoolExecutor(1) as host_thread:
        try:
            try:
                attend(host_thread.submit(start), signals, 0)
            except Interrupted:
                raise
            except Exception as error:
                code = told(error)
                if hosts:
                    close(hosts[0], host_thread, signals, 0, code or EXIT_ERRORS)
                if code is None:
                    raise
                return code
            print(f"proofmill serves on http://{config.server.host}:{config.server.port}", flush=True)
            while not signals:
                time.sleep(POLL_S)
            print(
                f"{signals[0]}: stopping; requests under way and batch runs end in order (again to stop at once)",
                flush=True,
            )
            attend(host_thread.submit(hosts[0].drain), signals, 1)
            close(hosts[0], host_thread, signals, 1, EXIT_DONE)
            return EXIT_DONE
        except Interrupted:
            print("stopped at once", flush=True)
            leave(hosts, EXIT_INTERRUPTED)


def attend(work: Future[None], signals: StopSignals, allowed: int, limit_s: float = math.inf) -> None:
    """Waits for `work` and raises what it raises; Interrupted as soon as there are more than `allowed` signals.
    Raises TimeoutError."""
    deadline = time.monotonic() + limit_s
    while not work.done():
        signals.install()
        if len(signals) > allowed:
            raise Interrupted
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(POLL_S)
    signals.install()
    work.result()


def close(host: Host, host_thread: ThreadPoolExecutor, signals: StopSignals, allowed: int, code: int) -> None:
    """Ends what is ours; where that hangs, ends this process with `code`."""
    try:
        attend(host_thread.submit(host.close), signals, allowed, CLOSE_S)
    except TimeoutError:
        leave([host], code)


def leave(hosts: list[Host], code: int) -> NoReturn:
    """Ends everything of ours at once, this process too. Python's own end would wait for the host thread, and a process
    whose Ray was killed is aborted by Ray's threads soon after."""
    if hosts:
        hosts[0].abandon()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def told(error: Exception) -> int | None:
    """Prints why the service did not start and returns the exit code; None where it is for the caller to tell."""
    from cluster.connect import ClusterError, LocalRayError

    if not isinstance(error, ClusterError):
        return None
    print(f"proofmill serve: {error}", file=sys.stderr)
    return EXIT_ERRORS if isinstance(error, LocalRayError) else EXIT_CONFIG
