"""What follows from a run's rows: the problems table, the report, and the summary at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from jobs.config import SolveConfig
from jobs.report.page import write_report
from jobs.report.problems_table import write_problems_table
from jobs.report.statistics import Group
from jobs.solve.progress import STATUS_ORDER, clock
from jobs.solve.record import write_record
from runstore.layout import run_uri
from runstore.reader import num_rows
from runstore.storage import Storage
from verifiers.types import Json
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
    if total.missing or not total.problems:
        return PassRates({}, f"no unbiased estimate: {total.missing:,} problems were not sampled to their plan's end")
    return PassRates({point.k: point.estimate for point in total.passes.points() if point.exact})


def close_run(config: SolveConfig, storage: Storage, record: dict[str, Json]) -> dict[str, Any]:
    """Writes `problems.parquet` and `report.html`; returns what `print_summary` shows."""
    uri = run_uri(config.output.uri, config.run.id)
    summary = record["summary"]
    ended = "budget" if summary["stopped"] else "open"
    report, total = "", Group()
    if num_rows(storage):
        report, statistics = write_report(uri, ended)
        total = statistics.total
    else:
        write_problems_table(uri, ended)
    rates = pass_rates(total)
    record["summary"]["pass_at_k"] = rates.to_json()
    write_record(storage, record)
    return {"uri": uri, "report": report, "num_rows": total.problems, "rates": rates, **summary}


def print_summary(summary: dict[str, Any]) -> None:
    """The table at the end of a run."""
    console = Console()
    table = Table(title=f"run {summary['uri']}", show_header=False, title_justify="left")
    problems, solved = summary["problems"], summary["problems_solved"]
    table.add_row("problems solved", f"{solved:,} of {problems:,} ({solved / max(1, problems):.1%})")
    rates: PassRates = summary["rates"]
    for k, estimate in rates.estimates.items():
        table.add_row(f"pass@{k}", f"{estimate.value:.3f}  (95 % interval {estimate.low:.3f} to {estimate.high:.3f})")
    if not rates.estimates:
        table.add_row("pass@k", rates.why_not)
    statuses = summary["statuses"]
    table.add_row("samples", f"{summary['samples']:,} checked, {summary['aborted_samples']:,} aborted")
    table.add_row("verdicts", ", ".join(f"{statuses[name]:,} {name}" for name in STATUS_ORDER if statuses.get(name)))
    table.add_row(
        "tokens",
        f"{summary['completion_tokens']:,} generated, {summary['prompt_tokens']:,} in prompts, "
        f"about {summary['saved_tokens']:,} saved by aborts",
    )
    verified = statuses.get("verified", 0)
    if solved:
        table.add_row("tokens per solved problem", f"{summary['completion_tokens'] / solved:,.0f}")
    unit = "GPU" if summary["gpu_s"] else "CPU"
    seconds = summary["gpu_s"] or summary["cpu_s"]
    table.add_row("time", f"{clock(summary['wall_s'])} wall clock, {seconds / 3600:.3f} {unit}-hours")
    if seconds and verified:
        table.add_row(f"verified per {unit}-hour", f"{verified / (seconds / 3600):,.0f}")
        cost = f"${summary['usd'] / verified:.6f}" if summary["usd"] else "set cost.usd_per_gpu_hour to see it"
        table.add_row("cost per verified solution", cost)
    table.add_row("samples", f"{summary['uri']}/samples/*.parquet")
    table.add_row("report", summary["report"])
    console.print(table)
