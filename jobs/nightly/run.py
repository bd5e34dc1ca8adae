"""One night: plan, run, remember, compare, report.

    history ──select──► plan (written once) ──► runs by leg and bucket  ──► results (written once each)
                                                  the same as `proofmill solve`      │
                                     exit code ◄── report ◄── compare with the night before

Promises: the same night again resumes where it stopped or, once complete, does nothing; of two starts at the same time
one works and the other says so and ends; a night that fails half-way keeps what is done, and the next start continues
it. Runs are named `<name>-<leg>-<bucket>-<date>`.
Does not: run anything itself: `solve` is a callable (jobs.solve.command.solve, or a test's).
Fails: 0 all well, 3 a regression or a run with errors, 2 config, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

from jobs.config import ConfigError, Problems, SolveConfig
from jobs.exit_codes import EXIT_DONE, EXIT_ERRORS, EXIT_INTERRUPTED
from jobs.nightly import report
from jobs.nightly.budgets import longer_sample as longer_sample
from jobs.nightly.budgets import with_lengths, with_repairs, with_samples
from jobs.nightly.findings import compare_leg, trend
from jobs.nightly.history import History, RunResult, read_outcomes
from jobs.nightly.selection import NEAR, NEW, OPEN, REGRESSION, Past, longest_first, pasts, select
from jobs.nightly.settings import NightlyConfig, changed
from jobs.nightly.tracks import STAGE0, first_pool, first_stage_outcomes, has_stages, model_names, reported, track_of
from jobs.notify import Notifier
from jobs.problems.load import stream_problems
from runstore.errors import StoredRunError
from runstore.layout import run_uri
from runstore.lease import RunHeldError, claim_run, is_superseded, release, renew
from runstore.reader import read_problems_table, read_run_json
from runstore.storage import Storage, open_storage
from verifiers.answer_keys import has_answer_key
from verifiers.types import Json, Problem

MAIN = "main"
BUCKETS = {MAIN: (NEW, OPEN), NEAR: (NEAR,), REGRESSION: (REGRESSION,)}
"""Kinds of runs of a leg, and the buckets that each of them takes."""

Solve = Callable[[SolveConfig], int]
"""Runs or resumes a batch; returns an exit code. May raise what jobs.solve.command.solve raises."""


def run_night(
    config: NightlyConfig,
    legs: dict[str, SolveConfig],
    night: dt.date,
    solve: Solve,
    say: Callable[[str], object] = print,
) -> int:
    """Runs or resumes the night, or does nothing if it is complete. Raises HistoryError or one of jobs.errors.TOLD."""
    storage = open_storage(nightly_uri(config))
    storage.check_conditional_writes()
    history = History(storage)
    if (done := storage.read(f"nights/{night}/report.json")) is not None:
        say(f"{config.nightly.name} {night}: complete; report at {storage.uri}/nights/{night}/report.html")
        return int(json.loads(done)["exit_code"])
    try:
        notifier = Notifier(config.notify, f"{config.nightly.name}-{night}", f"{storage.uri}/nights/{night}")
        with held(open_storage(f"{storage.uri}/nights/{night}/lock"), config.nightly.lease_s), notifier:
            return locked_night(config, legs, night, solve, history, say, notifier)
    except RunHeldError as error:
        say(f"{config.nightly.name} {night}: already under way ({error}); nothing to do")
        return EXIT_DONE


def nightly_uri(config: NightlyConfig) -> str:
    return f"{config.nightly.output_uri.rstrip('/')}/nightly/{config.nightly.name}"


@contextlib.contextmanager
def held(storage: Storage, lease_s: float) -> Iterator[None]:
    """The lock of a night, kept alive from a thread. Raises RunHeldError."""
    claim = claim_run(storage, 0, lease_s)
    ended = threading.Event()

    def keep() -> None:
        count = 0
        while not ended.wait(lease_s / 4):
            count += 1
            with contextlib.suppress(Exception):  # a missed beat is made up by the next one
                if is_superseded(storage, claim):
                    return  # another start has taken over and goes on; exclusive writes keep the history right
                renew(storage, claim, count)

    thread = threading.Thread(target=keep, name="night-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if not is_superseded(storage, claim):
            release(storage, claim)


def locked_night(
    config: NightlyConfig,
    legs: dict[str, SolveConfig],
    night: dt.date,
    solve: Solve,
    history: History,
    say: Callable[[str], object],
    notifier: Notifier,
) -> int:
    plan = history.plan(night) or make_plan(config, legs, night, history)
    errors: list[str] = []
    for entry in plan["runs"]:
        run_id = entry["run_id"]
        if (before := history.result(night, run_id)) is not None:
            say(f"{run_id}: done before")
            if before.exit_code:  # a start that ended before its report must not hide it
                errors.append(f"{run_id}: exit code {before.exit_code}")
            continue
        if entry["leg"] not in legs:
            errors.append(f"{run_id}: the config has no leg {entry['leg']} any more")
            continue
        say(f"{run_id}: {entry['num_problems']} problems")
        run = run_config(config, legs[entry["leg"]], entry, history, night)
        try:
            code = solve(run)
        except (ConfigError, StoredRunError) as error:  # one leg's fault must not stop the other legs
            errors.append(f"{run_id}: {error}")
            continue
        if code == EXIT_INTERRUPTED:
            say(f"{run_id}: interrupted; the same command resumes")
            return EXIT_INTERRUPTED
        results = read_results(run, night, entry, code)
        if not results:
            errors.append(f"{run_id}: ended with exit code {code} and is not complete; the next start resumes it")
            continue
        if code:
            errors.append(f"{run_id}: exit code {code}")
        for result in results:
            history.add(result)
    findings = [
        compare_leg(config, history, night, track, entry)
        for leg, entry in plan["legs"].items()
        if leg in legs
        for track in ([leg, track_of(leg)] if has_stages(legs[leg]) else [leg])
    ]
    incomplete = [entry for entry in plan["runs"] if history.result(night, entry["run_id"]) is None]
    regressions = [f"{finding.leg}: {line}" for finding in findings for line in finding.comparison.regressions]
    code = EXIT_ERRORS if errors or regressions else EXIT_DONE
    body = report.build(config.nightly.name, night, findings, regressions, errors, code, trend(history, night))
    say(report.render_text(body))
    tell(notifier, body, [entry["run_id"] for entry in incomplete])
    if incomplete:
        return EXIT_ERRORS  # no report is kept: the night goes on with the next start
    prefix = f"nights/{night}"
    history.storage.replace(f"{prefix}/report.html", report.render_html(body).encode())
    history.storage.replace(f"{prefix}/report.txt", report.render_text(body).encode())
    history.storage.create(f"{prefix}/report.json", json.dumps(body, indent=1).encode())  # last: it marks completion
    say(f"report {history.storage.uri}/{prefix}/report.html")
    forget(config, history, night, say)
    return code


def tell(notifier: Notifier, body: dict[str, Any], incomplete: list[str]) -> None:
    """Posts how the night ended: `done` or `failed`, and `regression` beside it where there is one."""
    legs = {leg["leg"]: leg["runs"] for leg in body["legs"]}
    figures = {
        "exit_code": body["exit_code"],
        "regressions": body["regressions"],
        "errors": body["errors"],
        "runs": legs,
    }
    faults = body["errors"] or [f"{run_id} is not complete" for run_id in incomplete]
    notifier.tell("failed" if faults else "done", figures, "; ".join(faults))
    if body["regressions"]:
        notifier.tell("regression", figures, "; ".join(body["regressions"]))


def make_plan(config: NightlyConfig, legs: dict[str, SolveConfig], night: dt.date, history: History) -> Any:
    """Selects problems, writes their files and fixes the plan. Only the holder of the lock calls this. A file has its
    problems in the order in which they are begun, so a start that resumes the night keeps the order."""
    results = history.results(before=night)
    runs: list[dict[str, Json]] = []
    about: dict[str, Json] = {}
    for name, leg in legs.items():
        problems = {problem.id: problem for problem in stream_problems(leg.problems)}
        # A night tells what was solved and what was lost, and of a problem without an answer key neither can be told.
        keyless = [name for name, each in problems.items() if not has_answer_key(each.kind, each.reference)]
        for problem_id in keyless:
            del problems[problem_id]
        past = pasts(results, name)
        chosen = select(list(problems), past, night, config.regression, config.hopeless)
        about[name] = {
            "num_problems": len(problems),
            "unchecked": len(keyless),
            "buckets": {bucket: len(ids) for bucket, ids in chosen.items()},
            "resting": len(problems) - len(settled(problems, past)) - unsolved_chosen(chosen),
        }
        for bucket, parts in BUCKETS.items():
            ids = {name for part in parts for name in chosen[part]}
            if not ids:
                continue
            run_id = f"{config.nightly.name}-{name}-{bucket}-{night:%Y%m%d}"
            order = [name for name in problems if name in ids]
            if config.nightly.longest_first:
                order = longest_first(order, past)
            lines = [json.dumps(problems[name].to_json()) for name in order]
            history.storage.replace(history.problems_key(night, run_id), ("\n".join(lines) + "\n").encode())
            known = sum(problem_id in past for problem_id in ids) if config.nightly.longest_first else 0
            about_run = {"leg": name, "bucket": bucket, "num_problems": len(ids), "lengths_known": known}
            runs.append({"run_id": run_id, **about_run})
    return history.fix_plan(night, {"night": night.isoformat(), "runs": runs, "legs": about})


def settled(problems: dict[str, Problem], past: dict[str, Past]) -> list[str]:
    return [name for name in problems if name in past and past[name].solved_last]


def unsolved_chosen(chosen: dict[str, list[str]]) -> int:
    return sum(len(ids) for bucket, ids in chosen.items() if bucket != REGRESSION)


def run_config(
    config: NightlyConfig, leg: SolveConfig, entry: dict[str, Any], history: History, night: dt.date
) -> SolveConfig:
    """The leg's config for one bucket of the night. Raises ConfigError."""
    file = f"{history.storage.uri}/{history.problems_key(night, entry['run_id'])}"
    confidential = leg.problems.confidential  # the one key that is about the problems and not about their file
    problems = Problems(files=[file], layout="canonical", confidential=confidential).model_dump()
    # Each night has another seed. Otherwise an unsolved problem would draw the very same samples again, and a
    # regression sample would show nothing new.
    about = {"id": entry["run_id"], "seed": (leg.run.seed << 24) + night.toordinal()}
    table: dict[str, Any] = leg.resolved()
    table["run"] |= about
    table["problems"] |= problems
    overrides: list[str] = []
    if entry["bucket"] == REGRESSION and config.regression.num_samples:
        table = with_samples(leg, table, lambda own: config.regression.num_samples)
    if entry["bucket"] == NEAR:
        near = config.near_miss
        table = with_samples(leg, table, lambda own: max(1, round(own * near.samples_factor)))
        table = with_lengths(leg, table, near.tokens_factor)
        if near.repair_rounds:
            table = with_repairs(leg, table, near.repair_rounds)
        overrides += near.overrides
    run = changed(leg, table, overrides)
    # A night stalls when one of its runs does. How the runs end is posted once, for the whole night.
    stalls = [entry.model_copy(update={"on": ["stalled"]}) for entry in config.notify if "stalled" in entry.on]
    return run.model_copy(update={"notify": [*run.notify, *stalls]})


