"""`report.html` of one run: one file that needs no scripts, fonts or network, for phones and dark mode too.

Promises: whatever a model, a checker or a problem file wrote is escaped (jinja2 autoescape, and a content security
policy that allows no script at all); a run without `run.json`, without cost or without estimates gives a report that
leaves these parts out.
Fails with StoredRunError or StorageError.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from jobs.report import formats
from jobs.report.charts import MAX_COLUMNS, Column, Dot, Line, column_chart, dollars_chart, occupancy_chart, pass_curve
from jobs.report.problems_table import ProblemsTable
from jobs.report.rendering import environment
from jobs.report.selections import PROMISED, Selections, gather_selections
from jobs.report.statistics import (
    ABORTED,
    LENGTH_EDGES,
    STATUSES,
    Group,
    Position,
    RunStatistics,
    gather,
    name_order,
)
from jobs.uris import shown
from runstore.layout import REPORT
from runstore.schema import CUT_SHORT
from runstore.storage import open_storage
from verifiers.types import Status
from workers.sampling import estimates
from workers.sampling.pass_curve import Point

MAX_REASONS = 12
"""Number of reasons shown: the faults of checkers, then the commonest."""
FAULTS = frozenset({("lean", "kernels disagree")})
"""(kind, reason) of verdicts that tell of a fault in a checker. The report shows them first, however rare they are."""
MAX_BARS = 16
"""Number of domains drawn as bars; the table has all of them."""
MAX_POINTS = 100_000

Json = Any


def write_report(run_uri: str, ended: str = "") -> tuple[str, RunStatistics]:
    """Writes `report.html` and, in the same pass, `problems.parquet` beside the samples. Returns the report's URI and
    the statistics behind it. Raises NoRunError where there are no samples, StoredRunError, StorageError."""
    storage = open_storage(run_uri)
    table = ProblemsTable(storage)
    statistics = gather(run_uri, ended, on_problem=table.add)
    table.write()
    page = render_report(statistics, gather_selections(storage))
    storage.replace(REPORT, page.encode(errors="replace"))
    return f"{storage.uri.rstrip('/')}/{REPORT}", statistics


def render_report(s: RunStatistics, chosen: Selections | None = None) -> str:
    """The page as text."""
    total = s.total
    points = total.passes.points()
    domains = by_name(s.domains)
    drawn = by_name(dict(sorted(domains, key=lambda item: -item[1].problems)[:MAX_BARS]))
    by_cost = sorted(drawn, key=lambda item: item[1].tokens_per_verified or float("inf"))
    reasons = reasons_against(s)
    usd, price = s.price(), s.price_per_verified()
    price_per_token = usd * s.checked_share() / total.checked_tokens if usd and total.checked_tokens else None
    by_group = [group.tokens_per_verified for group in (*s.domains.values(), *s.difficulties.values())]
    unit = formats.price_unit([price, *(tokens * price_per_token for tokens in by_group if tokens and price_per_token)])
    occupancy = read_occupancy(s.summary.get("occupancy"))
    config = s.run.get("config")
    return (
        environment()
        .get_template("report.html")
        .render(
            s=s,
            total=total,
            headline=headline(s),
            headline_points=[points[0], points[-1]] if len(points) > 1 else points,
            saved=s.saved_tokens(),
            usd=usd,
            price=price,
            price_unit=unit,
            per_hour=s.verified_per_hour(),
            curve=pass_curve([line("", "first", points)]) if points else Markup(""),
            has_bounds=any(not point.exact for point in points),
            estimate_note=estimate_note(s),
            interval_note=interval_note(total),
            domains=domains,
            drawn_domains=drawn,
            domains_by_cost=by_cost,
            worst_tokens=max((group.tokens_per_verified or 0 for _, group in drawn), default=0) or 1,
            difficulties=by_name(s.difficulties),
            **of_models(s),
            **of_selections(chosen),
            num_unlabelled=total.problems - sum(group.problems for group in s.difficulties.values()),
            common_k=common_k(total),
            shown_statuses=[status for status in (*STATUSES, ABORTED) if total.statuses[status]],
            lengths=length_chart(s.lengths),
            length_statuses=[status for status in STATUSES if status in s.lengths],
            truncated=sum(s.finish_reasons[name] for name in CUT_SHORT) / total.samples if total.samples else None,
            looped=s.finish_reasons["repetition"],
            bounded=bounded_thoughts(s),
            unparsed=total.statuses["malformed"] / total.checked_samples if total.checked_samples else None,
            reasons=reasons[:MAX_REASONS],
            hidden_reasons=max(0, len(reasons) - MAX_REASONS),
            checkers=sorted(s.checkers.items()),
            positions=shares_by_position(s),
            variants=s.variants,
            occupancy=occupancy_chart(occupancy) if len(occupancy) > 1 else Markup(""),
            mean_occupancy=mean_occupancy(occupancy),
            costs=costs(s, unit),
            **{"retries": read_retries(s.summary.get("retries")), "restarts": read_restarts(s.summary.get("restarts"))},
            price_per_token=price_per_token,
            provenance=provenance(s),
            config=json.dumps(config, indent=2, sort_keys=True) if config else "",
        )
    )


def reasons_against(s: RunStatistics) -> list[tuple[tuple[str, str, str], int]]:
    """(kind, status, reason) of the samples that were checked and not verified, and how many they are: faults of
    checkers first, then the commonest."""
    reasons = [item for item in s.reasons.most_common() if item[0][1] not in (Status.VERIFIED, Status.UNCHECKED)]
    return sorted(reasons, key=lambda item: (item[0][0], item[0][2]) not in FAULTS)


def of_models(s: RunStatistics) -> dict[str, Any]:
    """The parts of the page about stages and about what each model cost."""
    return {
        "stages": s.stages.rows(),
        "accounts": s.accounts.rows() if s.accounts else [],
        "alone": s.accounts.alone(s.stages),
        "dollars_curve": dollars_chart(s.accounts.curve()),
    }


def of_selections(chosen: Selections | None) -> dict[str, Any]:
    """The parts of the page about answers chosen without a proof."""
    domains = sorted(chosen.domains.items(), key=lambda item: name_order(item[0])) if chosen else []
    if chosen and len(domains) > 1:
        domains.append(("all", chosen.total))
    return {"chosen": chosen, "chosen_domains": domains, "promised_levels": PROMISED}


def by_name(groups: Mapping[str, Group]) -> list[tuple[str, Group]]:
    return sorted(groups.items(), key=lambda item: name_order(item[0]))


def line(name: str, colour: str, points: Sequence[Point]) -> Line:
    dots = [Dot(p.k, p.estimate.value, p.estimate.low, p.estimate.high, p.exact) for p in points]
    return Line(name, colour, dots)


def shares_by_position(s: RunStatistics) -> list[tuple[str, Position, float | None, float | None]]:
    """For each letter of a multiple-choice answer, its counts and the interval of the share verified."""
    return [
        (letter, position, *estimates.clopper_pearson(position.verified, position.samples))
        if position.samples
        else (letter, position, None, None)
        for letter, position in sorted(s.positions.items())
    ]


def headline(s: RunStatistics) -> str:
    """One line with model, policy, time and what is missing."""
    config = s.run.get("config") if isinstance(s.run.get("config"), dict) else {}
    sampling = section(config, "sampling")
    parts = [model_paths(config, "path"), str(sampling.get("policy", "")).replace("_", " ")]
    if isinstance(sampling.get("num_samples"), int):
        parts.append(f"up to {sampling['num_samples']} samples per problem")
    if isinstance(wall := s.summary.get("wall_s"), int | float):
        parts.append(formats.seconds(wall))
    if s.run.get("starts") and not s.summary.get("complete"):
        stopped = s.summary.get("stopped")
        parts.append(f"stopped early: {stopped}" if stopped else "in progress or cut off")
    return " · ".join(part for part in parts if part)


def estimate_note(s: RunStatistics) -> str:
    """What the curve is computed from, and what it does not cover."""
    unstarted = f" {counted(s.num_unstarted)} never started; nothing is said of them." if s.num_unstarted else ""
    stages = " It is that of the first stage; solved problems are counted over all stages." if s.stages else ""
    return _estimate_note(s.total) + (stages if s.total.estimated else "") + unstarted + left_out_note(s.total)


def left_out_note(total: Group) -> str:
    """How many problems no figure of the page counts, since nothing could be checked; empty where there are none."""
    if not total.unchecked:
        return ""
    have = "has" if total.unchecked == 1 else "have"
    return (
        f" Left out here and in every share, rate and price of a solution: {total.unchecked:,} of {total.problems:,} "
        f"problems, which {have} no answer key ({total.statuses[Status.UNCHECKED]:,} unchecked samples)."
    )


def _estimate_note(total: Group) -> str:
    if not total.checked:
        return "No pass@k: no problem has an answer key."
    if total.mixed:
        return (
            "No pass@k: samples were dealt to several variants (sampling.variants), and pass@k of their mixture is "
            "that of none of them. They stand side by side below."
        )
    if not total.estimated:
        return (
            "No unbiased estimate: samples were aborted whatever their index (estimates = fast), "
            "or the run ended before any problem was settled. Solved problems are counted above."
        )
    if left := total.missing:
        return (
            f"No unbiased claim: {counted(left)} not sampled to the plan's end. The curve shows the other "
            f"{total.estimated:,}, which are no random choice of the set: problems that settle soon tend to be easy."
        )
    methods = {stopped.method for stopped in total.passes.stops}
    how = "path counting under each problem's stopping rule" if estimates.PATH_COUNTING in methods else "fixed samples"
    return f"Unbiased ({how}), mean over {total.estimated:,} problems; band: 95 % interval."


def counted(problems: int) -> str:
    return f"{problems:,} problem was" if problems == 1 else f"{problems:,} problems were"


def interval_note(total: Group) -> str:
    if total.mixed:
        return "Counts over all variants; no pass@k, which would be that of none of them."
    if not total.estimated:
        return "No problem has an unbiased estimate of pass@k."
    if total.estimated < total.checked:
        return "pass@k over the problems sampled to their plan's end only, without a claim for the others."
    return "pass@k without bias under early stopping, with 95 % intervals over problems."


def common_k(total: Group) -> int:
    """The k of the tables' second pass@k: the largest on the curve, as in the tiles."""
    return max(total.passes.span, 1)


