"""Tries references from a file, or those made here, and says what failed.

    python -m benchmarks.metamorphic [--references FILE.jsonl] [--count 800] [--seed 0] [--share 1.0] [--json OUT]

A line of the file has `answer` and `set`. Exit status 1 if a mutation verified.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
import time
from pathlib import Path

from verifiers.types import Status

from .references import references
from .suite import Report, run

MAX_LISTED = 60


def load(path: Path) -> list[dict[str, str]]:
    """The lines of a file of references. Raises ValueError that names the line."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        row = json.loads(line)
        if not isinstance(row, dict) or not isinstance(row.get("answer"), str):
            raise ValueError(f"{path}, line {number}: a line needs `answer`, a string (and `set`, the name of its set)")
        rows.append({"answer": row["answer"], "set": str(row.get("set", "all"))})
    return rows


def show(report: Report) -> None:
    print("| set | references | not verified against themselves | unreadable |\n|---|---|---|---|")
    for name, count in sorted(report.num_references.items()):
        failed = report.not_itself.get(name, [])
        unreadable = sum(check.status == "error" for check in failed)
        print(f"| {name} | {count} | {len(failed)} | {unreadable} |")
    for wanted, title in ((True, "harmless rewrite"), (False, "mutation")):
        print(f"\n| {title} | checks | {' | '.join(Status)} |\n" + "|---" * (2 + len(Status)) + "|")
        for (is_rewrite, kind), counts in sorted(report.statuses.items()):
            if is_rewrite is wanted:
                cells = [counts[status] for status in Status]
                print(f"| {kind} | {counts.total()} | {' | '.join(map(str, cells))} |")
    print("\nReferences that cannot be read, by reason:")
    for reason, answers in sorted(report.unreadable.items(), key=lambda item: -len(item[1])):
        print(f"  {len(answers)} x {reason}: {', '.join(map(repr, answers[:5]))}")
    for title, listed in (("Rewrites that did not verify", report.refused), ("MUTATIONS THAT VERIFIED", report.wrong)):
        print(f"\n{title}: {len(listed)}")
        for check in listed[:MAX_LISTED]:
            print(f"  [{check.kind}] {check.reference!r} <- {check.text!r}: {check.status}, {check.reason}")
    total = sum(counts.total() for counts in report.statuses.values())
    print(f"\n{sum(report.num_references.values())} references, {total} checks; equal after all: {report.excused}")
    print(f"harmless rewrites that verify: {100 * report.share_of_rewrites():.3f} %")
    print(f"wrong verified: {len(report.wrong)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--references", type=Path)
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = load(options.references) if options.references else references(options.count, options.seed)
    if options.share < 1:
        rows = random.Random(options.seed).sample(rows, int(len(rows) * options.share))
    began = time.perf_counter()
    report = run(rows, options.workers)
    show(report)
    print(f"seconds: {time.perf_counter() - began:.0f}")
    if options.json:
        listed = {"wrong": report.wrong, "refused": report.refused}
        plain = {name: [dataclasses.asdict(check) for check in found] for name, found in listed.items()}
        options.json.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
