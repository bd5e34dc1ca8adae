"""Variables for a job on a cluster, handed over so that nothing that Ray keeps or shows has their values.

    Handover(variables).deposit(client)      on the submitting machine, before the job is sent
    adopt()                                  first thing in the job (jobs.submit.start)

Ray writes a job's runtime environment into world-readable logs, into the command line of every worker and into the
answers of its API, and keeps a package as files. So the values go as two halves that are worth nothing alone. The key
travels in the runtime environment (`PROOFMILL_HANDOVER`). What it opens lies in the memory of the cluster's control
store, under a random name, until the job takes it: it is read once and deleted. A half that no job takes is overwritten
when the submission fails, and Ray itself drops it after ten minutes.

Promises: no value is in a file, a log, a command line, an answer of an API, a package or the initial environment of a
process that Ray starts on the cluster, before, during or after the job; a changed or cut-off half is noticed; the
length of what is kept tells nothing below PADDING bytes.
Does not: protect from anyone who may run code on the cluster while the job starts or runs, as any of its jobs may, or
who reads the connection: give an https address or a tunnel, since the half in the store passes through it. A control
store that a Redis backs (fault tolerance) writes what it holds to that Redis, whose log of changes may outlast the
deletion; the key is not in it. With an instance role on the nodes nothing needs to travel at all.
Fails: HandoverError, whose text is for the user and has no value in it.

The cipher is the XOR with SHAKE-256 of a random 256-bit key that is used once. It needs no package on either side.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

VARIABLE = "PROOFMILL_HANDOVER"
"""Environment variable of the job: the name in the control store, a colon, and the key in hex."""
PADDING = 4096
KEY_BYTES = 32
DIGEST_BYTES = 32
MAX_BYTES = 1 << 20
"""Largest size of what is handed over. Keys and tokens take a few hundred bytes each."""
TIMEOUT_S = 60.0


class HandoverError(Exception):
    """The variables did not arrive, or could not be left; the text is for the user."""


def seal(variables: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Returns (sealed, key). Raises HandoverError for more than MAX_BYTES."""
    data = json.dumps(dict(variables)).encode()
    if len(data) > MAX_BYTES:
        raise HandoverError(f"the variables hold {len(data):,} bytes; at most {MAX_BYTES:,} can be handed over")
    data += b" " * (-len(data) % PADDING)
    key = secrets.token_bytes(KEY_BYTES)
    return _xor(hashlib.sha256(data).digest() + data, key), key


def unseal(sealed: bytes, key: bytes) -> dict[str, str]:
    """The variables. Raises HandoverError where the two do not belong together."""
    opened = _xor(sealed, key)
    digest, data = opened[:DIGEST_BYTES], opened[DIGEST_BYTES:]
    if len(key) != KEY_BYTES or not secrets.compare_digest(hashlib.sha256(data).digest(), digest):
        raise HandoverError("what the cluster kept of this job's variables is not what was sent; submit it again")
    variables: dict[str, str] = json.loads(data)
    return variables


def _xor(data: bytes, key: bytes) -> bytes:
    stream = hashlib.shake_256(key).digest(len(data))
    return bytes(a ^ b for a, b in zip(data, stream, strict=True))


class Handover:
    """Variables on their way to one job."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Raises HandoverError for more than MAX_BYTES."""
        self._name = f"proofmill_{secrets.token_hex(16)}.zip"
        self._sealed, self._key = seal(variables)

    def __repr__(self) -> str:
        return f"Handover({self._name})"

    def environment(self) -> dict[str, str]:
        """What the job's runtime environment has to have."""
        return {VARIABLE: f"{self._name}:{self._key.hex()}"}

    def deposit(self, client: JobSubmissionClient) -> None:
        """Leaves the sealed half on the cluster; may be repeated. Raises HandoverError, and what requests raises for a
        lost connection."""
        self._put(client, self._sealed)
        # A question about a package makes Ray drop it ten minutes later, unless it is asked again.
        answer = client._do_request("GET", self._path, timeout=TIMEOUT_S)
        if answer.status_code != 200:
            raise HandoverError(f"the cluster did not keep this job's variables (HTTP {answer.status_code}); try again")

    def withdraw(self, client: JobSubmissionClient) -> None:
        """Overwrites what was left for a job that will not start."""
        self._put(client, b"withdrawn")

    @property
    def _path(self) -> str:
        return f"/api/packages/gcs/{self._name}"

    def _put(self, client: JobSubmissionClient, data: bytes) -> None:
        answer = client._do_request("PUT", self._path, data=data, timeout=TIMEOUT_S)
        if answer.status_code != 200:
            raise HandoverError(f"the cluster refused this job's variables (HTTP {answer.status_code})")


def take(environ: MutableMapping[str, str]) -> dict[str, str]:
    """The variables that were left for this job; empty where none were. A second call finds nothing. Raises
    HandoverError."""
    ticket = environ.pop(VARIABLE, "")
    if not ticket:
        return {}
    name, _, key = ticket.partition(":")
    store = control_store(environ.get("RAY_ADDRESS", ""))
    place = f"gcs://{name}".encode()
    sealed = store.internal_kv_get(place, None, timeout=TIMEOUT_S)
    store.internal_kv_del(place, False, None, timeout=TIMEOUT_S)
    if not sealed:
        raise HandoverError(
            "the variables that were handed over with this job are not there any more: it has started before, or more "
            "than ten minutes after it was submitted; submit it again"
        )
    try:
        return unseal(bytes(sealed), bytes.fromhex(key))
    except ValueError as error:
        raise HandoverError(f"{VARIABLE} is not what `proofmill submit` made; submit the job again") from error


def control_store(address: str) -> Any:
    """A client of the cluster's key-value store, from inside a job."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled, and its stubs leave it out

    if not address:
        raise HandoverError("RAY_ADDRESS is not set: this is not the entry point of a Ray job")
    return GcsClient(address=address)


def adopt(environ: MutableMapping[str, str] = os.environ) -> dict[str, str]:
    """Takes the variables and sets them in this process. Raises HandoverError."""
    variables = take(environ)
    environ.update(variables)
    return variables
