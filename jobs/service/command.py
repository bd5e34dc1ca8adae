"""`proofmill serve`: starts the service and runs until it is interrupted."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from typing import Any

import pydantic

from jobs.config import ConfigError, SolveConfig, load_config
from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_CONFIG, EXIT_DONE, EXIT_ERRORS
from jobs.service.settings import ServiceConfig, check_service_config, load_service_config, new_token
from verifiers import plugins
from verifiers.checker import check_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", metavar="CONFIG", nargs="?", default="", help="TOML config (default: local, verify only)"
    )
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
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
    """The service, until a signal ends it."""
    # The replicas get only the config, so plugins that this shell's environment names must be added to it.
    config = config.model_copy(update={"plugins": plugins.named()})
    check_settings(config.verify.tables())

    import ray
    from ray import serve

    from cluster.connect import ClusterError, LocalRayError, start_ray
    from jobs.service.deploy import APP, application, load_known

    solve = load_config(config.solve.config, config.solve.overrides) if config.solve.config else None
    load_known(config)  # a bad file is reported here, and not by a replica that fails to start
    server = config.server
    address = config.ray.address or os.environ.get("RAY_ADDRESS", "")
    own: dict[str, Any] = {"num_cpus": config.ray.num_cpus or None, "include_dashboard": False}
    if not config.ray.address:
        # Workers import the code from here; no copy of the folder is made.
        os.environ["PYTHONPATH"] = os.pathsep.join([code_root(), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    try:
        start_ray(address, log_to_driver=False, **({} if config.ray.address else own))
    except ClusterError as error:
        print(f"proofmill serve: {error}", file=sys.stderr)
        return EXIT_ERRORS if isinstance(error, LocalRayError) else EXIT_CONFIG
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        serve.start(http_options={"host": server.host, "port": server.port, "request_timeout_s": None})
        use_gpu = solve is not None and has_gpus(solve)
        serve.run(application(config, solve, use_gpu), name=APP, route_prefix="/")
        print(f"proofmill serves on http://{server.host}:{server.port}", flush=True)
        stopped.wait()
        print("stopping", flush=True)
        return EXIT_DONE
    except RuntimeError as error:
        print(f"proofmill serve: {error}\n{deployment_faults()}", file=sys.stderr)
        return EXIT_ERRORS
    finally:
        serve.shutdown()
        ray.shutdown()


def deployment_faults(max_lines: int = 12) -> str:
    """What Serve reports about the parts that did not start; its own error only names them."""
    from ray import serve

    lines = []
    for application in serve.status().applications.values():
        for name, deployment in application.deployments.items():
            if deployment.status.value not in ("HEALTHY", "UPDATING"):
                lines.append(f"{name}: {deployment.status.value}")
                lines += ["  " + line for line in deployment.message.strip().splitlines()[-max_lines:]]
    return "\n".join(lines)


def has_gpus(solve: SolveConfig) -> bool:
    import ray

    return solve.resources.device != "cpu" and ray.cluster_resources().get("GPU", 0) > 0


def code_root() -> str:
    from jobs.submit.package import CODE_ROOT

    return str(CODE_ROOT)
