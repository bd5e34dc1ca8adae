"""Runs one command inside a room and hands files out that it wrote: the room's own /tmp cannot be seen from outside.

Runs as `python -I -S -B file_carrier.py FD COMMAND…` with the files to hand out as a JSON list in CARRIER_FILES. It is
the room's first process, so nothing in the room can kill it. What it hands out was written inside the room and is
hostile data: the receiver bounds it. Exit code: the command's own, 128 + signal if one ended it, 126 if it could not
be started.
"""

import json
import os
import sys

_CHUNK = 1 << 20


def main() -> int:
    channel = int(sys.argv[1])
    os.set_inheritable(channel, False)
    wanted = json.loads(os.environ.pop("CARRIER_FILES", "[]"))
    pid = os.fork()
    if pid == 0:
        try:
            os.execve(sys.argv[2], sys.argv[2:], os.environ)
        except OSError as error:
            os.write(2, f"{sys.argv[2]}: {error}\n".encode())
        finally:
            os._exit(126)
    status = 0
    while True:  # orphans of the command end up here, too
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            break
    for path in wanted:
        _hand_out(channel, path)
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _hand_out(channel: int, path: str) -> None:
    """Eight bytes of length and the file; all ones for a file that is not there or not a plain one."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        size = os.fstat(file).st_size
        _write(channel, size.to_bytes(8, "big"))
        while size > 0:
            chunk = os.read(file, min(size, _CHUNK))
            chunk = chunk or bytes(min(size, _CHUNK))  # it shrank while it was read
            _write(channel, chunk)
            size -= len(chunk)
    except OSError:
        _write(channel, b"\xff" * 8)


def _write(channel: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(channel, view) :]


if __name__ == "__main__":
    sys.exit(main())
