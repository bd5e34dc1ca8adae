"""Reads the samples of a stored run problem by problem, as draws that can vote.

Promises: memory is bounded by BUCKET_ROWS samples at a time, further rows wait in a temporary file; a problem's draws
come in index order; letters are those of the options' order in the set, whatever order a sample was shown.
Fails with StoredRunError or StorageError.
"""

from __future__ import annotations

import dataclasses
import json
import string
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from jobs.selections.votes import Draw
from runstore.batches import MAX_ANSWER_CHARS, problem_of
from runstore.buckets import encoded_schema, whole_problems
from runstore.errors import StoredRunError
from runstore.reader import num_rows, read_batches
from runstore.schema import SAMPLE_SCHEMA
from runstore.storage import Storage
from verifiers.math.judge import MAX_EVIDENCE_CHARS
from verifiers.types import Json, Kind, Problem

BUCKET_ROWS = 200_000
"""Number of samples sorted in memory at once; an answer has up to 2000 characters, and most have a few."""
CUT_LENGTHS: dict[str, tuple[int, int]] = {Kind.MATH: (MAX_EVIDENCE_CHARS, MAX_ANSWER_CHARS)}
"""Lengths at which a stored answer of a kind may have been cut. Such a one does not vote: two answers that begin alike
need not be equal."""
_OF_PROBLEM = (
    *("run_id", "problem_id", "kind", "domain", "source", "split", "prompt", "reference", "meta", "stopping_rule"),
)
_OF_DRAW = ("sample_index", "round", "status", "finish_reason", "extracted_answer", "model", "sampling")
_COLUMNS = [*_OF_PROBLEM, *_OF_DRAW]
_PLAIN = pa.schema([(SAMPLE_SCHEMA.field(name).name, SAMPLE_SCHEMA.field(name).type) for name in _COLUMNS])
_ENCODED = encoded_schema(_PLAIN, frozenset({"extracted_answer"}))


@dataclasses.dataclass(frozen=True, slots=True)
class DrawnProblem:
    """A problem of a stored run with all its samples, in index order."""

    run_id: str
    problem: Problem
    rule: Mapping[str, Json]
    """Its stopping rule."""
    draws: tuple[Draw, ...]


def drawn_problems(storage: Storage, bucket_rows: int = BUCKET_ROWS) -> Iterator[DrawnProblem]:
    """Every problem of a run that has a committed sample."""
    batches = (_encoded(batch) for _, batch in read_batches(storage, _COLUMNS))
    for table in whole_problems(batches, _PLAIN, num_rows(storage), bucket_rows):
        yield from _problems_of(table.cast(_ENCODED).unify_dictionaries().combine_chunks(), storage.uri)


def _encoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = []
    for field in _ENCODED:
        column = batch.column(field.name)
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        columns.append(column.cast(field.type))
    return pa.record_batch(columns, schema=_ENCODED)


def _problems_of(table: pa.Table, uri: str) -> Iterator[DrawnProblem]:
    codes, index = table["problem_id"].chunk(0).indices.to_numpy(), table["sample_index"].to_numpy()
    order = np.lexsort((index, codes))
    codes, index = codes[order], index[order]
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    again = np.flatnonzero((codes[1:] == codes[:-1]) & (index[1:] == index[:-1]))
    if len(again):
        name = table["problem_id"][int(order[again[0]])].as_py()
        raise StoredRunError(f"{uri}: problem {name} has a sample that is committed twice")
    firsts = table.select(_OF_PROBLEM).take(pa.array(order[starts])).to_pylist()
    columns = [table[name].take(pa.array(order)).to_pylist() for name in (*_OF_DRAW, "meta")]
    for first, start, end in zip(firsts, starts.tolist(), [*starts[1:].tolist(), len(codes)], strict=True):
        rows = zip(*(values[start:end] for values in columns), strict=True)
        draws = tuple(_draw(first["kind"], *row) for row in rows)
        yield DrawnProblem(first["run_id"], unshuffled(problem_of(first)), _read_json(first["stopping_rule"]), draws)


def _draw(
    kind: str,
    sample_index: int,
    round_: int,
    status: str | None,
    finish_reason: str,
    answer: str | None,
    model: str,
    sampling: str,
    meta: str,
) -> Draw:
    if answer is not None and len(answer) in CUT_LENGTHS.get(kind, ()):
        answer = None
    return Draw(sample_index, round_, status, finish_reason, answer_as_set(answer, meta), source_of(model, sampling))


def source_of(model: str, sampling: str) -> str:
    """Model and temperature of a row. `sampling` is its column."""
    return f"{model} {_read_json(sampling).get('temperature')}"


@lru_cache(maxsize=4096)
def _read_json(text: str) -> dict[str, Json]:
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}


def unshuffled(problem: Problem) -> Problem:
    """The problem with its options in the order of its set (`sampling.shuffle_choices` gives each sample another)."""
    order, options = _order(problem.meta), problem.reference.get("options")
    if order is None or not isinstance(options, list) or len(options) != len(order):
        return problem
    restored = [""] * len(order)
    for shown, original in enumerate(order):
        restored[original] = options[shown]
    reference = {**problem.reference, "options": restored}
    if isinstance(answer := reference.get("answer"), str):
        reference["answer"] = _restored_letter(answer, order)
    return dataclasses.replace(problem, reference=reference)


def answer_as_set(answer: str | None, meta: str) -> str | None:
    """A stored answer with the letter that its option has in the problem's set. `meta` is the row's column."""
    if answer is None or '"shuffle"' not in meta:
        return answer
    order = _order(json.loads(meta))
    return answer if order is None else _restored_letter(answer, order)


def _restored_letter(letter: str, order: Sequence[int]) -> str:
    place = string.ascii_uppercase.find(letter) if len(letter) == 1 else -1
    return string.ascii_uppercase[order[place]] if 0 <= place < len(order) else letter


def _order(meta: Mapping[str, Json]) -> list[int] | None:
    """The original place of each option shown, where the options of a sample were shuffled."""
    shuffle = meta.get("shuffle") if isinstance(meta, dict) else None
    order = shuffle.get("order") if isinstance(shuffle, dict) else None
    if not isinstance(order, list) or not all(isinstance(place, int) for place in order):
        return None
    return order if sorted(order) == list(range(len(order))) else None
