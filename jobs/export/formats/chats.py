"""The rows that trainers read, as Arrow tables; docs/export.md shows one of each.

Promises: column names and nesting are the consumer's (TRL 1.x conversational; open-instruct; NeMo-RL; OpenThoughts;
verl 0.9); columns beyond them are flat and named alike in all formats: `id`, `problem_id`, `run_id`, `kind`, `domain`,
`source`, `model`, `tokens`.
Does not: apply a chat template. Trainers do, with their own model's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runstore.errors import StoredRunError
from verifiers.types import Kind

Json = Any

TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
CHAT = pa.list_(TURN)

VERL_SOURCES = frozenset(
    [
        "openai/gsm8k",
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
"""What verl 0.9's default_compute_score scores (besides its image and search sets); it raises for any other name."""

VERL_DEFAULTS = {Kind.MATH: "math_dapo", Kind.CHOICE: "lighteval/MATH", Kind.CODE: "apps"}
"""`math_dapo` reads `Answer: x` and \\boxed{x}; `lighteval/MATH` compares the text in \\boxed{}; `apps` runs tests.
verl has no scorer for Lean."""

MATH_FORMATS = {Kind.MATH, Kind.CHOICE}


class BadRow(StoredRunError):
    """A JSON column that can not be read."""


def parse_chats(messages: pa.Array) -> pa.Array:
    """The `messages` column as lists of turns; each distinct value is parsed once. Raises BadRow."""
    encoded = messages.dictionary_encode()
    chats = [parse_chat(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(chats, CHAT).take(encoded.indices)


def parse_chat(text: str) -> list[dict[str, str]]:
    try:
        turns = json.loads(text)
        chat = [{"role": turn["role"], "content": turn["content"]} for turn in turns]
        if "\\u" in text:  # JSON can name half a surrogate pair
            json.dumps(chat, ensure_ascii=False).encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadRow(f"messages: expected a JSON list of {{role, content}}, got {text[:200]!r}")
    if not chat or not all(isinstance(turn["content"], str) and isinstance(turn["role"], str) for turn in chat):
        raise BadRow(f"messages: expected at least one turn with a text, got {text[:200]!r}")
    return chat


def turns(role: str, texts: pa.Array) -> pa.Array:
    """One-turn chats."""
    roles = pa.repeat(pa.scalar(role), len(texts))
    return pa.ListArray.from_arrays(
        pa.array(np.arange(len(texts) + 1), pa.int32()), pa.StructArray.from_arrays([roles, texts], fields=list(TURN))
    )


def joined(chats: pa.Array, tails: pa.Array) -> pa.Array:
    """Each chat followed by its one-turn tail."""
    lengths = pc.list_value_length(chats).to_numpy(zero_copy_only=False).astype(np.int64)
    values = pa.concat_arrays([chats.flatten(), tails.flatten()])
    ends = np.cumsum(lengths + 1)
    order = np.arange(ends[-1] if len(ends) else 0)
    owner = np.repeat(np.arange(len(chats)), lengths + 1)
    order -= owner
    order[ends - 1] = lengths.sum() + np.arange(len(chats))
    return pa.ListArray.from_arrays(pa.array(np.concatenate([[0], ends]), pa.int32()), values.take(pa.array(order)))


def provenance(rows: pa.Table) -> dict[str, pa.Array]:
    separator = pa.scalar("/")
    index = rows["sample_index"].combine_chunks().cast(pa.string())
    return {
        "id": pc.binary_join_element_wise(column(rows, "run_id"), column(rows, "problem_id"), index, separator),
        "problem_id": column(rows, "problem_id"),
        "run_id": column(rows, "run_id"),
        "kind": column(rows, "kind"),
        "domain": column(rows, "domain"),
        "source": column(rows, "source"),
        "model": column(rows, "model"),
        "tokens": column(rows, "completion_tokens"),
    }


def column(rows: pa.Table, name: str) -> pa.Array:
    return rows[name].combine_chunks()


def flat_prompt(chats: pa.Array) -> pa.Array:
    """Turns in one text, for formats without roles."""
    return pa.array(["\n\n".join(turn["content"] for turn in chat) for chat in chats.to_pylist()], pa.string())


def sft_table(layout: str, rows: pa.Table, extras: Mapping[str, pa.Array]) -> pa.Table:
    prompt, answer = parse_chats(column(rows, "messages")), turns("assistant", column(rows, "text"))
    if layout == "messages":
        body = {"messages": joined(prompt, answer)}
    elif layout == "nemo_rl":
        body = {"input": flat_prompt(prompt), "output": column(rows, "text")}
    elif layout == "openthoughts":
        body = openthoughts(joined(prompt, answer))
    else:
        body = {"prompt": prompt, "completion": answer}
    return pa.table({**body, **provenance(rows), **extras})


def openthoughts(chats: pa.Array) -> dict[str, pa.Array]:
    systems, conversations = [], []
    for chat in chats.to_pylist():
        systems.append("\n\n".join(turn["content"] for turn in chat if turn["role"] == "system"))
        conversations.append([{"from": t["role"], "value": t["content"]} for t in chat if t["role"] != "system"])
    kind = pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))
    return {"system": pa.array(systems, pa.string()), "conversations": pa.array(conversations, kind)}


