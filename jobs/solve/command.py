"""`proofmill solve`: run or resume a batch.

    check config, problems, plan ──► claim the run ──► feed problems, show progress ──► problems table, report, summary

Promises: nothing expensive starts before config, problem files and plan are known to be good; the same command again
resumes and redoes nothing that is durable; Ctrl-C and SIGTERM stop in good order and say how to resume; a coordinator
that dies is started again.
Exit codes: 0 done, 2 usage or config, 3 finished with errors or a local Ray that does not start, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import ray
import ray.exceptions

from cluster.connect import ClusterError, LocalRayError, connect
from cluster.inventory import ask_node, scalable_nodes
from jobs.config import ConfigError, SolveConfig, check_config, load_config, merge_overrides, read_toml
from jobs.configuration.command import write_new
from jobs.configuration.starter import plain_toml, starter_table
from jobs.errors import TOLD, exit_code_of
from jobs.exit_codes import EXIT_CONFIG, EXIT_DONE, EXIT_ERRORS, EXIT_INTERRUPTED
from jobs.layers import in_terms_of_arguments, keys_of
from jobs.notify import Notifier, check_urls
from jobs.pools.checks import told_models
from jobs.pools.expand import pool_tables
from jobs.presets import PresetError, load_preset
from jobs.problems.load import ProblemSetSummary, check_problems
from jobs.run_secrets import run_secrets, storage_variables, temporary_keys
from jobs.solve.driver import DriveResult, drive
from jobs.solve.endpoints import check_endpoints, describe_endpoints, longest_prompt
from jobs.solve.keyless import check_policies
from jobs.solve.pilot import PILOT_PROBLEMS, Pilot, pilot_config, read_pilot
from jobs.solve.plan import Where
from jobs.solve.progress import Display, open_display
from jobs.solve.prompts import describe_prompts
from jobs.solve.published import settle_pools
from jobs.solve.record import check_resume, new_record, now, pin_data_sets, with_earlier_starts, write_record
from jobs.solve.run_plan import RunPlan, plan_whole_run
from jobs.solve.settings import coordinator_settings
from runstore.layout import LOGS, run_uri
from runstore.reader import read_run_json
from runstore.storage import Storage, open_storage
from verifiers.checker import Checkers, check_settings
from verifiers.types import Json, Problem, SettingsError
from workers.logs import LogSettings, RunLog
from workers.sampling.plan import LOST

NO_ENDPOINTS: Mapping[str, Mapping[str, Json]] = {}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", nargs="?", help="a TOML file, for instance configs/solve/demo.toml")
    quick = parser.add_argument_group("instead of a TOML file")
    quick.add_argument("--model", metavar="PATH", help="a Hugging Face folder or hub id")
    quick.add_argument("--problems", action="append", metavar="FILE", help="a file, glob or s3:// URI; may be repeated")
    quick.add_argument("--out", metavar="URI", help="a folder or s3://bucket/prefix; default: out")
    quick.add_argument("--num-samples", type=int, metavar="N", help="samples per problem; default: 8")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="key=value",
        dest="overrides",
        help="override one key, for instance --set sampling.num_samples=16; may be repeated",
    )
    parser.add_argument(
        "--preset", metavar="NAME", help="what is published of a model, below the config: docs/models.md"
    )
    parser.add_argument(
        "--allow-remote-code",
        action="store_true",
        help="run Python code that the model's folder brings along, for presets that need it; pin model.revision",
    )
    parser.add_argument("--dry-run", action="store_true", help="check everything, print the plan, start nothing")
    parser.add_argument(
        "--on", metavar="HARDWARE", default="", help="with --dry-run: plan for 8xH100, 2x8:H200 or cpu:2 instead"
    )
    parser.add_argument(
        "--pilot",
        action="store_true",
        help=f"with --dry-run: solve {PILOT_PROBLEMS} of the problems, and say from them what the run will need",
    )
    parser.add_argument("--print-config", action="store_true", help="print the resolved config as JSON and exit")
    parser.add_argument("--skip-bad", action="store_true", help="skip problems that cannot be read, and record them")


def run(args: argparse.Namespace) -> int:
    """The command. Prints errors for the user and returns an exit code."""
    try:
        if args.on and not args.dry_run:
            raise ConfigError("--on plans for hardware that is not here: give --dry-run too")
        if args.pilot and (not args.dry_run or args.on):
            raise ConfigError("--pilot runs some of the problems here: give it with --dry-run, and without --on")
        if args.config is None or args.model or args.problems:
            args.config = config_from_flags(args)
        require_one_model(args)
        args.overrides = [*preset_overrides(args), *args.overrides]
        overrides = [*args.overrides, *(["problems.skip_bad=true"] if args.skip_bad else [])]
        config = load_config(args.config, overrides)
        if args.print_config:
            print(json.dumps(settle_pools(config)[0].resolved(), indent=2))
            return EXIT_DONE
        return solve(config, dry_run=args.dry_run, command=resume_command(args), on=args.on, pilot=args.pilot)
    except KeyboardInterrupt:  # before the run began, or while its report was being written
        print(f"Stopped. To resume: {resume_command(args)}")
        return EXIT_INTERRUPTED
    except ClusterError as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return EXIT_ERRORS if isinstance(error, LocalRayError) else EXIT_CONFIG
    except TOLD as error:
        print(f"proofmill: {error}", file=sys.stderr)
        return exit_code_of(error)


def require_one_model(args: argparse.Namespace) -> None:
    """Raises ConfigError where a flag is about the one model of a run, and the config has several."""
    flags = {"--preset": args.preset is not None, "--allow-remote-code": args.allow_remote_code}
    keys = {"--preset": f'preset="{args.preset}"', "--allow-remote-code": "trust_remote_code=true"}
    names = list(pool_tables(read_toml(Path(args.config)))) if any(flags.values()) else []
    for flag in (flag for flag, given in flags.items() if given and names):
        right = " or ".join(f"--set models.{name}.{keys[flag]}" for name in names)
        raise ConfigError(
            f"{flag}: {args.config} has no [model], but {told_models(names)}, and the flag names none; give {right}"
        )


def preset_overrides(args: argparse.Namespace) -> list[str]:
    """`--preset` and `--allow-remote-code` as `--set` has them. Raises ConfigError for an unknown preset."""
    overrides = []
    if args.preset is not None:
        try:
            load_preset(args.preset)
        except PresetError as error:
            raise ConfigError(f"--preset {error}") from None
        overrides.append(f'model.preset="{args.preset}"')
    return overrides + (["model.trust_remote_code=true"] if args.allow_remote_code else [])


QUICK_FLAGS = {
    "model.path": "--model",
    "model.preset": "--preset",
    "problems.files": "--problems",
    "output.uri": "--out",
    "sampling.num_samples": "--num-samples",
}
"""The keys that `proofmill solve` without a file sets, each with its flag."""


def config_from_flags(args: argparse.Namespace) -> str:
    """Writes the TOML file that `--model` or `--preset`, `--problems`, `--out` and `--num-samples` stand for, and
    returns its path.

    The same flags name the same file and the same run, so the same command resumes. Raises ConfigError.
    """
    if args.config or (not args.model and args.preset is None) or not args.problems:
        raise ConfigError(
            "give either a TOML file, or --model and --problems, or --preset and --problems (proofmill solve --help "
            "has examples)"
        )
    preset_overrides(args)  # an unknown preset is reported before a file is written
    out = args.out or "out"
    table = starter_table(args.model or "", args.problems, out, args.num_samples, preset=args.preset or "")
    checked = merge_overrides(copy.deepcopy(table), preset_overrides(args) + args.overrides)
    try:
        check_config(checked, "proofmill solve")
    except ConfigError as error:
        given = {key: flag for key, flag in QUICK_FLAGS.items() if key not in keys_of(args.overrides)}
        raise ConfigError(in_terms_of_arguments(str(error), "proofmill solve", given)) from None
    # A TOML file next to its run would have to be uploaded; one in the working folder can be edited and kept.
    folder = Path(out) if "://" not in out else Path()
    path = folder / f"{table['run']['id']}.toml"
    if path.exists():
        if read_toml(path) != table:
            raise ConfigError(f"{path}: is there already and says something else; run it, or remove it")
        return str(path)
    write_new(path, plain_toml(table))
    print(f"wrote {path}, the config of this run")
    return str(path)


def resume_command(args: argparse.Namespace) -> str:
    parts = ["proofmill", "solve", args.config, *(f"--set {override}" for override in args.overrides)]
    return " ".join([*parts, *(["--skip-bad"] if args.skip_bad else [])])


def solve(
    config: SolveConfig,
    dry_run: bool = False,
    command: str = "",
    display: Display | None = None,
    on: str = "",
    pilot: bool = False,
) -> int:
    """Runs or resumes the batch that `config` describes; returns an exit code. `on` names the hardware that a dry-run
    plans for, where it is not this machine or the cluster. With `pilot` the dry-run solves some of the problems first.

    Raises ClusterError or one of jobs.errors.TOLD, with a text for the user.
    """
    uri = run_uri(config.output.uri, config.run.id)
    check_urls(config.notify)
    run_secrets(config, os.environ)  # a variable that is missing is reported before anything starts
    with Notifier(() if dry_run else config.notify, config.run.id, uri) as notifier:
        record = None if dry_run else read_run_json(open_storage(uri))
        if record is not None:
            pin_data_sets(config, record)
        problems = check_problem_set(config)
        print(problems.describe(), flush=True)
        check_policies(config, problems)
        config, published = settle_pools(config, record)
        is_complete = record is not None and record.get("complete")
        endpoints = {} if is_complete else check_endpoints(config, problems)
        plan = plan_here(config, Where(named=on, from_shape=dry_run))
        code, measured = solve_pilot(config, display, endpoints) if pilot else (EXIT_DONE, None)
        if code == EXIT_INTERRUPTED:
            return code
        print(plan.describe(config, problems, published, measured), flush=True)
        print("".join(line + "\n" for line in describe_endpoints(config, endpoints)), end="", flush=True)
        if dry_run:
            print(describe_prompts(config), flush=True)
            return EXIT_DONE
        if config.ray.address:
            print("".join(line + "\n" for line in temporary_keys(storage_variables(os.environ))), end="", flush=True)
        record = record or new_record(config, problems, plan.to_json(), published)
        return run_batch(config, problems, plan, record, command, display, notifier, endpoints)


def solve_pilot(
    config: SolveConfig, display: Display | None, endpoints: Mapping[str, Mapping[str, Json]] = NO_ENDPOINTS
) -> tuple[int, Pilot | None]:
    """Solves the pilot's problems, or finds them solved; returns an exit code and what they needed."""
    chosen = pilot_config(config)
    uri = run_uri(chosen.output.uri, chosen.run.id)
    problems = check_problem_set(chosen)
    print(f"pilot: {problems.num_problems} of the problems, in {uri}", flush=True)
    plan = plan_here(chosen, Where())
    record = read_run_json(open_storage(uri)) or new_record(chosen, problems, plan.to_json())
    with Notifier((), chosen.run.id, uri) as notifier:
        code = run_batch(chosen, problems, plan, record, "the same command", display, notifier, endpoints)
    return code, None if code == EXIT_INTERRUPTED else read_pilot(config, chosen)


