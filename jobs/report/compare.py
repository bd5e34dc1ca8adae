"""Two runs side by side: `compare.html`, in the same form as a run's report.

Promises: problems are matched by id; the difference of pass rates is taken over problems that have an unbiased estimate
in both runs, with a paired interval, and not shown for others; solved sets differ by what was drawn, so a problem
solved in one run only is listed with the interval of its pass rate in the other.
Does not: hold more than one small record for each problem of the first run in memory.
Fails with StoredRunError or StorageError.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
from markupsafe import Markup
from scipy.stats import t

from jobs.report import formats
from jobs.report.charts import pass_curve
from jobs.report.page import common_k, environment, estimate_note, headline, length_chart, line, saved_tokens
from jobs.report.problems_table import iter_problems
from jobs.report.statistics import REST, STATUSES, Group, RunStatistics, gather, name_order
from runstore.layout import COMPARISON, SAMPLES
from runstore.reader import read_rows, sample_keys
from runstore.storage import Storage, open_storage
from workers.sampling import estimates
from workers.sampling.estimates import Estimate

MAX_LISTED = 12
"""Problems of each one-sided set that are listed with their prompts."""
MAX_REASONS = 12


class Brief(NamedTuple):
    """What is kept of a problem of the first run."""

    solved: bool
    rate: float | None
    low: float | None
    high: float | None


@dataclasses.dataclass(slots=True)
class OneSided:
    """A problem solved in one run only."""

    problem_id: str
    domain: str
    other: Brief
    """In the run that did not solve it."""
    prompt: str = ""


@dataclasses.dataclass(slots=True)
class Comparison:
    first: RunStatistics
    second: RunStatistics
    common: int = 0
    both: int = 0
    neither: int = 0
    num_only_first: int = 0
    num_only_second: int = 0
    only_first: list[OneSided] = dataclasses.field(default_factory=list)
    only_second: list[OneSided] = dataclasses.field(default_factory=list)
    difference: Estimate | None = None
    """Mean of pass@1 of the second run minus the first, over common problems estimated in both."""
    num_paired: int = 0

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
    comparison = Comparison(gather(first_uri, with_examples=False), gather(second_uri, with_examples=False))
    kept: dict[str, Brief] = {}
    first, second = open_storage(first_uri), open_storage(second_uri)
    for result in iter_problems(first):
        kept[result.row["problem_id"]] = _brief(result.row)
    moments = np.zeros(3)
    for result in iter_problems(second):
        row = result.row
        mine, theirs = _brief(row), kept.get(row["problem_id"])
        if theirs is None:
            continue
        comparison.common += 1
        comparison.both += mine.solved and theirs.solved
        comparison.neither += not mine.solved and not theirs.solved
        if theirs.solved and not mine.solved:
            comparison.num_only_first += 1
            _list(comparison.only_first, OneSided(row["problem_id"], row["domain"], mine))
        if mine.solved and not theirs.solved:
            comparison.num_only_second += 1
            _list(comparison.only_second, OneSided(row["problem_id"], row["domain"], theirs))
        if mine.rate is not None and theirs.rate is not None:
            change = mine.rate - theirs.rate
            moments += (1, change, change * change)
    comparison.num_paired = int(moments[0])
    comparison.difference = _paired(*moments)
    _read_prompts(first, comparison.only_first)
    _read_prompts(second, comparison.only_second)
    return comparison


def _brief(row: dict[str, Any]) -> Brief:
    return Brief(row["solved"], row["pass_rate"], row["pass_rate_low"], row["pass_rate_high"])


def _list(listed: list[OneSided], problem: OneSided) -> None:
    """Keeps the ones that are most telling: those whose pass rate in the other run is bounded lowest."""
    listed.append(problem)
    listed.sort(key=lambda each: (1.0 if each.other.high is None else each.other.high, each.problem_id))
    del listed[MAX_LISTED:]


def _paired(number: float, total: float, squares: float) -> Estimate | None:
    """Student's interval of a mean of differences. Where all are equal, a few of them would leave it no width: then it
    allows for the share of unlike problems that so many equal ones can not exclude."""
    if number < 2:
        return None
    mean = total / number
    variance = max(0.0, (squares - number * mean * mean) / (number - 1))
    if variance < 1e-12:
        alike, _ = estimates.clopper_pearson(number, number)
        return Estimate(mean, alike * mean - (1 - alike), alike * mean + (1 - alike))
    half = float(t.isf((1 - estimates.CONFIDENCE) / 2, number - 1)) * math.sqrt(variance / number)
    return Estimate(mean, max(-1.0, mean - half), min(1.0, mean + half))


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
    shared = min(common_k(first.total), common_k(second.total))
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
            common_k=shared,
            figures=figures(c, shared),
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
    """By name, each run's group and whether one that is not there may be in the pool of the rest."""
    both = (("first", first), ("second", second))
    return [
        (name, [(colour, groups.get(name), REST in groups) for colour, groups in both])
        for name in sorted({*first, *second}, key=name_order)
    ]