class Bounded(NamedTuple):
    """Samples whose thought was closed at its budget, beside all others."""

    samples: int
    verified: float
    """Share of them that are verified."""
    verified_else: float | None
    """The same share of the other samples; None: there are none."""


def bounded_thoughts(s: RunStatistics) -> Bounded | None:
    """None where no thought was closed at its budget."""
    samples = sum(s.closed_by_budget.values()) - s.closed_by_budget[Status.UNCHECKED]
    if not samples:
        return None
    others = s.total.checked_samples - samples
    verified = s.total.statuses["verified"] - s.closed_by_budget["verified"]
    return Bounded(samples, s.closed_by_budget["verified"] / samples, verified / others if others > 0 else None)


def length_chart(lengths: Mapping[str, np.ndarray], beside: Mapping[str, np.ndarray] | None = None) -> Markup:
    """Samples by tokens, in half octaves, octaves or pairs of them, whichever leaves room above the columns. A chart to
    be read `beside` another has the columns of both."""
    if not lengths:
        return Markup("")
    together = np.sum([*lengths.values(), *(beside or {}).values()], axis=0)
    used = np.flatnonzero(together)
    first, last = int(used[0]), int(used[-1])
    # Bin 1 begins at LENGTH_EDGES[0], so wider columns begin at powers of two.
    layouts = [range(first - (first - 1) % step, last + 1, step) for step in (1, 2, 4)]
    starts = next(layout for layout in layouts if len(layout) <= MAX_COLUMNS)
    columns = []
    for begin in starts:
        start, end = max(0, begin), begin + starts.step
        stack = [(status, int(lengths[status][start:end].sum())) for status in STATUSES if status in lengths]
        total = sum(count for status, count in stack if status != Status.UNCHECKED)
        verified = dict(stack).get("verified", 0)
        edge = int(LENGTH_EDGES[start - 1]) if start else 0
        columns.append(Column(f"{edge:,}", stack, f"{verified / total:.0%}" if total else ""))
    return column_chart(columns, "generated tokens, at least")


