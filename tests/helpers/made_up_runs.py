"""Stored runs made up for the export tests: the files that a finished run leaves behind."""

from __future__ import annotations

import datetime
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from runstore.parts import part_key
from runstore.schema import PROBLEM_SCHEMA, SAMPLE_SCHEMA
from verifiers.types import Status

WORDS = [
    "first",
    "we",
    "move",
    "every",
    "term",
    "with",
    "the",
    "unknown",
    "to",
    "one",
    "side",
    "and",
    "collect",
    "the",
    "numbers",
    "on",
    "the",
    "other",
    "then",
    "divide",
    "both",
    "sides",
    "by",
    "the",
    "factor",
    "that",
    "is",
    "left",
    "check",
    "the",
    "result",
    "by",
    "putting",
    "it",
    "back",
    "into",
    "the",
    "equation",
    "which",
    "holds",
    "so",
    "the",
    "answer",
    "follows",
]


def reasoning(seed: int, answer: str, length: int = 40) -> str:
    """A text that differs from those of other seeds in most of its shingles."""
    body = " ".join(
        WORDS[(seed * 7 + at * (seed % 5 + 1)) % len(WORDS)] + str((seed * at) % 97) for at in range(length)
    )
    return f"{body}. The answer is \\boxed{{{answer}}}."


def sample(problem_id: str = "p1", index: int = 0, **over: Any) -> dict[str, Any]:
    """One row of samples/*.parquet."""
    prompt = over.pop("prompt", f"Solve the equation number {problem_id} for x and explain each step of the way.")
    status = over.pop("status", "verified")
    answer = over.pop("answer", "1234567")
    row = {
        "run_id": "run-a",
        "problem_id": problem_id,
        "sample_index": index,
        "kind": "math",
        "domain": "algebra",
        "source": "made-up",
        "split": "train",
        "prompt": prompt,
        "reference": json.dumps({"answer": answer}),
        "meta": "{}",
        "round": 0,
        "pool": "model",
        "stage": 0,
        "audited": False,
        "parent_sample_index": None,
        "messages": json.dumps([{"role": "user", "content": prompt + " Box the answer."}]),
        "text": reasoning(index * 31 + sum(map(ord, problem_id)), answer if status == "verified" else "no"),
        "finish_reason": "stop",
        "prompt_tokens": 20,
        "completion_tokens": 100 + index,
        "mean_logprob": -0.5 - index / 100,
        "seed": index,
        "sampling": json.dumps({"temperature": 1.0}),
        "stopping_rule": json.dumps({"policy": "fixed"}),
        "queue_s": 0.1,
        "generation_s": 1.0,
        "status": status,
        "reason": "equal" if status == "verified" else "not equal",
        "evidence": "{}",
        "checker": "math",
        "checker_version": "1",
        "tier": None,
        "limits": "{}",
        "verify_s": 0.01,
        "attempt": 1,
        "model": "tiny",
        "model_revision": "r1",
        "engine": "vllm",
        "engine_version": "0.32.0",
        "replica": "0",
        "code_revision": "abc",
        "epoch": 1,
        "finished_at": datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC),
    }
    return {**row, **over}


def problem(samples: list[dict[str, Any]], **over: Any) -> dict[str, Any]:
    """The row of problems.parquet for one problem's samples, sampled a fixed number of times."""
    first, counts = samples[0], Counter(row["status"] for row in samples)
    decided = sum(number for status, number in counts.items() if status is not None)
    rate = counts["verified"] / decided if decided else None
    row = {name: first[name] for name in ("run_id", "problem_id", "kind", "domain", "source", "split")}
    row |= {f"num_{status}": counts[status] for status in Status}
    row |= {
        "solved": counts["verified"] > 0,
        "num_samples": decided,
        "num_aborted": counts[None],
        "stopping_rule": json.dumps({"policy": "fixed", "estimates": "unbiased", "num_samples": max(decided, 1)}),
        "settled": "exhausted",
        "settled_at_index": decided - 1 if decided else None,
        "settled_verified": counts["verified"] if decided else None,
        "settled_first_try": counts["verified"] if decided else None,
        "pass_rate": rate,
        "pass_rate_low": None if rate is None else max(0.0, rate - 0.2),
        "pass_rate_high": None if rate is None else min(1.0, rate + 0.2),
        "estimator": "none" if rate is None else "hypergeometric",
        "prompt_tokens": 20,
        "completion_tokens": 1000,
        "aborted_tokens": 0,
        "generation_s": 1.0,
        "verify_s": 0.1,
    }
    return {**row, **over}


def write_run(
    folder: Path, samples: list[dict[str, Any]], parts: int = 2, problems: list[dict[str, Any]] | None = None
) -> str:
    """Writes a run's folder with its samples dealt over `parts` files, and returns its path."""
    (folder / "samples").mkdir(parents=True)
    for part in range(parts):
        rows = samples[part::parts]
        pq.write_table(
            pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA),
            folder / part_key("e0001-w00", part),
            row_group_size=50,
        )
    if problems is None:
        groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for row in samples:
            groups[row["run_id"], row["problem_id"]].append(row)
        problems = [problem(rows) for rows in groups.values()]
    pq.write_table(pa.Table.from_pylist(problems, schema=PROBLEM_SCHEMA), folder / "problems.parquet")
    return str(folder)


def mixed_samples(num_problems: int = 12, per_problem: int = 8) -> list[dict[str, Any]]:
    """Verified, refuted and all other statuses in turn."""
    statuses = ["verified", "refuted", "verified", "malformed", "refuted", "undecided", "error", None]
    rows = []
    for number in range(num_problems):
        for index in range(per_problem):
            status = statuses[(number + index) % len(statuses)]
            over: dict[str, Any] = {"status": status, "domain": "algebra" if number % 2 else "geometry"}
            if status is None:
                over |= {"text": None, "finish_reason": "abort"}
            rows.append(sample(f"p{number}", index, **over))
    return rows
