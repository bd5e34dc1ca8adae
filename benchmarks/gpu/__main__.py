"""Every figure that is owed from a real GPU, in one command and under eight minutes, the most valuable first.

    PYTHONUNBUFFERED=1 python -m benchmarks.gpu results.jsonl             on a machine with a GPU
    python -m benchmarks.gpu results.jsonl --dry --steps machine options  a rehearsal on CPUs, with the bundled model

Each step runs in a process of its own with a time limit, and appends its figures to the results file at once, one JSON
object per line, so that a machine that is taken away costs no figure that was measured. With vLLM the steps are those
below; where only torch is installed, `kernels` measures what decides the model of a step's time.

| step | what it measures |
|---|---|
| machine | GPU, driver, versions |
| options | what seeds, log-probabilities, top_p and detokenising cost per token, in steady state |
| batches | 256, 512 and 1,024 samples at once |
| context | decoding behind prompts of 11,000 tokens, KV cache in bf16 and in fp8 |
| pipeline | output tokens per second of a whole run over bare AsyncLLM without log-probabilities |
| kill | an actor with a GPU killed: when its memory is free, and that the next engine starts |
| hang | an engine process stopped by SIGSTOP: how long until it is noticed |
| kernels | torch alone: a decode step's matrix products, attention's reads, sampling with and without seeds |
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

STEPS = {
    "machine": 20, "options": 150, "batches": 110, "context": 120, "pipeline": 150, "kill": 90, "hang": 60,
    "kernels": 180,
}  # fmt: skip
"""Step → its time limit in seconds."""
WITH_VLLM = ("machine", "options", "batches", "context", "pipeline", "kill", "hang")
WITHOUT_VLLM = ("machine", "kernels")
DRY_LIMIT_S = 600
"""Time limit of a step on CPUs, where engines start and run slowly, in seconds."""
TAIL = 3000


def has_vllm() -> bool:
    return subprocess.run([sys.executable, "-c", "import vllm"], capture_output=True, check=False).returncode == 0


def run_step(step: str, results: Path, dry: bool, limit_s: float) -> bool:
    """Runs one step; returns whether it came to its end. What it printed stands on standard output either way."""
    command = [sys.executable, "-u", "-m", "benchmarks.gpu.steps", step, str(results), *(["--dry"] if dry else [])]
    began = time.monotonic()
    try:
        code: int | str = subprocess.run(command, timeout=limit_s, check=False).returncode
    except subprocess.TimeoutExpired:
        code = f"ended after {limit_s:.0f} s"
    seconds = time.monotonic() - began
    with results.open("a") as file:
        file.write(json.dumps({"step": step, "exit": code, "seconds": round(seconds, 1)}) + "\n")
    print(f"== {step}: {code or 'done'} in {seconds:.0f} s", flush=True)
    return code == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="file that every figure is appended to")
    parser.add_argument("--dry", action="store_true", help="small sizes on CPUs with the bundled model")
    parser.add_argument("--steps", nargs="+", choices=STEPS, help="only these, in this order")
    parser.add_argument("--limit-s", type=float, default=460.0, help="no step begins after this many seconds")
    args = parser.parse_args()
    steps = args.steps or (WITH_VLLM if has_vllm() else WITHOUT_VLLM)
    began = time.monotonic()
    failed = []
    for step in steps:
        left = args.limit_s - (time.monotonic() - began)
        if left < 0 and not args.dry:
            print(f"== no time for {step}", flush=True)
            failed.append(step)
            continue
        limit_s = DRY_LIMIT_S if args.dry else min(STEPS[step], left + 60)
        if not run_step(step, args.results, args.dry, limit_s):
            failed.append(step)
    print(f"== failed or left out: {', '.join(failed) or 'none'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
