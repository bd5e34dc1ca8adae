"""The table of figures of a comparison, and which of its changes are beyond chance.

Promises: a change is shown only where the 95 % interval of the difference excludes zero. Problems are the random draws,
so the samples of one problem do not count as independent, and a problem that is in both runs counts as a pair. A share
must differ by its exact intervals too, which few problems or rare events cannot achieve.
Does not: judge time and money beyond the sampling behind them. One run per side cannot show how busy a machine was.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from scipy.stats import t

from jobs.report import formats
from jobs.report.intervals import MIN_PROBLEMS
from jobs.report.problems_table import is_keyless
from jobs.report.statistics import RunStatistics
from workers.sampling import estimates
from workers.sampling.estimates import Estimate

WITHIN_CHANCE = "within chance"
RUN_NAMES = frozenset({"run.id", "output.uri"})
"""Keys that differ between any two runs and have no effect."""

Row = Mapping[str, Any]


class Measure(NamedTuple):
    """A figure that is the ratio of two sums over problems."""

    counted: Callable[[Row], float]
    over: Callable[[Row], float]
    is_share: bool = True


def undecided(row: Row) -> float:
    return float(row["num_undecided"] + row["num_error"])


def checked_samples(row: Row) -> float:
    return float(row["num_samples"] - row["num_unchecked"])


def checked_tokens(row: Row) -> float:
    return 0.0 if is_keyless(row) else float(row["completion_tokens"])


MEASURES = {
    "solved": Measure(lambda row: row["solved"], lambda row: not is_keyless(row)),
    "malformed": Measure(lambda row: row["num_malformed"], checked_samples),
    "undecided": Measure(undecided, checked_samples),
    "tokens_per_verified": Measure(checked_tokens, lambda row: row["num_verified"], False),
    "tokens_per_solved": Measure(checked_tokens, lambda row: row["solved"], False),
}
"""Problems without an answer key are in none of them."""


@dataclasses.dataclass(slots=True)
class Totals:
    """Sums of every measure over one run."""

    counts: dict[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(MEASURES, 0.0))
    sizes: dict[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(MEASURES, 0.0))

    def add(self, row: Row) -> None:
        for name, measure in MEASURES.items():
            self.counts[name] += measure.counted(row)
            self.sizes[name] += measure.over(row)

    def ratio(self, name: str) -> float | None:
        return self.counts[name] / self.sizes[name] if self.sizes[name] else None

    def influence(self, row: Row) -> tuple[float, ...]:
        """How far this problem moves each ratio, to first order; relative to the ratio unless that is a share."""
        moved = []
        for name, measure in MEASURES.items():
            ratio, size = self.ratio(name), self.sizes[name]
            if ratio is None or (not ratio and not measure.is_share):
                moved.append(0.0)
                continue
            moved.append((measure.counted(row) - ratio * measure.over(row)) / size / (1 if measure.is_share else ratio))
        return tuple(moved)


class Differences:
    """The spread of the second run's ratios minus the first's, over problems."""

    def __init__(self, first: Totals, second: Totals) -> None:
        self.first, self.second = first, second
        self._num_problems = 0
        self._squares = [0.0] * len(MEASURES)

    def add(self, first: tuple[float, ...] | None, second: tuple[float, ...] | None) -> None:
        """One problem, by its influence on each run that has it."""
        self._num_problems += 1
        nothing = (0.0,) * len(MEASURES)
        for at, (a, b) in enumerate(zip(first or nothing, second or nothing, strict=True)):
            self._squares[at] += (b - a) ** 2

    def half_width(self, name: str) -> float:
        """Half the width of the 95 % interval of the difference; for other figures than shares, of logarithms."""
        n = self._num_problems
        if n < MIN_PROBLEMS:
            return math.inf
        variance = self._squares[list(MEASURES).index(name)] * n / (n - 1)
        return float(t.isf((1 - estimates.CONFIDENCE) / 2, n - 1)) * math.sqrt(variance)

    def is_beyond_chance(self, name: str) -> bool:
        a, b = self.first.ratio(name), self.second.ratio(name)
        if a is None or b is None:
            return False
        if not MEASURES[name].is_share:
            return a > 0 and b > 0 and abs(math.log(b / a)) > self.half_width(name)
        before, after = (exact_share(totals.counts[name], totals.sizes[name]) for totals in (self.first, self.second))
        return abs(b - a) > self.half_width(name) and differ(before, after)


def exact_share(count: float, of: float) -> Estimate:
    return Estimate(count / of, *estimates.clopper_pearson(count, of))


def differ(a: Estimate, b: Estimate) -> bool:
    """Whether the interval of b - a, computed from those of a and b, excludes zero (Newcombe 1998, method 10)."""
    change = b.value - a.value
    below = math.hypot(b.value - b.low, a.high - a.value)
    above = math.hypot(b.high - b.value, a.value - a.low)
    return change - below > 0 or change + above < 0


class Figure(NamedTuple):
    """A row of the table of figures; `better` is `better`, `worse`, `soft` or empty."""

    label: str
    first: str
    second: str
    change: str = ""
    better: str = ""


def figures(first: RunStatistics, second: RunStatistics, c: FigureInputs) -> list[Figure]:
    """Figures side by side. What was achieved per token is called better or worse only if both runs had the same
    problems. Counts follow from the settings, so no change is shown for them."""
    rows = [*hourly(first, second, c), *_solved(first, second, c), *_counts(first, second), *_tokens(first, second, c)]
    rows += [*_cost(first, second, c), *_shares(c)]
    return [row for row in rows if (row.first, row.second) != (formats.DASH, formats.DASH)]


class FigureInputs(NamedTuple):
    """What the table needs beside both runs' statistics."""

    differences: Differences
    pass_rate_differs: bool
    """Whether pass@1 differs by its paired interval."""
    same_problems: bool
    k: int
    """The k of the second pass@k that is shown."""


