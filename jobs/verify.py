"""`proofmill verify`: check given solutions, or check a stored run again, by other references too. No model, no Ray.

Promises: both files are read and checked whole before any work begins, and an error lists every bad line; with
`--skip-bad` the rest is judged. The output has one line per solution with its verdict, in the order of the input,
written as they come; at most QUEUED texts are in memory. A run that is checked again stays as it is: the new verdicts
and what changed go to `--out`. That samples of a problem without an answer key get a verdict once there is one is no
change of a verdict.
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
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TextIO

from jobs.config import ConfigError, Problems, parse_settings
from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_DONE, EXIT_ERRORS
from jobs.files import open_out
from jobs.problems.errors import ProblemFileError, RowError
from jobs.problems.load import scan
from jobs.problems.mapping_files import add_mapping_arguments, in_terms_of_flags, problems_of
from jobs.problems.solutions import Solution, read_solutions
from jobs.rechecking import AnswerKeys
from jobs.stored_plugins import require_plugins
from runstore.batches import problem_of
from runstore.reader import find_run, read_samples
from verifiers.answer_keys import has_answer_key
from verifiers.checker import Checkers, check_settings
from verifiers.types import NO_ANSWER_KEY, Json, Limits, Problem, Status, Verdict

QUEUED = 256
PROGRESS_S = 10.0
MAX_LISTED = 10_000
"""Largest number of bad lines that one error lists; further ones are only counted."""
MAX_REASON_CHARS = 500
RUN_COLUMNS = [
    *("problem_id", "sample_index", "kind", "domain", "source", "split", "prompt", "reference", "meta"),
    *("text", "finish_reason", "status"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """One text to check, and what its output line says beside the verdict."""

    problem: Problem | None
    text: str
    labels: dict[str, Json]
    finish_reason: str | None = None
    bad: str = ""
    """Why nothing is checked: the verdict's reason, with status `error`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--problems", metavar="P", help="problem set (any layout `solve` takes)")
    parser.add_argument(
        "--solutions",
        metavar="S",
        help='JSONL, CSV or Parquet with {"problem_id": "…", "text": "…"} a line, and "finish_reason" where known',
    )
    parser.add_argument(
        "--run",
        metavar="URI",
        dest="run_uri",
        help="check the samples of a stored run again; with --problems by their references, where the ids are the same",
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="accept problems without an answer key, which are refused otherwise: their solutions get status unchecked",
    )
    parser.add_argument("--out", metavar="V.jsonl", help="verdicts, one per line, in order (default: standard output)")
    add_mapping_arguments(parser)
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="judge the rest where a problem or a solution cannot be used: its line gets status error",
    )
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
        if bool(args.solutions) == bool(args.run_uri) or (args.solutions and not args.problems):
            raise ConfigError("give either --problems and --solutions, or --run, with or without --problems")
        settings = parse_settings(args.settings)
        check_settings(settings)
        if args.run_uri:
            require_plugins(args.run_uri)
        checkers = Checkers(args.workers, settings)
        try:
            keys = keys_of(args, checkers)
            tasks = tasks_of_run(args.run_uri, keys) if args.run_uri else tasks_of_files(args, checkers)
            total = sum(file.num_rows for file in find_run(args.run_uri).files) if args.run_uri else 0
            with open_out(args.out) as out:
                code = check_all(tasks, checkers, args.workers, out, Progress(total))
            for line in keys.told():
                print(line, file=sys.stderr)
            return code
        finally:
            checkers.close()
    except TOLD as error:
        print(f"proofmill: {in_terms_of_flags(str(error), args)}", file=sys.stderr)
        return exit_code_of(error)


