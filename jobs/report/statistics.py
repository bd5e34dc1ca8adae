"""Everything a report says about one run, gathered in two streaming passes over its samples.

Promises: memory grows with the number of domains, reasons and checkers (each capped by name), not with the number of
samples; pass@k comes from workers.sampling.estimates, with a note where it is a lower bound or cannot be given.
Fails with StoredRunError or StorageError.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.report.accounts import COLUMNS as ACCOUNT_COLUMNS
from jobs.report.accounts import Accounts
from jobs.report.formats import clipped
from jobs.report.problems_table import ProblemResult, iter_problems
from jobs.report.stages import COLUMNS as STAGE_COLUMNS
from jobs.report.stages import StageStatistics
from jobs.report.variants import VariantTable
from runstore.errors import NoRunError
from runstore.parts import list_parts
from runstore.reader import num_rows, read_batches, read_rows, read_run_json
from runstore.storage import Storage, open_storage
from verifiers.types import Status
from workers.sampling.pass_curve import PassCurve
from workers.sampling.plan import BUDGET, LOST

STATUSES = tuple(map(str, Status))
ABORTED = "aborted"

MAX_GROUPS = 200
"""Number of domains, difficulties or checkers kept apart; further ones are pooled. It matters for a problem set where
every problem has a domain of its own."""
MAX_REASONS = 5000
"""Number of distinct verdict reasons counted. Checkers should give short stable phrases; this bounds one that does
not."""
REASON_CHARS = 200
REST = "(others)"
EXAMPLES_PER_CLASS = 2
MAX_POSITIONS = 26
LENGTH_EDGES = np.unique(np.round(2 ** np.arange(2, 20, 0.5)).astype(int))
SECONDS_EDGES = 10 ** np.arange(-4, 4.01, 0.125)


@dataclasses.dataclass(slots=True)
class Group:
    """Counts of one domain, difficulty or whole run."""

    problems: int = 0
    unchecked: int = 0
    """Problems without an answer key. They are neither solved nor unsolved, and no rate or price of a solution counts
    them or what their samples took."""
    unchecked_tokens: int = 0
    """Generated tokens of the problems without an answer key."""
    unchecked_s: float = 0.0
    """Seconds of generation of the problems without an answer key."""
    solved: int = 0
    statuses: Counter[str] = dataclasses.field(default_factory=Counter)
    settled: Counter[str] = dataclasses.field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    aborted_tokens: int = 0
    generation_s: float = 0.0
    verify_s: float = 0.0
    passes: PassCurve = dataclasses.field(default_factory=PassCurve)
    mixed: int = 0
    """Number of problems whose samples were dealt to several variants."""

    def add(self, result: ProblemResult) -> None:
        row = result.row
        self.problems += 1
        if result.keyless:
            self.unchecked += 1
            self.unchecked_tokens += row["completion_tokens"]
            self.unchecked_s += row["generation_s"]
        self.mixed += bool(result.variants)
        self.solved += row["solved"]
        for status in (*STATUSES, ABORTED):
            if count := row[f"num_{status}"]:
                self.statuses[status] += count
        self.settled[row["settled"]] += 1
        self.prompt_tokens += row["prompt_tokens"]
        self.completion_tokens += row["completion_tokens"]
        self.aborted_tokens += row["aborted_tokens"]
        self.generation_s += row["generation_s"]
        self.verify_s += row["verify_s"]
        if result.stopped:
            self.passes.add(result.stopped)

    @property
    def samples(self) -> int:
        """Number of samples that were not aborted."""
        return sum(count for status, count in self.statuses.items() if status != ABORTED)

    @property
    def checked_samples(self) -> int:
        """Number of samples with a verdict."""
        return self.samples - self.statuses[Status.UNCHECKED]

    @property
    def checked(self) -> int:
        """Number of problems with an answer key."""
        return self.problems - self.unchecked

    @property
    def solved_share(self) -> float | None:
        """Share of the problems with an answer key that are solved; None where there are none."""
        return self.solved / self.checked if self.checked else None

    @property
    def checked_tokens(self) -> int:
        """Generated tokens of the problems with an answer key."""
        return self.completion_tokens - self.unchecked_tokens

    @property
    def estimated(self) -> int:
        """Number of problems with an unbiased estimate."""
        return self.passes.problems

    @property
    def tokens_per_verified(self) -> float | None:
        verified = self.statuses["verified"]
        return self.checked_tokens / verified if verified else None

    @property
    def missing(self) -> int:
        """Number of problems with an answer key and without an unbiased estimate. If any, the others' figures are no
        claim about the set."""
        return self.checked - self.estimated


@dataclasses.dataclass(slots=True)
class CheckerStatistics:
    """How one version of one checker fared."""

    statuses: Counter[str] = dataclasses.field(default_factory=Counter)
    seconds: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(len(SECONDS_EDGES) + 1, dtype=np.int64))
    total_s: float = 0.0

    @property
    def samples(self) -> int:
        return sum(self.statuses.values())

    @property
    def decided(self) -> float:
        """Share of its verdicts that say something about the solution."""
        return (self.samples - self.statuses["undecided"] - self.statuses["error"]) / max(1, self.samples)

    def quantile(self, share: float) -> float:
        """A quantile of the seconds per check, interpolated within its bin (an eighth of a decade)."""
        cumulated = np.cumsum(self.seconds)
        wanted = share * cumulated[-1]
        place = int(np.searchsorted(cumulated, wanted))
        if not 0 < place < len(SECONDS_EDGES):
            return float(SECONDS_EDGES[0] if not place else SECONDS_EDGES[-1])
        low, high = SECONDS_EDGES[place - 1 : place + 1]
        return float(low * (high / low) ** ((wanted - cumulated[place - 1]) / self.seconds[place]))


@dataclasses.dataclass(slots=True)
class Position:
    """Counts of samples of choice problems whose right option stands at one position."""

    samples: int = 0
    verified: int = 0
    chosen: int = 0
    """Number of samples, over all problems, that answered with this position."""


class HourlyRate(NamedTuple):
    """Verified solutions per hour of the devices that sampled."""

    unit: str
    """`GPU`; `CPU` for a run without GPUs."""
    value: float


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """One stored sample, for people to read."""

    problem_id: str
    sample_index: int
    kind: str
    domain: str
    status: str
    reason: str
    evidence: str
    reference: str
    prompt: str
    messages: str
    text: str
    completion_tokens: int

    @property
    def turns(self) -> list[tuple[str, str]]:
        """What the model was sent, as (role, content). The problem's own prompt where no messages are stored."""
        try:
            found = [(turn["role"], turn["content"]) for turn in json.loads(self.messages)]
        except (ValueError, TypeError, KeyError, RecursionError):
            found = []
        good = found and all(isinstance(part, str) for turn in found for part in turn)
        return found if good else [("prompt", self.prompt)]


