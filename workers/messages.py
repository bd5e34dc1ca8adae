"""What the coordinator and its workers say to each other: ids, counts, verdicts and references, never texts.

NamedTuples, since thousands of them cross Ray each second and they pickle smallest. Each survives a pickle round trip
(tests/test_messages.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from verifiers.types import Verdict

SampleKey = tuple[int, int]
"""(number of the problem in this run, sample index)."""

Reference = Any
"""A ray.ObjectRef. Always inside a container, so that Ray passes the reference and does not fetch the object."""


class Parent(NamedTuple):
    """Where a repair round finds the attempt it answers: in a bundle, or after a resume in a part."""

    bundle: Reference | None
    row: int
    part: str
    evidence: str


class Lease(NamedTuple):
    """One sample to draw. `chunk` and `row` say where the problem lies."""

    key: SampleKey
    problem_id: str
    chunk: int
    row: int
    attempt: int
    seed: int
    round: int = 0
    parent_index: int | None = None
    parent: Parent | None = None


class LeaseReply(NamedTuple):
    """`chunks`: chunk number → [reference to a list of Problem], for the chunks that the leases name."""

    leases: list[Lease]
    chunks: dict[int, list[Reference]]
    stop: bool


class Finished(NamedTuple):
    """One row of a bundle."""

    key: SampleKey
    attempt: int
    kind: str
    aborted: bool
    prompt_tokens: int
    completion_tokens: int
    generation_s: float
    num_bytes: int
    solution_key: int
    """Hash of the normalised text, for `distinct`."""


class GeneratorReport(NamedTuple):
    """`bundle`: [reference], or [] when nothing finished. `free` is room in sequences, bounded by KV memory."""

    replica: int
    incarnation: int
    finished: list[Finished]
    bundle: list[Reference]
    running: int
    free: int


class CheckItem(NamedTuple):
    """Rows of one bundle to check."""

    bundle: Reference
    rows: list[tuple[SampleKey, int]]


class Checked(NamedTuple):
    key: SampleKey
    verdict: Verdict | None
    """None: the bundle is lost; the sample has to be drawn again."""


class VerifierReport(NamedTuple):
    verifier: int
    incarnation: int
    checked: list[Checked]
    free: int
    """Rows it can start at once."""


class CheckReply(NamedTuple):
    items: list[CheckItem]
    stop: bool


class PartRows(NamedTuple):
    """Rows of one bundle for one part, with their verdicts."""

    bundle: Reference
    rows: list[int]
    verdicts: list[Verdict | None]


class WriteReply(NamedTuple):
    """`lost`: positions in the request whose bundles are gone; nothing was written then."""

    key: str
    num_bytes: int
    lost: list[int]
