"""What earlier nights found; it lies beside the runs on the same storage.

    <output>/nightly/<name>/nights/<date>/plan.json          what the night set out to do; written once
    <output>/nightly/<name>/nights/<date>/problems/<run>.jsonl   the problems of one run of the night
    <output>/nightly/<name>/nights/<date>/results/<run>.json  what one run found; written once
    <output>/nightly/<name>/nights/<date>/report.{html,txt,json}

Promises: append-only. Every object of the history is created exclusively (Storage.create), so two nights that overlap,
or two starts of one night, add to it and never overwrite it; the second one reads what the first one wrote. A night
compares itself only with what was complete when it was planned.
Does not: hold texts; those are in the runs.
Fails: with HistoryError for an object that is not ours.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator

import pyarrow as pa

from jobs.report.problems_table import is_keyless
from runstore.storage import Storage
from verifiers.types import Json

FORMAT = 1


class HistoryError(Exception):
    """The stored history cannot be used; the text is for the user."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """One problem on one night, in one run."""

    num_samples: int
    num_verified: int
    num_malformed: int
    num_undecided: int
    num_error: int
    tokens: int
    generation_s: float
    fixed: bool
    """Whether every sample was drawn whatever the others gave. verified / samples is then an unbiased pass rate."""

    @property
    def solved(self) -> bool:
        return self.num_verified > 0

    @property
    def tokens_per_sample(self) -> float:
        return self.tokens / max(1, self.num_samples)

    @property
    def unreadable(self) -> bool:
        """Whether most samples were cut off, unreadable or undecided. More room might have solved the problem."""
        return self.num_samples > 0 and 2 * (self.num_malformed + self.num_undecided) > self.num_samples


@dataclasses.dataclass(frozen=True, slots=True)
class RunResult:
    """What one run of a night found. `leg` and `bucket` say which problems it had and what for."""

    night: dt.date
    leg: str
    bucket: str
    run_id: str
    model: str
    sampling: dict[str, Json]
    code_revision: str
    exit_code: int
    gpu_s: float
    cpu_s: float
    usd: float
    wall_s: float
    outcomes: dict[str, Outcome]
    endpoints: dict[str, str] = dataclasses.field(default_factory=dict)
    """By pool whose engine is an endpoint: the model and the fingerprint that it said it is."""

    def encode(self) -> bytes:
        body = {**dataclasses.asdict(self), "night": self.night.isoformat(), "format": FORMAT}
        body["outcomes"] = {name: list(dataclasses.astuple(outcome)) for name, outcome in self.outcomes.items()}
        return json.dumps(body, sort_keys=True).encode()

    @classmethod
    def decode(cls, data: bytes, where: str) -> RunResult:
        try:
            body = json.loads(data)
            if body.pop("format") != FORMAT:
                raise HistoryError(f"{where}: a format of another version of Proofmill")
            body["night"] = dt.date.fromisoformat(body["night"])
            body["outcomes"] = {name: Outcome(*row) for name, row in body["outcomes"].items()}
            return cls(**body)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise HistoryError(f"{where}: not a night's result ({error}); move it away to go on without it") from error


class History:
    """The history of one nightly. Every method reads the storage; nothing is cached between calls."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def plan(self, night: dt.date) -> Json | None:
        data = self.storage.read(f"nights/{night}/plan.json")
        return None if data is None else json.loads(data)

    def fix_plan(self, night: dt.date, plan: Json) -> Json:
        """Writes the night's plan and returns it. If there is a plan already, returns that one."""
        if self.storage.create(f"nights/{night}/plan.json", json.dumps(plan, sort_keys=True).encode()):
            return plan
        return self.plan(night)

    def problems_key(self, night: dt.date, run_id: str) -> str:
        return f"nights/{night}/problems/{run_id}.jsonl"

    def result(self, night: dt.date, run_id: str) -> RunResult | None:
        key = f"nights/{night}/results/{run_id}.json"
        data = self.storage.read(key)
        return None if data is None else RunResult.decode(data, f"{self.storage.uri}/{key}")

    def add(self, result: RunResult) -> bool:
        """Stores a result. Returns False if this run has one already; the first one stays."""
        return self.storage.create(f"nights/{result.night}/results/{result.run_id}.json", result.encode())

    def results(self, before: dt.date | None = None) -> list[RunResult]:
        """Every result of nights before `before`, oldest first."""
        found = []
        for night, key in self._keys():
            if "/results/" in key and (before is None or night < before):
                data = self.storage.read(key)
                if data is not None:
                    found.append(RunResult.decode(data, f"{self.storage.uri}/{key}"))
        return sorted(found, key=lambda result: (result.night, result.run_id))

    def nights(self) -> list[dt.date]:
        """Nights that were planned, oldest first."""
        return sorted({night for night, key in self._keys() if key.endswith("/plan.json")})

    def is_complete(self, night: dt.date) -> bool:
        return self.storage.read(f"nights/{night}/report.json") is not None

    def _keys(self) -> Iterator[tuple[dt.date, str]]:
        for key in self.storage.keys("nights/"):
            name = key.split("/")[1]
            try:
                yield dt.date.fromisoformat(name), key
            except ValueError:
                raise HistoryError(f"{self.storage.uri}/{key}: {name} is no date; this folder holds nights only")


def read_outcomes(table: pa.Table) -> dict[str, Outcome]:
    """Outcomes from a run's `problems.parquet` (runstore.schema.PROBLEM_SCHEMA). A problem without an answer key has
    none: it can be neither solved nor lost."""
    outcomes = {}
    for row in table.to_pylist():
        policy = json.loads(row["stopping_rule"] or "{}")
        if is_keyless(row):
            continue
        # With variants, another number of samples is another mixture, and how many samples the later stages of a
        # cascade add depends on what came out. So the rates of two nights may not compare.
        is_one_mixture = policy.get("variants", 1) == 1 and len(policy.get("stages", ())) < 2
        outcomes[row["problem_id"]] = Outcome(
            num_samples=row["num_samples"],
            num_verified=row["num_verified"],
            num_malformed=row["num_malformed"],
            num_undecided=row["num_undecided"],
            num_error=row["num_error"],
            tokens=row["completion_tokens"],
            generation_s=row["generation_s"],
            fixed=policy.get("policy") == "fixed" and row["num_aborted"] == 0 and is_one_mixture,
        )
    return outcomes