def tasks_of_files(args: argparse.Namespace, checkers: Checkers) -> Iterator[Task]:
    """The texts to check, once both files have been read. Raises ProblemFileError, with every bad line, where a
    problem or a solution cannot be used and `--skip-bad` is not given."""
    config, for_solutions = settings_of(args)
    ids: dict[tuple[str, int], str] | None = {} if args.problems == args.solutions else None
    problems, bad_problems, faults = read_problems(config, checkers, ids)
    id_at = None if ids is None else lambda file, line: ids.get((file, line))
    num_solutions = 0
    for solution in read_solutions(args.solutions, for_solutions, id_at):
        num_solutions += 1
        if isinstance(solution, RowError):
            faults.append(solution)
        elif solution.problem_id not in problems and solution.problem_id not in bad_problems:
            wrong = f"{solution.problem_id!r} is not in {args.problems}"
            faults.append(RowError(solution.file, solution.line, "problem_id", wrong, "the id of a problem"))
    if faults and (not args.skip_bad or not all(fault.line for fault in faults)):
        raise ProblemFileError(faults[:MAX_LISTED], len(faults))  # a file that cannot be read has no lines to skip
    if faults:
        print(f"{len(faults):,} bad lines, the first: {in_terms_of_flags(str(faults[0]), args)}", file=sys.stderr)
    if not num_solutions:
        raise ConfigError(f"{args.solutions}: no solutions")
    solutions = read_solutions(args.solutions, for_solutions, id_at)
    return solution_tasks(solutions, args.problems, problems, bad_problems)


def keys_of(args: argparse.Namespace, checkers: Checkers) -> AnswerKeys:
    """The references that take the place of a run's own. Raises ProblemFileError, with every bad line, where a problem
    cannot be used and `--skip-bad` is not given."""
    if not args.run_uri or not args.problems:
        return AnswerKeys({}, {})
    problems, bad, faults = read_problems(settings_of(args)[0], checkers)
    if faults and (not args.skip_bad or not all(fault.line for fault in faults)):
        raise ProblemFileError(faults[:MAX_LISTED], len(faults))
    keyed = {name: each for name, each in problems.items() if has_answer_key(each.kind, each.reference)}
    return AnswerKeys(keyed, bad)


def settings_of(args: argparse.Namespace) -> tuple[Problems, dict[str, Json]]:
    """How the problems are read, and the mapping of the solutions; what --columns says goes before what --mapping says.
    Raises ConfigError."""
    config, mapped = problems_of(args.problems, args)
    config = config.model_copy(update={"unchecked": "accept" if args.unchecked else "refuse"})
    return config, mapped.solutions


def read_problems(
    config: Problems, checkers: Checkers, ids: dict[tuple[str, int], str] | None = None
) -> tuple[dict[str, Problem], dict[str, str], list[RowError]]:
    """Usable problems by id, for each other id why its problem cannot be used, and every fault. `ids` is filled with
    the id of each problem by file and line."""
    problems: dict[str, Problem] = {}
    bad: dict[str, str] = {}
    faults: list[RowError] = []
    for place, item in scan(config):
        if isinstance(item, RowError) and item.wrong == NO_ANSWER_KEY:
            item = dataclasses.replace(item, right="an answer key, or --unchecked")
        if isinstance(item, Problem):
            if ids is not None:
                ids[place.source.uri, place.line] = item.id
            wrong = checkers.check_problem(item)
            if wrong is None:
                problems[item.id] = item
                continue
            item = RowError(place.source.uri, place.line, "reference", wrong, f"problem {item.id}", item.id)
        faults.append(item)
        for name in (item.identity, f"{place.source.label}-{item.line:05d}", f"{place.source.label}-{item.identity}"):
            bad.setdefault(name, str(item))
    bad.pop("", None)
    return problems, {name: wrong for name, wrong in bad.items() if name not in problems}, faults


def solution_tasks(
    solutions: Iterator[Solution | RowError],
    problem_file: str,
    problems: Mapping[str, Problem],
    bad_problems: Mapping[str, str],
) -> Iterator[Task]:
    """One task per solution, in order."""
    for solution in solutions:
        if isinstance(solution, RowError):
            labels: dict[str, Json] = {"problem_id": solution.identity or None}
            yield Task(None, "", labels, bad=f"bad solution: {solution}")
            continue
        labels = {"problem_id": solution.problem_id}
        if solution.number is not None:
            labels["number"] = solution.number
        if problem := problems.get(solution.problem_id):
            yield Task(problem, solution.text, labels, solution.finish_reason)
        elif wrong := bad_problems.get(solution.problem_id):
            yield Task(None, "", labels, bad=f"bad problem: {wrong}")
        else:
            where = f"{solution.file}:{solution.line}"
            yield Task(None, "", labels, bad=f"bad solution: {where}: problem_id is not in {problem_file}")


