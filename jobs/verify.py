"""`proofmill verify`: check given solutions, or check a stored run again. No model, no Ray.

Promises: one verdict a line in the order of the input, written as they come; at most QUEUED texts in memory; a run that
is checked again stays as it is (the new verdicts go to `--out`, with what changed).
Exit codes: 0 done, 2 bad input, 3 when a verdict is `error`, a run's verdicts changed, or the run is broken or its
store is lost.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TextIO

from jobs.config import ConfigError, Problems, parse_settings
from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_DONE, EXIT_ERRORS
from jobs.files import open_out
from jobs.problems.load import check_problems, read_solutions, stream_problems
from jobs.stored_plugins import require_plugins
from runstore.batches import problem_of
from runstore.reader import find_run, read_samples
from verifiers.checker import Checkers, check_settings
from verifiers.types import Json, Problem, Status, Verdict

QUEUED = 256
RUN_COLUMNS = [
    *("problem_id", "sample_index", "kind", "domain", "source", "split", "prompt", "reference", "meta"),
    *("text", "status"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """One text to check, and what its line says beside the verdict."""

    problem: Problem
    text: str
    labels: dict[str, Json]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--problems", metavar="P", help="problem set (any layout `solve` takes)")
    parser.add_argument("--solutions", metavar="S", help='JSONL with {"problem_id": "…", "text": "…"} a line')
    parser.add_argument("--run", metavar="URI", dest="run_uri", help="check the samples of a stored run again")
    parser.add_argument("--out", metavar="V.jsonl", help="verdicts, one a line, in order (default: standard output)")
    parser.add_argument("--layout", default="auto", help="layout of the problem set (default: recognised)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="checks side by side (default: cores)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="kind.key=value",
        dest="settings",
        help="a checker's setting as in [verify.<kind>], for instance code.allow_unprotected=true",
    )


def run(args: argparse.Namespace) -> int:
    """The command."""
    try:
        if bool(args.run_uri) == bool(args.problems and args.solutions):
            raise ConfigError("give either --problems and --solutions, or --run")
        settings = parse_settings(args.settings)
        check_settings(settings)
        if args.run_uri:
            require_plugins(args.run_uri)
        checkers = Checkers(args.workers, settings)
        tasks = tasks_of_run(args.run_uri) if args.run_uri else tasks_of_files(args, checkers)
        try:
            with open_out(args.out) as out:
                return check_all(tasks, checkers, args.workers, out)
        finally:
            checkers.close()
    except TOLD as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return exit_code_of(error)


def tasks_of_files(args: argparse.Namespace, checkers: Checkers) -> Iterator[Task]:
    """Raises ProblemFileError before anything is checked when a problem or a solution can not be read."""
    config = Problems(files=[args.problems], layout=args.layout)
    check_problems(config, checkers.check_problem)
    problems = {problem.id: problem for problem in stream_problems(config)}
    for solution in read_solutions(args.solutions):
        problem = problems.get(solution.problem_id)
        if problem is None:
            raise ConfigError(
                f"{args.solutions}:{solution.line}: problem_id {solution.problem_id!r} is not in {args.problems}"
            )
        yield Task(problem, solution.text, {"problem_id": solution.problem_id})


def tasks_of_run(uri: str) -> Iterator[Task]:
    """Every sample of a run that has a text. Raises StoredRunError, StorageError."""
    for file in find_run(uri).files:
        for batch in read_samples(file, RUN_COLUMNS):
            for row in batch.to_pylist():
                if row["text"] is not None:
                    labels = {
                        "problem_id": row["problem_id"],
                        "sample_index": row["sample_index"],
                        "stored_status": row["status"],
                    }
                    yield Task(problem_of(row), row["text"], labels)


def check_all(tasks: Iterator[Task], checkers: Checkers, num_workers: int, out: TextIO) -> int:
    """Checks side by side, writes in order."""
    counts: collections.Counter[str] = collections.Counter()
    changed: collections.Counter[str] = collections.Counter()
    waiting: collections.deque[tuple[Task, Future[Verdict]]] = collections.deque()

    def write_next() -> None:
        task, future = waiting.popleft()
        verdict = future.result()
        counts[str(verdict.status)] += 1
        stored = task.labels.get("stored_status")
        if stored is not None and stored != verdict.status:
            changed[f"{stored} → {verdict.status}"] += 1
        out.write(json.dumps({**task.labels, **verdict.to_json()}, ensure_ascii=False) + "\n")

    with ThreadPoolExecutor(num_workers) as pool:
        for task in tasks:
            waiting.append((task, pool.submit(checkers.verify, task.problem, task.text)))
            while waiting and (len(waiting) >= QUEUED or waiting[0][1].done()):
                write_next()
        while waiting:
            write_next()
    summary = ", ".join(f"{counts[status]:,} {status}" for status in Status if counts[status]) or "nothing to check"
    print(f"{sum(counts.values()):,} checked: {summary}", file=sys.stderr)
    for what, count in sorted(changed.items()):
        print(f"changed against the run: {count:,} × {what}", file=sys.stderr)
    return EXIT_ERRORS if counts[Status.ERROR] or changed else EXIT_DONE