def changed(a: float | None, b: float | None, beyond_chance: bool, up_is_better: bool | None = None) -> tuple[str, str]:
    """The text of a change, and its class in the style sheet."""
    if a is None or b is None:
        return "", ""
    if not beyond_chance:
        return ("same", "soft") if a == b else (WITHIN_CHANCE, "soft")
    text = f"{(b - a) / a:+.0%}" if a else "from none"
    return text, "" if up_is_better is None else "better" if (b > a) == up_is_better else "worse"


def hourly(first: RunStatistics, second: RunStatistics, c: FigureInputs) -> Iterator[Figure]:
    """Verified solutions per hour; a row for each kind of device."""
    rates = [s.verified_per_hour() for s in (first, second)]
    for unit in ("GPU", "CPU"):
        a, b = (rate.value if rate and rate.unit == unit else None for rate in rates)
        if a is not None or b is not None:
            change = by_sampling(a, b, c.differences)
            yield Figure(
                f"verified solutions per {unit}-hour", formats.number(a), formats.number(b), *changed(a, b, change)
            )


def by_sampling(a: float | None, b: float | None, differences: Differences) -> bool:
    """Whether time or money per verified solution changed by more than its sampling can explain. Both are proportional
    to the tokens that a verified solution took."""
    if not a or not b:
        return False
    return abs(math.log(b / a)) > differences.half_width("tokens_per_verified")


def _solved(first: RunStatistics, second: RunStatistics, c: FigureInputs) -> Iterator[Figure]:
    a, b = first.total, second.total
    yield Figure("problems", formats.number(a.problems), formats.number(b.problems))
    if a.unchecked or b.unchecked:
        yield Figure("of these without an answer key", formats.number(a.unchecked), formats.number(b.unchecked))
    yield _share("problems solved", "solved", c.differences)
    for k in (1, c.k) if c.k > 1 else (1,):
        points = [group.passes.at(k) for group in (a, b)]
        shown = [point.estimate if point and point.exact else None for point in points]
        before, after = shown
        if before is None or after is None:
            texts = [formats.percent(point.value if point else None) for point in shown]
            yield Figure(f"pass@{k}", texts[0], texts[1])
            continue
        beyond = c.pass_rate_differs if k == 1 and c.same_problems else differ(before, after)
        change = changed(before.value, after.value, beyond)
        yield Figure(f"pass@{k}", formats.percent(before.value), formats.percent(after.value), *change)


