"""The service's port: free or not, known before anything starts, and kept for this service while it runs.

Ray Serve's proxies bind with SO_REUSEPORT. The kernel lets any two of them (of one user) share a port, and spreads the
connections over both: two services on one port would answer each other's clients, with each other's tokens.

Promises: of all services that reserve a port at the same time at most one gets it. While a `Reservation` is held, no
program but Ray Serve's own proxies (same user, SO_REUSEPORT) can listen there, and another reservation fails, also
before the proxy is up and while a dead proxy is being replaced. The reservation itself takes no connection.
Does not: see ports of other machines.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket

import psutil

from jobs.config import ConfigError


class Reservation:
    """Sockets that are bound and do not listen, one per address of the host."""

    def __init__(self, host: str, port: int) -> None:
        """Raises ConfigError, with a text for the user, where the port is not free or the host is not of this
        machine."""
        self._sockets: list[socket.socket] = []
        try:
            for family, address in addresses(host, port):
                self._sockets.append(reserve(family, address))
        except OSError as error:
            self.close()
            raise ConfigError(f"server.port {port}: {why(error, host, port)}") from error

    def close(self) -> None:
        for each in self._sockets:
            each.close()
        self._sockets = []


def addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Where Serve's proxy would listen. It takes a name for IPv4. Raises OSError for a name that has no address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    return [(family, (str(found[0][4][0]), port))]


def reserve(family: socket.AddressFamily, address: tuple[str, int]) -> socket.socket:
    """A socket that is bound to `address`. Raises OSError where another socket listens there or has reserved it."""
    with socket.socket(family, socket.SOCK_STREAM) as exclusive:
        # Old connections of a service that has just ended (TIME_WAIT) are no obstacle; a listener is.
        exclusive.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        exclusive.bind(address)
        exclusive.listen(1)  # a bind alone may pass beside a reservation, which is bound and does not listen
        # The lasting socket joins before the exclusive one goes, so that no other service comes between.
        exclusive.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        lasting = socket.socket(family, socket.SOCK_STREAM)
        try:
            lasting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            lasting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            lasting.bind(address)
            lasting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # without it the next `listen` fails
        except OSError:
            lasting.close()
            raise
        return lasting


def why(error: OSError, host: str, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return f"server.host {host} has no address here ({error.strerror})"
    if error.errno == errno.EADDRINUSE:
        return f"in use by {user_of(port)}; end it, or choose another port with --set server.port=PORT"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"server.host {host} is no address of this machine; 127.0.0.1 and 0.0.0.0 always are"
    if error.errno == errno.EACCES:
        return "ports below 1024 are for root; choose another one with --set server.port=PORT"
    return f"cannot listen on {host}: {error.strerror}"


def user_of(port: int) -> str:
    """The process that listens at `port`, where it may be seen, and the `proofmill serve` that it belongs to."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    return "a process of another user"
                return described(psutil.Process(connection.pid))
    if services := other_services():
        ids = " or ".join(str(process.pid) for process in services)
        return f"a service that is starting or about to end, process {ids}"
    return "a process that cannot be seen, such as another user's"


def other_services() -> list[psutil.Process]:
    """Every other `proofmill serve` that this user can see. What only reserves a port is in no list of listeners."""
    found = []
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if "serve" in words and process.pid not in mine and any(is_proofmill(word) for word in words[:4]):
                found.append(process)
    return found


def is_proofmill(word: str) -> bool:
    return word == "jobs.cli" or word.rpartition("/")[2] == "proofmill"


def described(process: psutil.Process) -> str:
    """The process's id and name. Command lines are not shown, because they may hold secrets."""
    text = f"process {process.pid} ({process.name()})"
    with contextlib.suppress(psutil.Error):
        for parent in process.parents():
            if "serve" in parent.cmdline():
                return f"{text} of the service with process id {parent.pid}"
    return text