@dataclasses.dataclass(slots=True)
class RunStatistics:
    """What a report says about one run; see the module docstring."""

    uri: str
    run: dict[str, Any]
    run_id: str = ""
    num_starts: int = 0
    """Number of starts of the run that wrote something."""
    total: Group = dataclasses.field(default_factory=Group)
    domains: dict[str, Group] = dataclasses.field(default_factory=dict)
    difficulties: dict[str, Group] = dataclasses.field(default_factory=dict)
    reasons: Counter[tuple[str, str, str]] = dataclasses.field(default_factory=Counter)
    """(kind, status, reason) → number of samples."""
    statuses_by_kind: dict[str, Counter[str]] = dataclasses.field(default_factory=lambda: defaultdict(Counter))
    repairs: Counter[str] = dataclasses.field(default_factory=Counter)
    """Statuses of the samples that a repair round drew."""
    closed_by_budget: Counter[str] = dataclasses.field(default_factory=Counter)
    """Statuses of the samples whose thought was closed at its budget (sampling.thinking_tokens)."""
    finish_reasons: Counter[str] = dataclasses.field(default_factory=Counter)
    lengths: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """Status → samples by number of completion tokens, in the bins of LENGTH_EDGES."""
    checkers: dict[tuple[str, str], CheckerStatistics] = dataclasses.field(default_factory=dict)
    positions: dict[str, Position] = dataclasses.field(default_factory=dict)
    variants: VariantTable = dataclasses.field(default_factory=VariantTable)
    stages: StageStatistics = dataclasses.field(default_factory=StageStatistics)
    accounts: Accounts = dataclasses.field(default_factory=lambda: Accounts({}))
    examples: list[Example] = dataclasses.field(default_factory=list)

    @property
    def summary(self) -> dict[str, Any]:
        summary = self.run.get("summary")
        return summary if isinstance(summary, dict) else {}

    @property
    def accounted_starts(self) -> int:
        """Number of starts whose time and price are in `summary`; one that still runs or was killed does not count."""
        counted = self.summary.get("starts", 1)
        return counted if self.summary and isinstance(counted, int) else 0

    @property
    def all_starts(self) -> int:
        epoch = self.summary.get("epoch")
        return max(self.num_starts, epoch if isinstance(epoch, int) else 0)

    @property
    def is_accounted(self) -> bool:
        """Whether time and price cover all samples."""
        return self.accounted_starts >= self.all_starts

    def price(self) -> float | None:
        """Dollars of the whole run; None if no price was configured, or a start left no account of it."""
        usd = self.summary.get("usd")
        return float(usd) if self.is_accounted and isinstance(usd, int | float) and usd > 0 else None

    def price_per_verified(self) -> float | None:
        """Dollars per verified solution; None as in `price`, or where nothing was verified."""
        usd, verified = self.price(), self.total.statuses["verified"]
        return usd * self.checked_share() / verified if usd and verified else None

    def checked_share(self) -> float:
        """The part of the run's machine time, or of its tokens where it had no machines of its own, that went to
        problems with an answer key."""
        total = self.total
        if (self.summary.get("gpu_s") or self.summary.get("cpu_s")) and total.generation_s:
            return 1 - total.unchecked_s / total.generation_s
        return total.checked_tokens / total.completion_tokens if total.completion_tokens else 1.0

    def saved_tokens(self) -> float | None:
        """Tokens that aborts saved, as estimated during the run; None if that is not known or zero."""
        value = self.summary.get("saved_tokens")
        return float(value) if self.is_accounted and isinstance(value, int | float) and value > 0 else None

    def verified_per_hour(self) -> HourlyRate | None:
        """Verified solutions per device hour that went to problems with an answer key; None if a start left no account
        of its time."""
        for unit, key in (("GPU", "gpu_s"), ("CPU", "cpu_s")):
            seconds = self.summary.get(key)
            if self.is_accounted and isinstance(seconds, int | float) and seconds > 0:
                verified, seconds = self.total.statuses["verified"], seconds * self.checked_share()
                return HourlyRate(unit, verified * 3600 / seconds) if seconds else None
        return None

    @property
    def num_unstarted(self) -> int:
        """Number of problems of the set that have no row."""
        problems = self.run.get("problems")
        known = problems.get("num_problems") if isinstance(problems, dict) else None
        return max(0, known - self.total.problems) if isinstance(known, int) else 0


