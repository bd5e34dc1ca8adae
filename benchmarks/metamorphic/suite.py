"""Runs the suites: every reference against its rewrites and its mutations, by the checker that the pipeline uses."""

from __future__ import annotations

import collections
import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from verifiers.math.checker import MathChecker
from verifiers.types import Kind, Limits, Problem, Status, Verdict

from .mutations import is_excused, mutations
from .rewrites import rewrites

LIMITS = Limits(wall_s=5.0, cpu_s=2.0, memory_mb=512, processes=1)
"""Limits of one check: those of production in processor time, and a wall limit for a machine that is shared."""

Judge = Callable[[str, str], Verdict]


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One verdict: `wanted` says whether the text is a harmless rewrite."""

    reference: str
    set: str
    kind: str
    text: str
    wanted: bool
    status: str
    reason: str


@dataclasses.dataclass(slots=True)
class Report:
    num_references: dict[str, int] = dataclasses.field(default_factory=collections.Counter)
    unreadable: dict[str, list[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))
    """References that cannot be read, by reason."""
    statuses: dict[tuple[bool, str], collections.Counter[str]] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(collections.Counter)
    )
    """How often each status came, by kind of rewrite (True) or of mutation (False)."""
    wrong: list[Check] = dataclasses.field(default_factory=list)
    """Mutations that verified although the evaluator does not show equality."""
    refused: list[Check] = dataclasses.field(default_factory=list)
    """Harmless rewrites that did not verify."""
    not_itself: dict[str, list[Check]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))
    """References that did not verify against themselves in a box, by set."""
    excused: int = 0
    """Mutations that verified and that the evaluator shows to be equal."""

    def add(self, check: Check) -> None:
        self.statuses[check.wanted, check.kind][check.status] += 1
        if check.wanted and check.status != "verified":
            self.refused.append(check)
            if check.kind == "boxed":
                self.not_itself[check.set].append(check)
        if not check.wanted and check.status == "verified":
            self.wrong.append(check)

    def share_of_rewrites(self) -> float:
        """Verified rewrites among the rewrites of references that can be read."""
        counts: collections.Counter[str] = collections.Counter()
        for (wanted, _), statuses in self.statuses.items():
            if wanted:
                counts += statuses
        judged = counts.total() - counts["error"]
        return counts["verified"] / judged if judged else 1.0


def checks(row: dict[str, str], judge: Judge) -> Iterator[Check | None]:
    """Every check of one reference; None for a mutation that the evaluator excuses."""
    reference, name = row["answer"], row["set"]
    rng = random.Random(reference)
    for variant in rewrites(reference, rng):
        verdict = judge(reference, variant.text)
        yield Check(reference, name, variant.kind, variant.text, True, str(verdict.status), _why(verdict))
        if verdict.status is Status.ERROR:
            return
    for variant, changed in mutations(reference, rng):
        verdict = judge(reference, variant.text)
        if verdict.status is Status.VERIFIED and is_excused(reference, changed):
            yield None
        else:
            yield Check(reference, name, variant.kind, variant.text, False, str(verdict.status), _why(verdict))


def _why(verdict: Verdict) -> str:
    detail = verdict.evidence.get("reference") or verdict.evidence.get("detail")
    return f"{verdict.reason}: {detail}" if detail else verdict.reason


def run(rows: Iterable[dict[str, str]], num_workers: int = 2) -> Report:
    """Tries every reference in killable processes."""
    report = Report()
    checker = MathChecker(num_workers=num_workers)

    def judge(reference: str, text: str) -> Verdict:
        return checker.verify(Problem("m", Kind.MATH, "", {"answer": reference}), text, LIMITS)

    def all_checks(row: dict[str, str]) -> list[Check | None]:
        return list(checks(row, judge))

    distinct = {(row["set"], row["answer"]): row for row in rows}.values()
    try:
        with ThreadPoolExecutor(num_workers + 1) as executor:
            for row, found in zip(distinct, executor.map(all_checks, distinct), strict=True):
                report.num_references[row["set"]] += 1
                for check in found:
                    if check is None:
                        report.excused += 1
                        continue
                    report.add(check)
                    if check.status == "error":
                        report.unreadable[check.reason.split(": ")[-1]].append(check.reference)
    finally:
        checker.close()
    return report
