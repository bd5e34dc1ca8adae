"""`proofmill solve`: run or resume a batch.

    check config, problems, plan ──► claim the run ──► feed problems, show progress ──► problems table, report, summary

Promises: nothing expensive starts before config, problem files and plan are known to be good; the same command again
resumes and redoes nothing that is durable; Ctrl-C and SIGTERM stop in good order and say how to resume; a coordinator
that dies is started again.
Exit codes: 0 done, 2 usage or config, 3 finished with errors, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import ray
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.connect import ClusterError, connect
from cluster.inventory import scalable_nodes
from jobs.config import ConfigError, SolveConfig, load_config
from jobs.problems.errors import Fault, ProblemFileError
from jobs.problems.load import ProblemSetSummary, check_problems, stream_problems
from jobs.solve.plan import describe_plan, plan_run
from jobs.solve.progress import Display, open_display
from jobs.solve.record import check_resume, new_record, now, read_record, run_uri, with_earlier_starts, write_record
from jobs.solve.settings import coordinator_settings
from runstore.storage import Storage, StorageError, open_storage
from verifiers.checker import Checkers, SettingsError, check_settings
from verifiers.types import Json, Kind
from workers.coordinator.actor import Coordinator
from workers.coordinator.state import CoordinatorSettings
from workers.messages import pack
from workers.scheduling.sample_state import ProblemEntry

CHUNK = 64
"""Problems that travel together; a generator fetches them at once and keeps them while it needs them."""
GRACE_S = 20.0
"""For what is in checks and parts when a run is stopped; within the two minutes a spot machine's notice gives."""
POLL_S = 0.5
COORDINATOR_STARTS = 3

EXIT_DONE, EXIT_CONFIG, EXIT_ERRORS, EXIT_INTERRUPTED = 0, 2, 3, 130


