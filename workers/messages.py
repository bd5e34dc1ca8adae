"""What the coordinator and its workers say to each other: ids, counts, statuses, and batches that they pass unopened.

They are NamedTuples, since thousands of them cross Ray per second and NamedTuples pickle smallest. Each survives a
pickle round trip (tests/workers/test_messages.py). Messages without references travel packed (`pack`): Ray's own
pickler makes a Python call for every NamedTuple, which costs three times as much.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from runstore.batches import VerdictRow
from verifiers.types import Json, Status
from workers.sampling.votes import Known, Placed

SampleKey = tuple[int, int]
"""(number of the problem in this run, sample index)."""

Reference = Any
"""A ray.ObjectRef. Always inside a container, so that Ray passes the reference and does not fetch the object."""

SampleBatch = Any
"""Finished rows as runstore.batches packs them. Up to INLINE_BYTES it is the bytes themselves, since fetching an object
would cost more than carrying them; above that it is a Reference to them."""

INLINE_BYTES = 64 << 10
"""Largest batch that is carried as bytes. It is below the 100 KB up to which Ray keeps a returned object in its owner's
memory anyway."""


class Parent(NamedTuple):
    """Where a repair round finds the attempt it answers: in a batch or, once the batch is gone, in a part."""

    batch: SampleBatch | None
    row: int
    part: str
    evidence: str
    """What the checker found, to be shown to the model. Empty: read it from the row in the part."""


class SampleTask(NamedTuple):
    """One sample to draw. `chunk` and `row` say where the problem lies; a repair round's Parent travels beside it."""

    key: SampleKey
    problem_id: str
    chunk: int
    row: int
    attempt: int
    seed: int
    stopping_rule: str = ""
    """The stopping rule as JSON, copied into the row."""
    round: int = 0
    parent_index: int | None = None
    refusal: str = ""
    """Why the sample is not drawn any more; it ends as an error with this reason. Empty: it is drawn."""

    suspect: bool = False
    """Whether it may be to blame for replicas that stood still. A replica draws one suspect at a time."""

    stage: int = 0
    """The stage of its problem's route."""
    audited: bool = False
    """Whether only the audit asks for it."""


class Orders(NamedTuple):
    """What a generator is told in one message."""

    tasks: bytes
    """Packed list of SampleTask."""
    chunks: dict[int, list[Reference]]
    """Chunk number → [reference to a packed list of Problem], for every chunk that the generator may not have yet."""
    gone: list[int]
    """Chunks that no task will name again."""
    parents: dict[SampleKey, Parent]


class Finished(NamedTuple):
    """One row of a batch."""

    key: SampleKey
    attempt: int
    aborted: bool
    error: str
    """Why the engine could not draw this one sample; empty if it was drawn."""
    prompt_tokens: int
    completion_tokens: int
    generation_s: float
    num_bytes: int
    solution_key: int
    """Hash of the normalised text, for `distinct`; else 0."""
    abort_s: float = -1.0
    """Seconds from the verdict that made the sample superfluous to its last output from the engine; -1 if it was not
    aborted. It is exact on one machine; between machines the difference of their clocks adds to it."""
    wasted_prompt_tokens: int = 0
    wasted_completion_tokens: int = 0
    """Tokens of answers that were cut off and asked for again, which an endpoint charges for too."""
    is_cut: bool = False
    """Whether it was not drawn because its answer was cut off (workers.engines.base.CutOffError)."""


class GeneratorReport(NamedTuple):
    """What finished since the last report, and how much room there is for more."""

    finished: list[Finished]
    running: int
    free: int
    """Room in samples when `received` tasks had arrived, bounded by sequences and KV memory."""
    received: int
    batch: bytes
    """The rows of `finished`, in their order. Empty if the batch comes by reference or there is none."""
    facts: dict[str, Json] = {}  # noqa: RUF012 - never changed
    """What the engine says of itself, where that has changed since the last report."""


class CheckItem(NamedTuple):
    """Rows of one batch to check."""

    batch: SampleBatch
    rows: list[tuple[SampleKey, int]]
    known: dict[SampleKey, Known]
    """For rows of problems without an answer key whose agreement is looked at: the clusters of their answers."""


class Checked(NamedTuple):
    key: SampleKey
    status: Status | None
    """The verdict's status. None: the batch is lost, and the sample has to be drawn again."""
    seconds: float
    row: int
    """Index of this row's verdict in `verdicts`."""
    placed: Placed | None = None
    """Where its answer belongs, for a row with an answer that the request knew clusters for."""


class VerifierReport(NamedTuple):
    checked: list[Checked]
    verdicts: bytes
    since: float
    """When the first of these checks ended (seconds since the epoch)."""


class PartRows(NamedTuple):
    """Rows of one batch for one part, with their verdicts; None for an aborted sample."""

    batch: SampleBatch
    rows: list[int]
    verdicts: list[VerdictRow | None]


class WriteReply(NamedTuple):
    """`lost`: positions in the request whose batches are gone; nothing was written then."""

    key: str
    slot: int
    num_bytes: int
    lost: list[int]