def require_samples(storage: Storage, found: int | None = None) -> None:
    """Raises NoRunError where there is no run with samples. `found` is how many problems with samples were read; None:
    nothing was read yet."""
    if not (found if found is not None else num_rows(storage)):
        raise NoRunError(
            f"{storage.uri}: no committed samples under samples/; give the URI of a run, <output>/runs/<id>"
        )


def gather(
    run_uri: str,
    ended: str = "",
    with_examples: bool = True,
    on_problem: Callable[[ProblemResult], None] = lambda result: None,
) -> RunStatistics:
    """Reads one run. `ended`: see `problems_table.write_problems_table`; empty = as `run.json` says. `on_problem` is
    called with every problem, to save a pass."""
    storage = open_storage(run_uri)
    run = read_run_json(storage) or {}
    statistics = RunStatistics(storage.uri, run)
    statistics.num_starts = max((part.epoch for part in list_parts(storage)), default=0)
    ended = ended or ended_by(run)
    for result in iter_problems(storage, ended):
        statistics.run_id = result.row["run_id"]
        statistics.total.add(result)
        if result.variants:
            statistics.variants.add(result.variants)
        statistics.stages.add(result)
        on_problem(result)
        _group(statistics.domains, result.row["domain"] or "(no domain)").add(result)
        if result.difficulty:
            _group(statistics.difficulties, result.difficulty).add(result)
    require_samples(storage, statistics.total.problems)
    chosen = _Chosen()
    accounts = statistics.accounts = Accounts(statistics.summary)
    further = [*(STAGE_COLUMNS if statistics.stages else ()), *(ACCOUNT_COLUMNS if accounts else ())]
    further = list(dict.fromkeys(name for name in further if name not in _COLUMNS))
    for part, batch in read_batches(storage, [*_COLUMNS, *further]):
        _add_batch(statistics, batch)
        statistics.stages.add_batch(batch)
        accounts.add_batch(batch)
        if with_examples:
            chosen.add(part, batch)
    statistics.examples = chosen.read(storage)
    return statistics