def plan_here(config: SolveConfig, where: Where) -> RunPlan:
    """The plan on the hardware that `where` names, on the cluster that the config names, or on this machine. Raises
    ConfigError and ClusterError."""
    if config.ray.address and not where.named:
        with connect(config.ray.address, code_travels=False):
            nodes = ray.nodes()
            nodes += scalable_nodes(nodes)
            return plan_whole_run(config, dataclasses.replace(where, nodes=nodes, ask=ask_node))
    return plan_whole_run(config, where)


def run_batch(
    config: SolveConfig,
    problems: ProblemSetSummary,
    plan: RunPlan,
    record: dict[str, Json],
    command: str,
    display: Display | None,
    notifier: Notifier,
    endpoints: Mapping[str, Mapping[str, Json]] = NO_ENDPOINTS,
) -> int:
    """Runs or resumes what was checked and planned; returns an exit code. `record` is that of the run so far; a new
    one has no starts. `endpoints` is what those of the remote pools said of themselves."""
    uri = run_uri(config.output.uri, config.run.id)
    storage = open_storage(uri)
    if record["starts"]:
        check_resume(config, problems, record, uri)
        if record.get("complete"):
            print(f"{uri} is complete; nothing to do. Its report: {uri}/report.html")
            return EXIT_DONE
    record["starts"].append({"at": now(), "host": os.uname().nodename})
    if endpoints:
        record["starts"][-1]["endpoints"] = dict(endpoints)
    write_record(storage, record)
    settings = coordinator_settings(
        config,
        tuple(problems.by_kind),
        uri,
        plan.uses_gpu,
        lean_workers=plan.lean_workers,
        context={**plan.contexts, **{name: facts["context"] for name, facts in endpoints.items()}},
        longest_prompts={name: longest_prompt(config.pools()[name], problems) for name in endpoints},
    )
    with open_log(settings.log, f"driver-{len(record['starts'])}"), notifier:
        with connect(config.ray.address, config.ray.num_cpus, config.ray.runtime_env):
            if ray.is_initialized():  # where `proofmill report --story` finds the coordinator
                record["starts"][-1]["ray_address"] = ray.get_runtime_context().gcs_address
                write_record(storage, record)
            screen = display or open_display(problems.num_problems, settings.log.folder)
            try:
                outcome = drive(config, settings, screen, problems.skipped, notifier.watch)
            finally:
                screen.close()
        code = finish(config, storage, record, outcome, command)
        if code != EXIT_INTERRUPTED:
            summary = outcome.summary or {}
            notifier.ended(summary, outcome.error or (str(summary["stopped"]) if is_lost(outcome) else ""))
    return code


