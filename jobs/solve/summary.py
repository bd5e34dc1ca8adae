"""What is made from a run's rows: the problems table, the report, and the summary at the end."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from jobs.config import SolveConfig
from jobs.report.accounts import AccountRow
from jobs.report.formats import dollars, price_unit, priced
from jobs.report.page import write_report
from jobs.report.problems_table import write_problems_table
from jobs.report.statistics import Group, ended_by
from jobs.report.variants import VariantTable
from jobs.selections.select import AGREEMENT, SelectionCounts, select_run
from jobs.solve.progress import STATUS_ORDER, clock
from jobs.solve.record import write_record
from runstore.layout import LOGS, run_uri
from runstore.reader import num_rows
from runstore.storage import Storage
from verifiers.types import Json, Status
from workers.sampling.estimates import Estimate


@dataclasses.dataclass(frozen=True, slots=True)
class PassRates:
    """pass@k by k; empty where no unbiased estimate exists, and then `why_not` says why."""

    estimates: Mapping[int, Estimate]
    why_not: str = ""

    def to_json(self) -> Json:
        return {str(k): dataclasses.asdict(estimate) for k, estimate in self.estimates.items()}


def pass_rates(total: Group) -> PassRates:
    """What may be claimed of the whole set: the exact points of its curve, if every problem has an estimate."""
    if total.mixed:
        return PassRates({}, "none of a mixture of variants; the report has each of them")
    if total.unchecked and not total.checked:
        return PassRates({}, "no problem has an answer key")
    if total.missing or not total.checked:
        return PassRates({}, f"no unbiased estimate: {total.missing:,} problems were not sampled to their plan's end")
    return PassRates({point.k: point.estimate for point in total.passes.points() if point.exact})


def close_run(config: SolveConfig, storage: Storage, record: dict[str, Json]) -> dict[str, Any]:
    """Writes `selections.parquet`, `problems.parquet` and `report.html`; returns what `print_summary` shows."""
    uri = run_uri(config.output.uri, config.run.id)
    summary = record["summary"]
    ended = ended_by(record)
    report, total, repairs, variants = "", Group(), Counter[str](), VariantTable()
    accounts: list[AccountRow] = []
    checked_share = 1.0
    has_stages = False
    selections = SelectionCounts()
    if num_rows(storage):
        if AGREEMENT in config.selection.methods:
            selections = select_run(storage)
        report, statistics = write_report(uri, ended)
        total, repairs, variants = statistics.total, statistics.repairs, statistics.variants
        checked_share = statistics.checked_share()
        accounts = statistics.accounts.rows() if statistics.accounts else []
        has_stages = bool(statistics.stages)
    else:
        write_problems_table(uri, ended)
    rates = pass_rates(total)
    record["summary"]["pass_at_k"] = rates.to_json()
    if accounts:
        record["summary"]["accounts"] = [row._asdict() for row in accounts]
    write_record(storage, record)
    shown = {"uri": uri, "report": report, "num_rows": total.problems, "rates": rates, "repairs": repairs}
    shown |= {"has_stages": has_stages, "selections": selections}
    keyless = max(total.unchecked, sum(record.get("problems", {}).get("keyless", {}).values()))
    left_out = {"keyless": keyless, "unchecked_tokens": total.unchecked_tokens, "checked_share": checked_share}
    return {**shown, **left_out, "variants": variants, **summary}


def print_summary(summary: dict[str, Any], console: Console | None = None) -> None:
    """Prints the table at the end of a run, and below it the places to look at, each in full on its own line."""
    console = console or Console()
    table = Table(title=f"run {summary['uri'].rsplit('/', 1)[-1]}", show_header=False, title_justify="left")
    for name, value in summary_rows(summary):
        table.add_row(name, value)
    console.print(table)
    for name, place in places(summary):
        # Paths are neither cut nor wrapped, whatever the terminal's width, because they are there to be copied.
        console.print(f"{name:<8} {place}", soft_wrap=True, highlight=False, markup=False)


def summary_rows(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Label and value of every row of the table."""
    keyless = summary.get("keyless", 0)
    problems, solved = summary["problems"] - keyless, summary["problems_solved"]
    if problems or not keyless:
        yield "problems solved", f"{solved:,} of {problems:,} ({solved / max(1, problems):.1%})"
    if keyless:
        yield "without an answer key", f"{keyless:,} problems, in no share, rate or price of a solution"
    rates: PassRates = summary["rates"]
    whose = " of the first stage" if summary.get("has_stages") else ""
    for k, estimate in rates.estimates.items():
        yield f"pass@{k}{whose}", f"{estimate.value:.3f}  (95 % interval {estimate.low:.3f} to {estimate.high:.3f})"
    if not rates.estimates:
        yield f"pass@k{whose}", rates.why_not
    statuses = summary["statuses"]
    unchecked = statuses.get(Status.UNCHECKED, 0)
    told = f"{summary['samples'] - unchecked:,} checked, {summary['aborted_samples']:,} aborted"
    yield "samples", told + (f", {unchecked:,} unchecked" if unchecked else "")
    yield "verdicts", ", ".join(f"{statuses[name]:,} {name}" for name in STATUS_ORDER if statuses.get(name))
    variants: VariantTable = summary["variants"]
    for name in variants.names:
        counts = variants.all[name]
        yield f"variant {name}", f"{counts.verified:,} of {counts.samples:,} samples verified"
    repairs: Counter[str] = summary["repairs"]
    if repairs:
        yield "repair rounds", f"{repairs.total():,} of these samples, {repairs['verified']:,} of them verified"
    yield (
        "tokens",
        f"{summary['completion_tokens']:,} generated, {summary['prompt_tokens']:,} in prompts, "
        f"about {summary['saved_tokens']:,} saved by aborts",
    )
    selections: SelectionCounts = summary.get("selections", SelectionCounts())
    if selections.keyless or selections.suspects:
        yield "selections", selections.told()
    if solved:
        tokens = summary["completion_tokens"] - summary.get("unchecked_tokens", 0)
        yield "tokens per solved problem", f"{tokens / solved:,.0f}"
    yield from time_rows(summary)


