"""Speed and memory of the code verifier against a plain subprocess per run and against bubblewrap with a cold Python.

    python benchmarks/code_verify.py [--seconds 10] [--checkers] [--humaneval FILE]

All sides run the same short program (read two integers, print their sum) in alternation within one process, so that a
shared machine slows them alike. `--humaneval` takes the original `HumanEval.jsonl.gz` and reports verdicts of its
canonical solutions and of mutants that differ in one operator or constant. A mutant is counted only if a plain
in-process run of the problem's own test tells it from the original: the others are no wrong solutions. `--checkers`
times a problem of 100 tests with a checker program in Python and in C++ against the same problem without one.
"""

from __future__ import annotations

import argparse
import ast
import collections
import concurrent.futures
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from verifiers.code.checker import CodeChecker
from verifiers.types import Kind, Limits, Problem, Status

PROGRAM = "a, b = map(int, input().split())\nprint(a + b)"
PROBLEM = Problem("sum", Kind.CODE, "", {"mode": "stdin", "tests": [{"input": "3 4\n", "output": "7\n"}]})
LIMITS = Limits(wall_s=60.0, cpu_s=10.0, memory_mb=512, output_kb=1024)


def plain() -> None:
    """The usual grader: no isolation at all."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", PROGRAM], input=b"3 4\n", capture_output=True, check=True)
    assert done.stdout == b"7\n"


def bubblewrap() -> None:
    command = [
        "bwrap",
        "--unshare-all",
        "--die-with-parent",
        "--ro-bind",
        "/",
        "/",
        "--tmpfs",
        "/tmp",
        "--proc",
        "/proc",
    ]
    done = subprocess.run(
        [*command, sys.executable, "-I", "-S", "-c", PROGRAM], input=b"3 4\n", capture_output=True, check=True
    )
    assert done.stdout == b"7\n"


def milliseconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return (time.perf_counter() - began) * 1000


def rate(function: Callable[[], object], threads: int, seconds: float) -> float:
    deadline = time.monotonic() + seconds

    def work() -> int:
        count = 0
        while time.monotonic() < deadline:
            function()
            count += 1
        return count

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        began = time.monotonic()
        total = sum(pool.map(lambda _: work(), range(threads)))
        return total / (time.monotonic() - began)


def cpu_ms(runs: int, function: Callable[[], object], checker_processes: bool) -> float:
    """CPU milliseconds of a run, the kernel's and every child's included: what a busy machine cannot distort much."""

    def spent() -> float:
        own = sum(os.times()[:4])
        if checker_processes:
            for process in psutil.Process().children(recursive=True):
                times = process.cpu_times()
                own += times.user + times.system + times.children_user + times.children_system
        return own

    before = spent()
    for _ in range(runs):
        function()
    return (spent() - before) / runs * 1000


def speed(seconds: float) -> None:
    cores = os.cpu_count() or 1
    checker = CodeChecker(num_workers=cores)

    def ours() -> None:
        verdict = checker.verify(PROBLEM, PROGRAM, LIMITS)
        assert verdict.status is Status.VERIFIED, verdict

    sides: dict[str, Callable[[], object]] = {"proofmill": ours, "plain subprocess": plain}
    if shutil.which("bwrap"):
        sides["bubblewrap, cold Python"] = bubblewrap
    for function in sides.values():
        function()
    print(f"tier: {checker.tier}; {cores} cores, load {os.getloadavg()[0]:.1f}")
    latencies: dict[str, list[float]] = collections.defaultdict(list)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for name, function in sides.items():
            latencies[name].append(milliseconds(function))
    rates: dict[str, list[float]] = collections.defaultdict(list)
    for _ in range(3):
        for name, function in sides.items():
            rates[name].append(rate(function, cores, seconds / 6))
    for name, function in sides.items():
        cuts = statistics.quantiles(latencies[name], n=100)
        print(
            f"{name:24} p50 {cuts[49]:6.2f} ms  p90 {cuts[89]:6.2f}  min {min(latencies[name]):6.2f}  "
            f"{statistics.median(rates[name]):6.0f} runs/s on {cores} threads  "
            f"{cpu_ms(100, function, name == 'proofmill'):5.2f} ms CPU a run"
        )
    idle = psutil.Process().children(recursive=True)
    private = sum(process.memory_full_info().uss for process in idle)
    print(f"idle memory: {private / cores / 2**20:.1f} MiB (unique) a sandbox in {len(idle) / cores:.0f} processes")
    checker.close()


# --- checker programs -----------------------------------------------------------------------------------------------

_TESTS = [{"input": f"{n}\n", "output": f"0 {n}\n"} for n in range(100)]
_PYTHON_CHECKER = """
import sys
given, answer, output = (open(path).read().split() for path in sys.argv[1:])
print(int(len(output) == 2 and sum(map(int, output)) == int(given[0])))
"""
_CPP_CHECKER = r"""
#include <fstream>
int main(int, char **paths) {
    std::ifstream given(paths[1]), output(paths[2]);
    long n, a, b;
    return given >> n && output >> a >> b && a + b == n ? 0 : 1;
}
"""


def checkers(rounds: int = 9) -> None:
    """Seconds per check, in alternation; the checkers are compiled before."""
    plain = {"mode": "stdin", "tests": _TESTS}
    references = {"without a checker": plain}
    references["in Python"] = {
        **plain,
        "checker": {"language": "python", "source": _PYTHON_CHECKER, "protocol": "score"},
    }
    if shutil.which("g++"):
        references["in C++"] = {
            **plain,
            "checker": {"language": "cpp", "source": _CPP_CHECKER, "protocol": "testlib"},
        }
    checker = CodeChecker(num_workers=1)
    seconds: dict[str, list[float]] = collections.defaultdict(list)
    for number in range(rounds + 1):
        for name, reference in references.items():
            verdict = checker.verify(Problem(name, Kind.CODE, "", reference), "print(0, int(input()))", LIMITS)
            assert verdict.status is Status.VERIFIED, verdict
            if number:
                seconds[name].append(verdict.seconds)
    checker.close()
    base = statistics.median(seconds["without a checker"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"100 tests, checker {name:18} median {median:5.2f} s  {median / base:4.2f} times")


# --- HumanEval -------------------------------------------------------------------------------------------------------

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def mutants(source: str, entry_point: str) -> list[str]:
    """`source` with one operator, condition or constant changed in the body of the entry point, one text for each
    place."""
    found = []
    count = sum(1 for _ in ast.walk(ast.parse(source)))
    for position in range(count):
        tree = ast.parse(source)
        node = list(ast.walk(tree))[position]
        if isinstance(node, ast.BinOp) and type(node.op) in _SWAPS:
            node.op = _SWAPS[type(node.op)]()  # type: ignore[assignment]
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPS:
            node.ops[0] = _SWAPS[type(node.ops[0])]()  # type: ignore[call-overload]
        elif isinstance(node, ast.BoolOp):
            node.op = _SWAPS[type(node.op)]()  # type: ignore[assignment]
        elif isinstance(node, ast.Constant) and type(node.value) is bool:
            node.value = not node.value
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            node.value += 1
        elif isinstance(node, ast.Constant) and type(node.value) is str and not _is_docstring(tree, node):
            node.value += "x"
        elif isinstance(node, ast.Return) and node.value is not None:
            node.value = ast.Tuple([node.value], ast.Load())
        else:
            continue
        found.append(ast.unparse(ast.fix_missing_locations(tree)))
    return found


def _is_docstring(tree: ast.AST, constant: ast.Constant) -> bool:
    return any(isinstance(node, ast.Expr) and node.value is constant for node in ast.walk(tree))


def really_differs(mutant: str, row: dict[str, str]) -> bool:
    """The problem's own test, run plainly on a program that is ours and means no harm, does not pass."""
    program = f"{mutant}\n{row['test']}\ncheck({row['entry_point']})\n"
    try:
        done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def humaneval(path: Path) -> None:
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    checker = CodeChecker(num_workers=os.cpu_count() or 1)
    canonical: collections.Counter[str] = collections.Counter()
    mutated: collections.Counter[str] = collections.Counter()
    chooser = random.Random(0)
    seconds = []
    for row in rows:
        reference = {"mode": "assert", **{key: row[key] for key in ("prompt", "test", "entry_point")}}
        problem = Problem(row["task_id"], Kind.CODE, row["prompt"], reference)
        verdict = checker.verify(problem, row["canonical_solution"], LIMITS)
        canonical[f"{verdict.status}"] += 1
        seconds.append(verdict.seconds)
        if verdict.status is not Status.VERIFIED:
            print("canonical", row["task_id"], verdict.reason, verdict.evidence)
        choices = mutants(row["prompt"] + row["canonical_solution"], row["entry_point"])
        chooser.shuffle(choices)
        mutant = next((choice for choice in choices if really_differs(choice, row)), None)
        if mutant is None:
            mutated["no mutant found"] += 1
            continue
        verdict = checker.verify(problem, f"```python\n{mutant}\n```", Limits(wall_s=10.0, cpu_s=5.0))
        mutated[f"{verdict.status}"] += 1
        if verdict.status is Status.VERIFIED:
            print("ACCEPTED MUTANT", row["task_id"], mutant, sep="\n")
    checker.close()
    print(f"canonical solutions: {dict(canonical)}; median {statistics.median(seconds) * 1000:.0f} ms each")
    print(f"one mutant of each: {dict(mutated)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="for the latency measurement")
    parser.add_argument("--checkers", action="store_true", help="time problems with checker programs")
    parser.add_argument("--humaneval", type=Path)
    arguments = parser.parse_args()
    speed(arguments.seconds)
    if arguments.checkers:
        checkers()
    if arguments.humaneval:
        humaneval(arguments.humaneval)


if __name__ == "__main__":
    main()
