"""The ownership of a run: one epoch at a time, claimed by an exclusive write and kept alive by a heartbeat.

Promises: of two jobs pointed at one run, one gets the epoch and the other is refused with RunHeldError; a run whose
owner is dead is taken over (at once if the owner was a process of this machine, else when its heartbeat stops moving);
after a claim, no earlier epoch can add rows (its streams are fenced); the next start knows what this one spent, except
in the seconds after its last heartbeat.
Does not: trust clocks of other machines. Only movement of the heartbeat counts, measured with our own clock.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from runstore.layout import EPOCHS, LEASE
from runstore.parts import fence_stream, stream_name
from runstore.process_identity import boot_id, is_running, started_at
from runstore.storage import Storage
from runstore.tokens import empty_uncommitted
from verifiers.types import Json

POLL_S = 0.5


class RunHeldError(Exception):
    """Another job is working on this run; the text is for the user."""


@dataclasses.dataclass(frozen=True, slots=True)
class RunLease:
    """The right to write to a run, until another job claims a later epoch."""

    epoch: int
    num_streams: int
    token: str
    earlier: Mapping[str, Json] = dataclasses.field(default_factory=dict)
    """What earlier starts had spent together at their last heartbeat; empty for the first start."""

    def streams(self) -> list[str]:
        return [stream_name(self.epoch, writer) for writer in range(self.num_streams)]


def claim_run(storage: Storage, num_streams: int, lease_s: float) -> RunLease:
    """Takes the next epoch and fences every stream of the earlier ones. Raises RunHeldError."""
    refuse_if_alive(storage, lease_s)
    earlier = json.loads(storage.read(LEASE) or b"{}").get("spent", {})
    token = uuid.uuid4().hex
    epochs = read_epochs(storage)
    epoch = max(epochs, default=0) + 1
    body = {"token": token, "num_streams": num_streams, "owner": describe_owner(token)}
    if not storage.create(epoch_key(epoch), json.dumps(body).encode()):
        raise RunHeldError(f"{storage.uri}: another job started on this run at the same moment; let it finish")
    claim = RunLease(epoch, num_streams, token, earlier)
    renew(storage, claim, 0, earlier)
    for before, num_before in epochs.items():
        for writer in range(num_before):
            fence_stream(storage, stream_name(before, writer))
            empty_uncommitted(storage, stream_name(before, writer))
    return claim


def epoch_key(epoch: int) -> str:
    return f"{EPOCHS}{epoch:04d}.json"


def read_epochs(storage: Storage) -> dict[int, int]:
    """Claimed epochs → number of their streams."""
    epochs = {}
    for key in storage.keys(EPOCHS):
        if key.endswith(".json"):
            epochs[int(Path(key).stem)] = int(json.loads(storage.read(key) or b"{}")["num_streams"])
    return epochs


def is_superseded(storage: Storage, claim: RunLease) -> bool:
    """True once a later epoch was claimed. The holder of `claim` must then stop."""
    return storage.read(epoch_key(claim.epoch + 1)) is not None


def renew(storage: Storage, claim: RunLease, count: int, spent: Mapping[str, Json] | None = None) -> None:
    """Records that the owner of `claim` is alive, and what all starts have spent. Called several times per lease."""
    body = {"epoch": claim.epoch, "beat": count, "owner": describe_owner(claim.token), "spent": dict(spent or {})}
    storage.replace(LEASE, json.dumps(body).encode())


def release(storage: Storage, claim: RunLease, spent: Mapping[str, Json] | None = None) -> None:
    """Ends the lease, so that a resume need not wait for it to run out."""
    body = {"epoch": claim.epoch, "released": True, "spent": dict(spent or {})}
    storage.replace(LEASE, json.dumps(body).encode())


def describe_owner(token: str) -> dict[str, Json]:
    return {
        "token": token,
        "host": socket.gethostname(),
        "boot": boot_id(),
        "pid": os.getpid(),
        "started": started_at(os.getpid()),
    }


def refuse_if_alive(storage: Storage, lease_s: float) -> None:
    """Returns once no owner is alive; waits up to `lease_s` for a heartbeat that may never move."""
    first = storage.read(LEASE)
    lease = json.loads(first or b"{}")
    owner = lease.get("owner")
    if not owner:
        return
    held = f"{storage.uri}: process {owner['pid']} on {owner['host']} is working on this run"
    if owner["boot"] and owner["boot"] == boot_id():
        # The process number of another container means nothing here, so only the heartbeat counts then.
        if is_running(owner["pid"], owner["started"]):
            raise RunHeldError(f"{held}; let it finish, stop it, or choose another run.id")
        if owner["host"] == socket.gethostname():
            return
    deadline = time.monotonic() + lease_s
    while time.monotonic() < deadline:
        time.sleep(min(POLL_S, lease_s / 4))
        now = storage.read(LEASE)
        if json.loads(now or b"{}").get("released"):
            return
        if now != first:
            raise RunHeldError(f"{held}; let it finish, stop it, or choose another run.id")
