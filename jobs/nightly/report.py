"""The morning report: one JSON object, and its text (for a mail or a chat) and HTML. Self-contained, no scripts."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from jobs.config import Sampling
from jobs.nightly.findings import Finding
from jobs.nightly.tracks import leg_of
from jobs.report.charts import Dot, Line, share_chart
from jobs.report.rendering import environment
from verifiers.types import Json

SAMPLING_SHOWN = ("policy", "rollout", "num_samples", "temperature", "top_p", "top_k", "max_tokens")
MAX_NAMES = 50
"""Largest number of problems listed by name; the JSON of the runs has all."""
TEXT_NAMES = 5


def build(
    name: str,
    night: dt.date,
    findings: Sequence[Finding],
    regressions: Sequence[str],
    errors: Sequence[str],
    exit_code: int,
    trend: dict[str, list[dict[str, Json]]],
) -> dict[str, Any]:
    """The report as JSON."""
    return {
        "name": name,
        "night": night.isoformat(),
        "exit_code": exit_code,
        "regressions": list(regressions),
        "errors": list(errors),
        "legs": [leg_body(finding, trend.get(finding.leg, [])) for finding in findings],
    }


def leg_body(finding: Finding, trend: list[dict[str, Json]]) -> dict[str, Any]:
    comparison = dataclasses.asdict(finding.comparison)
    for key in ("newly_solved", "lost", "worse", "better"):
        comparison["num_" + key] = len(comparison[key])
        comparison[key] = comparison[key][:MAX_NAMES]
    return {
        "leg": finding.leg,
        "models": sorted({result.model for result in finding.tonight}),
        "changes": changes(finding),
        "plan": finding.plan,
        "runs": [
            {
                "run_id": result.run_id,
                "of_run": leg_of(result.run_id),
                "bucket": result.bucket,
                "problems": len(result.outcomes),
                "solved": sum(outcome.solved for outcome in result.outcomes.values()),
                "samples": sum(outcome.num_samples for outcome in result.outcomes.values()),
                "verified": sum(outcome.num_verified for outcome in result.outcomes.values()),
                "tokens": sum(outcome.tokens for outcome in result.outcomes.values()),
                "errors": sum(outcome.num_error for outcome in result.outcomes.values()),
                "gpu_s": result.gpu_s,
                "cpu_s": result.cpu_s,
                "wall_s": result.wall_s,
                "usd": result.usd,
            }
            for result in finding.tonight
        ],
        "comparison": comparison,
        "trend": trend,
    }


def changes(finding: Finding) -> list[str]:
    """Settings that differ from the leg's last night, bucket by bucket."""
    before = {result.bucket: result for result in finding.previous}
    lines = []
    for result in finding.tonight:
        old = before.get(result.bucket) or next(iter(finding.previous), None)
        if old is None:
            continue
        pairs: list[tuple[str, Json, Json]] = [
            ("model", old.model, result.model),
            ("code", old.code_revision, result.code_revision),
        ]
        if result.bucket == old.bucket:
            # A night of a version that lacked the key drew with its default.
            pairs += [
                (f"sampling.{key}", old.sampling.get(key, Sampling.model_fields[key].default), result.sampling[key])
                for key in SAMPLING_SHOWN
            ]
        lines += [f"{what}: {was} → {now}" for what, was, now in pairs if was != now]
    excused = [f"not held against the code, since an endpoint is another model: {line}" for line in finding.excused]
    return [*sorted({*lines, *finding.endpoints}), *excused]