class Figure(NamedTuple):
    """A row of the table of figures; `better` is `better`, `worse` or empty."""

    label: str
    first: str
    second: str
    change: str
    better: str


def figures(c: Comparison, k: int) -> list[Figure]:
    """Headline figures side by side. What tokens, time and money bought is called better or worse where both runs had
    the same problems; rates differ by chance too, and are not."""
    first, second = c.first, c.second

    def row(label: str, show: Any, a: float | None, b: float | None, up: bool | None) -> Figure:
        change, better = "", ""
        if a and b is not None:
            change = f"{(b - a) / a:+.0%}"
            if up is not None and c.same_problems and round(b / a, 3) != 1:
                better = "better" if (b > a) == up else "worse"
        return Figure(label, show(a), show(b), change, better)

    def ratio(count: float, of: float) -> float | None:
        return count / of if of else None

    def point(group: Group, at: int) -> float | None:
        found = group.passes.at(at)
        return found.estimate.value if found else None

    def per_hour(s: RunStatistics) -> float | None:
        gpu_s = s.summary.get("gpu_s")
        if not s.is_accounted or not isinstance(gpu_s, int | float):
            return None
        return ratio(s.total.statuses["verified"] * 3600, gpu_s)

    def per_dollar(s: RunStatistics) -> float | None:
        usd = s.price()
        return ratio(usd, s.total.statuses["verified"]) if usd is not None else None

    a, b = first.total, second.total
    rows = [
        row("problems", formats.number, a.problems, b.problems, None),
        row("problems solved", formats.percent, a.solved / a.problems, b.solved / b.problems, None),
        row("pass@1", formats.percent, point(a, 1), point(b, 1), None),
        row(f"pass@{k}", formats.percent, point(a, k), point(b, k), None) if k > 1 else None,
        row("verified solutions", formats.number, a.statuses["verified"], b.statuses["verified"], None),
        row("samples", formats.number, a.samples, b.samples, None),
        row("generated tokens", formats.short, a.completion_tokens, b.completion_tokens, None),
        row("tokens per verified solution", formats.number, a.tokens_per_verified, b.tokens_per_verified, False),
        row(
            "tokens per solved problem",
            formats.number,
            ratio(a.completion_tokens, a.solved),
            ratio(b.completion_tokens, b.solved),
            False,
        ),
        row("tokens saved by aborts (estimate)", formats.short, saved_tokens(first), saved_tokens(second), None),
        row("verified solutions per GPU-hour", formats.number, per_hour(first), per_hour(second), True),
        row("cost per verified solution", formats.dollars, per_dollar(first), per_dollar(second), False),
        row(
            "malformed samples",
            formats.percent,
            ratio(a.statuses["malformed"], a.samples),
            ratio(b.statuses["malformed"], b.samples),
            None,
        ),
        row(
            "undecided and errors",
            formats.percent,
            ratio(a.statuses["undecided"] + a.statuses["error"], a.samples),
            ratio(b.statuses["undecided"] + b.statuses["error"], b.samples),
            None,
        ),
    ]
    return [each for each in rows if each and (each.first, each.second) != (formats.DASH, formats.DASH)]


def reasons(first: RunStatistics, second: RunStatistics) -> list[tuple[tuple[str, str, str], float, float]]:
    """Reasons whose share of the samples changed most."""
    sizes = max(1, first.total.samples), max(1, second.total.samples)
    keys: Iterable[tuple[str, str, str]] = {*first.reasons, *second.reasons}
    shares = [(key, first.reasons[key] / sizes[0], second.reasons[key] / sizes[1]) for key in keys]
    shares = [row for row in shares if row[0][1] != "verified" and row[1] != row[2]]
    return sorted(shares, key=lambda row: (-abs(row[2] - row[1]), row[0]))[:MAX_REASONS]
