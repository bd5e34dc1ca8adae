"""What `proofmill serve` tells the replicas of its service while they run: go on, drain, end.

    proofmill serve ──begin(phase)──► Control (a Ray actor) ◄──watch── gateways

Promises: the actor has a fixed name, so a cluster has one Proofmill service at a time; it ends with the command that
made it, however that ends. A service whose command was killed goes on, and the next `proofmill serve` takes its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
import uuid
from typing import Any

from jobs.service.draining import Draining, Phase

NAME = "proofmill-service"
NAMESPACE = "proofmill-service"
WATCH_S = 5.0
"""How long one question of a gateway waits for a change, in seconds."""
DRAIN_POLL_S = 0.1
"""How often a draining gateway says how many requests it has under way."""
RETRY_S = 1.0

log = logging.getLogger("proofmill.service")


class Control:
    """Runs as a Ray actor with an event loop of its own."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._phase = Phase.SERVING
        self._changed = asyncio.Event()
        self._under_way: dict[str, int] = {}
        """Gateway → its requests under way, once it drains."""

    async def owner(self) -> str:
        """Which command this is, for its users."""
        return self._owner

    async def begin(self, phase: str) -> None:
        self._phase = Phase(phase)
        self._changed.set()
        self._changed = asyncio.Event()

    async def watch(self, gateway: str, known: str, under_way: int) -> str:
        """The phase, as soon as it is another one than `known`, and after WATCH_S at the latest."""
        if known != Phase.SERVING:
            self._under_way[gateway] = under_way
        elif known == self._phase:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), WATCH_S)
        return str(self._phase)

    async def drained(self, num_gateways: int) -> bool:
        """Whether that many gateways drain and have nothing under way."""
        return sum(1 for count in self._under_way.values() if count == 0) >= num_gateways


def start_control() -> Any:
    """The actor of this command. Raises ValueError where another `proofmill serve` has the cluster."""
    import ray

    owner = f"process {os.getpid()} on {socket.gethostname()}"
    options = {"name": NAME, "namespace": NAMESPACE, "num_cpus": 0, "max_concurrency": 1000}
    try:
        return ray.remote(Control).options(**options).remote(owner)
    except ValueError:  # the name is taken
        try:
            other = ray.get(ray.get_actor(NAME, NAMESPACE).owner.remote(), timeout=WATCH_S)
        except (ray.exceptions.RayError, ValueError):
            other = "a process that is just ending; try again"
        raise ValueError(f"a Proofmill service runs on this cluster already: {other}") from None


async def follow(draining: Draining) -> None:
    """Keeps the phase of a gateway; runs as long as the gateway. Without a `Control` the phase stays what it is."""
    import ray

    gateway = uuid.uuid4().hex
    while True:
        started = time.monotonic()
        try:
            control = await asyncio.to_thread(ray.get_actor, NAME, NAMESPACE)
            while True:
                phase = await control.watch.remote(gateway, str(draining.phase), len(draining.running))
                draining.set(Phase(phase))
                if draining.phase is not Phase.SERVING:
                    await asyncio.sleep(DRAIN_POLL_S)
        except (ray.exceptions.RayError, ValueError) as error:
            log.info("no control: %s", type(error).__name__)
        await asyncio.sleep(max(0.0, RETRY_S - (time.monotonic() - started)))