def read_results(run: SolveConfig, night: dt.date, entry: dict[str, Any], code: int) -> list[RunResult]:
    """What the run left, on the leg's track and on that of its first stage; empty where it is not complete."""
    storage = open_storage(run_uri(run.output.uri, run.run.id))
    record = read_run_json(storage) or {}
    table = read_problems_table(storage)
    if table is None or not record.get("complete"):
        return []
    summary = record.get("summary", {})
    whole = RunResult(
        night=night,
        leg=entry["leg"],
        bucket=entry["bucket"],
        run_id=run.run.id,
        model=model_names(run),
        sampling=sampling_of(run, first_pool(run)),
        code_revision=str(record.get("code_revision", "")),
        exit_code=code,
        gpu_s=float(summary.get("gpu_s", 0)),
        cpu_s=float(summary.get("cpu_s", 0)),
        usd=float(summary.get("usd", 0)),
        wall_s=float(summary.get("wall_s", 0)),
        outcomes=read_outcomes(table),
        endpoints=reported(run, summary),
    )
    if not has_stages(run):
        return [whole]
    first = first_pool(run)
    # Time and money are the whole run's; what the first stage took of them is in the run's own report.
    apart = dataclasses.replace(
        whole,
        leg=track_of(entry["leg"]),
        run_id=f"{run.run.id}{STAGE0}",
        model=model_names(run, first),
        outcomes=first_stage_outcomes(storage),
        endpoints={name: told for name, told in whole.endpoints.items() if name == first},
        gpu_s=0.0,
        cpu_s=0.0,
        usd=0.0,
        wall_s=0.0,
    )
    return [apart, whole]  # the whole last: the night takes it as the sign that the run is done


