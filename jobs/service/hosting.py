"""The service on Ray: started, drained, ended.

    start:    Ray (its own, or the cluster of ray.address) ─► Control ─► Serve ─► the application
    drain:    gateways take nothing new and end what they have; batch runs are interrupted in order
    close:    what is ours goes
    abandon:  what is ours on this machine goes at once

Promises: only what this command started is ended. On a cluster that is our application alone; Serve goes with it only
where we started it and no other application came. A Serve that runs with other HTTP options is refused, because it
would listen elsewhere than the config says.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from typing import Any

import psutil
import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException

from cluster.connect import LOCAL_OBJECT_STORE_BYTES, ClusterError, LocalRayError, start_ray
from jobs.config import SolveConfig
from jobs.service import run_process
from jobs.service.control import start_control
from jobs.service.deploy import APP, KEEPER, RUNS_GRACE_S, application, load_known
from jobs.service.draining import Phase
from jobs.service.front_door import Limits, announce
from jobs.service.port import Reservation
from jobs.service.settings import ServiceConfig
from jobs.submit.package import CODE_ROOT

POLL_S = 0.1
ENDING_S = 5.0
"""How long gateways have to give their last answers of 503, in seconds."""
ABANDON_S = 1.0
"""How long a cluster has to hear that our application goes, where it must go at once."""
SERVE_FAULTS = (RuntimeError, RayError, RayServeException, TimeoutError)


class Host:
    """One service. Its methods block; `abandon` may be called while another one runs."""

    def __init__(self, config: ServiceConfig, solve: SolveConfig | None) -> None:
        self._config = config
        self._solve = solve
        self._own_ray = not config.ray.address
        self._own_serve = False
        self._control: Any = None
        self._deployed = False

    def start(self) -> None:
        """Returns once every replica is up. Raises ClusterError, and one of jobs.errors.TOLD for a bad file."""
        load_known(self._config)  # a bad file is reported here, and not by a replica that fails to start
        own: dict[str, Any] = {}
        if self._own_ray:
            # Workers import the code from here; no copy of the folder is made.
            path = os.pathsep.join([str(CODE_ROOT), os.environ.get("PYTHONPATH", "")])
            os.environ["PYTHONPATH"] = path.rstrip(os.pathsep)
            server = self._config.server
            announce(
                Limits(
                    header_timeout_s=server.header_timeout_s,
                    body_timeout_s=server.body_timeout_s,
                    max_pending_bytes=server.max_pending_body_mb * 2**20,
                )
            )
            own = {"num_cpus": self._config.ray.num_cpus or None, "include_dashboard": False}
            own["object_store_memory"] = LOCAL_OBJECT_STORE_BYTES
        start_ray(self._config.ray.address, logging_level=logging.ERROR, log_to_driver=False, **own)
        try:
            self._control = start_control()
        except ValueError as error:
            raise ClusterError(f"{error}; end that one first") from error
        server = self._config.server
        wanted = {"host": server.host, "port": server.port, "request_timeout_s": None}
        if not self._own_ray:
            self._own_serve = not check_serve(wanted)
            if self._own_serve:
                check_ports(server.host, server.port)
        try:
            serve.start(http_options=wanted)
            use_gpu = self._solve is not None and has_gpus(self._solve)
            self._deployed = True
            serve.run(application(self._config, self._solve, use_gpu), name=APP, route_prefix="/")
        except SERVE_FAULTS as error:
            raise LocalRayError(f"{error}\n{deployment_faults()}".rstrip()) from error

    def drain(self) -> None:
        """Lets requests under way end, and interrupts batch runs in order. What is lost of the service by now is no
        obstacle."""
        with contextlib.suppress(*SERVE_FAULTS):
            self._drain()

    def _drain(self) -> None:
        server = self._config.server
        deadline = time.monotonic() + server.drain_s
        ray.get(self._control.begin.remote(str(Phase.DRAINING)))
        runs: Any = None
        if self._config.runs.output_uri:
            keeper = serve.get_deployment_handle(KEEPER, app_name=APP)
            runs = keeper.ask.remote("close", RUNS_GRACE_S)
        if not self._wait_drained(deadline):
            ray.get(self._control.begin.remote(str(Phase.ENDING)))
            self._wait_drained(time.monotonic() + ENDING_S)
        if runs is not None:
            runs.result(timeout_s=RUNS_GRACE_S + ENDING_S)

    def _wait_drained(self, deadline: float) -> bool:
        while not (drained := ray.get(self._control.drained.remote(self._config.server.gateways))):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
        return bool(drained)

    def close(self) -> None:
        """Ends what is ours. May be called after a failed start."""
        if not ray.is_initialized():
            return
        if not self._own_ray:
            with contextlib.suppress(*SERVE_FAULTS):
                if self._deployed:
                    serve.delete(APP)
                if self._own_serve and not serve.status().applications:
                    serve.shutdown()
        ray.shutdown()

    def abandon(self) -> None:
        """Ends what is ours on this machine at once. Batch runs hear a second interrupt: each stops at once and says
        so. The caller must end its process without Python's usual clean-up, which would wait for Ray."""
        if self._own_ray:
            kill_own_processes()
        elif self._deployed:
            told = threading.Thread(target=serve.delete, args=(APP, False), daemon=True)
            told.start()
            told.join(ABANDON_S)


