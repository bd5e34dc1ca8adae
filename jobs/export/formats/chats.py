"""The rows that trainers read, as Arrow tables; docs/export.md shows one of each.

Promises: column names and nesting are the consumer's (TRL 1.x conversational; open-instruct; NeMo-RL; OpenThoughts;
verl 0.9); columns beyond them are flat and named alike in all formats: `id`, `problem_id`, `run_id`, `kind`, `domain`,
`source`, `model`, `tokens`.
Does not: apply a chat template. Trainers do, with their own model's.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.export.labels import label_columns
from jobs.model_path import public_name
from runstore.errors import StoredRunError

Json = Any

TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
CHAT = pa.list_(TURN)


class BadRow(StoredRunError):
    """A JSON column that cannot be read."""


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
        "model": public_names(column(rows, "model")),
        "tokens": column(rows, "completion_tokens"),
        **label_columns(rows),
    }


def column(rows: pa.Table, name: str) -> pa.Array:
    return rows[name].combine_chunks()


def public_names(models: pa.Array) -> pa.Array:
    """Models as a data set may name them."""
    encoded = models.dictionary_encode()
    names = [None if path is None else public_name(path) for path in encoded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(encoded.indices)


def flat_prompt(chats: pa.Array) -> pa.Array:
    """Turns in one text, for formats without roles."""
    return pa.array(["\n\n".join(turn["content"] for turn in chat) for chat in chats.to_pylist()], pa.string())


SHAREGPT = pa.struct([("from", pa.string()), ("value", pa.string())])


def systems_apart(chats: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The system texts of each chat, and the chat without them."""
    systems, others = [], []
    for chat in chats.to_pylist():
        systems.append("\n\n".join(turn["content"] for turn in chat if turn["role"] == "system"))
        others.append([turn for turn in chat if turn["role"] != "system"])
    return pa.array(systems, pa.string()), pa.array(others, CHAT)


def sharegpt(chats: pa.Array) -> dict[str, pa.Array]:
    """Chats as OpenThoughts and LLaMA-Factory write them."""
    system, others = systems_apart(chats)
    conversations = [[sharegpt_turn(turn) for turn in chat] for chat in others.to_pylist()]
    return {"system": system, "conversations": pa.array(conversations, pa.list_(SHAREGPT))}


def sharegpt_turn(turn: dict[str, str]) -> dict[str, str]:
    return {"from": turn["role"], "value": turn["content"]}