@contextlib.contextmanager
def open_log(settings: LogSettings, name: str) -> Iterator[None]:
    """The log of this process, for the length of the block."""
    log = RunLog(settings, name)
    try:
        yield
    finally:
        log.upload()
        log.close()


def check_problem_set(config: SolveConfig) -> ProblemSetSummary:
    """The whole set, references included, before any GPU is touched. Raises ProblemFileError or ConfigError."""
    checkers = open_checkers(config)
    try:
        routed = route_name(config) if len(config.route_table()) > 1 else None
        return check_problems(config.problems, checkers.check_problem, config.verify.workers_per_actor, routed)
    finally:
        checkers.close()


def route_name(config: SolveConfig) -> Callable[[Problem], str]:
    """Names the pool or cascade that a problem goes to."""
    names = [route.name for route in config.route_table()]
    return lambda problem: names[config.route_of(str(problem.kind), problem.domain, problem.meta)]


def open_checkers(config: SolveConfig) -> Checkers:
    """Checkers as the config wants them; none is started yet. Raises ConfigError for a table that cannot be used."""
    settings = config.verify.tables()
    try:
        check_settings(settings)
    except SettingsError as error:
        raise ConfigError(str(error)) from error
    return Checkers(config.verify.workers_per_actor, settings)


def is_lost(outcome: DriveResult) -> bool:
    """Whether the loss of a remote model left problems unfinished."""
    return outcome.summary is not None and str(outcome.summary.get("stopped") or "").startswith(LOST)


