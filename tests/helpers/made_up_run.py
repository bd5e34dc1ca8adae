"""Writes runs with known outcomes in the stored layout, for the tests of the report and to look at one by eye.

python tests/helpers/made_up_run.py OUT [NUM_PROBLEMS]
"""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from runstore.parts import append_part, encode_part
from runstore.schema import SAMPLE_SCHEMA
from runstore.storage import open_storage
from workers.sampling.priority_queue import PriorityQueue
from workers.sampling.problem_state import OUTCOME_OF_STATUS, SampleOutcome
from workers.sampling.registry import make_policy

FINISHED = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
STATUS_OF_OUTCOME = {outcome: status for status, outcome in OUTCOME_OF_STATUS.items()}


def sample_row(problem_id: str, index: int, status: str | None, rule: dict[str, Any], **other: Any) -> dict[str, Any]:
    """One row of SAMPLE_SCHEMA; `other` overrides its columns."""
    aborted = status is None
    row: dict[str, Any] = {
        "run_id": "made-up",
        "problem_id": problem_id,
        "sample_index": index,
        "kind": "math",
        "domain": "algebra",
        "source": "test",
        "split": "test",
        "prompt": f"What is {problem_id}?",
        "reference": json.dumps({"answer": "5"}),
        "meta": "{}",
        "stopping_rule": json.dumps(rule, sort_keys=True),
        "pool": "model",
        "stage": 0,
        "audited": False,
        "round": 0,
        "parent_sample_index": None,
        "messages": json.dumps([{"role": "user", "content": f"What is {problem_id}?"}]),
        "text": None if aborted else f"Sample {index}: the answer is 5.",
        "finish_reason": "abort" if aborted else "stop",
        "prompt_tokens": 10,
        "completion_tokens": 7 if aborted else 100,
        "mean_logprob": None if aborted else -0.25,
        "seed": index,
        "sampling": json.dumps({"temperature": 1.0, "max_tokens": 256}),
        "queue_s": 0.1,
        "generation_s": 2.0,
        "status": status,
        "reason": None if aborted else f"{status} for a reason",
        "evidence": None if aborted else "{}",
        "checker": None if aborted else "math",
        "checker_version": None if aborted else "3",
        "tier": None,
        "limits": None if aborted else "{}",
        "verify_s": None if aborted else 0.02,
        "attempt": 1,
        "model": "models/tiny_reasoner",
        "model_revision": "abc",
        "engine": "vllm",
        "engine_version": "0.32.0",
        "replica": "r0",
        "code_revision": "def",
        "epoch": 1,
        "finished_at": FINISHED,
    }
    return {**row, **other}


def write_run(uri: str, rows: Sequence[dict[str, Any]], run: dict[str, Any] | None = None, num_parts: int = 3) -> str:
    """Spreads `rows` over parts in an order that keeps no problem together."""
    storage = open_storage(uri)
    for part in range(num_parts):
        table = pa.Table.from_pylist(list(rows[part::num_parts]), SAMPLE_SCHEMA)
        append_part(storage, "e0001-w00", part, encode_part(table))
    if run is not None:
        storage.replace("run.json", json.dumps(run).encode())
    return uri


REASONS = {
    SampleOutcome.REFUTED: ["answers differ", "wrong option", "test 3 failed", "statement not proven"],
    SampleOutcome.MALFORMED: ["no final answer", "two answers boxed", "no code block"],
    SampleOutcome.UNDECIDED: ["time limit", "unsupported form"],
    SampleOutcome.ERROR: ["checker died"],
}
DOMAINS = {
    "arithmetic": ("math", 3.0, 1.2),
    "linear equations": ("math", 2.0, 1.0),
    "polynomials": ("math", 1.2, 1.6),
    "number theory": ("math", 0.7, 1.4),
    "programs": ("code", 1.0, 1.0),
    "theorems": ("lean", 0.5, 1.5),
    "multiple choice": ("choice", 1.6, 1.0),
}


