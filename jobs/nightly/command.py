"""`proofmill nightly`: the nights that are due, or a daemon that starts them.

Exit codes: 0 all well, 2 config, 3 a regression or a run with errors, 130 interrupted (the same command resumes).
"""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import subprocess
import sys
from pathlib import Path

from jobs.config import ConfigError, SolveConfig
from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_CONFIG, EXIT_DONE, EXIT_ERRORS, EXIT_INTERRUPTED
from jobs.nightly.history import History, HistoryError
from jobs.nightly.run import due_nights, nightly_uri, run_night
from jobs.nightly.settings import NightlyConfig, load_nightly_config, night_of
from jobs.notify import check_urls
from runstore.storage import open_storage

SEVERITY = {EXIT_DONE: 0, EXIT_ERRORS: 1, EXIT_CONFIG: 2, EXIT_INTERRUPTED: 3}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("configs", metavar="CONFIG", nargs="+", help="nightly TOML configs")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a value of the nightly config; those of a track's own config stand in [[legs]] overrides",
    )
    parser.add_argument("--date", type=a_date, metavar="YYYY-MM-DD", help="this night only; not one to come")
    parser.add_argument("--daemon", action="store_true", help="stay, and start every night at nightly.starts_at")


def a_date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it as 2026-11-30")


def run(args: argparse.Namespace) -> int:
    if args.daemon:
        return run_daemon(args)
    # This also holds before and between runs: a night that is asked to end releases its lock and leaves no Ray behind.
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        return run_all(args)
    finally:
        signal.signal(signal.SIGTERM, before)


def interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def run_all(args: argparse.Namespace) -> int:
    worst = EXIT_DONE
    for path in args.configs:
        code = run_one(path, args.overrides, args.date)
        if code == EXIT_INTERRUPTED:
            return code
        worst = max(worst, code, key=lambda each: SEVERITY.get(each, 1))
    return worst


def run_one(path: str, overrides: list[str], date: dt.date | None) -> int:
    try:
        config, legs = load_nightly_config(path, overrides)
        require_urls(config, legs)
        tonight = night_of(dt.datetime.now(dt.UTC), config.nightly)
        if date:
            if date > tonight:
                raise ConfigError(f"--date {date}: this night has not begun; the last one to run is {tonight}")
            nights = [date]
        else:
            nights = due_nights(History(open_storage(nightly_uri(config))), tonight, config.nightly.catch_up)
        worst = EXIT_DONE
        for night in nights:
            code = run_night(config, legs, night, solve_batch)
            if code == EXIT_INTERRUPTED:
                return code
            worst = max(worst, code, key=lambda each: SEVERITY.get(each, 1))
        return worst
    except HistoryError as error:
        print(f"proofmill nightly: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except TOLD as error:
        print(f"proofmill nightly: {error}", file=sys.stderr)
        return exit_code_of(error)


def require_urls(config: NightlyConfig, legs: dict[str, SolveConfig]) -> None:
    """Called before a night begins. Raises ConfigError where a variable that `notify` names holds no URL."""
    check_urls(config.notify)
    for leg in legs.values():
        check_urls(leg.notify)


def solve_batch(config: SolveConfig) -> int:
    """`proofmill solve` in this process."""
    from cluster.connect import ClusterError
    from jobs.solve.command import solve

    try:
        return solve(config, command=f"the same `proofmill nightly` command (run {config.run.id})")
    except ClusterError as error:
        raise ConfigError(str(error)) from error


def run_daemon(args: argparse.Namespace) -> int:
    """Starts `proofmill nightly` at each config's hour, in a process of its own; a night due now starts at once.

    A night that is still running when the next one starts goes on beside it, in the history too.
    """
    from apscheduler.schedulers.blocking import BlockingScheduler
    from apscheduler.triggers.cron import CronTrigger

    scheduler = BlockingScheduler()
    children: set[subprocess.Popen[bytes]] = set()

    def start(path: str) -> None:
        words = [sys.executable, "-m", "jobs.cli", "nightly", path]
        words += [part for override in args.overrides for part in ("--set", override)]
        child = subprocess.Popen(words, cwd=Path.cwd())
        children.add(child)
        try:
            print(f"{path}: exit code {child.wait()}", flush=True)
        finally:
            children.discard(child)

    try:
        for path in args.configs:
            config, legs = load_nightly_config(path, args.overrides)
            require_urls(config, legs)
            nightly = config.nightly
            hour, minute = nightly.starts_at.split(":")
            trigger = CronTrigger(hour=int(hour), minute=int(minute), timezone=nightly.time_zone)
            # A machine that slept through the hour starts the night once when it wakes.
            scheduler.add_job(start, trigger, [path], misfire_grace_time=None, coalesce=True, max_instances=2)
            scheduler.add_job(start, args=[path], misfire_grace_time=None)
    except ConfigError as error:
        print(f"proofmill nightly: {error}", file=sys.stderr)
        return EXIT_CONFIG

    def stop(number: int, frame: object) -> None:
        for child in list(children):
            child.send_signal(number)
        scheduler.shutdown(wait=False)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    scheduler.start()
    for child in list(children):
        child.wait()
    return EXIT_DONE
