"""What vLLM is asked for a sample: unchanged where nothing new is set, and each new key under vLLM's own name."""

from __future__ import annotations

from typing import Any

import pytest
from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind

from workers.engines.base import GenerationRequest, Loop, SamplingOverrides, SamplingParameters
from workers.engines.vllm_parameters import parameters_for


def asked(room: int = 100, stop: tuple[str, ...] = (), **sampling: Any) -> SamplingParams:
    request = GenerationRequest("a", SamplingParameters(**sampling), messages=(("user", "?"),), seed=7)
    return parameters_for(request, room, list(stop), detokenize=False, skip_special_tokens=True)


def test_without_a_new_key_the_request_is_the_one_of_before() -> None:
    before = SamplingParams(
        temperature=1.0,
        top_p=1.0,
        top_k=-1,
        min_p=0.0,
        max_tokens=100,
        stop=[],
        seed=7,
        logprobs=None,
        detokenize=False,
        skip_special_tokens=True,
        output_kind=RequestOutputKind.FINAL_ONLY,
        structured_outputs=None,
    )
    assert repr(asked()) == repr(before)
    assert asked().thinking_token_budget is None and asked().repetition_detection is None
    assert repr(asked(loop=Loop(size=0, count=3), thinking_tokens=0)) == repr(before)


@pytest.mark.parametrize(("max_tokens", "room", "expected"), [(0, 900, 900), (50, 900, 50), (2000, 900, 900)])
def test_a_sample_is_as_long_as_asked_for_and_as_the_context_allows(max_tokens: int, room: int, expected: int) -> None:
    assert asked(room, max_tokens=max_tokens).max_tokens == expected


def test_each_key_reaches_vllm() -> None:
    made = asked(
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        repetition_penalty=1.2,
        stop_token_ids=(5, 6),
        thinking_tokens=64,
        loop=Loop(size=32, count=4),
    )
    assert (made.presence_penalty, made.frequency_penalty, made.repetition_penalty) == (0.5, -0.5, 1.2)
    assert made.stop_token_ids == [5, 6] and made.thinking_token_budget == 64
    loop = made.repetition_detection
    assert loop is not None and (loop.max_pattern_size, loop.min_pattern_size, loop.min_count) == (32, 1, 4)


@pytest.mark.parametrize(("thinking_tokens", "budget"), [(0, 50), (8, 8)])
def test_beside_samples_with_a_thinking_budget_every_sample_has_one(thinking_tokens: int, budget: int) -> None:
    """One that never ends a thought where none is asked for, see the test on rows of vLLM's batch."""
    request = GenerationRequest("a", SamplingParameters(max_tokens=50, thinking_tokens=thinking_tokens), messages=())
    assert parameters_for(request, 900, [], beside_budgets=True).thinking_token_budget == budget


def test_what_a_kind_does_not_override_stays() -> None:
    common = SamplingParameters(temperature=0.7, stop=("END",), loop=Loop(size=8))
    changed = common.changed(SamplingOverrides(temperature=0.0, stop=(), loop=Loop()))
    assert (changed.temperature, changed.stop, changed.loop.size) == (0.0, (), 0)
    assert common.changed(SamplingOverrides()) == common