def ended_by(run: dict[str, Any]) -> str:
    """`budget` if a ceiling ended the run, `endpoint lost` if the loss of a remote model did; else `open`, as for a
    run that was interrupted."""
    summary = run.get("summary")
    stopped = str((summary.get("stopped") if isinstance(summary, dict) else "") or "")
    return BUDGET if stopped.startswith("budget.") else LOST if stopped.startswith(LOST) else "open"


_COLUMNS = [
    *("problem_id", "sample_index", "kind", "status", "reason", "finish_reason", "completion_tokens"),
    *("checker", "checker_version", "verify_s", "reference", "evidence", "round", "thought_closed_by"),
]


def _group(groups: dict[str, Group], name: str) -> Group:
    if name not in groups:
        if len(groups) >= MAX_GROUPS:
            name = REST
        groups.setdefault(name, Group())
    return groups[name]


def name_order(name: str) -> tuple[bool, list[str | float]]:
    """Sorts names as people do: level 2 before level 10, and the pool of the rest last."""
    parts = re.split(r"(\d+(?:\.\d+)?)", name)
    return name == REST, [float(part) if place % 2 else part for place, part in enumerate(parts)]


def _groups(batch: pa.RecordBatch, names: Sequence[str]) -> Iterator[tuple[tuple[str | None, ...], np.ndarray]]:
    """Values of dictionary-encoded columns that occur together, each with the positions of its rows."""
    code = np.zeros(batch.num_rows, dtype=np.int64)
    known: list[list[str | None]] = []
    for name in names:
        column = batch.column(name)
        known.append([*column.dictionary.to_pylist(), None])
        code = code * len(known[-1]) + column.indices.fill_null(len(known[-1]) - 1).to_numpy()
    order = np.argsort(code, kind="stable")
    for positions in np.split(order, np.flatnonzero(np.diff(code[order])) + 1):
        place, values = int(code[positions[0]]), []
        for choices in reversed(known):
            place, digit = divmod(place, len(choices))
            values.append(choices[digit])
        yield tuple(reversed(values)), positions


def _add_batch(statistics: RunStatistics, batch: pa.RecordBatch) -> None:
    for (kind, status, reason, finish), positions in _groups(batch, ["kind", "status", "reason", "finish_reason"]):
        count = len(positions)
        statistics.finish_reasons[finish or ""] += count
        if status is None:
            continue
        statistics.statuses_by_kind[kind or ""][status] += count
        key = (kind or "", status, clipped(reason or "", REASON_CHARS))
        if key not in statistics.reasons and len(statistics.reasons) >= MAX_REASONS:
            key = (kind or "", status, REST)
        statistics.reasons[key] += count
    repairing = batch.column("round").fill_null(0).to_numpy(zero_copy_only=False) > 0
    if repairing.any():
        repaired = batch.column("status").filter(pa.array(repairing)).drop_null()
        statistics.repairs.update(repaired.to_pylist())
    bounded = pc.fill_null(pc.equal(batch.column("thought_closed_by"), "budget"), False)
    statistics.closed_by_budget.update(batch.column("status").filter(bounded).drop_null().to_pylist())
    bins = np.searchsorted(LENGTH_EDGES, batch.column("completion_tokens").to_numpy(), side="right")
    for (status,), positions in _groups(batch, ["status"]):
        if status is not None:
            histogram = statistics.lengths.setdefault(status, np.zeros(len(LENGTH_EDGES) + 1, dtype=np.int64))
            histogram += np.bincount(bins[positions], minlength=len(histogram))
    _add_checkers(statistics, batch)
    for (kind,), positions in _groups(batch, ["kind"]):
        if kind == "choice":
            _add_choices(statistics, batch.take(pa.array(positions)))


