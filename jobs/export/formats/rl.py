"""Problem pools for reinforcement learning, with the reward fields that each trainer reads.

The pass rate of a problem that went through a cascade is that of its first stage. So are all counts, lengths and
rollouts beside it: the later stages draw with other models, and only where the first one failed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from jobs.export import selection
from jobs.export.bucket import Bools, Bucket
from jobs.export.choosing import BucketResult, BuilderInputs, Json, prompt_features, result
from jobs.export.duplicates import fingerprints
from jobs.export.formats.chats import parse_chat
from jobs.export.formats.facts import expected_answer
from jobs.export.formats.rl_layouts import RL_LAYOUTS, PoolProblem, body_of
from verifiers.types import Status

BEFORE_THE_BUCKET = frozenset({"bad_row", "suspect_reference"})
"""Counters of problems that left before their bucket was made."""


def build(bucket: Bucket, inputs: BuilderInputs) -> BucketResult:
    """Problems in the pass-rate band; the funnel counts problems."""
    settings, table, rates = bucket.settings, bucket.table, inputs.rates
    bucket.funnel = Counter({name: number for name, number in bucket.funnel.items() if name in BEFORE_THE_BUCKET})
    contaminated = bucket.drop_contaminated_prompts()
    bucket.funnel = Counter({name: number for name, number in bucket.funnel.items() if name in BEFORE_THE_BUCKET})
    tokens = bucket.tokens
    rounds, indices = table["round"].to_numpy(), table["sample_index"].to_numpy()
    rows: list[dict[str, Json]] = []
    firsts: list[int] = []
    for problem in bucket.problems:
        span = slice(problem.first, problem.stop)
        checked = np.flatnonzero(bucket.status[span] != Status.UNCHECKED)
        # Where another run had no answer key for it, its rows have no reference to give rewards by.
        first = problem.first + int(checked[0]) if len(checked) else problem.first
        row = {name: table[name][first].as_py() for name in RL_COLUMNS}
        if name := contaminated.get(problem.first):
            bucket.funnel[name] += 1
            continue
        if not bucket.alive[span].any():
            bucket.funnel["not_selected"] += 1
            continue
        if not len(checked):
            bucket.funnel["status_unchecked"] += 1
            continue
        drawn_in = table["run_id"].slice(problem.first, problem.stop - problem.first).to_pylist()
        runs = list(dict.fromkeys(drawn_in))
        estimate = rates.of(row["problem_id"], problem.kind, runs)
        if estimate is None:
            bucket.funnel["no_pass_rate"] += 1
            continue
        certain = settings.rl.mixed and estimate["pass_rate"] in (0, 1)
        if certain or not settings.rl.low <= estimate["pass_rate"] <= settings.rl.high:
            bucket.funnel["pass_rate_outside"] += 1
            continue
        ends = {run: rates.first_stage_end(row["problem_id"], problem.kind, run) for run in runs}
        counted = indices[span] < np.array([ends[run] for run in drawn_in])
        verified = np.flatnonzero((bucket.status[span] == "verified") & (rounds[span] == 0) & counted) + problem.first
        lengths = [int(length) for length in tokens[verified]]
        built = rl_row(
            settings.layout,
            {
                **row,
                "rollouts": rollouts(bucket, span, counted) if settings.with_tokens else None,
                **estimate,
                "mgpo_weight": selection.mgpo_weight(estimate["pass_rate"], settings.rl.mgpo_gamma),
                "verified_lengths": lengths,
                "long2short_rewards": selection.long2short(lengths, settings.rl.long2short),
            },
            settings.rl.data_source,
        )
        if built is None:
            bucket.funnel["no_scorer"] += 1
            continue
        bucket.funnel["exported"] += 1
        rows.append(built)
        firsts.append(problem.first)
    exact, signatures = prompt_features(table["prompt"].combine_chunks().take(pa.array(firsts, pa.int64())))
    built_table = rl_table(settings.layout, rows, settings.with_tokens)
    return result(bucket, built_table, fingerprints(exact, signatures), 1)


RL_COLUMNS = [
    *("problem_id", "run_id", "kind", "domain", "source", "split", "prompt", "reference", "messages"),
    *("checker", "checker_version"),
]


RL_FACTS = pa.schema(
    [
        ("problem_id", pa.string()),
        ("run_id", pa.string()),
        ("kind", pa.string()),
        ("domain", pa.string()),
        ("source", pa.string()),
        ("reference", pa.string()),
        ("expected_answer", pa.string()),
        ("checker", pa.string()),
        ("checker_version", pa.string()),
        ("pass_rate", pa.float64()),
        ("pass_rate_low", pa.float64()),
        ("pass_rate_high", pa.float64()),
        ("num_samples", pa.int64()),
        ("num_verified", pa.int64()),
        ("mgpo_weight", pa.float64()),
        ("verified_lengths", pa.list_(pa.int64())),
        ("long2short_rewards", pa.list_(pa.float64())),
    ]
)
"""Columns of every RL layout beyond the consumer's; the two lists are parallel, one entry a verified sample."""


ROLLOUTS = pa.schema(
    [
        (
            "rollouts",
            pa.list_(
                pa.struct(
                    [
                        ("sample_index", pa.int32()),
                        ("verified", pa.bool_()),
                        ("prompt_ids", pa.list_(pa.int32())),
                        ("opening_tokens", pa.int32()),
                        ("token_ids", pa.list_(pa.int32())),
                        ("logprobs", pa.list_(pa.float32())),
                    ]
                )
            ),
        )
    ]
)
"""The column that `rl.tokens` adds."""


def rollouts(bucket: Bucket, span: slice, counted: Bools) -> list[dict[str, Json]]:
    """The tokens of those of a problem's `counted` first attempts that were verified or refuted, in the order of the
    bucket's rows."""
    table = bucket.table.slice(span.start, span.stop - span.start)
    judged = (
        np.isin(bucket.status[span], ["verified", "refuted"])
        & (table["round"].to_numpy() == 0)
        & bucket.alive[span]
        & counted
    )
    names = [field.name for field in ROLLOUTS.field("rollouts").type.value_type if field.name != "verified"]
    rows = table.select([*names, "status"]).filter(pa.array(judged)).to_pylist()
    return [
        {**{name: row[name] for name in names}, "verified": row["status"] == "verified"}
        for row in rows
        if row["token_ids"] is not None
    ]


def rl_row(layout: str, problem: Mapping[str, Json], data_source: str) -> dict[str, Json] | None:
    """One problem with its facts; None when the consumer's scorer cannot express the reference.

    `problem` has the RL_COLUMNS and the RL_FACTS.
    """
    reference = json.loads(problem["reference"])
    pool_problem = PoolProblem(
        id=problem["problem_id"],
        kind=problem["kind"],
        source=problem["source"],
        split=problem["split"],
        chat=parse_chat(problem["messages"]),
        question=problem["prompt"],
        reference=reference,
        data_source=data_source,
    )
    body = body_of(layout, pool_problem)
    if body is None:
        return None
    facts = {name: problem.get(name) for name in (*RL_FACTS.names, *ROLLOUTS.names)}
    return {**facts, "expected_answer": expected_answer(reference), **body}


def rl_table(layout: str, rows: Sequence[Mapping[str, Json]], with_tokens: bool = False) -> pa.Table:
    schema = pa.schema([*RL_LAYOUTS[layout].schema, *RL_FACTS, *(ROLLOUTS if with_tokens else ())])
    return pa.Table.from_pylist(list(rows), schema=schema)
