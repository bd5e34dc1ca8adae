"""Two runs side by side: `compare.html`, in the same form as a run's report.

Promises: problems are matched by id; the difference of pass rates is taken over problems that have an unbiased estimate
in both runs, with a paired interval, and not shown for others; solved sets differ by what was drawn, so a problem
solved in one run only is listed with the interval of its pass rate in the other.
Does not: hold more than one small record for each problem of the first run in memory.
Fails with StoredRunError or StorageError.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
from markupsafe import Markup

from jobs.report import formats
from jobs.report.charts import pass_curve
from jobs.report.compared_figures import (
    Differences,
    Figure,
    FigureInputs,
    Totals,
    changed_settings,
    differ,
    exact_share,
    figures,
)
from jobs.report.intervals import paired_difference
from jobs.report.page import estimate_note, headline, length_chart, line
from jobs.report.problems_table import is_keyless, iter_problems
from jobs.report.rendering import environment
from jobs.report.statistics import REST, STATUSES, Group, RunStatistics, gather, name_order
from runstore.layout import COMPARISON, SAMPLES
from runstore.reader import read_rows, sample_keys
from runstore.storage import Storage, open_storage
from verifiers.types import Status
from workers.sampling import estimates
from workers.sampling.estimates import Estimate

MAX_LISTED = 12
"""Number of problems of each one-sided set that are listed with their prompts."""
MAX_REASONS = 12


class Brief(NamedTuple):
    """What is kept of a problem of the first run."""

    solved: bool
    rate: float | None
    low: float | None
    high: float | None
    influence: tuple[float, ...]
    """The problem's influence on the run's figures; see `compared_figures.Totals.influence`."""
    keyless: bool = False


@dataclasses.dataclass(slots=True)
class OneSided:
    """A problem solved in one run only."""

    problem_id: str
    domain: str
    other: Brief
    """The problem in the run that did not solve it."""
    prompt: str = ""


@dataclasses.dataclass(slots=True)
class Comparison:
    first: RunStatistics
    second: RunStatistics
    common: int = 0
    unchecked: int = 0
    """Common problems without an answer key in one of the runs. They are neither solved nor unsolved."""
    both: int = 0
    neither: int = 0
    num_only_first: int = 0
    num_only_second: int = 0
    only_first: list[OneSided] = dataclasses.field(default_factory=list)
    only_second: list[OneSided] = dataclasses.field(default_factory=list)
    difference: Estimate | None = None
    """Mean of pass@1 of the second run minus the first, over common problems estimated in both."""
    num_paired: int = 0
    figures: list[Figure] = dataclasses.field(default_factory=list)
    common_k: int = 1

    @property
    def compared(self) -> int:
        """Common problems with an answer key in both runs."""
        return self.common - self.unchecked

    @property
    def significant(self) -> bool:
        return self.difference is not None and not self.difference.low <= 0 <= self.difference.high

    @property
    def same_problems(self) -> bool:
        return self.common == self.first.total.problems == self.second.total.problems


def compare_runs(first_uri: str, second_uri: str, out: str = "") -> str:
    """Writes `compare.html` to the folder `out` (the second run's, if empty) and returns its URI."""
    storage = open_storage(out or second_uri)
    storage.replace(COMPARISON, render_comparison(compare(first_uri, second_uri)).encode(errors="replace"))
    return f"{storage.uri.rstrip('/')}/{COMPARISON}"


def compare(first_uri: str, second_uri: str) -> Comparison:
    """Reads both runs."""
    totals = Totals(), Totals()
    left, right = _gather(first_uri, totals[0]), _gather(second_uri, totals[1])
    comparison = Comparison(left, right)
    differences = Differences(*totals)
    kept: dict[str, Brief] = {}
    first, second = open_storage(first_uri), open_storage(second_uri)
    for result in iter_problems(first):
        kept[result.row["problem_id"]] = _brief(result.row, totals[0])
    moments = np.zeros(3)
    for result in iter_problems(second):
        mine = _brief(result.row, totals[1])
        theirs = kept.pop(result.row["problem_id"], None)
        differences.add(theirs and theirs.influence, mine.influence)
        if theirs:
            moments += _match(comparison, result.row, mine, theirs)
    for theirs in kept.values():
        differences.add(theirs.influence, None)
    comparison.num_paired = int(moments[0])
    comparison.difference = paired_difference(*moments)
    comparison.common_k = shared_k(left, right)
    inputs = FigureInputs(differences, comparison.significant, comparison.same_problems, comparison.common_k)
    comparison.figures = figures(left, right, inputs)
    _read_prompts(first, comparison.only_first)
    _read_prompts(second, comparison.only_second)
    return comparison


def _gather(uri: str, totals: Totals) -> RunStatistics:
    return gather(uri, with_examples=False, on_problem=lambda result: totals.add(result.row))


def _match(comparison: Comparison, row: dict[str, Any], mine: Brief, theirs: Brief) -> tuple[float, float, float]:
    """Counts a common problem; returns what it adds to the moments of the difference of pass rates."""
    comparison.common += 1
    if mine.keyless or theirs.keyless:
        comparison.unchecked += 1
        return 0.0, 0.0, 0.0
    comparison.both += mine.solved and theirs.solved
    comparison.neither += not mine.solved and not theirs.solved
    if theirs.solved and not mine.solved:
        comparison.num_only_first += 1
        _list(comparison.only_first, OneSided(row["problem_id"], row["domain"], mine))
    if mine.solved and not theirs.solved:
        comparison.num_only_second += 1
        _list(comparison.only_second, OneSided(row["problem_id"], row["domain"], theirs))
    if mine.rate is None or theirs.rate is None:
        return 0.0, 0.0, 0.0
    change = mine.rate - theirs.rate
    return 1.0, change, change * change


def shared_k(first: RunStatistics, second: RunStatistics) -> int:
    """The largest k for which both runs have an unbiased pass@k."""
    return max(1, min(first.total.passes.reach, second.total.passes.reach))


def _brief(row: dict[str, Any], totals: Totals) -> Brief:
    interval = row["pass_rate_low"], row["pass_rate_high"]
    return Brief(row["solved"], row["pass_rate"], *interval, totals.influence(row), is_keyless(row))


def _list(listed: list[OneSided], problem: OneSided) -> None:
    """Adds a problem to the list. Only the most telling ones stay: those with the lowest bound on the pass rate in the
    other run."""
    listed.append(problem)
    listed.sort(key=lambda each: (1.0 if each.other.high is None else each.other.high, each.problem_id))
    del listed[MAX_LISTED:]


def _read_prompts(storage: Storage, listed: Sequence[OneSided]) -> None:
    wanted = {problem.problem_id: problem for problem in listed}
    for key in sample_keys(storage.keys(SAMPLES)) if wanted else []:
        missing = [problem_id for problem_id, problem in wanted.items() if not problem.prompt]
        if not missing:
            return
        for row in read_rows(storage, key, ["problem_id", "prompt"], pc.field("problem_id").isin(missing)):
            wanted[row["problem_id"]].prompt = row["prompt"]


def render_comparison(c: Comparison) -> str:
    """The page as text."""
    first, second = c.first, c.second
    pools = [(colour, s, (REST, "") in s.checkers) for colour, s in (("first", first), ("second", second))]
    curves = [("first", first), ("second", second)]
    lines = [line(colour, colour, s.total.passes.points()) for colour, s in curves if s.total.estimated]
    return (
        environment()
        .get_template("compare.html")
        .render(
            c=c,
            runs=[
                ("first", first, headline(first), estimate_note(first)),
                ("second", second, headline(second), estimate_note(second)),
            ],
            curve=pass_curve(lines) if lines else Markup(""),
            common_k=c.common_k,
            figures=c.figures,
            settings=changed_settings(first.run, second.run),
            domains=_pairs(first.domains, second.domains),
            difficulties=_pairs(first.difficulties, second.difficulties),
            reasons=reasons(first, second),
            lengths=[
                (colour, length_chart(s.lengths, other.lengths), [name for name in STATUSES if name in s.lengths])
                for (colour, s), (_, other) in zip(curves, reversed(curves), strict=True)
            ],
            checkers=[
                (name, version, [(colour, s.checkers.get((name, version)), pooled) for colour, s, pooled in pools])
                for name, version in sorted({*first.checkers, *second.checkers})
            ],
            confidence=formats.percent(estimates.CONFIDENCE, 0),
        )
    )


def _pairs(
    first: Mapping[str, Group], second: Mapping[str, Group]
) -> list[tuple[str, list[tuple[str, Group | None, bool]]]]:
    """For each name, both runs' groups, and whether a missing one may be part of the pool of the rest."""
    both = (("first", first), ("second", second))
    return [
        (name, [(colour, groups.get(name), REST in groups) for colour, groups in both])
        for name in sorted({*first, *second}, key=name_order)
    ]


def reasons(first: RunStatistics, second: RunStatistics) -> list[tuple[tuple[str, str, str], float, float]]:
    """Reasons whose share of the samples changed most, without changes that chance explains."""
    sizes = max(1, first.total.checked_samples), max(1, second.total.checked_samples)
    keys: Iterable[tuple[str, str, str]] = {*first.reasons, *second.reasons}
    shares = [
        (key, first.reasons[key] / sizes[0], second.reasons[key] / sizes[1])
        for key in keys
        if key[1] not in (Status.VERIFIED, Status.UNCHECKED)
        and differ(exact_share(first.reasons[key], sizes[0]), exact_share(second.reasons[key], sizes[1]))
    ]
    return sorted(shares, key=lambda row: (-abs(row[2] - row[1]), row[0]))[:MAX_REASONS]
