"""What a batch gives back: one line per line of its input, with the same `custom_id`.

Promises: the line of a problem holds a verified text or a refusal, and never an unverified text. The line of a chat
says that nothing was checked. Lines that got no answer stand in the file of errors.
Does not: read a text that is not given: texts are read only for the samples that were chosen.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.service.chat_routes import ENDS, checked_extra, completion, message_of, unchecked_extra, usage_of
from jobs.service.solving import Cost
from runstore.layout import SAMPLES
from runstore.reader import read_batches, read_rows, sample_keys
from runstore.storage import Storage

CHOOSING = ["problem_id", "sample_index", "status", "finish_reason", "prompt_tokens", "completion_tokens"]
CHOOSING += ["generation_s", "verify_s"]
GIVEN = ["problem_id", "sample_index", "text", "finish_reason", "status", "reason", "evidence", "checker"]
GIVEN += ["checker_version", "limits", "verify_s"]


@dataclasses.dataclass(slots=True)
class Tally:
    """What the samples of one problem were."""

    cost: Cost = dataclasses.field(default_factory=Cost)
    prompt_tokens: int = 0
    """Tokens of the prompt, counted once."""
    drawn: list[int] = dataclasses.field(default_factory=list)
    """Indexes of the samples that ended by themselves or at their length."""
    verified: list[int] = dataclasses.field(default_factory=list)
    """Indexes of the verified samples."""
    num_lost: int = 0
    """Samples that nothing is known of, because the engine or the checker failed."""
    num_unfinished: int = 0
    """Samples that were ended before their end, as when another one was verified."""

    def chosen(self, is_checked: bool) -> list[int]:
        """Indexes of the samples whose texts are given."""
        return sorted(self.verified)[:1] if is_checked else sorted(self.drawn)


@dataclasses.dataclass(frozen=True, slots=True)
class BatchFiles:
    """Two JSONL files."""

    output: bytes
    errors: bytes
    num_answered: int
    num_failed: int


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What a batch asked for, as far as its answers need it."""

    batch_id: str
    created_at: int
    is_checked: bool
    seed: int
    model: str
    """The model that the run used."""


def build_files(storage: Storage, ids: Sequence[str], asked: Asked) -> BatchFiles:
    """The files of the batch whose lines have these ids, from the samples that its run has stored so far."""
    tallies = tally(storage)
    rows = read_chosen(storage, {key: each.chosen(asked.is_checked) for key, each in tallies.items()})
    output, errors = [], []
    for number, custom_id in enumerate(ids):
        each = tallies.get(custom_id, Tally())
        given = rows.get(custom_id, [])
        request_id = f"{asked.batch_id}_{number}"
        line: dict[str, Any] = {"id": request_id, "custom_id": custom_id}
        if given or (asked.is_checked and each.drawn):
            body = answer(request_id, given, each, asked)
            response = {"status_code": 200, "request_id": request_id, "body": body}
            output.append(json.dumps({**line, "response": response, "error": None}))
        else:
            error = {"code": "no-answer", "message": "no sample of this line was drawn and checked to its end"}
            errors.append(json.dumps({**line, "response": None, "error": error}))
    return BatchFiles(joined(output), joined(errors), len(output), len(errors))


def joined(lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def tally(storage: Storage) -> dict[str, Tally]:
    """Every problem's samples, without their texts."""
    tallies: dict[str, Tally] = {}
    for _, batch in read_batches(storage, CHOOSING):
        for row in batch.to_pylist():
            each = tallies.setdefault(row["problem_id"], Tally())
            if row["finish_reason"] == "abort":
                each.num_unfinished += 1
                continue
            if row["finish_reason"] not in ENDS or row["status"] in (None, "error"):
                each.num_lost += 1
                continue
            each.drawn.append(row["sample_index"])
            if row["status"] == "verified":
                each.verified.append(row["sample_index"])
            each.prompt_tokens = row["prompt_tokens"]
            each.cost.samples += 1
            each.cost.prompt_tokens += row["prompt_tokens"]
            each.cost.completion_tokens += row["completion_tokens"]
            each.cost.generation_s += row["generation_s"]
            each.cost.verify_s += row["verify_s"] or 0.0
    return tallies


def read_chosen(storage: Storage, chosen: Mapping[str, Iterable[int]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of these samples by problem, in the order of their indexes."""
    wanted = {(key, index) for key, indexes in chosen.items() for index in indexes}
    found: dict[str, list[dict[str, Any]]] = {}
    indexes = pa.array(sorted({index for _, index in wanted}), pa.int32())
    ids = pa.array(sorted({key for key, _ in wanted}), pa.string())
    condition = pc.is_in(pc.field("problem_id"), ids) & pc.is_in(pc.field("sample_index"), indexes)
    for key in sample_keys(storage.keys(SAMPLES)):
        for row in read_rows(storage, key, GIVEN, condition):
            if (row["problem_id"], row["sample_index"]) in wanted:
                found.setdefault(row["problem_id"], []).append(row)
    for rows in found.values():
        rows.sort(key=lambda row: row["sample_index"])
    return found


def answer(request_id: str, given: list[dict[str, Any]], each: Tally, asked: Asked) -> dict[str, Any]:
    """The chat completion of one line."""
    head = {"id": f"chatcmpl-{request_id}", "created": asked.created_at, "model": asked.model}
    cost = each.cost.to_json(each.cost.generation_s + each.cost.verify_s)
    if asked.is_checked:
        result = {
            "verified": bool(given),
            "text": given[0]["text"] if given else None,
            "verdict": verdict_of(given[0]) if given else None,
            "num_samples": each.cost.samples + each.num_lost + each.num_unfinished,
            "num_checked": each.cost.samples,
            **{"num_unchecked": 0, "selection": None},  # a batch of problems has none without an answer key
            "num_lost": each.num_lost,
            "num_unfinished": each.num_unfinished,
            "cost": cost,
        }
        choice = {"index": 0, "message": message_of(result), "finish_reason": "stop", "logprobs": None}
        return completion(head, [choice], usage_of(cost), {**checked_extra(result), "seed": asked.seed})
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": row["text"], "refusal": None},
            "finish_reason": ENDS[row["finish_reason"]],
            "logprobs": None,
        }
        for index, row in enumerate(given)
    ]
    tokens = {"prompt_tokens": each.prompt_tokens, "completion_tokens": each.cost.completion_tokens}
    return completion(head, choices, usage_of(tokens), unchecked_extra(cost, asked.seed))


def verdict_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "status": row["status"],
        "reason": row["reason"],
        "evidence": json.loads(row["evidence"] or "{}"),
        "checker": row["checker"],
        "checker_version": row["checker_version"],
        "seconds": row["verify_s"],
        "limits": json.loads(row["limits"] or "{}"),
    }
