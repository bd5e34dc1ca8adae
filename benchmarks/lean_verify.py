"""Audited Lean checks per second, warm, against one cold process per proof, in one run.

    python -m benchmarks.lean_verify [--num-checks 200] [--num-workers 1 2] [--second-kernel off auto] [--rounds 2]
        [--num-cold 3]

A mixed set: proofs that hold, that fail, and that cheat, no two texts alike. Peer: the same checker started for one
proof and closed again, which is what a pipeline without warm workers does. Several numbers of workers, and one kernel
or two, take turns, in every round. Prints one JSON object a measurement.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.lean_memory import process_mb, processes_by_role
from verifiers.lean.checker import LeanChecker
from verifiers.types import Kind, Problem, Status

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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-checks", type=int, default=200)
    parser.add_argument("--num-workers", type=int, nargs="+", default=[1])
    parser.add_argument("--second-kernel", nargs="+", default=["auto"], choices=["off", "auto", "required"])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--num-cold", type=int, default=3)
    arguments = parser.parse_args()
    checks = mixed_set(arguments.num_checks)
    cold_s = statistics.median(map(measure_cold, checks[: arguments.num_cold])) if arguments.num_cold else None
    for _ in range(arguments.rounds):
        for num_workers, second in itertools.product(arguments.num_workers, arguments.second_kernel):
            print(json.dumps(measure_warm(checks, num_workers, second, cold_s)), flush=True)


def measure_cold(check: tuple[Problem, str]) -> float:
    """Seconds of one check by a checker started for it."""
    started = time.perf_counter()
    checker = LeanChecker(num_spares=0)
    checker.verify(*check)
    checker.close()
    return time.perf_counter() - started


def measure_warm(
    checks: list[tuple[Problem, str]], num_workers: int, second_kernel: str, cold_s: float | None
) -> dict[str, object]:
    checker = LeanChecker(num_workers=num_workers, second_kernel=second_kernel)
    started = time.perf_counter()
    checker.verify(*checks[0])
    ready_s = time.perf_counter() - started
    with ThreadPoolExecutor(num_workers + 1) as threads:
        # What each kind of check touches first is compiled now, in every worker.
        warm = [(p, f"{t} -- warm {i}") for i in range(2 * num_workers) for p, t in mixed_set(25)]
        list(threads.map(lambda check: checker.verify(*check), warm))
        started = time.perf_counter()
        verdicts = list(threads.map(lambda check: checker.verify(*check), checks))
        wall_s = time.perf_counter() - started
    one_by_one = [checker.verify(p, t + "\n-- again").seconds for p, t in checks]
    memory = {role: [round(process_mb(p)) for p in found] for role, found in processes_by_role(checker).items()}
    checker.close()
    return {
        "checks": len(checks),
        "workers": num_workers,
        "kernels": max(len(v.evidence.get("kernels", ())) for v in verdicts),
        "ready_s": round(ready_s, 2),
        "checks_per_s": round(len(checks) / wall_s, 1),
        "median_ms": round(1000 * statistics.median(one_by_one), 1),
        "p90_ms": round(1000 * statistics.quantiles(one_by_one, n=10)[-1], 1),
        "cold_median_s": round(cold_s, 2) if cold_s else None,
        "times_faster": round(cold_s * len(checks) / wall_s, 1) if cold_s else None,
        "memory_mb": memory,
        "statuses": {s: sum(v.status == s for v in verdicts) for s in Status},
    }


if __name__ == "__main__":
    main()