def _add_checkers(statistics: RunStatistics, batch: pa.RecordBatch) -> None:
    seconds = np.nan_to_num(batch.column("verify_s").to_numpy(zero_copy_only=False))
    for (name, version, status), positions in _groups(batch, ["checker", "checker_version", "status"]):
        if status in (None, Status.UNCHECKED):  # an unchecked text was read and judged by nothing
            continue
        key = (name or "", version or "")
        if key not in statistics.checkers and len(statistics.checkers) >= MAX_GROUPS:
            key = (REST, "")
        checker = statistics.checkers.setdefault(key, CheckerStatistics())
        checker.statuses[status] += len(positions)
        checker.total_s += float(seconds[positions].sum())
        places = np.searchsorted(SECONDS_EDGES, seconds[positions])
        checker.seconds += np.bincount(places, minlength=len(checker.seconds))


def _add_choices(statistics: RunStatistics, choices: pa.RecordBatch) -> None:
    """Counts answers by position. The row holds the options in the order in which the model saw them."""
    rows = zip(
        *(choices.column(name).to_pylist() for name in ("reference", "evidence", "status")),
        strict=True,
    )
    for reference, evidence, status in rows:
        if status in (None, Status.UNCHECKED):
            continue
        right, chosen = _letter(reference), _letter(evidence)
        for letter in (right, chosen):
            if letter and letter not in statistics.positions and len(statistics.positions) < MAX_POSITIONS:
                statistics.positions[letter] = Position()
        if right in statistics.positions:
            position = statistics.positions[right]
            position.samples += 1
            position.verified += status == "verified"
        if chosen in statistics.positions:
            statistics.positions[chosen].chosen += 1


def _letter(text: str | None) -> str:
    try:
        value = json.loads(text or "{}").get("answer")
    except (ValueError, AttributeError):
        return ""
    letter = str(value).strip().upper() if isinstance(value, str) else ""
    return letter if len(letter) == 1 and letter.isalpha() else ""


class _Chosen:
    """A few samples of each kind and status, drawn at random; the same parts give the same samples."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._best: dict[tuple[str, str], list[tuple[float, str, str, int]]] = {}

    def add(self, part: str, batch: pa.RecordBatch) -> None:
        draws = self._random.random(batch.num_rows)
        for (kind, status), positions in _groups(batch, ["kind", "status"]):
            if kind is None or status is None:
                continue
            key = (kind, status)
            lowest = positions[np.argsort(draws[positions])[:EXAMPLES_PER_CLASS]].tolist()
            found = [
                (
                    float(draws[position]),
                    part,
                    str(batch.column("problem_id")[position].as_py()),
                    int(batch.column("sample_index")[position].as_py()),
                )
                for position in lowest
            ]
            self._best[key] = sorted([*self._best.get(key, []), *found])[:EXAMPLES_PER_CLASS]

    def read(self, storage: Storage) -> list[Example]:
        """Fetches the texts, each part once."""
        wanted: dict[str, set[tuple[str, int]]] = defaultdict(set)
        for entries in self._best.values():
            for _, part, problem_id, index in entries:
                wanted[part].add((problem_id, index))
        examples = []
        for part, keys in wanted.items():
            ids = pc.field("problem_id").isin([problem_id for problem_id, _ in keys])
            indices = pc.field("sample_index").isin([index for _, index in keys])
            columns = [field.name for field in dataclasses.fields(Example)]
            examples += _examples_of(read_rows(storage, part, columns, ids & indices), keys)
        order = {status: place for place, status in enumerate(STATUSES)}
        return sorted(examples, key=lambda e: (e.kind, order.get(e.status, 9), e.problem_id, e.sample_index))


def _examples_of(rows: Iterable[dict[str, Any]], keys: set[tuple[str, int]]) -> list[Example]:
    return [
        Example(**dict(row, **{name: "" for name, value in row.items() if value is None}))
        for row in rows
        if (row["problem_id"], row["sample_index"]) in keys
    ]
