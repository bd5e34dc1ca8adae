"""Formats of one sample per row: SFT and KTO."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.export import selection
from jobs.export.bucket import Bucket
from jobs.export.choosing import (
    BucketResult,
    BuilderInputs,
    choose,
    count_clusters,
    hardness,
    leave,
    result,
    sample_fingerprints,
    spread,
    usable_candidates,
)
from jobs.export.formats.chats import (
    column,
    flat_prompt,
    joined,
    parse_chats,
    provenance,
    sharegpt,
    systems_apart,
    turns,
)
from jobs.export.formats.facts import filter_columns, numbers, thought_columns


def sft(bucket: Bucket, inputs: BuilderInputs) -> BucketResult:
    """Verified samples, as examples to imitate."""
    return single_samples(bucket, inputs, with_refuted=False)


def kto(bucket: Bucket, inputs: BuilderInputs) -> BucketResult:
    """Verified samples labelled true and refuted ones labelled false, unpaired."""
    return single_samples(bucket, inputs, with_refuted=True)


def single_samples(bucket: Bucket, inputs: BuilderInputs, with_refuted: bool) -> BucketResult:
    found = usable_candidates(bucket)
    picked: list[npt.NDArray[np.int64]] = []
    rewards = np.full(len(bucket.table), np.nan)
    tokens = bucket.tokens
    logprobs = hardness(bucket) if with_refuted else np.zeros(0)
    for problem, members in bucket.members(found):
        range_ = np.arange(members.start, members.stop)
        chosen, matrix = spread(bucket, found, range_, "verified")
        count_clusters(bucket, problem, len(chosen), matrix)
        rows = found.at[chosen]
        rewards[rows] = selection.long2short(tokens[rows].tolist(), bucket.settings.rl.long2short)
        good = choose(bucket, found, chosen, matrix, inputs.scores)
        picked.append(good)
        if with_refuted:
            bad, _ = spread(bucket, found, range_, "refuted")
            order = selection.by_score(logprobs[found.at[bad]], bucket.settings.select.per_problem)
            picked.append(bad[np.array(order, np.int64)])
    at = np.sort(np.concatenate([*picked, np.zeros(0, np.int64)]))
    rows = found.at[at]
    leave(bucket, rows, "not_chosen")
    taken = bucket.table.take(pa.array(rows))
    values = rewards[rows]
    reward = {
        **filter_columns(bucket, rows),
        **thought_columns(column(taken, "text")),
        "long2short_reward": numbers(values),
    }
    if with_refuted:
        table = kto_table(bucket.settings.layout, taken, reward)
    else:
        table = sft_table(bucket.settings.layout, taken, reward)
    return result(bucket, table, sample_fingerprints(bucket, found, at), 1)


def sft_table(layout: str, rows: pa.Table, extras: Mapping[str, pa.Array]) -> pa.Table:
    prompt, answer = parse_chats(column(rows, "messages")), turns("assistant", column(rows, "text"))
    if layout == "messages":
        body = {"messages": joined(prompt, answer)}
    elif layout in ("nemo_rl", "megatron_bridge"):
        body = {"input": flat_prompt(prompt), "output": column(rows, "text")}
    elif layout == "openthoughts":
        body = sharegpt(joined(prompt, answer))
    else:
        body = {"prompt": prompt, "completion": answer}
    return pa.table({**body, **provenance(rows), **extras})


def kto_table(layout: str, rows: pa.Table, extras: Mapping[str, pa.Array]) -> pa.Table:
    prompt, text = parse_chats(column(rows, "messages")), column(rows, "text")
    body: dict[str, pa.Array]
    if layout == "ms_swift":
        body = {"messages": joined(prompt, turns("assistant", text))}
    elif layout == "llama_factory":
        body = sharegpt(joined(prompt, turns("assistant", text)))
    elif layout == "axolotl":
        # Its strategies put these into their own templates as texts; of a list they would print Python's own form.
        system, others = systems_apart(prompt)
        body = {"system": system, "prompt": flat_prompt(others), "completion": text}
    else:
        body = {"prompt": prompt, "completion": turns("assistant", text)}
    body["label"] = pc.equal(column(rows, "status"), pa.scalar("verified"))
    return pa.table({**body, **provenance(rows), **extras})
