"""What moves between the actors, and the one Arrow schema of `samples/*.parquet`.

Promises: everything here pickles; a stored row has every column of `SAMPLE_SCHEMA`; statuses are explicit strings; an
aborted sample has a null text and a null status, so it is counted and is no solution.
Does not: touch storage (runstore.parts does) or Ray.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from verifiers.types import Problem

SAMPLE_SCHEMA_VERSION = 3
"""Version of SAMPLE_SCHEMA. Version 2 tells thought and answer apart: thought_tokens to extracted_answer. Version 3
added pool, stage, audited and variant."""
PROBLEM_SCHEMA_VERSION = 3
"""Version of PROBLEM_SCHEMA. Version 2 added settled_verified and settled_first_try. Version 3 added num_unchecked."""
SELECTION_SCHEMA_VERSION = 1
"""Version of SELECTION_SCHEMA."""

SAMPLE_SCHEMA = pa.schema(
    [
        # Identity: (run_id, problem_id, sample_index) is unique over all committed parts.
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("sample_index", pa.int32(), nullable=False),
        # The problem, in full, so that a stored run can be verified again and exported without its problem files.
        pa.field("kind", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),  # JSON
        pa.field("meta", pa.string(), nullable=False),  # JSON
        # Fixed before the problem's first sample; what an unbiased estimate and a resume need (workers.sampling.plan).
        pa.field("stopping_rule", pa.string(), nullable=False),  # JSON
        # Which model drew the sample, and what for.
        pa.field("pool", pa.string(), nullable=False),  # the name of the model in the config
        pa.field("stage", pa.int16(), nullable=False),  # stage of the problem's cascade; 0 without one
        pa.field("audited", pa.bool_(), nullable=False),  # drawn only because of the audit
        # The sample.
        pa.field("round", pa.int16(), nullable=False),  # 0 = first attempt, r = r-th repair round
        pa.field("parent_sample_index", pa.int32()),  # the attempt a repair round answers
        pa.field("variant", pa.string()),  # the one of sampling.variants that drew it; null: the run has none
        pa.field("messages", pa.string(), nullable=False),  # JSON [{role, content}]: what the model was given
        pa.field("text", pa.string()),  # null when aborted
        pa.field("finish_reason", pa.string(), nullable=False),  # stop | length | repetition | abort | error
        pa.field("prompt_tokens", pa.int32(), nullable=False),
        pa.field("completion_tokens", pa.int32(), nullable=False),
        pa.field("mean_logprob", pa.float64()),  # mean (nats) over the sampled tokens; null without sampling.logprobs
        # Thought and answer, counted among completion_tokens. Null where the engine does not tell, and in older rows.
        pa.field("thought_tokens", pa.int32()),
        pa.field("answer_tokens", pa.int32()),
        pa.field("thought_opened_by_prompt", pa.bool_()),  # the text then carries the prompt's opening mark
        pa.field("thought_closed_by", pa.string()),  # model; null: no thought was closed
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("sampling", pa.string(), nullable=False),  # JSON: temperature, top_p, top_k, max_tokens, …
        pa.field("queue_s", pa.float64(), nullable=False),
        pa.field("generation_s", pa.float64(), nullable=False),
        # The verdict.
        pa.field("status", pa.string()),  # verifiers.types.Status; null when aborted
        pa.field("reason", pa.string()),
        pa.field("evidence", pa.string()),  # JSON
        pa.field("extracted_answer", pa.string()),  # the final answer that was read; null: none, or no such kind
        pa.field("checker", pa.string()),
        pa.field("checker_version", pa.string()),
        pa.field("tier", pa.string()),  # protection or audit tier where the checker has one
        pa.field("limits", pa.string()),  # JSON
        pa.field("verify_s", pa.float64()),
        # Provenance.
        pa.field("attempt", pa.int16(), nullable=False),  # times this sample was generated, from 1
        pa.field("model", pa.string(), nullable=False),
        pa.field("model_revision", pa.string(), nullable=False),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("engine_version", pa.string(), nullable=False),
        pa.field("replica", pa.string(), nullable=False),
        pa.field("code_revision", pa.string(), nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),  # which start of the run wrote the row
        pa.field("finished_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ],
    metadata={"proofmill.schema_version": str(SAMPLE_SCHEMA_VERSION)},
)

PROBLEM_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("solved", pa.bool_(), nullable=False),
        pa.field("num_samples", pa.int32(), nullable=False),  # samples with a verdict
        pa.field("num_verified", pa.int32(), nullable=False),
        pa.field("num_refuted", pa.int32(), nullable=False),
        pa.field("num_malformed", pa.int32(), nullable=False),
        pa.field("num_undecided", pa.int32(), nullable=False),
        pa.field("num_error", pa.int32(), nullable=False),
        pa.field("num_unchecked", pa.int32(), nullable=False),  # the problem has no answer key
        pa.field("num_aborted", pa.int32(), nullable=False),
        pa.field("stopping_rule", pa.string(), nullable=False),  # JSON: policy and its parameters for this problem
        pa.field("settled", pa.string(), nullable=False),  # solved | exhausted | hopeless | agreed | budget | …
        pa.field("settled_at_index", pa.int32()),  # samples above it may have been aborted
        # What pass@k is computed from (workers.sampling.estimates.Stopped): how many attempts up to settled_at_index
        # were verified, and how many of those needed no repair round. Null where no unbiased estimate exists.
        pa.field("settled_verified", pa.int32()),
        pa.field("settled_first_try", pa.int32()),
        pa.field("pass_rate", pa.float64()),  # null where no unbiased estimate exists
        pa.field("pass_rate_low", pa.float64()),
        pa.field("pass_rate_high", pa.float64()),
        pa.field("estimator", pa.string(), nullable=False),  # hypergeometric | path-counting | none
        pa.field("prompt_tokens", pa.int64(), nullable=False),
        pa.field("completion_tokens", pa.int64(), nullable=False),
        pa.field("aborted_tokens", pa.int64(), nullable=False),
        pa.field("generation_s", pa.float64(), nullable=False),
        pa.field("verify_s", pa.float64(), nullable=False),
    ],
    metadata={"proofmill.schema_version": str(PROBLEM_SCHEMA_VERSION)},
)

SELECTION_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),  # agreement
        pa.field("keyless", pa.bool_(), nullable=False),  # the problem has no answer key: its samples are unchecked
        # Which answer won. Null where no sample gave an answer.
        pa.field("winner", pa.string()),  # as the first sample of its cluster wrote it
        pa.field("winner_sample_index", pa.int32()),
        pa.field("score", pa.float64()),  # (votes - runner_up_votes) / (samples + 2)
        pa.field("margin", pa.float64()),  # (votes - runner_up_votes) / voters
        pa.field("tied", pa.bool_(), nullable=False),  # another answer has as many votes
        # How often such a winner was right among the problems of the run with references. Null without enough of them.
        pa.field("probability", pa.float64()),
        pa.field("probability_low", pa.float64()),
        pa.field("probability_high", pa.float64()),
        pa.field("calibrated_on", pa.string()),  # domain | kind
        pa.field("num_references", pa.int32()),  # problems that it was measured on
        pa.field("calibrates", pa.bool_(), nullable=False),  # whether it is such a problem for others
        # The votes.
        pa.field("samples", pa.int32(), nullable=False),  # first attempts with a verdict, or unchecked
        pa.field("voters", pa.int32(), nullable=False),  # those with an answer that stands in some cluster
        pa.field(
            "unplaced", pa.int32(), nullable=False
        ),  # those with an answer that is undecided against every cluster
        pa.field("votes", pa.int32(), nullable=False),  # for the winner
        pa.field("runner_up", pa.string()),
        pa.field("runner_up_votes", pa.int32(), nullable=False),
        pa.field("rows_used", pa.list_(pa.int32()), nullable=False),  # sample indices of the voters
        pa.field("winner_rows", pa.list_(pa.int32()), nullable=False),  # those of them that voted for the winner
        pa.field("winner_sources", pa.int32(), nullable=False),  # different models and temperatures among these
        pa.field("cluster_sizes", pa.list_(pa.int32()), nullable=False),  # largest first; the winner is the first
        # What verdicts say of it. They have no part in the choice.
        pa.field("clusters_right", pa.list_(pa.bool_())),  # null without an answer key
        pa.field("suspect", pa.bool_(), nullable=False),  # the reference may be wrong: jobs.selections.suspects
    ],
    metadata={"proofmill.schema_version": str(SELECTION_SCHEMA_VERSION)},
)

CUT_SHORT = ("length", "repetition")
"""Finish reasons of samples that the engine ended before the model did: at the token limit, or because it repeated
itself. Their texts are samples like others, and cut off."""

Messages = tuple[tuple[str, str], ...]


class SampleTokens(NamedTuple):
    """The tokens of a sample. Lists are packed as four-byte values in the machine's own order."""

    prompt_ids: bytes
    opening_tokens: int
    """How many of the last prompt tokens are the opening mark with which the sample's text begins."""
    token_ids: bytes
    logprobs: bytes | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SampleRequest:
    """One sample to draw. `turns` are repair turns after the problem's prompt, oldest first: (role, content)."""

    problem: Problem
    sample_index: int
    attempt: int
    seed: int
    round: int = 0
    parent_sample_index: int | None = None
    turns: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(slots=True)