def tasks_of_run(uri: str, keys: AnswerKeys) -> Iterator[Task]:
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
                    problem, bad = keys.given_to(problem_of(row))
                    yield Task(problem, row["text"], labels, row["finish_reason"], bad)


def check(checkers: Checkers, task: Task) -> Verdict:
    """Never raises: one bad text must not cost the verdicts of the others."""
    if task.problem is None:
        return Verdict(Status.ERROR, task.bad[:MAX_REASON_CHARS], {}, "verify", "1", 0.0, Limits())
    try:
        return checkers.verify(task.problem, task.text, finish_reason=task.finish_reason)
    except Exception as error:
        evidence = {"error": f"{type(error).__name__}: {error}"[:MAX_REASON_CHARS]}
        return Verdict(Status.ERROR, "the checker failed", evidence, str(task.problem.kind), "", 0.0, Limits())


def as_line(value: dict[str, Json]) -> str:
    """JSON that every reader accepts. Evidence may hold half a surrogate pair, which UTF-8 cannot encode."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value)
    return text + "\n"


class Progress:
    """A line on standard error every PROGRESS_S seconds of a long check."""

    def __init__(self, num_rows: int = 0) -> None:
        """`num_rows`: rows of the run that is checked again, those without a text included; 0 = not known."""
        self._num_rows = num_rows
        self._started = self._last = time.monotonic()

    def update(self, checked: int) -> None:
        now = time.monotonic()
        if now - self._last < PROGRESS_S:
            return
        self._last = now
        of = f" of at most {self._num_rows:,}" if self._num_rows else ""
        rate = checked / (now - self._started)
        print(f"{checked:,}{of} checked, {rate:,.1f} per second", file=sys.stderr, flush=True)


def check_all(
    tasks: Iterator[Task], checkers: Checkers, num_workers: int, out: TextIO, progress: Progress | None = None
) -> int:
    """Checks texts side by side and writes the verdicts in order."""
    counts: collections.Counter[str] = collections.Counter()
    stored: collections.Counter[str] = collections.Counter()
    newly: collections.Counter[str] = collections.Counter()
    changed: collections.Counter[str] = collections.Counter()
    waiting: collections.deque[tuple[Task, Future[Verdict]]] = collections.deque()

    def write_next() -> None:
        task, future = waiting.popleft()
        verdict = future.result()
        counts[str(verdict.status)] += 1
        if (before := task.labels.get("stored_status")) is not None:
            stored[before] += 1
            if before == Status.UNCHECKED:
                newly[verdict.status] += verdict.status != Status.UNCHECKED
            elif before != verdict.status:
                changed[f"{before} → {verdict.status}"] += 1
        out.write(as_line({**task.labels, **verdict.to_json()}))
        if progress:
            progress.update(counts.total())

    with ThreadPoolExecutor(num_workers) as pool:
        for task in tasks:
            waiting.append((task, pool.submit(check, checkers, task)))
            while waiting and (len(waiting) >= QUEUED or waiting[0][1].done()):
                write_next()
        while waiting:
            write_next()
    summary = ", ".join(f"{counts[status]:,} {status}" for status in Status if counts[status]) or "nothing to check"
    print(f"{counts.total():,} checked: {summary}", file=sys.stderr)
    if stored:
        kinds = ", ".join(f"{count:,} × {what}" for what, count in sorted(changed.items()))
        text = f"{changed.total():,} of {stored.total():,} verdicts changed against the stored ones"
        print(f"{text}: {kinds}" if kinds else text, file=sys.stderr)
    if newly.total():
        kinds = ", ".join(f"{newly[status]:,} {status}" for status in Status if newly[status])
        print(f"{newly.total():,} unchecked samples have a verdict now: {kinds}", file=sys.stderr)
    return EXIT_ERRORS if counts[Status.ERROR] or changed else EXIT_DONE