def finish(config: SolveConfig, storage: Storage, record: dict[str, Json], outcome: DriveResult, command: str) -> int:
    """Writes what follows from the rows, tells the user, and returns the exit code."""
    from jobs.solve.summary import close_run, print_summary

    if outcome.summary is not None:
        record["summary"] = with_earlier_starts(outcome.summary, record.get("summary"))
        write_record(storage, record)
    if outcome.error:
        print(f"proofmill: {outcome.error}", file=sys.stderr)
        print(f"Nothing durable is lost. To resume: {command}", file=sys.stderr)
        print(f"The logs: {run_uri(config.output.uri, config.run.id)}/{LOGS}", file=sys.stderr)
        return EXIT_ERRORS
    if outcome.interrupted or outcome.summary is None:
        print(f"Stopped. To resume: {command}")
        return EXIT_INTERRUPTED
    summary = close_run(config, storage, record)
    # Written last, because a run that died before its report would otherwise never get one.
    record["complete"] = bool(outcome.summary["complete"])
    write_record(storage, record)
    print_summary(summary)
    if outcome.summary["stopped"]:
        print(f"Stopped early: {outcome.summary['stopped']}")
    if is_lost(outcome):
        print(f"Nothing durable is lost. Once the endpoint is back: {command}", file=sys.stderr)
        return EXIT_ERRORS
    num_errors = outcome.summary["statuses"].get("error", 0)
    if num_errors:
        print(f"{num_errors:,} samples ended with status error; the report says why", file=sys.stderr)
        return EXIT_ERRORS
    return EXIT_DONE
