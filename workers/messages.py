"""What the coordinator and its workers say to each other: ids, counts, verdicts and references, never texts.

NamedTuples, since thousands of them cross Ray each second and they pickle smallest. Each survives a pickle round trip
(tests/pipeline/test_messages.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from verifiers.types import Verdict

SampleKey = tuple[int, int]
"""(number of the problem in this run, sample index)."""

Reference = Any
"""A ray.ObjectRef. Always inside a container, so that Ray passes the reference and does not fetch the object."""


class Parent(NamedTuple):
    """Where a repair round finds the attempt it answers: in a bundle, or once that is gone in a part."""

    bundle: Reference | None
    row: int
    part: str
    evidence: str
    """What the checker found, for the model; empty: as the part's row has it."""


class Lease(NamedTuple):
    """One sample to draw. `chunk` and `row` say where the problem lies."""

    key: SampleKey
    problem_id: str
    chunk: int
    row: int
    attempt: int
    seed: int
    stopping_rule: str = ""
    """JSON, copied into the row."""
    round: int = 0
    parent_index: int | None = None
    parent: Parent | None = None


class Finished(NamedTuple):
    """One row of a bundle."""

    key: SampleKey
    attempt: int
    aborted: bool
    error: str
    """Why the engine could not draw this one sample; empty if it did."""
    prompt_tokens: int
    completion_tokens: int
    generation_s: float
    num_bytes: int
    solution_key: int
    """Hash of the normalised text, for `distinct`."""


class GeneratorReport(NamedTuple):
    """What finished since the last report, and room for more."""

    finished: list[Finished]
    running: int
    free: int
    """Room in samples, bounded by sequences and KV memory, when `received` leases had arrived."""
    received: int


class CheckItem(NamedTuple):
    """Rows of one bundle to check."""

    bundle: Reference
    rows: list[tuple[SampleKey, int]]


class Checked(NamedTuple):
    key: SampleKey
    verdict: Verdict | None
    """None: the bundle is lost; the sample has to be drawn again."""


class VerifierReport(NamedTuple):
    checked: list[Checked]


class PartRows(NamedTuple):
    """Rows of one bundle for one part, with their verdicts."""

    bundle: Reference
    rows: list[int]
    verdicts: list[Verdict | None]


class WriteReply(NamedTuple):
    """`lost`: positions in the request whose bundles are gone; nothing was written then."""

    key: str
    slot: int
    num_bytes: int
    lost: list[int]
