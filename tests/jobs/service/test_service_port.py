"""A port in use: refused before Ray is imported, by name of the process; and one service to a port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_process import ROOT, ServiceProcess, free_port

from jobs.cli import main
from jobs.config import ConfigError
from jobs.service.port import Reservation

HOST = "127.0.0.1"


def sharing_socket(port: int) -> socket.socket:
    """A listener as Ray Serve's proxy makes it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((HOST, port))
    listener.listen(128)
    return listener


def answers(listeners: dict[str, socket.socket], port: int, count: int) -> Counter[str]:
    """Which listener gets each of `count` connections."""
    found: Counter[str] = Counter()
    for listener in listeners.values():
        listener.settimeout(0.0)
    for _ in range(count):
        with socket.create_connection((HOST, port), 10):
            while True:
                for name, listener in listeners.items():
                    try:
                        listener.accept()[0].close()
                    except BlockingIOError:
                        continue
                    found[name] += 1
                    break
                else:
                    continue
                break
    return found


@pytest.fixture
def proxy() -> Iterator[socket.socket]:
    with sharing_socket(0) as listener:
        yield listener


def test_two_services_would_share_a_port(proxy: socket.socket) -> None:
    """The fault that all of this is for."""
    port = proxy.getsockname()[1]
    with sharing_socket(port) as second:
        found = answers({"first": proxy, "second": second}, port, 60)
    assert found["first"] and found["second"], found


def test_a_busy_port_is_refused_every_time_with_the_process_named(
    proxy: socket.socket, capsys: pytest.CaptureFixture[str]
) -> None:
    port = proxy.getsockname()[1]
    for _ in range(20):
        assert main(["serve", "--set", f"server.port={port}"]) == 2
        error = capsys.readouterr().err
        assert f"server.port {port}: in use by process {os.getpid()} " in error and error.count("\n") == 1


def test_it_is_refused_before_ray_is_imported(proxy: socket.socket) -> None:
    port = proxy.getsockname()[1]
    program = (
        "import sys\nfrom jobs.cli import main\n"
        f"code = main(['serve', '--set', 'server.port={port}'])\n"
        "print(code, 'ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "2 False\n", done.stderr
    assert f"in use by process {os.getpid()} " in done.stderr


def test_of_services_that_start_together_one_gets_the_port() -> None:
    """Seconds pass between this and the moment when the proxy listens."""
    for _ in range(20):
        port = free_port()
        line = threading.Barrier(8)
        got: list[Reservation] = []
        refused: list[ConfigError] = []

        def start(port: int = port, line: threading.Barrier = line, got=got, refused=refused) -> None:
            line.wait()
            try:
                got.append(Reservation(HOST, port))
            except ConfigError as error:
                refused.append(error)

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) <= 1 and len(got) + len(refused) == 8
        if not got:  # each saw another one that was just trying
            got.append(Reservation(HOST, port))
        with pytest.raises(ConfigError, match="in use by"):
            Reservation(HOST, port)
        got[0].close()


def test_a_reserved_port_is_for_serves_proxy_alone_also_while_it_is_replaced() -> None:
    port = free_port()
    reserved = Reservation(HOST, port)
    for _ in range(2):
        with sharing_socket(port) as proxy:
            assert answers({"proxy": proxy}, port, 30) == {"proxy": 30}, "the reservation took a connection"
        for host in (HOST, "localhost", "0.0.0.0", "::"):
            with pytest.raises(ConfigError, match="in use by"):
                Reservation(host, port)
        with socket.socket() as other, pytest.raises(OSError):
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((HOST, port))
            other.listen()
    reserved.close()
    # Connections that the ended proxy closed linger; they are no service.
    Reservation(HOST, port).close()


def test_a_service_that_is_only_starting_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It listens at nothing yet, so no list of listeners has it."""
    os.mkfifo(tmp_path / "slow.jsonl")  # the start waits here
    service = ServiceProcess(tmp_path, f'problems.files = ["{tmp_path}/slow.jsonl"]\n')
    try:
        service.until(lambda: is_reserved(service.port))
        assert main(["serve", "--set", f"server.port={service.port}"]) == 2
        error = capsys.readouterr().err
        assert "a service that is starting or about to end, process " in error and str(service.process.pid) in error
        service.interrupt()
        assert service.ended() == 130
    finally:
        service.kill()
    assert not is_reserved(service.port)


def is_reserved(port: int) -> bool:
    try:
        Reservation(HOST, port).close()
    except ConfigError:
        return True
    return False


@pytest.mark.parametrize(
    ("host", "told"),
    [("203.0.113.9", "no address of this machine"), ("no-such-host.invalid", "has no address here")],
)
def test_a_host_that_is_not_of_this_machine_is_told(host: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Reservation(host, free_port())
