"""Preference pairs: a verified sample beside a refuted one of the same problem."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from jobs.export import selection
from jobs.export.bucket import Bucket, ranks
from jobs.export.choosing import (
    BucketResult,
    BuilderInputs,
    count_clusters,
    hardness,
    leave,
    result,
    sample_fingerprints,
    spread,
    usable_candidates,
)
from jobs.export.formats.chats import (
    CHAT,
    SHAREGPT,
    column,
    joined,
    parse_chats,
    provenance,
    sharegpt,
    sharegpt_turn,
    turns,
)
from jobs.export.formats.facts import filter_columns


def build(bucket: Bucket, inputs: BuilderInputs) -> BucketResult:
    """Pairs of a verified and a refuted sample of one problem."""
    found = usable_candidates(bucket)
    settings = bucket.settings
    good_at: list[int] = []
    bad_at: list[int] = []
    tokens = bucket.tokens
    prompts = ranks(bucket.table["messages"]) if len(bucket.table) else np.zeros(0, np.int64)
    logprobs = hardness(bucket)
    for problem, members in bucket.members(found):
        range_ = np.arange(members.start, members.stop)
        good, matrix = spread(bucket, found, range_, "verified")
        count_clusters(bucket, problem, len(good), matrix)
        bad, _ = spread(bucket, found, range_, "refuted")
        wanted = settings.select.per_problem
        paired: list[tuple[int, int]] = []
        # Both answers of a pair were given to the very same messages.
        for prompt in np.unique(prompts[found.at[bad]]):
            g, b = good[prompts[found.at[good]] == prompt], bad[prompts[found.at[bad]] == prompt]
            chosen = selection.pairs(
                tokens[found.at[g]],
                tokens[found.at[b]],
                logprobs[found.at[b]],
                wanted,
                settings.preference.length_ratio,
            )
            paired += [(int(g[first]), int(b[second])) for first, second in chosen]
        hardest = selection.by_score(logprobs[found.at[[second for _, second in paired]]], wanted) if paired else []
        good_at += [paired[at][0] for at in hardest]
        bad_at += [paired[at][1] for at in hardest]
    goods, bads = np.array(good_at, np.int64), np.array(bad_at, np.int64)
    leave(bucket, found.at[np.concatenate([goods, bads])], "unpaired")
    chosen_rows, rejected_rows = (bucket.table.take(pa.array(found.at[at])) for at in (goods, bads))
    table = preference_table(settings.layout, chosen_rows, rejected_rows, filter_columns(bucket, found.at[goods]))
    return result(bucket, table, sample_fingerprints(bucket, found, goods), 2)


def preference_table(layout: str, chosen: pa.Table, rejected: pa.Table, extras: Mapping[str, pa.Array]) -> pa.Table:
    """Row i of `chosen` and of `rejected` answer the same prompt."""
    prompt = parse_chats(column(chosen, "messages"))
    good, bad = turns("assistant", column(chosen, "text")), turns("assistant", column(rejected, "text"))
    if layout in ("open_instruct", "torchtune"):
        body = {"chosen": joined(prompt, good), "rejected": joined(prompt, bad)}
    elif layout == "nemo_rl":
        body = {"context": prompt, "completions": ranked(good, bad)}
    elif layout == "llama_factory":
        one_each = {"chosen": good, "rejected": bad}
        body = sharegpt(prompt) | {name: only_turn(chats) for name, chats in one_each.items()}
    elif layout == "ms_swift":
        body = {"messages": joined(prompt, good), "rejected_response": column(rejected, "text")}
    else:
        body = {"prompt": prompt, "chosen": good, "rejected": bad}
    rejected_facts = {
        "rejected_index": column(rejected, "sample_index"),
        "rejected_tokens": column(rejected, "completion_tokens"),
    }
    return pa.table({**body, **provenance(chosen), **rejected_facts, **extras})


def only_turn(chats: pa.Array) -> pa.Array:
    """The one turn of each chat, as LLaMA-Factory writes an answer."""
    return pa.array([sharegpt_turn(chat[0]) for chat in chats.to_pylist()], SHAREGPT)


def ranked(good: pa.Array, bad: pa.Array) -> pa.Array:
    pairs = [
        [{"rank": 0, "completion": first}, {"rank": 1, "completion": second}]
        for first, second in zip(good.to_pylist(), bad.to_pylist(), strict=True)
    ]
    return pa.array(pairs, pa.list_(pa.struct([("rank", pa.int64()), ("completion", CHAT)])))
