"""Where a Ray listens: addresses, whether anything answers there, and a local Ray that is seen by this machine only."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

KNOCK_S = 5.0
"""How long a connection to a cluster's head may take, in seconds."""
LOOPBACK = "127.0.0.1"
CLIENT_PORT = 10001
"""Port of Ray's client server where `ray://host` names none."""


def found_by_ray() -> str:
    """The cluster that Ray takes for the address `auto`: that of RAY_ADDRESS, else one on this machine. Raises
    ConnectionError where there is none."""
    from ray._private import services

    named = os.environ.get("RAY_ADDRESS", "")
    return named if named and named != "auto" else str(services.get_ray_address_from_environment("auto", None))


def host_and_port(address: str) -> tuple[str, int]:
    """The host and the port in `host:port`, `[v6]:port` or `ray://host:port`. Raises ValueError."""
    scheme, found, place = address.rpartition("://")
    if found and scheme != "ray":
        raise ValueError(f"{scheme}:// is no address of a Ray cluster (RAY_ADDRESS may name a job server)")
    host, _, port = place.partition("/")[0].partition("?")[0].rpartition(":")
    if found and not host:
        host, port = port, str(CLIENT_PORT)
    if not host or not port.isdecimal():
        raise ValueError("expected host:port")
    return host.strip("[]"), int(port)


def knock(host: str, port: int) -> str:
    """Why nothing accepts connections there; empty where something does."""
    try:
        socket.create_connection((host, port), KNOCK_S).close()
    except (OSError, OverflowError) as error:
        return str(error)
    return ""


def listens_on_loopback_only(host: str, port: int) -> bool:
    """Whether the Ray that was named by a loopback address cannot be reached by this machine's own address."""
    from ray._private import services

    if host not in (LOOPBACK, "localhost", "::1"):
        return False
    return bool(knock(services.get_node_ip_address(), port))


@contextlib.contextmanager
def loopback_node() -> Iterator[None]:
    """In this block `ray.init` takes 127.0.0.1 for this machine's address, as it does on macOS. Every port of a Ray
    that starts here is then bound to loopback; otherwise its control store, raylet, workers and metrics listen to the
    whole network. A Ray that was started so is joined in the same way."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def replica_on_loopback() -> None:
    """For the constructor of a Ray Serve replica: where its node is a loopback node, the port at which Serve's other
    processes call it is bound to loopback too. Serve binds it to every interface, and what comes in is unpickled before
    anything else looks at it: to reach it is to need no token."""
    import ray
    from ray.serve._private import replica

    if ray.util.get_node_ip_address() != LOOPBACK:
        return
    bind = replica.add_port_to_grpc_server

    def bind_to_loopback(server: Any, address: str) -> int:
        return int(bind(server, address.replace("[::]", LOOPBACK)))

    replica.add_port_to_grpc_server = bind_to_loopback
