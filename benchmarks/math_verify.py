"""Speed and agreement against math-verify, the field's common checker of math answers.

    python -m benchmarks.math_verify [--pairs 400] [--seed 0] [--json OUT]

Both sides check the same pairs (drawn evenly over the files of tests/verifiers/math/golden, so over all types of
answers), in one run, alternating in blocks so that a busy machine slows both. math-verify parses both sides of every
pair, as graders that use it do. `pool` is the checker as the pipeline calls it, with every check in a killable
process and two workers. Every pair that the two judge differently is listed with the expected status, which tells
which of them is right.

Does not: run math-verify inside a killable process; a pair may cost it its own 5 s alarm and more.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from math_verify import parse, verify

from verifiers.math.checker import MathChecker
from verifiers.math.judge import work
from verifiers.types import Kind, Problem

GOLDEN = Path(__file__).parents[1] / "tests" / "verifiers" / "math" / "golden"
BLOCK = 20
LIMIT_S = 1.0


def load(count: int, seed: int) -> list[tuple[str, str, str]]:
    """(reference, answer, expected), expected `verified` or `refuted`; as evenly from the files as they allow."""
    by_file = []
    for path in sorted(GOLDEN.glob("*.txt")):
        rows = []
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line and not line.startswith("#"):
                gold, *rest = re.split(r" @([=!mu]) ", line)
                marks = zip(rest[::2], rest[1::2], strict=True)
                rows += [(gold, answer, {"=": "verified", "!": "refuted"}[m]) for m, answer in marks if m in "=!"]
        random.Random(seed).shuffle(rows)
        by_file.append(rows)
    pairs: list[tuple[str, str, str]] = []
    while len(pairs) < count and any(by_file):
        pairs += [rows.pop() for rows in by_file if rows]
    random.Random(seed).shuffle(pairs)
    return pairs[:count]


def box(answer: str) -> str:
    return f"So the answer is \\boxed{{{answer}}}."


def ours(gold: str, answer: str) -> str:
    return str(work({"reference": {"answer": gold}, "text": box(answer)})["status"])


def theirs(gold: str, answer: str) -> str:
    try:
        return "verified" if verify(parse(f"${gold}$"), parse(box(answer))) else "refuted"
    except Exception as error:
        return type(error).__name__


def timed(check: Any, pairs: list[tuple[str, str, str]], seconds: list[float], statuses: list[str]) -> None:
    for gold, answer, _ in pairs:
        began = time.perf_counter()
        statuses.append(check(gold, answer))
        seconds.append(time.perf_counter() - began)


def summary(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "pairs_per_s": len(seconds) / sum(seconds),
        "p50_ms": 1000 * statistics.median(ordered),
        "p99_ms": 1000 * ordered[int(len(ordered) * 0.99)],
        "max_ms": 1000 * ordered[-1],
        "over_the_limit": sum(s > LIMIT_S for s in seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pairs = load(options.pairs, options.seed)
    problems = {gold: Problem(gold, Kind.MATH, "", {"answer": gold}) for gold, _, _ in pairs}
    checker = MathChecker(num_workers=2)

    def pooled(gold: str, answer: str) -> str:
        return str(checker.verify(problems[gold], box(answer)).status)

    for check in (ours, theirs, pooled):  # warm: imports, caches, worker processes
        for gold, answer, _ in pairs[:10]:
            check(gold, answer)
    sides = {"ours": ours, "math-verify": theirs, "pool": pooled}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    statuses: dict[str, list[str]] = {name: [] for name in sides}
    for start in range(0, len(pairs), BLOCK):
        for name, check in sides.items():
            timed(check, pairs[start : start + BLOCK], seconds[name], statuses[name])
    with ThreadPoolExecutor(2) as executor:
        began = time.perf_counter()
        list(executor.map(lambda pair: pooled(pair[0], pair[1]), pairs))
        two_workers = len(pairs) / (time.perf_counter() - began)
    checker.close()

    expected = [status for _, _, status in pairs]
    result: dict[str, Any] = {name: summary(times) for name, times in seconds.items()}
    for name in sides:
        verdicts = list(zip(statuses[name], expected, strict=True))
        result[name]["wrong_accepts"] = sum(got == "verified" != want for got, want in verdicts)
        result[name]["wrong_rejects"] = sum(got != "verified" == want for got, want in verdicts)
        result[name]["undecided"] = statuses[name].count("undecided")
    result["pool_two_threads_pairs_per_s"] = two_workers
    result["ratio"] = result["ours"]["pairs_per_s"] / result["math-verify"]["pairs_per_s"]
    result["ratio_pool_two_threads"] = two_workers / result["math-verify"]["pairs_per_s"]
    print(json.dumps(result, indent=2))
    print(f"\n{len(pairs)} pairs; where the two differ:")
    for (gold, answer, want), mine, other in zip(pairs, statuses["ours"], statuses["math-verify"], strict=True):
        if mine != other:
            print(f"| `{gold}` | `{answer}` | expected {want} | ours {mine} | math-verify {other} |")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