def time_rows(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the run took and what a verified solution cost."""
    unit = "GPU" if summary["gpu_s"] else "CPU"
    seconds = summary["gpu_s"] or summary["cpu_s"]
    verified = summary["statuses"].get("verified", 0)
    hours = f", {seconds / 3600:.3f} {unit}-hours" if seconds else ""
    share = summary.get("checked_share", 1.0)
    yield "time", f"{clock(summary['wall_s'])} wall clock{hours}"
    if not verified:
        return
    if seconds and share:
        yield f"verified per {unit}-hour", f"{verified / (seconds * share / 3600):,.0f}"
    if not summary["usd"]:
        if seconds:
            yield "cost per verified solution", f"set cost.usd_per_{unit.lower()}_hour to see it"
        return
    price = summary["usd"] * share / verified
    size = price_unit([price])
    yield f"cost per {size.of('verified solution', 'verified solutions')}", priced(price, size)
    yield from account_rows(summary.get("accounts", ()))


def account_rows(accounts: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What each model cost in each stage, and what for."""
    for row in accounts:
        text = f"{row['solved']:,} of {row['reached']:,} problems, {row['tokens']:,} tokens, {dollars(row['usd'])}"
        if each := row["usd_per_verified"]:
            size = price_unit([each])
            text += f", {priced(each, size)} per {size.of('verified solution', 'verified solutions')}"
        yield f"{row['pool']}, stage {row['stage']}", text


def places(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the run's files are."""
    yield "rows", f"{summary['uri']}/samples/*.parquet"
    if summary["report"]:
        yield "report", summary["report"]
    yield "logs", f"{summary['uri']}/{LOGS}"