class Sample:
    """What a generator drew for a `SampleRequest`. `text` is None when the sample was aborted.

    It is not frozen, because a frozen dataclass takes four times as long to make, and one is made per sample."""

    problem_id: str
    sample_index: int
    attempt: int
    round: int
    parent_sample_index: int | None
    messages: tuple[tuple[str, str], ...]
    text: str | None
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    mean_logprob: float | None
    seed: int
    queue_s: float
    generation_s: float
    finished_at: float
    """Seconds since the epoch, UTC."""
    error: str = ""
    """Why the engine could not draw this sample (finish_reason `error`)."""
    thought_tokens: int | None = None
    answer_tokens: int | None = None
    thought_opened_by_prompt: bool | None = None
    thought_closed_by: str | None = None
    """`model`, `budget` (sampling.thinking_tokens), or None: the text closes no thought."""
    variant: str | None = None
    """The one of `sampling.variants` that its index was dealt to; None: the run has none."""
    stage: int = 0
    """The stage of the problem's cascade that it belongs to."""
    audited: bool = False
    """Whether only the audit asked for it."""
    tokens: SampleTokens | None = None
    """For tokens/, where the run stores them."""
    wasted_prompt_tokens: int = 0
    wasted_completion_tokens: int = 0
    """Tokens of answers of an endpoint that were cut off and asked for again; they are paid for, and in no row."""
    is_cut: bool = False
    """Whether it was not drawn because its answer was cut off."""
    model_revision: str = ""
    """The model's revision, where it is not that of the Provenance: an endpoint may change it at any time."""