def _counts(first: RunStatistics, second: RunStatistics) -> Iterator[Figure]:
    a, b = first.total, second.total
    yield Figure("verified solutions", formats.number(a.statuses["verified"]), formats.number(b.statuses["verified"]))
    yield Figure("samples", formats.number(a.samples), formats.number(b.samples))
    yield Figure("generated tokens", formats.short(a.completion_tokens), formats.short(b.completion_tokens))
    saved = formats.short(first.saved_tokens()), formats.short(second.saved_tokens())
    yield Figure("tokens saved by aborts (estimate)", *saved)


def _tokens(first: RunStatistics, second: RunStatistics, c: FigureInputs) -> Iterator[Figure]:
    for label, name in (("verified solution", "tokens_per_verified"), ("solved problem", "tokens_per_solved")):
        a, b = (totals.ratio(name) for totals in (c.differences.first, c.differences.second))
        better = False if c.same_problems else None
        change = changed(a, b, c.differences.is_beyond_chance(name), better)
        yield Figure(f"tokens per {label}", formats.number(a), formats.number(b), *change)


def _cost(first: RunStatistics, second: RunStatistics, c: FigureInputs) -> Iterator[Figure]:
    a, b = first.price_per_verified(), second.price_per_verified()
    unit = formats.price_unit([a, b])
    label = f"cost per {unit.of('verified solution', 'verified solutions')}"
    change = changed(a, b, by_sampling(a, b, c.differences))
    yield Figure(label, formats.priced(a, unit), formats.priced(b, unit), *change)


def _shares(c: FigureInputs) -> Iterator[Figure]:
    yield _share("malformed samples", "malformed", c.differences)
    yield _share("undecided and errors", "undecided", c.differences)


def _share(label: str, name: str, differences: Differences) -> Figure:
    a, b = differences.first.ratio(name), differences.second.ratio(name)
    change = changed(a, b, differences.is_beyond_chance(name))
    return Figure(label, formats.percent(a), formats.percent(b), *change)


class Setting(NamedTuple):
    """A setting that differs between two runs."""

    key: str
    first: str
    second: str


def changed_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Setting]:
    """Keys of the two records (`run.json`) that differ: settings by their key, then the problem set and the code."""
    tables = [flat(record.get("config"), "") | facts_of(record) for record in (first, second)]
    keys = dict.fromkeys([*tables[0], *tables[1]])
    found = [Setting(key, text_of(tables[0], key), text_of(tables[1], key)) for key in keys if key not in RUN_NAMES]
    return [setting for setting in found if setting.first != setting.second]


def flat(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict) or (place and not value):
        return {place: value} if place else {}
    return {k: v for name, inner in value.items() for k, v in flat(inner, f"{place}.{name}" if place else name).items()}


def facts_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The problem set, the code and the library versions of a run, by name."""
    problems, versions = record.get("problems"), record.get("versions")
    found = {"code revision": record.get("code_revision")}
    if isinstance(problems, dict) and (sha := problems.get("sha256")):
        found["problem set (hash)"] = str(sha)[:12]
    if isinstance(versions, dict):
        found |= {f"version of {name}": version for name, version in versions.items()}
    return {key: value for key, value in found.items() if value is not None}


def text_of(table: Mapping[str, Any], key: str) -> str:
    if key not in table:
        return "not stored"
    value = table[key]
    if value in ("", None, [], {}):
        return "empty"
    return formats.clipped(value if isinstance(value, str) else formats.plain(value), 300)
