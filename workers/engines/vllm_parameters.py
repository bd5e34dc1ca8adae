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


def parameters_for(
    request: GenerationRequest, room: int, stop: list[str], *, beside_budgets: bool = False, **text_handling: bool
) -> Any:
    """The parameters of a request whose prompt leaves `room` tokens of the context; `stop` are all its stop strings.

    `beside_budgets` says that other requests of the engine have a thinking budget. vLLM 0.32 forgets to clear a row of
    its batch that had one when a request without one moves there, and would close that request's thought (its class
    ThinkingBudgetStateHolder). So such a request has a budget too, of as many tokens as it may have at all.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling, schema = request.sampling, request.json_schema
    longest = min(sampling.max_tokens or room, room)
    further = further_parameters(sampling)
    if beside_budgets:
        further.setdefault("thinking_token_budget", longest)
    return SamplingParams(
        **{name: getattr(sampling, name) for name in DRAWING},
        **further,
        max_tokens=longest,
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
