"""What a night found out about each leg: tonight compared with earlier nights."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from typing import Any

from jobs.nightly.comparison import Comparison, compare
from jobs.nightly.history import History, Outcome, RunResult
from jobs.nightly.selection import NEAR, pasts
from jobs.nightly.settings import NightlyConfig
from jobs.nightly.tracks import other_endpoints
from verifiers.types import Json


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A leg's night."""

    leg: str
    plan: dict[str, Any]
    tonight: list[RunResult]
    previous: list[RunResult]
    """Results of the last earlier night on which this leg ran."""
    comparison: Comparison
    endpoints: list[str] = dataclasses.field(default_factory=list)
    """Endpoints that are another model than on that night, a line each."""
    excused: list[str] = dataclasses.field(default_factory=list)
    """Changes beyond the bounds that are not held against the code, because an endpoint is another model."""


def compare_leg(config: NightlyConfig, history: History, night: dt.date, leg: str, plan: dict[str, Any]) -> Finding:
    """Compares tonight with each problem's last outcome on an earlier night under the leg's own budget."""
    earlier = [result for result in history.results(before=night) if result.leg == leg]
    tonight = [result for result in history.results(before=night + dt.timedelta(days=1)) if result.leg == leg]
    tonight = [result for result in tonight if result.night == night]
    last: dict[str, tuple[str, Outcome]] = {}
    lost = tried = 0
    for _, results in itertools.groupby(earlier, key=lambda result: result.night):
        drawn: dict[str, tuple[str, Outcome]] = {}
        for result in results:
            for name, outcome in result.outcomes.items():
                if outcome.num_samples > outcome.num_error:
                    drawn[name] = (result.bucket, outcome)
        again = [name for name, (bucket, _) in drawn.items() if bucket != NEAR and is_solved(last.get(name))]
        tried += len(again)
        lost += sum(not drawn[name][1].solved for name in again)
        last.update(drawn)
    # A near miss had a bigger budget, so failing with the leg's own again is no regression.
    before = {name: outcome for name, (bucket, outcome) in last.items() if bucket != NEAR}
    after = {name: out for result in tonight if result.bucket != NEAR for name, out in result.outcomes.items()}
    ever = frozenset(name for name, past in pasts(earlier, leg).items() if past.ever_solved)
    near = {name: out for result in tonight if result.bucket == NEAR for name, out in result.outcomes.items()}
    gained = sum(out.solved and name in last and not last[name][1].solved for name, out in near.items())
    comparison = compare(before, after, config.bounds, ever, gained, (lost, tried))
    everything = {name: outcome for result in tonight for name, outcome in result.outcomes.items()}
    newly = sorted(name for name, outcome in everything.items() if outcome.solved and name not in ever)
    comparison = dataclasses.replace(comparison, newly_solved=newly)
    latest = max((result.night for result in earlier), default=None)
    previous = [result for result in earlier if result.night == latest]
    endpoints = sorted(
        {line for old in previous for new in tonight for line in other_endpoints(old.endpoints, new.endpoints)}
    )
    excused = list(comparison.regressions) if endpoints else []
    if excused:
        comparison = dataclasses.replace(comparison, regressions=[])
    return Finding(leg, plan, tonight, previous, comparison, endpoints, excused)


def is_solved(last: tuple[str, Outcome] | None) -> bool:
    """Whether the problem was solved within the leg's own budget."""
    return last is not None and last[0] != NEAR and last[1].solved


def trend(history: History, night: dt.date, num_nights: int = 30) -> dict[str, list[dict[str, Json]]]:
    """Per leg, for the report's curve: problems solved so far and the mean pass rate of what each night tried."""
    curves: dict[str, list[dict[str, Json]]] = {}
    solved: dict[str, set[str]] = {}
    by_night: dict[tuple[str, dt.date], list[RunResult]] = {}
    for result in history.results(before=night + dt.timedelta(days=1)):
        by_night.setdefault((result.leg, result.night), []).append(result)
    for (leg, date), results in sorted(by_night.items(), key=lambda pair: pair[0][1]):
        outcomes = [(name, outcome) for result in results for name, outcome in result.outcomes.items()]
        solved.setdefault(leg, set()).update(name for name, outcome in outcomes if outcome.solved)
        samples = sum(outcome.num_samples for _, outcome in outcomes)
        verified = sum(outcome.num_verified for _, outcome in outcomes)
        curves.setdefault(leg, []).append(
            {
                "night": date.isoformat(),
                "solved_ever": len(solved[leg]),
                "verified_share": verified / samples if samples else 0.0,
                "tokens": sum(outcome.tokens for _, outcome in outcomes),
                "usd": sum(result.usd for result in results),
            }
        )
    return {leg: rows[-num_nights:] for leg, rows in curves.items()}