def sampling_of(run: SolveConfig, pool: str) -> dict[str, Json]:
    """The sampling of a pool as the history keeps it."""
    sampling = run.pools()[pool].sampling.model_dump(mode="json")
    return {key: sampling[key] for key in report.SAMPLING_SHOWN}


def forget(config: NightlyConfig, history: History, night: dt.date, say: Callable[[str], object]) -> None:
    """Deletes runs older than `keep_nights`; only runs that this nightly's own history names, and never the history."""
    if not config.nightly.keep_nights:
        return
    for old in history.nights():
        if (night - old).days < config.nightly.keep_nights or not history.is_complete(old):
            continue
        plan = history.plan(old) or {"runs": []}
        for entry in plan["runs"]:
            storage = open_storage(run_uri(config.nightly.output_uri, entry["run_id"]))
            keys = storage.keys()
            for key in keys:
                storage.delete(key)
            if keys:
                say(f"retention: deleted run {entry['run_id']} of {old}")


def due_nights(history: History, tonight: dt.date, catch_up: int) -> list[dt.date]:
    """Tonight, and before it the missed or unfinished nights of the last `catch_up` days; none before the first one."""
    first = min(history.nights(), default=tonight)
    missed = [tonight - dt.timedelta(days=days) for days in range(catch_up, 0, -1)]
    return [night for night in missed if night >= first and not history.is_complete(night)] + [tonight]
