"""What a rollout is: the way from a problem's messages to one sample, through one engine.

A rollout may ask the engine more than once and may change what the model is shown; what it was shown in the end is its
`messages`, which the stored row keeps whether or not the sample could be drawn.
"""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable
from typing import Literal

from runstore.schema import Messages, Sample, SampleTokens
from workers.engines.base import Engine, Generation, SamplingParameters
from workers.messages import Parent, SampleTask


def _wanted() -> bool:
    return False


@dataclasses.dataclass(slots=True)
class RolloutRequest:
    """One sample to draw."""

    id: str
    """Id of the engine's requests for this sample, so that `Engine.abort` can end them."""
    task: SampleTask
    messages: Messages
    """The problem as the model sees it."""
    sampling: SamplingParameters
    parent: Parent | None = None
    """Where the attempt lies that a repair round answers."""
    storage_uri: str = ""
    """The run's folder, where that attempt may lie."""
    is_unwanted: Callable[[], bool] = _wanted
    """Whether the sample was aborted before it reached the engine."""
    evidence_chars: int = 2000
    """Longest finding of the checker that a repair round shows, in characters."""
    keep_thought: bool = False
    """Whether a repair round shows the model the thought of its earlier attempt too."""
    tokens: TokenRows = "none"
    """Which tokens the sample keeps for tokens/."""
    confidential: bool | None = None
    """Whether the problem is of a confidential source, which a rollout hands on in every GenerationRequest. None: not
    known; an endpoint on another machine is not asked then."""


TokenRows = Literal["none", "ids", "ids+logprobs"]
"""The values of the config's `output.tokens`."""


class Rollout(ABC):
    """Draws one sample; each sample gets an instance of its own."""

    def __init__(self, engine: Engine, request: RolloutRequest) -> None:
        self.engine = engine
        self.request = request
        self.messages = request.messages

    @abstractmethod
    async def draw(self) -> Generation:
        """Raises EngineGoneError, and anything else for what is wrong with this one sample."""


def sample_tokens(generation: Generation) -> SampleTokens | None:
    """The tokens of a sample as they are stored; None for one that was aborted or not drawn."""
    if generation.finish_reason in ("abort", "error"):
        return None
    logprobs = generation.logprobs
    return SampleTokens(
        array("i", generation.prompt_ids).tobytes(),
        generation.opening_tokens,
        array("i", generation.token_ids).tobytes(),
        None if logprobs is None else array("f", logprobs).tobytes(),
    )


def make_sample(
    task: SampleTask, messages: Messages, generation: Generation, error: str = "", variant: str | None = None
) -> Sample:
    """The sample as it is stored. `variant` is the one of `sampling.variants` that its index was dealt to."""
    return Sample(
        task.problem_id,
        task.key[1],
        task.attempt,
        task.round,
        task.parent_index,
        messages,
        # A partial text must never be stored as a solution.
        None if generation.finish_reason == "abort" else generation.text,
        generation.finish_reason,
        generation.prompt_tokens,
        generation.completion_tokens,
        generation.mean_logprob,
        task.seed,
        generation.queue_s,
        generation.generation_s,
        time.time(),
        error,
        generation.thought_tokens,
        generation.answer_tokens,
        # An engine that tells no thought from an answer does not know who opened it either.
        None if generation.thought_tokens is None else generation.opened_thought,
        generation.thought_closed_by,
        variant,
        task.stage,
        task.audited,
        wasted_prompt_tokens=generation.wasted_prompt_tokens,
        wasted_completion_tokens=generation.wasted_completion_tokens,
        model_revision=generation.revision,
    )
