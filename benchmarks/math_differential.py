"""Differences between our checker, math-verify and sympy on generated pairs, and which of them is right.

    python -m benchmarks.math_differential [--count 300] [--seed 0] [--table docs/math_verify_agreement.md]

The pairs come from benchmarks.metamorphic: rewrites of made-up references are equal by construction, mutations differ
unless its evaluator shows that they kept the value. Every pair on which one voter stands against another is listed;
`--table` writes the list by kind, with an example each, behind the marker in that file. The sympy voter reads both
sides with latex2sympy2_extended and asks whether the difference simplifies to zero; it has no vote on what it cannot
read.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sympy
from latex2sympy2_extended import latex2sympy
from math_verify import parse, verify

from benchmarks.metamorphic.evaluator import Sameness, same
from benchmarks.metamorphic.mutations import OTHERWISE, is_excused, mutations
from benchmarks.metamorphic.references import references
from benchmarks.metamorphic.rewrites import rewrites
from verifiers.math.checker import MathChecker
from verifiers.types import Kind, Limits, Problem

SPELLINGS = ("boxed", "spaces", "Unicode", "dfrac", "frac", "brackets", "list in another order", "set in another order")
"""Rewrites of the answer itself; where the answer stands in a text is no matter of opinion."""
MUTATIONS_EACH = 4
VOTER_S = 5
LIMITS = Limits(wall_s=10.0, cpu_s=5.0, memory_mb=512, processes=1)
MARKER = "<!-- differences on generated pairs: written by benchmarks/math_differential.py -->"


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    kind: str
    reference: str
    answer: str
    equal: bool


def pairs(count: int, seed: int) -> Iterator[Pair]:
    for row in references(count, seed):
        reference, rng = row["answer"], random.Random(f"{seed} {row['answer']}")
        for variant in rewrites(reference, rng):
            if variant.kind in SPELLINGS:
                answer = variant.text.partition("\\boxed{")[2][:-1]
                yield Pair(f"{row['set']}, {variant.kind}", reference, answer, True)
        changed = [made for made in mutations(reference, rng) if made[0].kind not in OTHERWISE]
        for variant, answer in rng.sample(changed, min(MUTATIONS_EACH, len(changed))):
            yield Pair(f"{row['set']}, {variant.kind}", reference, answer, is_excused(reference, answer))


def math_verify_vote(reference: str, answer: str) -> str:
    try:
        return "verified" if verify(parse(f"${reference}$"), parse(f"\\boxed{{{answer}}}")) else "refuted"
    except Exception as error:
        return type(error).__name__


def sympy_vote(reference: str, answer: str) -> str:
    """`none` where a side cannot be read as one expression."""
    with contextlib.suppress(Exception), time_limit(VOTER_S):
        left, right = latex2sympy(reference), latex2sympy(answer)
        if isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr):
            return "verified" if sympy.simplify(left - right) == 0 else "refuted"
        if isinstance(left, sympy.Basic) and isinstance(right, sympy.Basic):
            return "verified" if left == right else "none"
    return "none"


@contextlib.contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def over(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    checker = MathChecker()
    rows: list[tuple[Pair, str, str, str]] = []
    num_pairs = 0
    for pair in pairs(options.count, options.seed):
        num_pairs += 1
        problem = Problem("d", Kind.MATH, "", {"answer": pair.reference})
        ours = str(checker.verify(problem, f"\\boxed{{{pair.answer}}}", LIMITS).status)
        votes = ours, math_verify_vote(pair.reference, pair.answer), sympy_vote(pair.reference, pair.answer)
        if len({vote == "verified" for vote in votes if vote != "none"}) > 1:
            rows.append((pair, *votes))
    checker.close()
    lines = table(rows, num_pairs, options)
    print("\n".join(lines))
    print(f"\nEvery difference ({len(rows)}):")
    for pair, *votes in rows:
        print(f"{'equal' if pair.equal else 'different'} [{pair.kind}] {pair.reference!r} <- {pair.answer!r}: {votes}")
    if options.table:
        text = options.table.read_text(encoding="utf-8").partition(MARKER)[0].rstrip()
        options.table.write_text("\n".join([text, "", MARKER, "", *lines, ""]), encoding="utf-8")


def table(rows: list[tuple[Pair, str, str, str]], num_pairs: int, options: argparse.Namespace) -> list[str]:
    """A table by kind of pair: how often each voter was wrong, and one example."""
    wrong: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    example: dict[str, tuple[Pair, str, str, str]] = {}
    totals: collections.Counter[str] = collections.Counter()
    for row in rows:
        pair, votes = row[0], dict(zip(("ours", "math-verify", "sympy"), row[1:], strict=True))
        example.setdefault(pair.kind, row)
        wrong[pair.kind]["pairs"] += 1
        for voter, vote in votes.items():
            if vote != "none" and (vote == "verified") != pair.equal:
                wrong[pair.kind][voter] += 1
                totals[f"{voter}, {'refused' if pair.equal else 'accepted'}"] += 1
    lines = [
        "## Generated pairs, three voters",
        "",
        f"`python -m benchmarks.math_differential --count {options.count} --seed {options.seed}` made {num_pairs:,} "
        "pairs. "
        f"On {len(rows):,} of them the voters differ. Whether a pair is equal is known from how it was made.",
        "",
        "| voter | wrong answers accepted | right answers refused |",
        "|---|---|---|",
    ]
    for voter in ("ours", "math-verify", "sympy"):
        lines.append(f"| {voter} | {totals[f'{voter}, accepted']} | {totals[f'{voter}, refused']} |")
    lines += ["", "| kind | pairs | wrong: ours | math-verify | sympy | example | in truth |", "|---" * 7 + "|"]
    for kind, counts in sorted(wrong.items(), key=lambda item: (-item[1]["ours"], -item[1]["pairs"], item[0])):
        pair = example[kind][0]
        shown = f"`{cell(pair.reference)}` and `{cell(pair.answer)}`"
        truth = "equal" if pair.equal else ("different" if known(pair) else "different by construction")
        cells = [kind, counts["pairs"], counts["ours"], counts["math-verify"], counts["sympy"], shown, truth]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def known(pair: Pair) -> bool:
    return same(pair.reference, pair.answer) is Sameness.DIFFERENT


def cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("\n", " ").split())


if __name__ == "__main__":
    main()