def read_occupancy(value: Json) -> list[tuple[float, float, float]]:
    """[seconds, running, capacity] triples; entries of another shape are left out."""
    points = []
    for row in value[:MAX_POINTS] if isinstance(value, list) else []:
        if isinstance(row, list | tuple) and len(row) == 3 and all(isinstance(x, int | float) for x in row):
            points.append((float(row[0]), float(row[1]), float(row[2])))
    return points


def mean_occupancy(points: Sequence[tuple[float, float, float]]) -> float | None:
    """Time-weighted share of the capacity in use; an engine may hold more samples than it can run at once."""
    used = offered = 0.0
    for (start, running, capacity), (end, _, _) in pairwise(points):
        used += min(running, capacity) * (end - start)
        offered += capacity * (end - start)
    return used / offered if offered else None


def read_retries(value: Json) -> list[dict[str, Json]]:
    """`[{what, why, count}]`, or `{why: count}`."""
    if isinstance(value, dict):
        value = [{"what": "samples", "why": why, "count": count} for why, count in value.items()]
    rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
    clean = [
        {"what": str(row.get("what", "")), "why": str(row.get("why", "")), "count": row["count"]}
        for row in rows
        if isinstance(row.get("count"), int | float) and row["count"]
    ]
    return sorted(clean, key=lambda row: -row["count"])


