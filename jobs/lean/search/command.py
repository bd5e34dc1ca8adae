"""`proofmill search`: proofs of Lean problems by best-first search over tactics. One process and its checkers; no Ray.

    problem ─► backend.start ─► best-first search ◄── proposer (core tactics, or a model behind vLLM)
                                       └─ finished proof ─► composed text ─► the checker's audit ─► --out

Promises: `--out` has one line per solved problem, in the order of the set, in the layout that `proofmill verify` takes
(`problem_id`, `text`), each with the verdict of the audit; the same arguments with the core tactics give the same
solutions unless a time limit strikes. Files appear whole at the end: an interrupted search leaves none.
Exit codes: 0 done (solved or not), 2 bad input, 3 when a problem could not be searched (its search says why) or the
engine died, 130 interrupted.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from jobs.config import ConfigError, Problems, parse_settings
from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_CONFIG, EXIT_ERRORS
from jobs.files import open_out
from jobs.lean.search.solution import Solution, find_solution
from jobs.model_path import check_model_path
from jobs.problems.load import check_problems, stream_problems
from verifiers.checker import Checkers, check_settings
from verifiers.lean.checker import LeanChecker
from verifiers.lean.embedded.engine import EngineError
from verifiers.lean.embedded.install import SetupError
from verifiers.lean.search.best_first import (
    Outcome,
    Proposer,
    SearchBudget,
    SearchResult,
    TacticBackend,
)
from verifiers.lean.search.core_tactics import CoreTactics
from verifiers.types import Kind, Problem
from workers.engines.base import EngineGoneError, EngineSettings, EngineStartError, SamplingParameters
from workers.engines.registry import open_engine
from workers.engines.vllm_start import gpu_is_here


def add_arguments(parser: argparse.ArgumentParser) -> None:
    budget = SearchBudget()
    parser.add_argument("--problems", metavar="P", required=True, help="problem set (any layout `solve` takes)")
    parser.add_argument("--layout", default="auto", help="layout of the problem set (default: recognised)")
    parser.add_argument("--out", metavar="S.jsonl", required=True, help="solutions, one a solved problem, in order")
    parser.add_argument("--log", metavar="L.jsonl", help="one line a problem, solved or not: counts, verdict, why not")
    parser.add_argument("--engine", choices=["embedded", "dojo"], default="embedded", help="what runs the tactics")
    parser.add_argument("--workers", type=int, default=1, help="problems side by side (default: 1)")
    parser.add_argument("--expansions", default=budget.expansions, type=_positive, help="states tried (%(default)s)")
    parser.add_argument("--applications", default=budget.applications, type=_positive, help="tactics run (%(default)s)")
    parser.add_argument("--depth", default=budget.depth, type=_positive, help="tactics of a proof (%(default)s)")
    parser.add_argument("--width", default=24, type=_positive, help="tactics tried on a state (%(default)s)")
    parser.add_argument("--wall-s", default=budget.wall_s, type=float, help="seconds per problem (%(default)s)")
    parser.add_argument("--step-s", default=10.0, type=float, help="seconds per tactic (%(default)s)")
    parser.add_argument("--start-s", default=600.0, type=float, help="seconds for the start of a Dojo (%(default)s)")
    parser.add_argument(
        "--length-penalty", default=0.0, type=float, help="p: rank by log-probability / depth^p (%(default)s: the sum)"
    )
    model = parser.add_argument_group("a model instead of the core tactics")
    model.add_argument("--model", metavar="PATH", help="local Hugging Face directory or hub id, run by vLLM")
    model.add_argument("--samples", default=8, type=_positive, help="continuations sampled a state (%(default)s)")
    model.add_argument("--temperature", default=1.0, type=float, help="of sampling (%(default)s)")
    model.add_argument("--max-tokens", default=256, type=_positive, help="of a continuation (%(default)s)")
    model.add_argument("--prompt", choices=["state", "theorem"], default="state", help="how a state is shown")
    model.add_argument("--seed", default=0, type=int, help="of sampling (%(default)s)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="lean.key=value", dest="settings", help="as in [verify.lean]"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def run(args: argparse.Namespace) -> int:
    """The command."""
    try:
        settings = parse_settings(args.settings)
        check_settings(settings)
        if args.engine == "dojo" and not settings.get("lean", {}).get("allow_unprotected"):
            raise ConfigError(
                "--engine dojo runs tactics on this machine without a sandbox: "
                "say --set lean.allow_unprotected=true if they are yours"
            )
        checkers = Checkers(args.workers, settings)
        with contextlib.closing(checkers):
            problems = _lean_problems(args, checkers)
            with _proposer(args) as proposer, open_out(args.out) as out, _open_log(args.log) as log:
                return _search_all(args, problems, checkers, proposer, out, log)
    except EngineStartError as error:
        print(f"proofmill search: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except TOLD as error:
        print(f"proofmill search: {error}", file=sys.stderr)
        return exit_code_of(error)
    except EngineGoneError as error:
        print(f"proofmill search: the engine died: {error}", file=sys.stderr)
        return EXIT_ERRORS


def _lean_problems(args: argparse.Namespace, checkers: Checkers) -> list[Problem]:
    """Raises ProblemFileError or ConfigError."""
    config = Problems(files=[args.problems], layout=args.layout)
    check_problems(config, checkers.check_problem)
    problems = list(stream_problems(config))
    other = next((p for p in problems if p.kind != Kind.LEAN), None)
    if other:
        raise ConfigError(f"{args.problems}: problem {other.id} is of kind {other.kind}; search takes lean problems")
    return problems


@contextlib.contextmanager
def _proposer(args: argparse.Namespace) -> Iterator[Proposer]:
    """Raises ConfigError for a model that cannot be, and EngineStartError."""
    if not args.model:
        yield CoreTactics()
        return
    check_model_path(args.model, "--model")
    from jobs.lean.search.model_proposer import ModelProposer  # imports vLLM, which the core tactics do not need

    proposer = ModelProposer(
        open_engine(EngineSettings(path=args.model, use_gpu=gpu_is_here())),
        SamplingParameters(temperature=args.temperature, max_tokens=args.max_tokens),
        num_samples=args.samples,
        prompt=args.prompt,
        seed=args.seed,
    )
    try:
        proposer.start()
        yield proposer
    finally:
        proposer.close()


def _open_log(path: str | None) -> Any:
    return open_out(path) if path else contextlib.nullcontext(None)


def _search_all(
    args: argparse.Namespace, problems: list[Problem], checkers: Checkers, proposer: Proposer, out: Any, log: Any
) -> int:
    """Searches problems side by side and writes their results in order. Raises EngineGoneError."""
    counts: collections.Counter[Outcome] = collections.Counter()
    stop = threading.Event()

    def clock() -> float:
        return math.inf if stop.is_set() else time.monotonic()  # ends running searches at their next step

    with concurrent.futures.ThreadPoolExecutor(args.workers) as pool:
        futures = [pool.submit(_search_one, args, problem, checkers, proposer, clock) for problem in problems]
        try:
            for number, future in enumerate(futures, 1):
                solution = future.result()
                counts[solution.result.outcome] += 1
                line = json.dumps(solution.to_json(), ensure_ascii=False) + "\n"
                if solution.text is not None:
                    out.write(line)
                if log:
                    log.write(line)
                _show(solution, number, len(problems))
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    summary = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome]) or "no problems"
    print(f"{len(problems)} searched: {summary}", file=sys.stderr)
    return 3 if counts[Outcome.NO_START] else 0


def _show(solution: Solution, number: int, total: int) -> None:
    result = solution.result
    print(
        f"{number}/{total} {solution.problem.id}: {result.outcome} after {result.expansions} states, "
        f"{result.applications} tactics, {result.seconds:.1f} s" + (f" ({result.detail})" if result.detail else ""),
        file=sys.stderr,
    )


def _search_one(
    args: argparse.Namespace,
    problem: Problem,
    checkers: Checkers,
    proposer: Proposer,
    clock: Callable[[], float],
) -> Solution:
    budget = SearchBudget(
        expansions=args.expansions,
        applications=args.applications,
        depth=args.depth,
        width=args.width,
        wall_s=args.wall_s,
    )
    try:
        with _backend(args, problem, checkers) as backend:
            return find_solution(problem, backend, proposer, checkers.verify, budget, args.length_penalty, clock)
    except (EngineError, SetupError, ValueError) as error:
        return Solution(problem, SearchResult(Outcome.NO_START, detail=str(error)))


@contextlib.contextmanager
def _backend(args: argparse.Namespace, problem: Problem, checkers: Checkers) -> Iterator[TacticBackend]:
    """Raises EngineError, SetupError, or ValueError for a problem that this engine has no place for."""
    if args.engine == "dojo":
        from jobs.lean.dojo.tactics import open_dojo  # an optional extra

        with open_dojo(problem, args.step_s, args.start_s) as dojo:
            yield dojo
        return
    checker = checkers.of(Kind.LEAN)
    assert isinstance(checker, LeanChecker)
    yield checker.open_tactics(problem, args.step_s)
