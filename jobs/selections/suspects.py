"""References that may be wrong: many samples agree on one other answer, and no sample was verified.

Promises: a verdict never changes by it. The list is for people, and for `export --drop-suspects`; it is in the order of
`selections.parquet`, and texts are read for a few suspects at a time.
Fails with NoSelectionsError, StoredRunError or StorageError.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow.compute as pc

from jobs.selections.rows import source_of, unshuffled
from jobs.selections.votes import Draw, Votes
from runstore.batches import PROBLEM_COLUMNS, problem_of
from runstore.reader import read_batches, read_rows, read_selections
from runstore.storage import Storage
from verifiers.types import Json, Status

MIN_VOTES = 8
"""Fewest refuted samples that agree."""
MIN_SOURCES = 2
"""Fewest different models and temperatures among them. One that repeats its own error is not heard twice."""
MIN_PROBABILITY = 0.9


def may_be_suspect(draws: Sequence[Draw], votes: Votes) -> bool:
    """Whether the reference is suspect, if the winner is as probable as MIN_PROBABILITY. Every sample of the winner
    is refuted: where the checker could not compare, the reference is not what is doubtful."""
    if any(draw.status == Status.VERIFIED for draw in draws) or votes.votes < MIN_VOTES:
        return False
    return votes.sources >= MIN_SOURCES and all(draw.status == Status.REFUTED for draw in votes.clusters[0])


TEXTS = 2
"""Number of texts shown of a suspect, of different models or temperatures where there are."""
SUSPECTS_AT_ONCE = 50
"""Number of suspects whose texts are in memory at once."""


class AgreedText(NamedTuple):
    """A sample that gave the agreed answer."""

    sample_index: int
    source: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Suspect:
    """A problem whose reference may be wrong."""

    problem_id: str
    kind: str
    domain: str
    prompt: str
    reference: str
    """The stored answer."""
    agreed: str
    """What the samples agree on instead."""
    votes: int
    samples: int
    sources: int
    probability: float
    probability_low: float
    probability_high: float
    num_references: int
    texts: tuple[AgreedText, ...]

    def to_json(self) -> dict[str, Json]:
        row = dataclasses.asdict(self)
        return {**row, "texts": [text._asdict() for text in self.texts]}


_OF_SELECTION = [
    *("problem_id", "kind", "domain", "winner", "votes", "samples", "winner_sources", "winner_rows", "suspect"),
    *("probability", "probability_low", "probability_high", "num_references"),
]


def read_suspects(storage: Storage) -> Iterator[Suspect]:
    """Every suspect, with texts."""
    found = (
        row for batch in read_selections(storage, _OF_SELECTION) for row in batch.filter(batch["suspect"]).to_pylist()
    )
    while chosen := list(itertools.islice(found, SUSPECTS_AT_ONCE)):
        rows = _sample_rows(storage, {row["problem_id"]: frozenset(row["winner_rows"]) for row in chosen})
        for row in chosen:
            yield _suspect(row, rows[row["problem_id"]])


def _sample_rows(storage: Storage, wanted: Mapping[str, frozenset[int]]) -> dict[str, list[dict[str, Any]]]:
    """The stored rows of these samples by problem, in index order."""
    ids = pc.field("problem_id").isin(list(wanted))
    parts = {
        key
        for key, batch in read_batches(storage, ["problem_id"])
        if any(name in wanted for name in batch.column(0).dictionary.to_pylist())
    }
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for key in sorted(parts):
        for row in read_rows(storage, key, [*PROBLEM_COLUMNS, "sample_index", "model", "sampling", "text"], ids):
            if row["sample_index"] in wanted[row["problem_id"]]:
                rows[row["problem_id"]].append(row)
    for found in rows.values():
        found.sort(key=lambda row: row["sample_index"])
    return rows


def _suspect(selection: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Suspect:
    problem = unshuffled(problem_of(dict(rows[0])))
    firsts: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        firsts.setdefault(source_of(row["model"], row["sampling"]), row)
    shown = list(firsts.items())[:TEXTS]
    texts = tuple(AgreedText(row["sample_index"], source, row["text"] or "") for source, row in shown)
    return Suspect(
        **{name: selection[name] for name in ("problem_id", "kind", "domain", "votes", "samples")},
        prompt=problem.prompt,
        reference=_answer_of(problem.reference),
        agreed=selection["winner"],
        sources=selection["winner_sources"],
        **{name: selection[name] for name in ("probability", "probability_low", "probability_high")},
        num_references=selection["num_references"],
        texts=texts,
    )


def _answer_of(reference: Mapping[str, Json]) -> str:
    """The stored answer as text; a reference without a single one is shown whole."""
    answer = reference.get("answer")
    return answer if isinstance(answer, str) else json.dumps(dict(reference), ensure_ascii=False)
