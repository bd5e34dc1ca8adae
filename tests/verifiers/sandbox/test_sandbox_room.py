"""The launch interface: what a room hides, what it stops, and that nothing outlives it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from verifiers.sandbox import kernel
from verifiers.sandbox.room import (
    INTERPRETER,
    Room,
    SandboxedProcess,
    SandboxError,
    Tier,
    detect,
    library_symlinks,
    python_paths,
    shared_libraries,
    start,
)

TIERS = [detect()]
if detect().boundary == "namespaces":
    TIERS.append(Tier("namespaces"))  # as it is without root, a control group and Landlock
    if kernel.landlock_abi():
        TIERS.append(Tier("landlock", os.geteuid() == 0, None, kernel.landlock_abi()))


def python_room(code: str, **changes: object) -> Room:
    return Room(
        argv=(INTERPRETER, "-I", "-S", "-B", "-c", code),
        read_only={**python_paths(), **shared_libraries()},
        symlinks=library_symlinks(),
        **changes,  # type: ignore[arg-type]
    )


def output_of(process: SandboxedProcess) -> str:
    assert process.stdout is not None
    text = process.stdout.read().decode()
    process.wait()
    process.close()
    return text


def run(code: str, tier: Tier, **changes: object) -> str:
    return output_of(start(python_room(code, **changes), tier=tier, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))


def gone(marker: str) -> bool:
    """No process on this machine has `marker` on its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if marker.encode() in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                    return False
            except OSError:
                continue
    return True


def wait_until_gone(marker: str) -> None:
    deadline = time.monotonic() + 20
    while not gone(marker):
        assert time.monotonic() < deadline, f"{marker} still runs"
        time.sleep(0.02)


def test_this_machine_has_a_real_tier() -> None:
    if not kernel.SUPPORTED:
        pytest.skip("not Linux on x86_64 or aarch64")
    assert detect().protected


@pytest.mark.parametrize("tier", TIERS, ids=str)
def test_long_lived_process_answers_over_pipes(tier: Tier) -> None:
    code = "import sys\nfor line in sys.stdin: print(int(line) * 2, flush=True)"
    process = start(python_room(code), tier=tier, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    for number in (1, 21):
        process.stdin.write(f"{number}\n".encode())
        assert process.stdout.readline() == f"{2 * number}\n".encode()
    process.stdin.close()
    assert process.wait() == 0
    process.close()


HOSTILE = {
    "host file": "print(open('/etc/hostname').read())",
    "this repository": f"print(open({__file__!r}).read())",
    "network": "import socket; socket.socket(); print('leak')",
    "unix socket": "import socket; socket.socket(socket.AF_UNIX); print('leak')",
    "write to the root": "open('/leak', 'w'); print('leak')",
    "write to the library": "import os; open(os.__file__, 'a'); print('leak')",
    "new namespace": "import ctypes\nif ctypes.CDLL(None).unshare(0x10000000) < 0: raise OSError\nprint('leak')",
    "ptrace": "import ctypes\nif ctypes.CDLL(None).ptrace(0, 0, 0, 0) < 0: raise OSError\nprint('leak')",
    "mount": "import ctypes\nif ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, 0): raise OSError\nprint('leak')",
    "user 0": "import os; os.setuid(0); print('leak')",
    "environment": "import os; print(os.environ['PATH'])",
    "another process": f"import os; os.kill({os.getpid()}, 0); print('leak')",
}


@pytest.mark.parametrize("tier", TIERS, ids=str)
@pytest.mark.parametrize("name", HOSTILE)
def test_room_refuses(name: str, tier: Tier) -> None:
    if name == "user 0" and tier == Tier("landlock", True, None, tier.landlock):
        pytest.skip("where the interpreter is closed to nobody, this tier has to keep root's id (without its powers)")
    text = run("print('started', flush=True)\n" + HOSTILE[name], tier)
    assert text.startswith("started\n"), text
    assert "Error" in text, text
    assert "leak" not in text.partition("Traceback")[0], text


@pytest.mark.parametrize("name", ["this repository", "network", "environment", "another process"])
def test_the_same_program_succeeds_without_a_room(name: str) -> None:
    """Else the tests above would prove nothing."""
    subprocess.run([sys.executable, "-c", HOSTILE[name]], check=True, stdout=subprocess.DEVNULL)


def test_namespaces_show_no_other_process_and_no_host_path() -> None:
    if detect().boundary != "namespaces":
        pytest.skip("no namespaces on this machine")
    code = "import os; print(os.getpid(), os.listdir('/tmp'), [n for n in os.listdir('/proc') if n.isdigit()])"
    text = run(code, detect())
    assert text == "1 ['.shm'] ['1']\n"


def test_memory_cap() -> None:
    for tier in TIERS:
        text = run("x = bytearray(1 << 30); print('leak')", tier, memory_mb=128)
        assert "leak" not in text


def test_private_tmp_is_capped_and_gone_afterwards() -> None:
    if detect().boundary != "namespaces":
        pytest.skip("no namespaces on this machine")
    code = "f = open('/tmp/proofmill-room-probe', 'wb')\nfor _ in range(64): f.write(bytes(1 << 20)); f.flush()"
    assert "No space left" in run(code, detect(), tmp_mb=8)
    assert not Path("/tmp/proofmill-room-probe").exists()


@pytest.mark.parametrize("tier", TIERS, ids=str)
def test_killed_tree_leaves_nothing(tier: Tier) -> None:
    marker = f"proofmill-marker-{time.monotonic_ns()}"
    spawn = "try:\n    os.fork(); os.setsid()\nexcept OSError: pass"
    code = f"import os, time\n'{marker}'\n{spawn}\nprint(1, flush=True)\ntime.sleep(600)"
    process = start(python_room(code), tier=tier, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert not gone(marker)
    process.close()
    wait_until_gone(marker)


@pytest.mark.parametrize("tier", TIERS, ids=str)
def test_room_dies_with_a_killed_caller(tier: Tier) -> None:
    marker = f"proofmill-marker-{time.monotonic_ns()}"
    caller = f"""
import os, signal, subprocess, sys
sys.path[:0] = {sys.path!r}
from verifiers.sandbox.room import *
room = Room(
    argv=(INTERPRETER, "-I", "-S", "-c", "import time; print(1, flush=True); time.sleep(600)", "{marker}"),
    read_only={{**python_paths(), **shared_libraries()}}, symlinks=library_symlinks(),
)
process = start(room, tier={tier!r}, stdout=subprocess.PIPE)
process.stdout.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", caller], check=False)
    assert done.returncode == -9
    wait_until_gone(marker)


def test_unprotected_is_refused_unless_allowed() -> None:
    with pytest.raises(SandboxError, match="allow_unprotected"):
        start(python_room("print(1)"), tier=Tier("none"))
    process = start(python_room("print(1)"), tier=Tier("none"), stdout=subprocess.PIPE, allow_unprotected=True)
    assert output_of(process) == "1\n"


def test_failures_are_told() -> None:
    with pytest.raises(SandboxError, match="No such file"):
        start(Room(argv=("/no/such/program",), read_only={}))
