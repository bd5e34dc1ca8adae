"""What vLLM is asked for one sample: its SamplingParams from ours.

A parameter that the config leaves at its default is not given at all, so that vLLM treats such a request as it treats
one that never heard of the parameter.
"""

from __future__ import annotations

from typing import Any

from workers.engines.base import FURTHER, GenerationRequest, SamplingParameters

DRAWING = ("temperature", "top_p", "top_k", "min_p")
"""Fields of SamplingParameters that vLLM's SamplingParams has under the same names and with the same meaning."""
MIN_PATTERN = 1
"""Shortest pattern of a loop, in tokens."""


def parameters_for(request: GenerationRequest, room: int, stop: list[str], **text_handling: bool) -> Any:
    """The parameters of a request whose prompt leaves `room` tokens of the context; `stop` are all its stop strings."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling, schema = request.sampling, request.json_schema
    return SamplingParams(
        **{name: getattr(sampling, name) for name in DRAWING},
        **further_parameters(sampling),
        max_tokens=min(sampling.max_tokens or room, room),
        stop=stop,
        seed=request.seed if sampling.seeded else None,
        logprobs=0 if sampling.logprobs or request.logprobs else None,
        output_kind=RequestOutputKind.FINAL_ONLY,
        structured_outputs=StructuredOutputsParams(json=dict(schema)) if schema is not None else None,
        **text_handling,
    )


def further_parameters(sampling: SamplingParameters) -> dict[str, Any]:
    """vLLM's names for those of base.FURTHER that do something."""
    from vllm.sampling_params import RepetitionDetectionParams

    fields = SamplingParameters.model_fields
    given = {name: getattr(sampling, name) for name in FURTHER if getattr(sampling, name) != fields[name].default}
    loop = given.pop("loop", None)
    if loop is not None and loop.size:
        given["repetition_detection"] = RepetitionDetectionParams(
            max_pattern_size=loop.size, min_pattern_size=MIN_PATTERN, min_count=loop.count
        )
    if ids := given.pop("stop_token_ids", None):
        given["stop_token_ids"] = list(ids)
    if budget := given.pop("thinking_tokens", None):
        given["thinking_token_budget"] = budget
    return given