def preference_table(layout: str, chosen: pa.Table, rejected: pa.Table, extras: Mapping[str, pa.Array]) -> pa.Table:
    """Row i of `chosen` and of `rejected` answer the same prompt."""
    prompt = parse_chats(column(chosen, "messages"))
    good, bad = turns("assistant", column(chosen, "text")), turns("assistant", column(rejected, "text"))
    if layout == "open_instruct":
        body = {"chosen": joined(prompt, good), "rejected": joined(prompt, bad)}
    elif layout == "nemo_rl":
        body = {"context": prompt, "completions": ranked(good, bad)}
    else:
        body = {"prompt": prompt, "chosen": good, "rejected": bad}
    rejected_facts = {
        "rejected_index": column(rejected, "sample_index"),
        "rejected_tokens": column(rejected, "completion_tokens"),
    }
    return pa.table({**body, **provenance(chosen), **rejected_facts, **extras})


def ranked(good: pa.Array, bad: pa.Array) -> pa.Array:
    pairs = [
        [{"rank": 0, "completion": first}, {"rank": 1, "completion": second}]
        for first, second in zip(good.to_pylist(), bad.to_pylist(), strict=True)
    ]
    return pa.array(pairs, pa.list_(pa.struct([("rank", pa.int64()), ("completion", CHAT)])))


def kto_table(rows: pa.Table, extras: Mapping[str, pa.Array]) -> pa.Table:
    label = pc.equal(column(rows, "status"), pa.scalar("verified"))
    body = {
        "prompt": parse_chats(column(rows, "messages")),
        "completion": turns("assistant", column(rows, "text")),
        "label": label,
    }
    return pa.table({**body, **provenance(rows), **extras})


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

OPEN_INSTRUCT_VERIFIERS = {Kind.MATH: "math", Kind.CHOICE: "math", Kind.CODE: "code"}
"""open-instruct picks its verifier by the `dataset` column."""


def rl_row(layout: str, problem: Mapping[str, Json], data_source: str) -> dict[str, Json] | None:
    """One problem with its facts; None when the consumer's scorer can not express the reference.

    `problem` has kind, messages, reference (JSON text), source, split, and the RL_FACTS.
    """
    reference = json.loads(problem["reference"])
    chat = parse_chat(problem["messages"])
    facts = {name: problem[name] for name in RL_FACTS.names}
    truth: str | None
    if layout == "trl":
        answer = reference.get("answer")
        truth = answer if isinstance(answer, str) else json.dumps(answer if answer is not None else reference)
        return {"prompt": chat, "ground_truth": truth, "reference": problem["reference"], **facts}
    if problem["kind"] not in set(Kind):
        return None
    kind = Kind(problem["kind"])
    if layout == "open_instruct":
        if kind is Kind.LEAN and not data_source:
            return None
        truth = ground_truth(kind, reference, open_instruct=True, known_scorer=not data_source)
        if truth is None:
            return None
        name = data_source or OPEN_INSTRUCT_VERIFIERS[kind]
        return {"messages": chat, "ground_truth": truth, "dataset": name, **facts}
    known = problem["source"] if problem["source"] in VERL_SOURCES and kind is not Kind.CODE else ""
    name = data_source or known or VERL_DEFAULTS.get(kind, "")
    truth = ground_truth(kind, reference, open_instruct=False, known_scorer=not data_source)
    if not name or truth is None:
        return None
    extra = {
        "split": problem["split"] or "train",
        "index": 0,
        "id": problem["problem_id"],
        "kind": str(kind),
    }
    style = {"style": "rule", "ground_truth": truth}
    return {
        "data_source": name,
        "prompt": chat,
        "ability": str(kind),
        "reward_model": style,
        "extra_info": extra,
        **facts,
    }


def ground_truth(kind: Kind, reference: Mapping[str, Json], open_instruct: bool, known_scorer: bool) -> str | None:
    """The reference as the consumer's scorer takes it; a scorer of the user's own takes code and Lean as they are."""
    if kind in MATH_FORMATS:
        answer = reference.get("answer")
        return str(answer) if isinstance(answer, (str, int, float)) and not isinstance(answer, bool) else None
    if not known_scorer:
        return json.dumps(reference)
    if kind is Kind.CODE and reference.get("mode") == "assert" and open_instruct:
        tests = reference.get("tests")
        return json.dumps(tests if isinstance(tests, list) else [tests])
    if kind is Kind.CODE and reference.get("mode") in ("stdin", "function") and not open_instruct:
        tests = [test for test in reference.get("tests", []) if isinstance(test, dict)]
        if not tests or len(tests) != len(reference["tests"]):
            return None
        table = {"inputs": [test["input"] for test in tests], "outputs": [test["output"] for test in tests]}
        if reference["mode"] == "function":
            table["fn_name"] = reference["entry_point"]
        return json.dumps(table)
    return None


def rl_table(layout: str, rows: Sequence[Mapping[str, Json]]) -> pa.Table:
    schema = pa.schema([*RL_BODIES[layout], *RL_FACTS])
    return pa.Table.from_pylist(list(rows), schema=schema)


PRM_SCHEMA = pa.schema(
    [
        ("prompt", pa.string()),
        ("completions", pa.list_(pa.string())),
        ("labels", pa.list_(pa.bool_())),
        *[(name, pa.string()) for name in ("id", "problem_id", "run_id", "kind", "domain", "source", "model")],
        ("tokens", pa.int64()),
    ]
)


def prm_table(rows: pa.Table, steps: Sequence[tuple[list[str], list[bool]]]) -> pa.Table:
    """`steps[i]` are the step texts of row i and whether each is right.

    The prompt is one text: TRL's PRM trainer tokenizes it as it is, without a chat template.
    """
    body = {
        "prompt": flat_prompt(parse_chats(column(rows, "messages"))),
        "completions": pa.array([texts for texts, _ in steps], pa.list_(pa.string())),
        "labels": pa.array([labels for _, labels in steps], pa.list_(pa.bool_())),
    }
    return pa.table({**body, **provenance(rows)}).cast(PRM_SCHEMA)