def read_restarts(value: Json) -> list[tuple[str, str, int]]:
    """What was restarted and why, with how often."""
    rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
    counted = Counter((str(row.get("what", "")), str(row.get("why", ""))) for row in rows)
    return [(what, why, count) for (what, why), count in counted.most_common(MAX_REASONS)]


def costs(s: RunStatistics, price_unit: formats.PriceUnit) -> list[tuple[str, str]]:
    """Rows of the cost table."""
    total, summary = s.total, s.summary
    per_hour = s.verified_per_hour()
    rows = [
        ("generated tokens", formats.number(total.completion_tokens)),
        ("of these in aborted samples", formats.number(total.aborted_tokens)),
        ("prompt tokens", formats.number(total.prompt_tokens)),
    ]
    if saved := s.saved_tokens():
        rows.append(("tokens saved by aborts (estimate)", formats.number(saved)))
    rows.append(
        ("tokens per solved problem", formats.number(total.checked_tokens / total.solved if total.solved else None))
    )
    some = "" if s.is_accounted else f", {s.accounted_starts} of {s.all_starts} starts"
    for key, label in (("gpu_s", "GPU time"), ("cpu_s", "CPU time"), ("wall_s", "wall-clock time")):
        if isinstance(value := summary.get(key), int | float) and value:
            rows.append((label + some, formats.seconds(value)))
    if per_hour:
        rows.append((f"verified solutions per {per_hour.unit}-hour", formats.number(per_hour.value)))
    if repairs := s.repairs.total():
        rows.append(("samples of repair rounds", formats.number(repairs)))
        rows.append(("verified by repair", formats.number(s.repairs["verified"])))
    rows.append(("verification, summed over workers", formats.seconds(total.verify_s)))
    abort = summary.get("abort_s")
    if isinstance(abort, dict) and isinstance(abort.get("median"), int | float):
        rows.append(("from a verdict to its aborts, median", formats.seconds(abort["median"])))
    if (usd := s.price()) is not None:
        rows.append(("cost", formats.dollars(usd)))
        verified, solved = s.price_per_verified(), usd * s.checked_share() / total.solved if total.solved else None
        unit = formats.price_unit([solved])
        cost = f"cost per {price_unit.of('verified solution', 'verified solutions')}"
        rows.append((cost, formats.priced(verified, price_unit)))
        rows.append((f"cost per {unit.of('solved problem', 'solved problems')}", formats.priced(solved, unit)))
    return rows


def provenance(s: RunStatistics) -> list[tuple[str, str]]:
    """Where the run comes from, as far as `run.json` says."""
    rows = [("settled", ", ".join(f"{why} {count:,}" for why, count in s.total.settled.most_common()))]
    if stopped := s.summary.get("stopped"):
        rows.append(("stopped early", str(stopped)))
    if s.num_unstarted:
        rows.append(("never started", f"{s.num_unstarted:,} problems of the set; they are in no figure of this page"))
    config = s.run.get("config")
    if isinstance(config, dict):
        rows.append(("model", model_paths(config, "path", "revision")))
        files = section(config, "problems").get("files")
        if isinstance(files, list):
            rows.append(("problems", ", ".join(shown(str(name)) for name in files)))
    if revision := s.run.get("code_revision"):
        rows.append(("code revision", str(revision)))
    versions = s.run.get("versions")
    if isinstance(versions, dict):
        rows.append(("versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return rows


def model_paths(config: Json, *keys: str) -> str:
    """These keys of the run's model, or of each of its models behind its name."""
    models = section(config, "models")
    if not models:
        return " ".join(str(section(config, "model").get(key) or "") for key in keys)
    told = {name: " ".join(str(section(models, name).get(key) or "") for key in keys).strip() for name in models}
    return ", ".join(f"{name} {text}" for name, text in told.items())


def section(config: Json, name: str) -> Mapping[str, Json]:
    value = config.get(name) if isinstance(config, dict) else None
    return value if isinstance(value, dict) else {}