class Interrupted(Exception):
    """The user or the machine asked the run to stop."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a TOML file, for instance configs/solve/demo.toml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="key=value",
        dest="overrides",
        help="override one key, for instance --set sampling.num_samples=16; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything, print the plan, start nothing")
    parser.add_argument("--print-config", action="store_true", help="print the resolved config as JSON and exit")
    parser.add_argument("--skip-bad", action="store_true", help="skip problems that can not be read, and record them")


def run(args: argparse.Namespace) -> int:
    """The command. Prints errors for the user and returns an exit code."""
    try:
        overrides = [*args.overrides, *(["problems.skip_bad=true"] if args.skip_bad else [])]
        config = load_config(args.config, overrides)
        if args.print_config:
            print(json.dumps(config.resolved(), indent=2))
            return EXIT_DONE
        return solve(config, dry_run=args.dry_run, command=resume_command(args))
    except KeyboardInterrupt:  # before the run began, or while its report was being written
        print(f"Stopped. To resume: {resume_command(args)}")
        return EXIT_INTERRUPTED
    except (ConfigError, ProblemFileError, ClusterError) as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except StorageError as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return EXIT_ERRORS


def resume_command(args: argparse.Namespace) -> str:
    parts = ["proofmill", "solve", args.config, *(f"--set {override}" for override in args.overrides)]
    return " ".join([*parts, *(["--skip-bad"] if args.skip_bad else [])])


def solve(config: SolveConfig, dry_run: bool = False, command: str = "", display: Display | None = None) -> int:
    """Runs or resumes the batch that `config` describes; returns an exit code.

    Raises ConfigError, ProblemFileError, ClusterError or StorageError with a text for the user.
    """
    problems = check_problem_set(config)
    print(problems.describe(), flush=True)
    nodes = None
    if config.ray.address:
        with connect(config.ray.address, code_travels=False):
            nodes = ray.nodes()
            nodes += scalable_nodes(nodes)
    plan = plan_run(config, nodes)
    print(describe_plan(config, problems, plan), flush=True)
    if dry_run:
        return EXIT_DONE
    uri = run_uri(config)
    storage = open_storage(uri)
    record = read_record(storage)
    if record is not None:
        check_resume(config, problems, record, uri)
        if record.get("complete"):
            print(f"{uri} is complete; nothing to do. Its report: {uri}/report.html")
            return EXIT_DONE
    else:
        record = new_record(config, problems, plan.to_json())
    record["starts"].append({"at": now(), "host": os.uname().nodename})
    write_record(storage, record)
    with connect(config.ray.address, config.ray.num_cpus, config.ray.runtime_env):
        screen = display or open_display(problems.num_problems)
        try:
            settings = coordinator_settings(config, tuple(problems.by_kind), uri, plan.device == "gpu")
            outcome = drive(config, settings, screen, problems.skipped)
        finally:
            screen.close()
    return finish(config, storage, record, outcome, command)


def check_problem_set(config: SolveConfig) -> ProblemSetSummary:
    """The whole set, references included, before any GPU is touched. Raises ProblemFileError or ConfigError."""
    checkers = open_checkers(config)
    try:
        return check_problems(config.problems, checkers.check_problem)
    finally:
        checkers.close()


def open_checkers(config: SolveConfig) -> Checkers:
    """Checkers as the config wants them; none is started yet. Raises ConfigError for a table that can not be used."""
    settings = checker_settings(config)
    try:
        check_settings(settings)
    except SettingsError as error:
        raise ConfigError(str(error)) from error
    return Checkers(1, settings)


def checker_settings(config: SolveConfig) -> dict[str, dict[str, Json]]:
    return {str(kind): dict(getattr(config.verify, str(kind))) for kind in Kind}


class Outcome:
    """How a drive ended."""

    def __init__(self, summary: dict[str, Json] | None, error: str = "", interrupted: str = "") -> None:
        self.summary = summary
        self.error = error
        self.interrupted = interrupted


def drive(
    config: SolveConfig, settings: CoordinatorSettings, screen: Display, skipped: tuple[Fault, ...] = ()
) -> Outcome:
    """Starts coordinators until one finishes the run, or it can not go on. Ray is connected."""
    for start in range(1, COORDINATOR_STARTS + 1):
        with stop_signals() as signals:
            # Beside the driver: a node that only lends its GPUs may be taken away at any time.
            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
            options = {"num_cpus": 0, "max_concurrency": 1000, "max_restarts": 0, "scheduling_strategy": here}
            coordinator = ray.remote(Coordinator).options(**options).remote(settings)
            _current.append(coordinator)
            try:
                return attend(coordinator, config, skipped, signals, screen)
            except ray.exceptions.RayTaskError as error:
                # It lives and says why it can not go on: another one would say the same.
                return Outcome(None, str(getattr(error, "cause", error)))
            except ray.exceptions.RayActorError as error:
                if start == COORDINATOR_STARTS:
                    return Outcome(None, f"the coordinator died {start} times; the last time: {error}")
                screen.say("the coordinator died; starting another one, which resumes from what is durable")
            finally:
                with contextlib.suppress(Exception):
                    ray.kill(coordinator)
    raise AssertionError("unreachable")


_current: list[Any] = []


def current_coordinator() -> Any:
    """Handle of the coordinator started last in this process, for tests and tools that look into a live run."""
    return _current[-1]


def attend(
    coordinator: Any, config: SolveConfig, skipped: tuple[Fault, ...], signals: list[str], screen: Display
) -> Outcome:
    """Feeds one coordinator and shows its progress until the run ends. Raises RayActorError if it dies, and
    RayTaskError for what it raises itself."""
    claiming = coordinator.claim.remote()
    while not ray.wait([claiming], timeout=POLL_S)[0]:
        if signals:
            return Outcome(None, interrupted=signals[0])  # it waits for an owner's heartbeat, or reads what is durable
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
            return Outcome(None, interrupted=signals[0])
        if not fed_all and not stopping:
            if wanted > 0:
                chunk = next(feed, None)
                if chunk is None:
                    fed_all = True
                    ray.get(coordinator.end_of_problems.remote())
                else:
                    entries = [ProblemEntry(problem.id, str(problem.kind), problem.domain) for problem in chunk]
                    wanted = ray.get(coordinator.feed.remote([ray.put(pack(chunk))], pack(entries)))
            else:
                wanted = ray.get(coordinator.wants_problems.remote(POLL_S))
        if time.monotonic() - last_status >= POLL_S:
            last_status = time.monotonic()
            screen.update(ray.get(coordinator.status.remote()))
        ready, _ = ray.wait([result], timeout=POLL_S if fed_all or stopping else 0)
        if ready:
            return Outcome(ray.get(result), interrupted=signals[0] if signals else "")


def chunks_of(problems: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(itertools.islice(problems, CHUNK)):
        yield chunk


@contextlib.contextmanager
def stop_signals() -> Iterator[list[str]]:
    """SIGINT and SIGTERM append to the yielded list instead of ending the process."""
    seen: list[str] = []
    names = {signal.SIGINT: "interrupted", signal.SIGTERM: "asked to end (SIGTERM)"}
    try:
        before = {number: signal.signal(number, lambda n, _: seen.append(names[signal.Signals(n)])) for number in names}
    except ValueError:  # not the main thread: the caller handles signals
        yield seen
        return
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def finish(config: SolveConfig, storage: Storage, record: dict[str, Json], outcome: Outcome, command: str) -> int:
    """Writes what follows from the rows, tells the user, and returns the exit code."""
    from jobs.solve.summary import close_run, print_summary

    if outcome.summary is not None:
        record["summary"] = with_earlier_starts(outcome.summary, record.get("summary"))
        write_record(storage, record)
    if outcome.error:
        print(f"proofmill: {outcome.error}", file=sys.stderr)
        print(f"Nothing durable is lost. To resume: {command}", file=sys.stderr)
        return EXIT_ERRORS
    if outcome.interrupted or outcome.summary is None:
        print(f"Stopped. To resume: {command}")
        return EXIT_INTERRUPTED
    summary = close_run(config, storage, record)
    # Said last: a run that died before its report would otherwise never get one.
    record["complete"] = bool(outcome.summary["complete"])
    write_record(storage, record)
    print_summary(summary)
    if outcome.summary["stopped"]:
        print(f"Stopped early: {outcome.summary['stopped']}")
    num_errors = outcome.summary["statuses"].get("error", 0)
    if num_errors:
        print(f"{num_errors:,} samples ended with status error; the report says why", file=sys.stderr)
        return EXIT_ERRORS
    return EXIT_DONE