def check_serve(wanted: dict[str, Any]) -> bool:
    """Whether Serve runs on the cluster that this process has joined. Raises ClusterError where it would not listen
    as the config says, or where another application has all paths."""
    client = _get_global_client(raise_if_no_controller_running=False)
    if client is None:
        return False
    found = {**{name: getattr(client.http_config, name) for name in wanted}, "root_path": client.http_config.root_path}
    other = [
        f"{name} {found[name]!r} in place of {value!r}"
        for name, value in {**wanted, "root_path": ""}.items()
        if found[name] != value
    ]
    if other:
        raise ClusterError(
            f"Ray Serve runs on this cluster already with other HTTP options ({'; '.join(other)}), and cannot be given "
            "new ones while it runs. Set [server] to them, give the service a cluster of its own, or leave ray.address "
            "empty for a Ray of its own"
        )
    return True


def check_ports(host: str, port: int) -> None:
    """Raises ConfigError where the port is taken on a node of the cluster. Serve's proxies would share it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(num_cpus=0, max_retries=0)(port_fault)
    asked = [
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
            host, port
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    from jobs.config import ConfigError

    for fault in ray.get(asked):
        if fault:
            raise ConfigError(fault)


def port_fault(host: str, port: int) -> str:
    """Why the port of this node cannot be had; empty where it can."""
    from jobs.config import ConfigError

    try:
        Reservation(host, port).close()
    except ConfigError as error:
        return f"{error} (on node {os.uname().nodename})"
    return ""


def kill_own_processes() -> None:
    """Kills this process's descendants. Batch runs, which have sessions of their own, get SIGINT instead."""
    me = psutil.Process()
    spared: set[int] = set()
    for _ in range(2):  # what was started between looking and killing
        found = [process for process in me.children(recursive=True) if process.pid not in spared]
        for process in found:
            with contextlib.suppress(psutil.Error):
                if run_process.__name__ in process.cmdline():
                    spared |= {process.pid, *(child.pid for child in process.children(recursive=True))}
                    process.send_signal(signal.SIGINT)
        for process in found:
            if process.pid not in spared:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def deployment_faults(max_lines: int = 12) -> str:
    """What Serve reports about the parts that did not start; its own error only names them."""
    lines = []
    with contextlib.suppress(*SERVE_FAULTS):
        for name, deployment in serve.status().applications[APP].deployments.items():
            if deployment.status.value not in ("HEALTHY", "UPDATING"):
                lines.append(f"{name}: {deployment.status.value}")
                lines += ["  " + line for line in deployment.message.strip().splitlines()[-max_lines:]]
    return "\n".join(lines)


def has_gpus(solve: SolveConfig) -> bool:
    return solve.resources.device != "cpu" and ray.cluster_resources().get("GPU", 0) > 0
