"""The engine `openai` against an endpoint that misbehaves: a process of its own on loopback."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from endpoints import StandInEndpoint, request, settings, stand_in_endpoint

from workers.actors.generator import failed
from workers.engines.base import (
    Ability,
    CutOffError,
    EndpointLostError,
    EngineAbilityError,
    EngineStartError,
    Generation,
    SamplingParameters,
)
from workers.engines.openai_compatible import OpenAIEngine, SampleRefusedError, numbers_in
from workers.engines.registry import engine_class
from workers.engines.remote import faults
from workers.engines.remote.confidential import ConfidentialError
from workers.engines.remote.rate_limits import RateLimits


@pytest.fixture(scope="module")
def endpoint() -> Iterator[StandInEndpoint]:
    with stand_in_endpoint() as running:
        yield running


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(faults, "LONGEST_WAIT_S", 0.05)


def drawn(endpoint: StandInEndpoint, *requests: Any, **further: Any) -> list[Generation]:
    """What a started engine makes of the requests, all at once."""
    return asyncio.run(with_engine(endpoint, *requests, **further))[0]


async def with_engine(endpoint: StandInEndpoint, *requests: Any, **further: Any) -> tuple[list[Generation], Any]:
    engine = OpenAIEngine(settings(endpoint, **further))
    await engine.start()
    try:
        return list(await asyncio.gather(*map(engine.generate, requests or [request()]))), engine
    finally:
        engine.stop()
        await asyncio.sleep(0)


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_has_text_counts_and_the_revision_that_the_endpoint_reports(
    endpoint: StandInEndpoint, stream: bool
) -> None:
    endpoint.behave(text="It is 4.", answers_as="stand-in-2026", fingerprint="fp_9")
    (found,), engine = asyncio.run(with_engine(endpoint, stream=stream))
    assert (found.text, found.finish_reason, found.completion_tokens) == ("It is 4.", "stop", 3)
    assert found.prompt_tokens > 0
    assert found.revision == engine.revision == "stand-in-2026@fp_9"
    assert engine.facts()["reproducible"] is False
    assert Ability.SEED not in engine.abilities
    assert engine_class("openai") is OpenAIEngine


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "both", "parts"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_thought_in_a_field_of_its_own_becomes_the_text_that_a_model_in_process_leaves(
    endpoint: StandInEndpoint, field: str, stream: bool
) -> None:
    endpoint.behave(text="It is 4.", thought="two and two", thought_field=field)
    (found,) = drawn(endpoint, stream=stream)
    assert found.text == "<think>two and two</think>It is 4."
    assert (found.thought_tokens, found.answer_tokens, found.thought_closed_by) == (3, 3, "model")
    (named,) = drawn(endpoint, stream=stream, thinking="mistral")
    assert named.text == "[THINK]two and two[/THINK]It is 4."


def test_hidden_thoughts_are_marked_in_the_row_and_in_the_record(endpoint: StandInEndpoint) -> None:
    endpoint.behave(text="4", thought="word " * 40, thought_field="hidden")
    (found,), engine = asyncio.run(with_engine(endpoint))
    assert found.thought_closed_by == "hidden"
    assert found.thought_tokens == 40
    assert engine.facts()["hides_thoughts"] is True


@pytest.mark.parametrize(
    ("said", "ours"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "length"), ("tool_calls", "length"), ("eos", "stop"),
     ("repetition", "repetition"), ("weird", "length")],
)  # fmt: skip
def test_finish_reasons_are_mapped(endpoint: StandInEndpoint, said: str, ours: str) -> None:
    endpoint.behave(text="4", finish_reason=said)
    assert drawn(endpoint)[0].finish_reason == ours


@pytest.mark.parametrize("usage", ["missing", "zero", "huge", "negative", "text"])
def test_lying_and_missing_usage_is_noticed_and_counted_at_its_worst(endpoint: StandInEndpoint, usage: str) -> None:
    text = "word " * 40
    endpoint.behave(text=text, usage=usage)
    (found,), engine = asyncio.run(with_engine(endpoint))
    assert found.completion_tokens >= 64, "as many as were asked for, since so many may have been drawn"
    assert engine.facts()["noticed"]["usage not believed"] > 0
    assert "usage not believed" in engine.facts()["first"]


@pytest.mark.parametrize(
    ("fault", "stream"),
    [
        *((fault, True) for fault in ("cut in a line", "garbage", "error inside", "no finish")),
        *((fault, stream) for fault in ("429", "500", "503", "408", "cut", "reset") for stream in (True, False)),
    ],
)
def test_what_may_pass_is_tried_again(endpoint: StandInEndpoint, fault: str, stream: bool) -> None:
    endpoint.behave(text="It is 4.", faults=["", fault, fault])
    assert drawn(endpoint, stream=stream)[0].text == "It is 4."
    assert endpoint.seen()["requests"] == 4, "the trial, two faults, and the answer"


@pytest.mark.parametrize("fault", ["400", "422", "413"])
def test_what_may_not_pass_ends_this_one_sample_at_once(endpoint: StandInEndpoint, fault: str) -> None:
    endpoint.behave(faults=["", fault])
    with pytest.raises(SampleRefusedError, match=f"HTTP {fault}"):
        drawn(endpoint)
    assert endpoint.seen()["requests"] == 3, "the trial of the start, the sample, and a trial that was answered"


FILTERED = (("user", "a text that the endpoint does not let through"),)


@pytest.mark.parametrize("fault", ["400", "401", "403", "404", "451"])
def test_a_refusal_of_one_text_is_an_error_of_its_sample_and_neither_ends_nor_holds_up_the_others(
    endpoint: StandInEndpoint, fault: str
) -> None:
    endpoint.behave(text="It is 4.", refuses_texts={"not let through": fault})

    async def scene() -> list[Any]:
        engine = OpenAIEngine(settings(endpoint, lost_s=0.2))
        await engine.start()
        others = await asyncio.gather(*(engine.generate(request(f"{i}")) for i in range(8)))
        filtered = (engine.generate(request(f"f{i}", messages=FILTERED)) for i in range(3))
        found = await asyncio.wait_for(asyncio.gather(*filtered, return_exceptions=True), 60)  # they are the last ones
        assert (await engine.generate(request("after"))).text == others[0].text == "It is 4."
        engine.stop()
        return found

    for error in asyncio.run(scene()):
        assert isinstance(error, SampleRefusedError)
        assert f"HTTP {fault}" in str(error)
        assert "while it answers others" in str(error)


@pytest.mark.parametrize("fault", ["400", "401", "402", "403", "404", "429 credit"])
def test_a_refusal_of_every_request_loses_the_endpoint_whatever_its_status(
    endpoint: StandInEndpoint, fault: str
) -> None:
    """An expired key comes as 401 from one API, as 403 from the next and as 400 from another."""
    endpoint.behave(faults=[""], always=fault)
    with pytest.raises(EndpointLostError, match=f"HTTP {fault[:3]}"):
        drawn(endpoint, *(request(f"{i}") for i in range(4)), lost_s=0.2)


def test_a_sample_that_is_too_dear_for_what_is_left_of_the_credit_is_no_error_of_its_own(
    endpoint: StandInEndpoint,
) -> None:
    """A resume has to draw it once the account has money again."""
    endpoint.behave(refuses_texts={"not let through": "402"})
    with pytest.raises(EndpointLostError, match="HTTP 402"):
        drawn(endpoint, request(messages=FILTERED), lost_s=0.2)


def test_a_sample_that_always_fails_at_a_living_endpoint_ends_as_an_error(endpoint: StandInEndpoint) -> None:
    endpoint.behave(faults=[""], always="cut")
    with pytest.raises(SampleRefusedError, match="8 attempts") as caught:
        drawn(endpoint)
    left = failed(caught.value)
    assert left.wasted_prompt_tokens > 0, "what was cut off is paid for"
    assert left.wasted_completion_tokens > 0
    assert (left.text, left.completion_tokens, failed(ValueError("ours")).wasted_prompt_tokens) == ("", 0, 0)


@pytest.mark.parametrize(
    ("fault", "requests"),
    [("cut", 2), ("cut in a line", 2), ("no finish", 2), ("reset", 2), ("500", 3), ("429", 3), ("503", 3)],
)
def test_under_a_ceiling_an_attempt_that_may_be_paid_is_given_back_and_others_are_made_again(
    endpoint: StandInEndpoint, fault: str, requests: int
) -> None:
    endpoint.behave(text="It is 4.", faults=["", fault])
    if requests == 3:
        assert drawn(endpoint, returns_cut=True)[0].text == "It is 4."
    else:
        with pytest.raises(CutOffError, match="cut off"):
            drawn(endpoint, returns_cut=True)
    assert endpoint.seen()["requests"] == requests


def test_an_answer_that_broke_off_uses_up_the_cap_and_a_refusal_does_not(
    endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    monkeypatch.setattr(RateLimits, "settle", lambda limits, ticket, count: used.append(count))
    endpoint.behave(faults=["", "500", "error inside"])
    drawn(endpoint)
    refused, broken, answered = used
    assert refused == 0
    assert broken >= 64, "the endpoint may have drawn all of it"
    assert 0 < answered < broken


def test_retry_after_is_waited_for_by_every_request(endpoint: StandInEndpoint) -> None:
    endpoint.behave(faults=["", "429 after 1"])

    async def scene() -> None:
        engine = OpenAIEngine(settings(endpoint))
        await engine.start()
        first = asyncio.ensure_future(engine.generate(request("a")))
        while endpoint_refused(endpoint) == 0:
            await asyncio.sleep(0.02)
        await asyncio.gather(first, engine.generate(request("b")))
        engine.stop()

    asyncio.run(scene())
    times = endpoint.seen()["times"]
    assert len(times) == 4
    assert all(later - times[1] >= 0.9 for later in times[2:])


def endpoint_refused(endpoint: StandInEndpoint) -> int:
    return int(endpoint.seen()["refused"])


def test_an_endpoint_that_asks_to_wait_for_a_day_is_lost(endpoint: StandInEndpoint) -> None:
    endpoint.behave(faults=["", "429 after 86400"])
    with pytest.raises(EndpointLostError, match="HTTP 429"):
        drawn(endpoint)


def test_open_requests_are_bounded_and_adapt_to_what_the_endpoint_takes(endpoint: StandInEndpoint) -> None:
    endpoint.behave(token_s=0.002, tokens=5)
    drawn(endpoint, *(request(f"{i}") for i in range(60)), max_concurrency=4)
    assert endpoint.seen()["most_open"] == 4
    endpoint.behave(first_s=0.02, busy_above=10)
    found, engine = asyncio.run(
        with_engine(endpoint, *(request(f"{i}") for i in range(300)), max_concurrency=200, stream=False)
    )
    seen = endpoint.seen()
    assert all(generation.finish_reason == "stop" for generation in found)
    assert seen["answered"] == 301
    assert seen["refused"] > 0
    assert engine.most_at_once() < 60, "far below max_concurrency, since the endpoint takes ten"


def test_requests_per_minute_are_a_hard_cap(endpoint: StandInEndpoint) -> None:
    endpoint.behave()

    async def scene() -> float:
        engine = OpenAIEngine(settings(endpoint, requests_per_minute=60))
        began = time.monotonic()
        await engine.start()
        waiting = [asyncio.ensure_future(engine.generate(request(f"{i}"))) for i in range(50)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        engine.stop()
        return time.monotonic() - began

    seconds = asyncio.run(scene())
    assert 2 <= endpoint.seen()["requests"] <= seconds + 1, "the trial, and then one request per second after a start"


@pytest.mark.parametrize("stream", [True, False])
def test_an_abort_closes_the_request(endpoint: StandInEndpoint, stream: bool) -> None:
    endpoint.behave(text="word " * 500, token_s=0.02)

    async def scene() -> tuple[Generation, Generation, dict[str, Any]]:
        engine = OpenAIEngine(settings(endpoint, stream=stream))
        endpoint.behave(text="4")
        await engine.start()
        endpoint.behave(text="word " * 500, tokens=500, token_s=0.02)
        running = asyncio.ensure_future(engine.generate(request("a")))
        while not endpoint.seen()["open"] or (stream and not engine._running["a"].answer.num_bytes):
            await asyncio.sleep(0.02)
        await engine.abort(["a", "unknown"])
        found = await running
        while endpoint.seen()["open"]:
            await asyncio.sleep(0.02)
        endpoint_seen = endpoint.seen()
        endpoint.behave(text="4")
        after = await engine.generate(request("b"))
        engine.stop()
        return found, after, endpoint_seen

    found, after, seen = asyncio.run(scene())
    assert (found.text, found.finish_reason) == ("", "abort")
    assert found.prompt_tokens > 0
    assert seen["closed"] == 1
    assert seen["answered"] == 0
    assert after.text == "4"
    if stream:
        assert 0 < found.completion_tokens <= 64


def test_an_abort_reaches_a_request_that_still_waits(endpoint: StandInEndpoint) -> None:
    endpoint.behave(faults=["", "hang"])

    async def scene() -> list[Generation]:
        engine = OpenAIEngine(settings(endpoint, max_concurrency=1))
        await engine.start()
        running = [asyncio.ensure_future(engine.generate(request(f"{i}"))) for i in range(3)]
        while not endpoint.seen()["open"]:
            await asyncio.sleep(0.02)
        await engine.abort(["1"])
        waited = await running[1]
        await engine.abort(["0"])
        found = [await running[0], waited, await running[2]]
        engine.stop()
        return found

    assert [found.finish_reason for found in asyncio.run(scene())] == ["abort", "abort", "stop"]
    assert endpoint.seen()["requests"] == 3, "the trial and two samples"


def test_a_prompt_that_leaves_less_room_is_asked_again_for_less_and_one_that_does_not_fit_is_data(
    endpoint: StandInEndpoint,
) -> None:
    endpoint.behave(text="4", faults=["", "400 long"])
    (found,) = drawn(endpoint, request(sampling=SamplingParameters(max_tokens=1000)))
    assert found.text == "4"
    assert endpoint.seen()["bodies"][-1]["max_tokens"] == 64 - 40
    endpoint.behave(text="4", faults=["", "400 longer"])
    (found,) = drawn(endpoint)
    assert (found.text, found.finish_reason, found.prompt_tokens) == ("", "length", 90)
    assert numbers_in("nothing") == (0, 0)


# Starts.


def refusal(endpoint: StandInEndpoint | str, **further: Any) -> str:
    samplings = further.pop("samplings", [SamplingParameters()])
    with pytest.raises(EngineStartError) as caught:
        OpenAIEngine(settings(endpoint, **further)).try_out(samplings)
    return str(caught.value)


def test_a_wrong_model_is_one_error_that_names_the_known_ones(endpoint: StandInEndpoint) -> None:
    endpoint.behave(models=["stand-in-large", "other"])
    said = refusal(endpoint, model="stand-in-lage")
    assert "model.model = 'stand-in-lage'" in said
    assert "did you mean 'stand-in-large'? It has stand-in-large, other" in said
    endpoint.behave(models=["stand-in-large"], any_model=True, answers_as="stand-in-large")
    assert "let 'stand-in-large' answer" in refusal(endpoint, model="asked-for")


def test_a_key_that_is_missing_unset_or_expired_is_one_error_that_does_not_show_it(
    endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.behave(key="sk-right")
    assert "model.api_key_env is not set, and the endpoint" in refusal(endpoint)
    assert "model.api_key_env: STAND_IN_KEY is not set in this environment" in refusal(
        endpoint, api_key_env="STAND_IN_KEY"
    )
    monkeypatch.setenv("STAND_IN_KEY", "sk-expired-secret")
    said = refusal(endpoint, api_key_env="STAND_IN_KEY")
    assert "refuses the key in STAND_IN_KEY" in said
    assert "sk-expired-secret" not in said
    monkeypatch.setenv("STAND_IN_KEY", "sk-right")
    found = OpenAIEngine(settings(endpoint, api_key_env="STAND_IN_KEY")).try_out([SamplingParameters()])
    assert found["model"] == "stand-in"


def test_an_endpoint_that_cannot_be_reached_is_one_error() -> None:
    said = refusal("http://127.0.0.1:9/v1")
    assert said.startswith("model.base_url = 'http://127.0.0.1:9/v1': the endpoint does not answer")
    assert "\n" not in said


def test_a_sampling_key_that_the_endpoint_refuses_is_named(endpoint: StandInEndpoint) -> None:
    endpoint.behave()
    said = refusal(endpoint, samplings=[SamplingParameters(), SamplingParameters(top_k=5)])
    assert "sampling.top_k: the endpoint" in said
    endpoint.behave(refuses=["temperature"])
    assert "sampling.temperature = 0.6" in refusal(endpoint, samplings=[SamplingParameters(temperature=0.6)])


def test_habits_of_an_endpoint_are_found_out(endpoint: StandInEndpoint) -> None:
    endpoint.behave(refuses=["max_tokens", "temperature", "top_p", "stream_options"], text="It is 4.")
    assert drawn(endpoint)[0].text == "It is 4."
    body = endpoint.seen()["bodies"][-1]
    assert body["max_completion_tokens"] == 64
    assert not {"temperature", "top_p", "stream_options", "max_tokens"} & set(body)


def test_a_list_of_models_tells_vllm_from_others_and_an_api_without_a_list_is_tried(endpoint: StandInEndpoint) -> None:
    endpoint.behave(owned_by="vllm", context=2048)
    found, engine = asyncio.run(with_engine(endpoint, request(sampling=SamplingParameters(top_k=5, max_tokens=64))))
    assert found[0].finish_reason == "stop"
    assert (engine.version, engine.max_model_len) == ("vllm 0.0.1", 2048)
    assert endpoint.seen()["bodies"][-1]["top_k"] == 5
    endpoint.behave(lists_models=False)
    assert drawn(endpoint)[0].finish_reason == "stop"
    with pytest.raises(EngineAbilityError, match=r"sampling\.top_k"):
        drawn(endpoint, request(sampling=SamplingParameters(top_k=5)))


# Losses.


def test_an_endpoint_that_dies_for_good_is_lost_and_not_before_its_time() -> None:
    async def scene() -> None:
        with stand_in_endpoint() as mortal:
            engine = OpenAIEngine(settings(mortal, lost_s=0.5))
            await engine.start()
            mortal.kill()
            with pytest.raises(EndpointLostError, match="is lost"):
                await engine.generate(request())
            engine.stop()

    asyncio.run(scene())


def test_an_endpoint_that_comes_back_in_time_is_not_lost() -> None:
    async def scene() -> Generation:
        with stand_in_endpoint() as mortal:
            engine = OpenAIEngine(settings(mortal, lost_s=60))
            await engine.start()
            mortal.kill()
            waiting = asyncio.ensure_future(engine.generate(request()))
            await asyncio.sleep(0.3)
            again = await asyncio.to_thread(StandInEndpoint, mortal.port)
            try:
                return await waiting
            finally:
                engine.stop()
                again.kill()

    assert asyncio.run(scene()).finish_reason == "stop"


def test_a_key_that_expires_in_the_middle_loses_the_endpoint(
    endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "sk-old")
    endpoint.behave(key="sk-old")

    async def scene() -> None:
        engine = OpenAIEngine(settings(endpoint, api_key_env="STAND_IN_KEY", lost_s=0.2))
        await engine.start()
        endpoint.behave(key="sk-new")
        with pytest.raises(EndpointLostError, match="HTTP 401") as caught:
            await engine.generate(request())
        assert "sk-old" not in str(caught.value)
        engine.stop()

    asyncio.run(scene())


# Secrets and confidential text.


def test_the_key_is_sent_to_the_endpoint_and_shown_nowhere(
    endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "sk-secret-value")
    endpoint.behave(key="sk-secret-value", faults=["", "500", "429", "cut"])
    with caplog.at_level(logging.DEBUG):
        (found,), engine = asyncio.run(with_engine(endpoint, api_key_env="STAND_IN_KEY"))
    assert endpoint.seen()["keys"][-1] == "Bearer sk-secret-value"
    shown = [caplog.text, repr(found), json.dumps(engine.facts()), repr(engine.settings), repr(engine.__dict__)]
    assert not any("sk-secret-value" in text for text in shown)


def test_every_request_to_another_machine_passes_the_guard(
    endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loopback address of the test counts as another machine here."""
    endpoint.behave()
    monkeypatch.setattr("workers.engines.endpoint.is_loopback", lambda url: False)
    for confidential in (True, None):
        with pytest.raises(ConfidentialError):
            drawn(endpoint, request(confidential=confidential))
    assert endpoint.seen()["requests"] == 2, "the two trials, which have a text of their own"
    drawn(endpoint, request(confidential=False))
    drawn(endpoint, request(confidential=True), allow_confidential=True)
    assert endpoint.seen()["requests"] == 6


def test_a_redirect_is_not_followed(endpoint: StandInEndpoint) -> None:
    """It could lead from a loopback address, which needs no leave, to any machine."""
    endpoint.behave(faults=["", "redirect http://127.0.0.1:9/v1/chat/completions"])
    engine_settings = {"lost_s": 0.05}
    assert drawn(endpoint, **engine_settings)[0].finish_reason == "stop", "the next attempt went to the endpoint itself"
    assert endpoint.seen()["requests"] == 4, "a trial at the start, the redirect, a trial because of it, the answer"
