"""Messages on a stream socket: four bytes of length, then JSON. Used on both sides of every channel, so stdlib only."""

from __future__ import annotations

import array
import json
import socket
import struct
from typing import Any, Protocol

_HEADER = struct.Struct("=I")


class FrameError(ValueError):
    """Too long, cut off, or not what the protocol says."""


class Receiver(Protocol):
    """A socket, or something that reads one under a deadline."""

    def recv(self, count: int, /) -> bytes: ...


def send(channel: socket.socket, message: Any, fds: tuple[int, ...] = ()) -> None:
    body = json.dumps(message).encode()
    header = _HEADER.pack(len(body))
    if fds:
        channel.sendmsg([header], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        channel.sendall(body)
    else:
        channel.sendall(header + body)


def receive_exactly(channel: Receiver, count: int) -> bytes:
    """Raises EOFError when the other side has closed."""
    parts = []
    while count:
        part = channel.recv(min(count, 1 << 20))
        if not part:
            raise EOFError("channel closed")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def receive_bytes(channel: Receiver, limit: int) -> bytes:
    """The JSON text of one message. Raises EOFError, FrameError."""
    (length,) = _HEADER.unpack(receive_exactly(channel, _HEADER.size))
    if length > limit:
        raise FrameError(f"message of {length} bytes")
    return receive_exactly(channel, length)


def receive_with_fds(channel: socket.socket, max_fds: int) -> tuple[Any, list[int]]:
    """For trusted senders only: no cap on the length."""
    fds = array.array("i")
    header, ancillary, _, _ = channel.recvmsg(_HEADER.size, socket.CMSG_LEN(max_fds * fds.itemsize))
    if not header:
        raise EOFError("channel closed")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if len(header) < _HEADER.size:
        header += receive_exactly(channel, _HEADER.size - len(header))
    return json.loads(receive_exactly(channel, _HEADER.unpack(header)[0])), list(fds)
