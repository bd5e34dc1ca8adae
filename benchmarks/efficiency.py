"""Tokens and seconds per solved problem: `fixed` n against `until_verified` and `adaptive`, alternating in one run.

Same model, problems, seeds and largest n, so the three solve the same set up to what `adaptive` gives up on; the sets
are compared and printed. Tokens count everything that was generated, aborted samples included. Also reported: how long
an abort took, from the end of the check that made a sample superfluous to the engine's own final output for that
request. Token counts do not depend on what else runs on the machine; seconds and abort times do.

    python -m benchmarks.efficiency --problems examples/problems/demo.jsonl --samples 16
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import ray

from benchmarks import stand_in
from benchmarks.generation import engine_argument
from benchmarks.stand_in import Coin, Silent
from cluster.connect import connect
from jobs.config import check_config
from jobs.problems.load import stream_problems
from jobs.solve.driver import drive
from jobs.solve.settings import coordinator_settings
from runstore.layout import run_uri
from runstore.parts import read_parts
from runstore.storage import open_storage

POLICIES = ("fixed", "until_verified", "adaptive")


def measure(args: argparse.Namespace, policy: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="proofmill-bench-") as folder:
        config = check_config(
            {
                "run": {"id": policy},
                "problems": {"files": [args.problems], "limit": args.limit},
                "model": {
                    "path": args.model,
                    "dtype": args.dtype,
                    "max_model_len": args.max_model_len,
                    "max_num_seqs": args.concurrency,
                    "engine_args": dict(args.engine_arg),
                },
                "output": {"uri": folder},
                "sampling": {
                    "policy": policy,
                    "num_samples": args.samples,
                    "wave": args.wave,
                    "max_tokens": args.max_tokens,
                },
                "verify": {"actors": 1, "workers_per_actor": 1},
                "resources": {"device": args.device, "replicas": args.replicas},
            },
            "benchmark",
        )
        kinds = tuple({str(problem.kind) for problem in stream_problems(config.problems)})
        uri = run_uri(config.output.uri, config.run.id)
        settings = coordinator_settings(config, kinds, uri, args.device == "gpu")
        if args.coin:
            ray.cloudpickle.register_pickle_by_value(stand_in)
            settings = dataclasses.replace(
                settings, verifier=dataclasses.replace(settings.verifier, checkers_class=Coin)
            )
        outcome = drive(config, settings, Silent())
        if outcome.summary is None or not outcome.summary["complete"]:
            raise RuntimeError(outcome.error or outcome.interrupted or "the run did not complete")
        summary = outcome.summary
        solved = {
            row["problem_id"]
            for table in read_parts(open_storage(uri), ["problem_id", "status"])
            for row in table.to_pylist()
            if row["status"] == "verified"
        }
    seconds = summary["generated_s"] - summary["ready_s"]
    return {
        "policy": policy,
        "solved": len(solved),
        "solved_ids": solved,
        "tokens": summary["completion_tokens"],
        "tokens_per_solved": round(summary["completion_tokens"] / max(1, len(solved)), 1),
        "seconds": round(seconds, 1),
        "seconds_per_solved": round(seconds / max(1, len(solved)), 3),
        "samples": summary["samples"],
        "aborted": summary["aborted_samples"],
        "abort_s": summary["abort_s"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="examples/problems/demo.jsonl")
    parser.add_argument("--model", default=str(Path("models/tiny_reasoner").resolve()))
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--wave", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--max-model-len", type=int, default=1024)
    parser.add_argument("--engine-arg", type=engine_argument, action="append", default=[], metavar="NAME=JSON")
    parser.add_argument("--coin", action="store_true", help="a coin decides, for a model whose texts are noise")
    args = parser.parse_args()
    ratios: dict[str, list[float]] = {policy: [] for policy in POLICIES[1:]}
    for number in range(args.rounds):
        results: dict[str, dict[str, Any]] = {}
        with connect("", num_cpus=4):
            for policy in POLICIES:
                result = results[policy] = measure(args, policy)
                missed = len(results["fixed"]["solved_ids"] - result["solved_ids"])
                shown = {key: value for key, value in result.items() if key != "solved_ids"}
                print(json.dumps({"round": number, **shown, "solved_by_fixed_only": missed}), flush=True)
        base = results["fixed"]
        for policy in ratios:
            ratios[policy].append(base["tokens_per_solved"] / results[policy]["tokens_per_solved"])
    for policy, values in ratios.items():
        print(f"fixed over {policy}, tokens per solved problem: median {statistics.median(values):.2f} of {values}")


if __name__ == "__main__":
    main()
