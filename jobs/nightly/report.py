"""The morning report: one JSON object, and its text (for a mail or a chat) and HTML. Self-contained, no scripts."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from jobs.nightly.findings import Finding
from verifiers.types import Json

SAMPLING_SHOWN = ("policy", "num_samples", "temperature", "top_p", "top_k", "max_tokens")
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
                "bucket": result.bucket,
                "problems": len(result.outcomes),
                "solved": sum(outcome.solved for outcome in result.outcomes.values()),
                "samples": sum(outcome.num_samples for outcome in result.outcomes.values()),
                "tokens": sum(outcome.tokens for outcome in result.outcomes.values()),
                "errors": sum(outcome.num_error for outcome in result.outcomes.values()),
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
            pairs += [(f"sampling.{key}", old.sampling.get(key), result.sampling[key]) for key in SAMPLING_SHOWN]
        lines += [f"{what}: {was} → {now}" for what, was, now in pairs if was != now]
    return sorted(set(lines))


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
        lines += [f"    changed {change}" for change in leg["changes"]]
        for key, what in (("newly_solved", "newly solved"), ("lost", "lost")):
            if count := found["num_" + key]:
                names = ", ".join(found[key][:TEXT_NAMES]) + (", …" if count > TEXT_NAMES else "")
                lines.append(f"    {what} {count}: {names}")
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
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["polyline"] = polyline
    template = environment.from_string((Path(__file__).parent / "report.html").read_text())
    return template.render(body=body)


def polyline(rows: Sequence[dict[str, Any]], key: str, width: int = 560, height: int = 120) -> str:
    """SVG points of one curve, from zero to its greatest value."""
    values = [float(row[key]) for row in rows]
    top = max(values, default=0.0) or 1.0
    step = width / max(len(values) - 1, 1)
    return " ".join(f"{index * step:.1f},{height - value / top * height:.1f}" for index, value in enumerate(values))
