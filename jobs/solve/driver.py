"""The driver of a run: starts the coordinator, feeds it problems and shows its progress.

    problems ──chunks──► coordinator ──status──► display

Promises: a coordinator that dies or no longer answers is replaced, and its successor resumes from what is durable; on
the first SIGINT or SIGTERM checked samples are written, the second one ends the run at once.
Does not: check the config or the problems, or write the run's record (jobs.solve.command does).
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import ray
import ray.exceptions

from jobs.config import SolveConfig
from jobs.problems.errors import RowError
from jobs.problems.load import stream_problems
from jobs.solve.progress import Display
from jobs.stop_signals import stop_signals
from runstore.batches import pack
from verifiers.answer_keys import has_answer_key
from verifiers.types import Json, Problem
from workers.actors.presence import KILL_S, end_on_its_node
from workers.coordinator.actor import Coordinator
from workers.coordinator.names import NAMESPACE, coordinator_name
from workers.coordinator.placement import on_this_node
from workers.coordinator.state import CoordinatorSettings
from workers.scheduling.sample_state import ProblemEntry

CHUNK = 64
"""Number of problems that travel together. A generator fetches them at once and keeps them while it needs them."""

GRACE_S = 20.0
"""Seconds for checks and parts under way when a run is stopped. A spot machine's notice gives two minutes."""

POLL_S = 0.5

COORDINATOR_STARTS = 3


class DriveResult:
    """How a drive ended."""

    def __init__(self, summary: dict[str, Json] | None, error: str = "", interrupted: str = "") -> None:
        self.summary = summary
        self.error = error
        self.interrupted = interrupted


def drive(
    config: SolveConfig,
    settings: CoordinatorSettings,
    screen: Display,
    skipped: tuple[RowError, ...] = (),
    watch: Callable[[dict[str, Json]], None] = lambda status: None,
) -> DriveResult:
    """Starts coordinators until one finishes the run, or the run cannot go on. Ray must be connected. `watch` gets
    every status that the screen shows."""
    for start in range(1, COORDINATOR_STARTS + 1):
        with stop_signals() as signals:
            options = {
                **{"num_cpus": 0, "max_concurrency": 1000, "max_restarts": 0, "scheduling_strategy": on_this_node()},
                **{"name": coordinator_name(settings.run_uri) + secrets.token_hex(4), "namespace": NAMESPACE},
            }
            coordinator = ray.remote(Coordinator).options(**options).remote(settings)
            _current.append(coordinator)
            try:
                presence = ray.get(coordinator.presence.remote())
                return attend(coordinator, config, skipped, signals, screen, watch, settings.stall_s)
            except ray.exceptions.RayTaskError as error:
                # The coordinator lives and says why it cannot go on. Another one would say the same.
                return DriveResult(None, str(getattr(error, "cause", error)))
            except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError) as error:
                what = "died"
                if isinstance(error, ray.exceptions.GetTimeoutError):
                    what = f"did not answer for {settings.stall_s:g} s (resources.stall_s)"
                    with contextlib.suppress(ray.exceptions.RayError):  # its node is gone, and the process with it
                        ray.get(end_on_its_node(presence), timeout=KILL_S)
                if start == COORDINATOR_STARTS:
                    return DriveResult(None, f"the coordinator {what}, as did {start - 1} before it: {error}")
                screen.say(f"the coordinator {what}; starting another one, which resumes from what is durable")
            finally:
                with contextlib.suppress(Exception):
                    ray.kill(coordinator)
    raise AssertionError("unreachable")


_current: list[Any] = []


def current_coordinator() -> Any:
    """Handle of the coordinator started last in this process, for tests and tools that look into a live run."""
    return _current[-1]


def attend(
    coordinator: Any,
    config: SolveConfig,
    skipped: tuple[RowError, ...],
    signals: list[str],
    screen: Display,
    watch: Callable[[dict[str, Json]], None],
    stall_s: float,
) -> DriveResult:
    """Feeds one coordinator and shows its progress until the run ends. Raises RayActorError if it dies, GetTimeoutError
    if it does not answer for `stall_s`, and RayTaskError for what it raises itself."""
    claiming = coordinator.claim.remote()
    while not ray.wait([claiming], timeout=POLL_S)[0]:
        if signals:
            return DriveResult(
                None, interrupted=signals[0]
            )  # it waits for an owner's heartbeat, or reads what is durable
    claim = ray.get(claiming)
    if claim["durable_rows"]:
        screen.say(f"resuming: {claim['durable_rows']:,} samples of {claim['durable_problems']:,} problems are durable")
    result = coordinator.run.remote()
    feed = chunks_of(stream_problems(config.problems, skipped))
    wanted = 1
    fed_all = stopping = False
    last_status = 0.0
    while True:
        if signals and not stopping:
            stopping = True
            screen.say(f"{signals[0]}: stopping; what is checked is being written (again to stop at once)")
            coordinator.stop.remote(signals[0], GRACE_S)
        if len(signals) > 1:
            return DriveResult(None, interrupted=signals[0])
        if not fed_all and not stopping:
            if wanted > 0:
                chunk = next(feed, None)
                if chunk is None:
                    fed_all = True
                    ray.get(coordinator.end_of_problems.remote(), timeout=stall_s)
                else:
                    entries = [entry_of(problem, config) for problem in chunk]
                    fed = coordinator.feed.remote([ray.put(pack(chunk))], pack(entries))
                    wanted = ray.get(fed, timeout=stall_s)
            else:
                wanted = ray.get(coordinator.wants_problems.remote(POLL_S), timeout=POLL_S + stall_s)
        if time.monotonic() - last_status >= POLL_S:
            last_status = time.monotonic()
            status = ray.get(coordinator.status.remote(), timeout=stall_s)
            screen.update(status)
            watch(status)
        ready, _ = ray.wait([result], timeout=POLL_S if fed_all or stopping else 0)
        if ready:
            return DriveResult(ray.get(result), interrupted=signals[0] if signals else "")


def entry_of(problem: Problem, config: SolveConfig) -> ProblemEntry:
    """What the coordinator knows of a problem. Its route follows from the problem and the config alone, so a resume
    finds the same one."""
    kind = str(problem.kind)
    entry = ProblemEntry(problem.id, kind, problem.domain, keyless=not has_answer_key(kind, problem.reference))
    return entry._replace(route=config.route_of(kind, problem.domain, problem.meta)) if config.routes else entry


def chunks_of(problems: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(itertools.islice(problems, CHUNK)):
        yield chunk