def render_text(body: dict[str, Any]) -> str:
    """The report as about a dozen lines of text."""
    verdict = "REGRESSION" if body["regressions"] else "ERRORS" if body["errors"] else "all well"
    lines = [f"{body['name']} {body['night']}: {verdict}"]
    lines += [f"  ! {line}" for line in (*body["regressions"], *body["errors"])]
    for leg in body["legs"]:
        found = leg["comparison"]
        solved, tried = (sum(run[key] for run in leg["runs"]) for key in ("solved", "problems"))
        ever = leg["trend"][-1]["solved_ever"] if leg["trend"] else 0
        total = leg["plan"]["num_problems"]
        lines.append(f"  {leg['leg']}: {solved} of {tried} tried solved; {ever} of {total} solved so far")
        if unchecked := leg["plan"].get("unchecked"):
            lines.append(f"    left out {unchecked}: no answer key")
        lines += [f"    changed {change}" for change in leg["changes"]]
        for key, what in (("newly_solved", "newly solved"), ("lost", "lost")):
            if count := found["num_" + key]:
                names = ", ".join(found[key][:TEXT_NAMES]) + (", …" if count > TEXT_NAMES else "")
                note = f" ({found['lost_note']})" if key == "lost" else ""
                lines.append(f"    {what} {count}{note}: {names}")
        if found["num_rates"]:
            lines.append(
                f"    pass rate {found['pass_rate_before']:.3f} → {found['pass_rate_after']:.3f} "
                f"({found['pass_rate_expected']:.3f} expected) on {found['num_rates']} problems solved before "
                f"(p = {found['pass_rate_p']:.2g})"
            )
        if leg["plan"].get("resting"):
            lines.append(f"    resting {leg['plan']['resting']}")
        usd = sum(run["usd"] for run in leg["runs"])
        tokens = sum(run["tokens"] for run in leg["runs"])
        lines.append(f"    {tokens:,} tokens" + (f", ${usd:.4f}" if usd else ""))
    return "\n".join(lines) + "\n"


def render_html(body: dict[str, Any]) -> str:
    """The page, in the design of a run's report. It links the reports of the night's runs, as seen from where it lies
    (`<output>/nightly/<name>/nights/<date>/`)."""
    legs = [leg for leg in body["legs"] if leg_of(leg["leg"]) == leg["leg"]]  # a track is of the same runs
    runs = [run for leg in legs for run in leg["runs"]]
    found = [leg["comparison"] for leg in legs]
    return (
        environment(Path(__file__).parent)
        .get_template("night.html")
        .render(
            body=body,
            total={key: sum(run[key] for run in runs) for key in ("problems", "solved", "samples", "verified", "usd")},
            num_newly_solved=sum(comparison["num_newly_solved"] for comparison in found),
            num_lost=sum(comparison["num_lost"] for comparison in found),
            lost_note=", within chance" if all_within_chance(found) else "",
            per_hour=verified_per_hour(runs),
            charts={leg["leg"]: nights_chart(leg) for leg in body["legs"]},
        )
    )


def all_within_chance(found: Sequence[dict[str, Any]]) -> bool:
    """Whether problems were lost, and no leg lost more than chance alone would."""
    notes = [comparison["lost_note"] for comparison in found if comparison["num_lost"]]
    return bool(notes) and set(notes) == {"within chance"}


def verified_per_hour(runs: Sequence[dict[str, Any]]) -> tuple[float, str] | None:
    """Verified solutions of the runs per hour of what they ran on, and whether that is a GPU or a CPU."""
    for key, unit in (("gpu_s", "GPU"), ("cpu_s", "CPU")):
        if used := sum(run[key] for run in runs):
            return 3600 * sum(run["verified"] for run in runs if run[key]) / used, unit
    return None


def nights_chart(leg: dict[str, Any]) -> Markup:
    """Problems solved so far and samples verified, as shares, by night; empty for a first night."""
    rows, total = leg["trend"], leg["plan"]["num_problems"]
    if len(rows) < 2:
        return Markup("")
    # Problems that have left the set since count among those solved so far.
    solved = [min(1.0, row["solved_ever"] / total) if total else 0.0 for row in rows]
    shares = (
        ("problems solved so far", "first", solved),
        ("samples verified", "second", [r["verified_share"] for r in rows]),
    )
    lines = [
        Line(name, colour, [Dot(place, share, share, share) for place, share in enumerate(values)])
        for name, colour, values in shares
    ]
    return share_chart(lines, [row["night"] for row in rows], "night")
