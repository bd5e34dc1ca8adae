"""Audited Lean checks per second, warm, against one cold process per proof, in one run.

    python -m benchmarks.lean_verify [--num-checks 200] [--num-workers 1] [--num-cold 3]

A mixed set: proofs that hold, that fail, and that cheat, no two texts alike. Peer: the same checker started for one
proof and closed again, which is what a pipeline without warm workers does. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from verifiers.lean.checker import LeanChecker
from verifiers.types import Kind, Problem

_STATEMENTS = (
    ("theorem t (a b : Nat) : a + b = b + a", "by omega", "by rfl"),
    ("theorem t (xs : List Nat) : xs ++ [] = xs", "by simp", "rfl"),
    ("theorem t (p q : Prop) (h : p ∧ q) : q ∧ p", "⟨h.2, h.1⟩", "h"),
    (
        "theorem t (n : Nat) : 0 + n = n",
        "by induction n with\n  | zero => rfl\n  | succ n ih => omega",
        "by induction n",
    ),
    ("theorem t : ∀ b : Bool, (b || !b) = true", "by decide", "by intro b; rfl"),
)
_CHEATS = ("by sorry", "by native_decide", "theorem t : True := trivial", "axiom t : False")


def mixed_set(count: int) -> list[tuple[Problem, str]]:
    """`count` checks: two fifths hold, two fifths fail, one fifth cheats; a comment keeps texts apart."""
    checks = []
    for i in range(count):
        statement, good, bad = _STATEMENTS[i // 5 % len(_STATEMENTS)]
        proof = (good, bad, good, bad, _CHEATS[i // 5 % len(_CHEATS)])[i % 5]
        problem = Problem(f"p{i}", Kind.LEAN, "", {"header": "", "statement": statement, "name": "t"})
        checks.append((problem, f"-- {i}\n{proof}"))
    return checks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-checks", type=int, default=200)
    parser.add_argument("--num-workers", type=int, default=1)
    parser.add_argument("--num-cold", type=int, default=3)
    arguments = parser.parse_args()
    checks = mixed_set(arguments.num_checks)

    cold = []
    for problem, text in checks[: arguments.num_cold]:
        started = time.perf_counter()
        checker = LeanChecker(num_spares=0)
        checker.verify(problem, text)
        checker.close()
        cold.append(time.perf_counter() - started)

    checker = LeanChecker(num_workers=arguments.num_workers)
    started = time.perf_counter()
    checker.verify(*checks[0])
    ready_s = time.perf_counter() - started
    for problem, text in mixed_set(25):  # what each kind of check touches first is compiled now
        checker.verify(problem, text + " -- warm")
    with ThreadPoolExecutor(arguments.num_workers + 1) as threads:
        started = time.perf_counter()
        verdicts = list(threads.map(lambda check: checker.verify(*check), checks))
        wall_s = time.perf_counter() - started
    one_by_one = [checker.verify(p, t + "\n-- again").seconds for p, t in checks]
    checker.close()
    result = {
        "checks": len(checks),
        "workers": arguments.num_workers,
        "ready_s": round(ready_s, 2),
        "checks_per_s": round(len(checks) / wall_s, 1),
        "median_ms": round(1000 * statistics.median(one_by_one), 1),
        "p90_ms": round(1000 * statistics.quantiles(one_by_one, n=10)[-1], 1),
        "cold_median_s": round(statistics.median(cold), 2) if cold else None,
        "times_faster": round(statistics.median(cold) * len(checks) / wall_s, 1) if cold else None,
        "statuses": {
            s: sum(v.status == s for v in verdicts) for s in ("verified", "refuted", "malformed", "undecided")
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