def made_up_run(uri: str, num_problems: int = 300, seed: int = 0, skill: float = 1.0, **sampling: Any) -> str:
    """A plausible run: several kinds, pass rates by domain, wrong samples longer than right ones, aborts."""
    rng = random.Random(seed)
    policy = make_policy({"policy": "until_verified", "num_samples": 16, "wave": 4, "num_verified": 2, **sampling})
    queue = PriorityQueue(policy)
    rows: list[dict[str, Any]] = []
    names = list(DOMAINS)
    states, rates = [], []
    for number in range(num_problems):
        domain = names[number % len(names)]
        _, a, b = DOMAINS[domain]
        # The problem is the same in every made-up run; `skill` moves the model.
        rates.append(random.Random(number).betavariate(a * skill, b))
        states.append(policy.open(number, domain))
        queue.push(states[-1])
    flying: list[tuple[Any, int]] = []
    while True:
        flying += queue.take(256 - len(flying))
        if not flying:
            break
        state, index = flying.pop(rng.randrange(len(flying)))
        if state.outcome(index):
            continue
        kind = DOMAINS[state.domain][0]
        if rng.random() < rates[state.number]:
            outcome = SampleOutcome.VERIFIED
        else:
            outcome = rng.choices(list(REASONS), [80, 12, 7, 1])[0]
        tokens = int(min(1024, rng.lognormvariate(math.log(120 if outcome is SampleOutcome.VERIFIED else 260), 0.5)))
        other = row_details(rng, kind, state.domain, outcome, index, tokens)
        rule = policy.stopping_rule(state)
        rows.append(sample_row(f"p{state.number:05d}", index, STATUS_OF_OUTCOME[outcome], rule, **other))
        policy.observe(state, index, outcome, tokens=tokens)
        policy.settle(state)
        for doomed in policy.abortable(state):
            policy.observe(state, doomed, SampleOutcome.ABORTED)
            rows.append(
                sample_row(
                    f"p{state.number:05d}",
                    doomed,
                    None,
                    rule,
                    kind=kind,
                    domain=state.domain,
                    completion_tokens=rng.randint(1, 120),
                )
            )
        queue.push(state)
    rng.shuffle(rows)
    return write_run(uri, rows, made_up_summary(rng, rows, sampling))


def row_details(
    rng: random.Random, kind: str, domain: str, outcome: SampleOutcome, index: int, tokens: int
) -> dict[str, Any]:
    right = outcome is SampleOutcome.VERIFIED
    answer = rng.randint(2, 40)
    given = answer if right else answer + rng.randint(1, 5)
    other: dict[str, Any] = {
        "kind": kind,
        "domain": domain,
        "checker": kind,
        "completion_tokens": tokens,
        "finish_reason": "length" if tokens == 1024 else "stop",
        "prompt": f"Solve 3x + {answer} = {4 * answer}.",
        "messages": json.dumps([{"role": "user", "content": f"Solve 3x + {answer} = {4 * answer}.\nBox the answer."}]),
        "text": f"Subtract {answer} from both sides: 3x = {3 * answer}.\nSo x = {given}.\n\\boxed{{{given}}}",
        "reason": "equal" if right else rng.choice(REASONS[outcome]),
        "verify_s": rng.lognormvariate(math.log({"lean": 0.4, "code": 0.08}.get(kind, 0.004)), 0.7),
        "evidence": json.dumps({"answer": str(given)}),
    }
    if kind == "choice":
        letter = rng.choice("ABCD")
        chosen = letter if right else rng.choice([each for each in "ABCD" if each != letter])
        other["reference"] = json.dumps({"options": ["1", "2", "3", "4"], "answer": letter})
        other["evidence"] = json.dumps({"answer": chosen})
        other["text"] = f"Only option {chosen} fits.\nThe answer is {chosen}."
    return other


def made_up_summary(rng: random.Random, rows: Sequence[dict[str, Any]], sampling: dict[str, Any]) -> dict[str, Any]:
    wall = 240.0
    occupancy = [
        [t, int(max(0, min(512, 512 * min(1, t / 12) * (1 if t < 190 else (wall - t) / 50)) - rng.randint(0, 30))), 512]
        for t in range(0, int(wall) + 1, 4)
    ]
    return {
        "config": {
            "run": {"id": "made-up"},
            "model": {"path": "models/tiny_reasoner"},
            "sampling": {"policy": "until_verified", "num_samples": 16, "temperature": 1.0, **sampling},
            "cost": {"usd_per_gpu_hour": 2.5, "usd_per_cpu_hour": 0.05},
        },
        "code_revision": "0123abc",
        "versions": {"engine": "vllm 0.32.0", "ray": "2.60.0"},
        "summary": {
            "occupancy": occupancy,
            "saved_tokens": 3 * sum(row["completion_tokens"] for row in rows if row["status"] is None),
            "retries": [
                {"what": "samples", "why": "replica died", "count": 37},
                {"what": "verdicts", "why": "checker killed by its memory limit", "count": 4},
            ],
            "wall_s": wall,
            "gpu_s": 2 * wall,
            "cpu_s": 3 * wall,
            "usd": 2 * wall * 2.5 / 3600 + 3 * wall * 0.05 / 3600,
        },
    }


if __name__ == "__main__":
    made_up_run(str(Path(sys.argv[1])), int(sys.argv[2]) if len(sys.argv) > 2 else 300)
