"""Problem pools for reinforcement learning, with the reward fields that each trainer reads.

The pass rate of a problem that went through a cascade is that of its first stage. So are all counts, lengths and
rollouts beside it: the later stages draw with other models, and only where the first one failed.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from jobs.export import selection
from jobs.export.bucket import Bools, Bucket
from jobs.export.choosing import BucketResult, BuilderInputs, Json, prompt_features, result
from jobs.export.duplicates import fingerprints
from jobs.export.formats import scorers
from jobs.export.formats.chats import CHAT, parse_chat
from jobs.report.problems_table import read_rule
from verifiers.kinds import KINDS
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
        row = {
            name: table[name][problem.first + int(checked[0]) if len(checked) else problem.first].as_py()
            for name in RL_COLUMNS
        }
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
        runs = dict.fromkeys(drawn_in)
        known = {run: rates[run, row["problem_id"]] for run in runs if (run, row["problem_id"]) in rates}
        estimate = pooled_rate(list(map(of_first_stage, known.values())))
        if estimate is None:
            bucket.funnel["no_pass_rate"] += 1
            continue
        if not settings.rl.low <= estimate["pass_rate"] <= settings.rl.high:
            bucket.funnel["pass_rate_outside"] += 1
            continue
        ends = {run: first_stage_end(rate) for run, rate in known.items()}
        counted = indices[span] < np.array([ends.get(run, sys.maxsize) for run in drawn_in])
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


RL_COLUMNS = ["problem_id", "run_id", "kind", "domain", "source", "split", "reference", "messages"]


def of_first_stage(row: Mapping[str, Json]) -> Mapping[str, Json]:
    """A problem's row of problems.parquet, with the counts behind its pass rate where it went through a cascade."""
    if first_stage_end(row) == sys.maxsize or row["settled_at_index"] is None:
        return row
    return {**row, "num_samples": row["settled_at_index"] + 1, "num_verified": row["settled_verified"]}


def first_stage_end(row: Mapping[str, Json]) -> int:
    """The index of the first sample that is none of the first stage; without a cascade no sample has it."""
    stages = read_rule(row["stopping_rule"])[0].get("stages", ())
    return int(stages[1]["start"]) if len(stages) > 1 else sys.maxsize


def pooled_rate(estimates: list[Mapping[str, Json]]) -> dict[str, Json] | None:
    """The mean of the runs' unbiased estimates, unbiased itself; its interval is the mean of theirs, which covers at
    least as often. Runs without an unbiased estimate are left out; None when no run has one."""
    known = [estimate for estimate in estimates if estimate["pass_rate"] is not None]
    if not known:
        return None
    pooled: dict[str, Json] = {
        name: float(np.mean([estimate[name] for estimate in known]))
        for name in ("pass_rate", "pass_rate_low", "pass_rate_high")
        if all(estimate[name] is not None for estimate in known)
    }
    counts = {name: sum(estimate[name] for estimate in known) for name in ("num_samples", "num_verified")}
    return {"pass_rate_low": None, "pass_rate_high": None, **pooled, **counts}


VERL_SOURCES = frozenset(
    [
        "lighteval/MATH",
        "DigitalLearningGmbH/MATH-lighteval",
        "HuggingFaceH4/MATH-500",
        "math_dapo",
        "math",
        "math_dapo_reasoning",
        "numina_aops_forum",
        "numina_synthetic_math",
        "numina_amc_aime",
        "numina_synthetic_amc",
        "numina_cn_k12",
        "numina_olympiads",
        "codecontests",
        "apps",
        "codeforces",
        "taco",
    ]
)
"""What verl 0.9's default_compute_score scores (besides its image and search sets); it raises for any other name. Not
`openai/gsm8k`: that scorer reads `#### x` only, and gives 0 for an answer in a box."""


RL_FACTS = pa.schema(
    [
        ("problem_id", pa.string()),
        ("run_id", pa.string()),
        ("kind", pa.string()),
        ("domain", pa.string()),
        ("source", pa.string()),
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


RL_BODIES: dict[str, pa.Schema] = {
    "verl": pa.schema(
        [
            ("data_source", pa.string()),
            ("prompt", CHAT),
            ("ability", pa.string()),
            ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
            (
                "extra_info",
                pa.struct([("split", pa.string()), ("index", pa.int64()), ("id", pa.string()), ("kind", pa.string())]),
            ),
        ]
    ),
    "open_instruct": pa.schema([("messages", CHAT), ("ground_truth", pa.string()), ("dataset", pa.string())]),
    "trl": pa.schema([("prompt", CHAT), ("ground_truth", pa.string()), ("reference", pa.string())]),
}


def rl_row(layout: str, problem: Mapping[str, Json], data_source: str) -> dict[str, Json] | None:
    """One problem with its facts; None when the consumer's scorer cannot express the reference.

    `problem` has kind, messages, reference (JSON text), source, split, and the RL_FACTS.
    """
    reference = json.loads(problem["reference"])
    chat = parse_chat(problem["messages"])
    facts = {name: problem.get(name) for name in (*RL_FACTS.names, *ROLLOUTS.names)}
    if layout == "trl":
        answer = reference.get("answer")
        truth = answer if isinstance(answer, str) else json.dumps(answer if answer is not None else reference)
        return {"prompt": chat, "ground_truth": truth, "reference": problem["reference"], **facts}
    scorer = scorer_for(layout, problem, reference, data_source)
    if scorer is None:
        return None
    if layout == "open_instruct":
        return {"messages": chat, "ground_truth": scorer.truth, "dataset": scorer.name, **facts}
    extra = {
        "split": problem["split"] or "train",
        "index": 0,
        "id": problem["problem_id"],
        "kind": problem["kind"],
    }
    return {
        "data_source": scorer.name,
        "prompt": chat,
        "ability": problem["kind"],
        "reward_model": {"style": "rule", "ground_truth": scorer.truth},
        "extra_info": extra,
        **facts,
    }


def scorer_for(
    layout: str, problem: Mapping[str, Json], reference: Mapping[str, Json], data_source: str
) -> scorers.Scorer | None:
    """The trainer's scorer of a problem; None where it cannot express the reference."""
    if problem["kind"] not in KINDS:
        return None
    row = KINDS.row(problem["kind"])
    if data_source:
        return scorers.for_own(data_source, reference)
    if layout == "open_instruct":
        return scorers.for_open_instruct(row.open_instruct_verifier, reference)
    # A scorer of a known set compares answers. Programs are scored by the tests that they bring along.
    known = problem["source"] if problem["source"] in VERL_SOURCES and row.answer_is_text else ""
    return scorers.for_verl(known or row.verl_source, reference)


def rl_table(layout: str, rows: Sequence[Mapping[str, Json]], with_tokens: bool = False) -> pa.Table:
    schema = pa.schema([*RL_BODIES[layout], *RL_FACTS, *(ROLLOUTS if with_tokens else ())])
    return pa.Table.from_pylist(list(rows), schema=schema)
