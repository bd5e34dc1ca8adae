"""The types every part of Proofmill shares: a problem, the limits of one check, and its verdict.

Promises: frozen and slotted; every instance pickles, and `Problem`, `Limits` and `Verdict` survive a round trip through
their `to_json`/`from_json` forms. Nothing here imports Ray, vLLM or torch.
Does not: read files (jobs.problems does) or decide anything (the checkers do).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

Json = Any
"""A value made of None, bool, int, float, str, list and dict with string keys."""


class Kind(StrEnum):
    """The names of the built-in kinds. A plugin's kind is any other text (verifiers.kinds is the table of all)."""

    MATH = "math"
    CODE = "code"
    LEAN = "lean"
    CHOICE = "choice"


class Status(StrEnum):
    """Outcome of one check. Only `verified` ever counts as right; only `refuted` may serve as a training negative."""

    VERIFIED = "verified"
    """Positive evidence that the solution is right."""
    REFUTED = "refuted"
    """Positive evidence that the solution is wrong."""
    MALFORMED = "malformed"
    """No single final answer, program or proof could be read from the text."""
    UNDECIDED = "undecided"
    """The checker cannot decide: unsupported, or a limit was hit. `Verdict.reason` says which."""
    ERROR = "error"
    """Our fault or the machine's. Retried by the caller; never a training negative, never dropped silently."""
    UNCHECKED = "unchecked"
    """The problem has no answer key, so there was nothing to check against: neither right nor wrong, whatever the text
    says."""


NO_ANSWER_KEY = "the problem has no answer key"
"""`Verdict.reason` of every sample that is `unchecked`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a set.

    A reference that lacks what is checked against has no answer key (verifiers.answer_keys).
    `reference` depends on `kind`: math `{"answer", "type"?, "tolerance"?}`; choice `{"options", "answer"}`; code
    `{"mode": "stdin"|"function"|"assert", "tests", …}`; lean `{"header", "name", "statement"}`. The whole format is in
    docs/problem_files.md.
    """

    id: str
    kind: str
    """A name in verifiers.kinds: what the problem asks for, and so which checker reads its solutions."""
    prompt: str
    reference: Mapping[str, Json]
    domain: str = ""
    source: str = ""
    split: str = ""
    meta: Mapping[str, Json] = dataclasses.field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        # A frozen class with slots otherwise pickles through `fields()` and a setter each: ten times as long.
        reference, meta = self.reference, self.meta
        return Problem, (self.id, self.kind, self.prompt, reference, self.domain, self.source, self.split, meta)

    def to_json(self) -> dict[str, Json]:
        """The canonical problem-file object; empty optional fields are left out."""
        row: dict[str, Json] = {
            "id": self.id,
            "kind": str(self.kind),
            "prompt": self.prompt,
            "reference": dict(self.reference),
        }
        for name in ("domain", "source", "split"):
            if value := getattr(self, name):
                row[name] = value
        if self.meta:
            row["meta"] = dict(self.meta)
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Json]) -> Problem:
        """Trusts `row` to be canonical (jobs.problems validates foreign input). Raises KeyError."""
        return cls(
            id=row["id"],
            kind=row["kind"],
            prompt=row["prompt"],
            reference=row["reference"],
            domain=row.get("domain") or "",
            source=row.get("source") or "",
            split=row.get("split") or "",
            meta=row.get("meta") or {},
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one check. The clock starts when the work starts, not while it waits for a worker."""

    wall_s: float = 10.0
    cpu_s: float = 10.0
    memory_mb: int = 1024
    output_kb: int = 1024
    processes: int = 32
    text_chars: int = 1_000_000
    """Longer texts are `malformed` unread: one answer at the end of a megabyte of babble is not worth its cost."""

    def __reduce__(self) -> tuple[Any, ...]:
        bounds = (self.wall_s, self.cpu_s, self.memory_mb, self.output_kb, self.processes, self.text_chars)
        return Limits, bounds

    def to_json(self) -> dict[str, Json]:
        return {field: getattr(self, field) for field in self.__slots__}


class SettingsError(ValueError):
    """A `[verify.<kind>]` table that cannot be used; the text names the key and says what would be right."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check, with what a person or a repair round needs to understand it.

    `reason` is a short stable phrase (aggregated in reports); `evidence` is a small JSON object: what was extracted,
    the first failing test, the first Lean error, the protection `tier`, … (each value capped by its checker).
    """

    status: Status
    reason: str
    evidence: Mapping[str, Json]
    checker: str
    checker_version: str
    seconds: float
    limits: Limits

    def __reduce__(self) -> tuple[Any, ...]:
        checker = self.checker, self.checker_version
        return Verdict, (self.status, self.reason, self.evidence, *checker, self.seconds, self.limits)

    def to_json(self) -> dict[str, Json]:
        return {
            "status": str(self.status),
            "reason": self.reason,
            "evidence": dict(self.evidence),
            "checker": self.checker,
            "checker_version": self.checker_version,
            "seconds": self.seconds,
            "limits": self.limits.to_json(),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Json]) -> Verdict:
        return cls(
            status=Status(row["status"]),
            reason=row["reason"],
            evidence=row["evidence"],
            checker=row["checker"],
            checker_version=row["checker_version"],
            seconds=row["seconds"],
            limits=Limits(**row["limits"]),
        )


# A mapping field makes the generated __hash__ raise, which is right: problems are compared by id, not hashed.