@dataclasses.dataclass(frozen=True, slots=True)
class Provenance:
    """The columns that are the same for every row a generator makes."""

    run_id: str
    epoch: int
    code_revision: str
    model: str
    model_revision: str
    engine: str
    engine_version: str
    replica: str
    sampling: Mapping[str, Any]
    sampling_of: Mapping[tuple[str, str], Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    """`sampling` of the rows that were drawn in another way, by variant and kind of problem: the variant is empty in a
    run without variants, and the kind is empty for all kinds that are not named."""
    pool: str = "model"


def sample_seed(run_seed: int, problem_id: str, sample_index: int) -> int:
    """Seed of one sample: a non-negative 63-bit integer that depends on nothing but its arguments.

    >>> sample_seed(0, "gcd-3", 0) == sample_seed(0, "gcd-3", 0) != sample_seed(0, "gcd-3", 1)
    True
    """
    digest = hashlib.blake2b(f"{run_seed}\x00{problem_id}\x00{sample_index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def solution_key(text: str) -> int:
    """A key that is equal for texts that differ only in white space or case; `distinct` compares these keys.

    >>> solution_key("x = 5,  so\\n5") == solution_key("X = 5, so 5") != solution_key("x = 6")
    True
    """
    return int.from_bytes(hashlib.blake2b(" ".join(text.split()).lower().encode(), digest_size=8).digest(), "big")
