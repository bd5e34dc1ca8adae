"""Thousands of mixed candidates through one Lean worker: verdicts as from fresh processes, memory flat.

    python -m benchmarks.lean_stress [--num-checks 3000] [--num-fresh 16] [--seed 0]

The candidates are the golden set of tests/verifiers/lean (proofs that hold and proofs that do not, over everything
the core library offers) and hostile ones that declare notations, instances and theorems for their neighbours to trip
over, drawn in random order, each with a comment of its own so that none is shared. Every verdict is compared with the
golden one, and `--num-fresh` different candidates with a checker started for them alone. Prints one JSON object; exit
code 1 if a verdict differs or the worker was replaced.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

from benchmarks.lean_memory import process_mb, processes_by_role
from verifiers.lean.checker import LeanChecker
from verifiers.types import Kind, Limits, Problem

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "helpers"))

_ADD = "theorem t (a b : Nat) : a + b = b + a"
_AND = "theorem t (p q : Prop) (h : p ∧ q) : q ∧ p"
_HOSTILE = (
    (_ADD, 'local notation "x" => 1\ntheorem u : x = 1 := rfl\n' + _ADD + " := by omega", "verified: proved"),
    (
        _ADD,
        "instance (priority := high) : Add Nat := ⟨fun _ _ => 5⟩\n" + _ADD + " := rfl",
        "refuted: states something else",
    ),
    (_ADD, 'macro "omega" : tactic => `(tactic| skip)\n' + _ADD + " := by omega", "refuted: Lean error"),
    (_ADD, "@[simp] theorem bad (a : Nat) : a = a + 0 := rfl\n" + _ADD + " := by omega", "verified: proved"),
    (_ADD, "by sorry", "refuted: policy: uses sorry"),
    (_AND, "theorem t : True := trivial", "refuted: states something else"),
    (_AND, "axiom t : False", "refuted: policy: uses axiom"),
)
_WALL_S = 60.0

Candidate = tuple[Problem, str, str]
"""Problem, text, expected `status: reason`."""


def candidates() -> list[Candidate]:
    from lean_golden import FILES, read  # a test's reader; the corpus lives with the tests

    found: list[Candidate] = []
    for path in FILES:
        expected = path.with_suffix(".expected.out").read_text().splitlines()
        found += [(case.problem, case.proof, line) for case, line in zip(read(path), expected, strict=True)]
    for statement, text, line in _HOSTILE:
        problem = Problem("hostile", Kind.LEAN, "", {"header": "", "statement": statement, "name": "t"})
        found += [(problem, text, line)] * 8  # about one in eight
    return found


def differing_when_fresh(
    chosen: list[tuple[str, str, str]], drawn: list[tuple[Problem, str, str]], limits: Limits
) -> list[dict[str, str]]:
    """Verdicts on (header, statement, text) that a checker of its own gives otherwise than expected."""
    differing = []
    for header, statement, text in chosen:
        problem = Problem("fresh", Kind.LEAN, "", {"header": header, "statement": statement, "name": "t"})
        fresh = LeanChecker(num_spares=0)
        verdict = fresh.verify(problem, text, limits)
        fresh.close()
        expected = next(e for p, t, e in drawn if t == text and p.reference["statement"] == statement)
        if f"{verdict.status}: {verdict.reason}" != expected:
            differing.append({"text": text, "expected": expected, "got": f"fresh {verdict.status}: {verdict.reason}"})
    return differing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-checks", type=int, default=3000)
    parser.add_argument("--num-fresh", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    everything = candidates()
    drawn = [rng.choice(everything) for _ in range(arguments.num_checks)]
    limits = Limits(wall_s=_WALL_S)

    checker = LeanChecker(num_spares=0)
    differing: list[dict[str, str]] = []
    seconds: list[float] = []
    memory: dict[int, dict[str, float]] = {}
    marks = {min(100, len(drawn) - 1), len(drawn) // 2, len(drawn) - 1}
    elaborators = set()
    started = time.perf_counter()
    for i, (problem, text, expected) in enumerate(drawn):
        verdict = checker.verify(problem, f"-- {i}\n{text}", limits)
        seconds.append(verdict.seconds)
        shown = f"{verdict.status}: {verdict.reason}"
        if shown != expected:
            differing.append({"text": text, "expected": expected, "got": shown})
        roles = processes_by_role(checker)
        elaborators |= set(roles["elaborator"])
        if i in marks:
            memory[i + 1] = {
                "elaborator_mb": round(process_mb(roles["elaborator"][0])),
                "auditor_mb": round(process_mb(roles["auditor"][0])),
                "lean_heap_mb": roles["elaborator"][0].heap_mb,
            }
    wall_s = time.perf_counter() - started
    requests = sum(process.num_requests for process in elaborators)
    checker.close()

    distinct = sorted({(p.reference["header"], p.reference["statement"], t) for p, t, _ in drawn})
    chosen = rng.sample(distinct, min(arguments.num_fresh, len(distinct)))
    differing += differing_when_fresh(chosen, drawn, limits)
    print(
        json.dumps(
            {
                "checks": len(drawn),
                "distinct": len(distinct),
                "requests": requests,
                "elaborators": len(elaborators),
                "fresh": arguments.num_fresh,
                "differing": len(differing),
                "first_differing": differing[:5],
                "median_ms": round(1000 * statistics.median(seconds), 1),
                "wall_s": round(wall_s, 1),
                "memory": memory,
            },
            ensure_ascii=False,
        )
    )
    return 1 if differing or len(elaborators) > 1 else 0


if __name__ == "__main__":
    sys.exit(main())
