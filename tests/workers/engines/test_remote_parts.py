"""The pieces of the remote engine that need no endpoint: limits, caps, faults, texts, counts, and the guard."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers import thoughts
from verifiers.types import Problem
from workers.engines.base import EngineSettings, GenerationRequest, SamplingParameters
from workers.engines.endpoint import EndpointKeys, is_loopback
from workers.engines.remote.answer import Answer, EventLines, take_data
from workers.engines.remote.client import Client, KeyMissingError, key_of
from workers.engines.remote.concurrency import AdaptiveLimit
from workers.engines.remote.confidential import SOURCES, ConfidentialError, check_leave, is_confidential
from workers.engines.remote.faults import AttemptError, Follows, back_off_s, fault_of_status, redacted
from workers.engines.remote.life import LEAST_FAILURES, Life
from workers.engines.remote.rate_limits import RateLimits, Window
from workers.engines.remote.request_body import Habits, body_for, learned_from, without_equivalent
from workers.engines.remote.thoughts import is_hidden, joined
from workers.engines.remote.usage import read_usage
from workers.engines.thinking import marks_of

HELLO = (("user", "What is 2 + 2?"),)


# The limit of open requests.


def test_the_limit_doubles_per_round_until_the_first_refusal_and_then_halves_once_per_round() -> None:
    limit = AdaptiveLimit(1000)

    async def round_of(refused: int = 0) -> int:
        numbers = [await limit.enter() for _ in range(limit.room)]
        for i, number in enumerate(numbers):
            (limit.refused if i < refused else limit.succeeded)(number)
            limit.leave()
        return limit.room

    async def rounds() -> list[int]:
        return [await round_of(), await round_of(), await round_of(refused=20), await round_of(), await round_of()]

    first, second, third, fourth, fifth = asyncio.run(rounds())
    assert first >= 12
    assert second > first
    assert second // 2 <= third <= second // 2 + 3, "twenty refusals of one round are one sign"
    assert third < fourth <= third + 3
    assert fourth <= fifth <= fourth + 3
    assert limit.refusals == 1


def test_the_limit_is_never_passed_and_who_waits_longest_goes_first() -> None:
    async def scene() -> tuple[int, list[int]]:
        limit, open_now, most, order = AdaptiveLimit(5), 0, 0, []

        async def one(i: int) -> None:
            nonlocal open_now, most
            number = await limit.enter()
            order.append(i)
            open_now += 1
            most = max(most, open_now)
            await asyncio.sleep(0)
            open_now -= 1
            limit.succeeded(number)
            limit.leave()

        waiting = [asyncio.ensure_future(one(i)) for i in range(100)]
        await asyncio.sleep(0)
        for i in range(20, 30):
            waiting[i].cancel()  # a waiter that goes away leaves its place to the others
        await asyncio.gather(*waiting, return_exceptions=True)
        assert limit.open == 0
        return most, order

    most, order = asyncio.run(scene())
    assert most == 5
    assert order == [i for i in range(100) if not 20 <= i < 30]


def test_answers_that_come_late_lower_the_limit_and_do_not_choke_it() -> None:
    limit = AdaptiveLimit(256)

    async def rounds(first_s: float, count: int) -> float:
        for _ in range(count):
            numbers = [await limit.enter() for _ in range(limit.room)]
            for number in numbers:
                limit.succeeded(number, first_s)
                limit.leave()
        return limit.limit

    before = asyncio.run(rounds(0.1, 12))
    assert before == 256
    after = asyncio.run(rounds(30.0, 12))
    assert 4 <= after < before / 2
    assert asyncio.run(rounds(30.0, 100)) == pytest.approx(4, abs=1.1)


# Caps per minute.


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(1, 30), st.floats(0, 20), st.integers(0, 30)), min_size=1, max_size=60),
)
def test_no_minute_sees_more_than_the_cap(cap: int, uses: list[tuple[int, float, int]]) -> None:
    """`uses`: amount, seconds before it is asked for, and how much of it is given back."""
    now = [100.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    async def scene() -> None:
        limits = RateLimits(0, cap, lambda: now[0], sleep)
        taken: list[tuple[float, int]] = []
        for amount, pause, back in uses:
            amount, back = min(amount, cap), min(back, amount, cap)
            now[0] += pause
            ticket = await limits.take(amount)
            limits.settle(ticket, amount - back)
            taken.append((now[0], amount - back))
            spent = sum(used for at, used in taken if at > now[0] - 60)
            assert spent <= cap

    asyncio.run(scene())


def test_a_cap_opens_evenly_after_a_start_and_a_request_that_can_never_go_is_refused() -> None:
    window = Window(60, now=0.0)
    window.take(1, 0.0)
    assert window.wait_s(1, 0.0) == pytest.approx(2.0), "a predecessor may have used the whole minute"
    for second in range(60):
        window.take(0, 0.0)
        assert window.wait_s(1, 100.0 + second) == 0
    with pytest.raises(ValueError, match="tokens_per_minute = 100"):
        asyncio.run(RateLimits(0, 100).take(101))


# Faults.


@pytest.mark.parametrize(
    ("status", "body", "follows"),
    [
        (429, {"error": {"message": "slow down"}}, Follows.OVERLOAD),
        (529, "overloaded", Follows.OVERLOAD),
        (503, "", Follows.OVERLOAD),
        (
            429,
            {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
            Follows.NO_CREDIT,
        ),
        (500, {"detail": "broken"}, Follows.RETRY),
        (502, "<html>Bad gateway</html>", Follows.RETRY),
        (408, "", Follows.RETRY),
        (409, "", Follows.RETRY),
        (401, {"error": {"message": "wrong key"}}, Follows.LOST),
        (402, {"error": "Insufficient Balance"}, Follows.NO_CREDIT),
        (403, {"message": "no right"}, Follows.LOST),
        (404, {"error": {"message": "no such model"}}, Follows.LOST),
        (307, "", Follows.LOST),
        (400, {"error": {"message": "nonsense"}}, Follows.SAMPLE),
        (422, {"detail": [{"loc": ["body", "top_k"], "msg": "extra fields"}]}, Follows.SAMPLE),
        (400, {"error": {"code": "context_length_exceeded", "message": "too long"}}, Follows.TOO_LONG),
        (400, {"message": "This model's maximum context length is 10 tokens."}, Follows.TOO_LONG),
    ],
)
def test_what_follows_from_a_refusal(status: int, body: Any, follows: Follows) -> None:
    assert fault_of_status(status, {}, body).follows is follows


def test_the_server_may_say_itself_whether_to_retry_and_how_long_to_wait() -> None:
    assert fault_of_status(400, {"x-should-retry": "true"}, "").follows is Follows.RETRY
    assert fault_of_status(500, {"x-should-retry": "false"}, "").follows is Follows.SAMPLE
    fault = fault_of_status(429, {"retry-after": "12"}, "")
    assert (fault.follows, fault.wait_s) == (Follows.OVERLOAD, 12.0)
    assert fault_of_status(429, {"retry-after": "soon"}, "").wait_s is None


def test_waits_grow_and_never_coincide() -> None:
    dice = random.Random(1)
    waits = [back_off_s(attempt, dice) for attempt in range(1, 30)]
    assert waits[0] <= 0.5
    assert 15 <= waits[-1] <= 30
    assert len(set(waits)) == len(waits)


def test_a_key_is_taken_out_of_what_the_endpoint_says() -> None:
    assert redacted("Incorrect API key: sk-secret", "sk-secret") == "Incorrect API key: …"
    assert redacted("nothing", "") == "nothing"
    assert redacted("it ended in 'a key sk-sec'", "sk-secret") == "it ended in 'a key …'", "the text was shortened"


@pytest.mark.parametrize(
    "data",
    [
        b'{"error": {"message": "wrong key sk-secret-value", "code": 500, "param": "sk-secret-value"}}',
        b'["sk-secret-value"]',
        b"no JSON: " + b"." * 60 + b" sk-secret-value",
    ],
)
def test_a_key_is_taken_out_of_an_answer_that_is_refused_while_it_is_read(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some gateways send their errors as the body of an answer, under the status 200."""
    monkeypatch.setenv("STAND_IN_KEY", "sk-secret-value")

    async def read() -> None:
        client = Client(EndpointKeys(base_url="http://127.0.0.1:1/v1", model="m", api_key_env="STAND_IN_KEY"))
        async with client._told():
            take_data(Answer(), data)

    with pytest.raises(AttemptError) as caught:
        asyncio.run(read())
    assert "sk-s" not in f"{caught.value}{caught.value.fault}"


@pytest.mark.parametrize("value", ["sk-secret\nsecond line", "sk-secret sk-other", "sk-secret\u00fc"])
def test_a_variable_that_holds_more_than_a_key_is_refused_and_not_shown(value: str) -> None:
    endpoint = EndpointKeys(base_url="https://api.example.com/v1", api_key_env="STAND_IN_KEY")
    with pytest.raises(KeyMissingError, match="STAND_IN_KEY holds more than a key") as caught:
        key_of(endpoint, {"STAND_IN_KEY": value})
    assert "secret" not in str(caught.value)
    assert key_of(endpoint, {"STAND_IN_KEY": " sk-secret\n"}) == "sk-secret"


def test_an_endpoint_is_lost_after_time_and_failures_without_a_sign_of_life() -> None:
    now = [0.0]
    life = Life(100.0, lambda: now[0])
    assert not any(life.failed() for _ in range(50)), "no time has passed"
    now[0] = 101
    life.alive()
    assert not life.failed()
    now[0] = 300
    assert not life.failed()
    assert not life.failed()
    assert life.failed(), "the fourth failure, long after the first"
    assert LEAST_FAILURES == 4


def test_a_refusal_of_all_requests_needs_less_time_and_a_pause_needs_more() -> None:
    now = [0.0]
    life = Life(100.0, lambda: now[0])
    for _ in range(4):
        life.refused()
    life.answered(0.0)
    now[0] = 21
    assert not life.refused(), "a request was answered meanwhile"
    assert life.answers_since(0.0)
    assert not life.answers_since(1.0)
    for _ in range(3):
        life.refused()
    now[0] = 42
    life.alive()  # a refusal is a sign of life, and says nothing for the key
    assert life.refused()
    for _ in range(4):
        life.failed(pause_s=60)
    now[0] += 150
    assert not life.failed(), "it asked to be left alone for a minute"
    now[0] += 20
    assert life.failed()
    assert Life(100.0).failed(pause_s=86400), "the quota of a day"


# Answers.


def stream(*deltas: dict[str, Any], finish: str | None = "stop", **further: Any) -> bytes:
    rows = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    rows.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}], **further})
    return (
        b": hello\n\n" + b"".join(b"data: " + json.dumps(row).encode() + b"\n\n" for row in rows) + b"data: [DONE]\n\n"
    )


def read(data: bytes, cuts: list[int]) -> Answer:
    answer, lines, ends = Answer(), EventLines(), sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    start = 0
    for end in ends:
        for event in lines.feed(data[start:end]):
            if take_data(answer, event):
                return answer
        start = end
    return answer


@given(st.lists(st.integers(0, 600), max_size=20), st.booleans())
def test_a_stream_reads_alike_however_its_bytes_arrive(cuts: list[int], carriage: bool) -> None:
    data = stream({"reasoning": "two and ", "content": ""}, {"reasoning": "zwei ✓"}, {"content": "4"}, {"content": "!"})
    answer = read(data.replace(b"\n", b"\r\n") if carriage else data, cuts)
    assert (answer.text(True), answer.text(False), answer.finish_reason) == ("two and zwei ✓", "4!", "stop")


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        ([{"reasoning": "so"}, {"content": "4"}], "<think>so</think>4"),
        ([{"reasoning_content": "so"}, {"content": "4"}], "<think>so</think>4"),
        ([{"reasoning_content": "so", "reasoning": "so"}, {"content": "4"}], "<think>so</think>4"),
        ([{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "so"}]}]}, {"content": "4"}],
         "<think>so</think>4"),
        ([{"content": [{"type": "thinking", "thinking": "so"}, {"type": "text", "text": "4"}]}], "<think>so</think>4"),
        ([{"reasoning": "a"}, {"content": "b"}, {"reasoning": "c"}, {"content": "d"}],
         "<think>a</think>b<think>c</think>d"),
        ([{"content": "<think>so</think>4"}], "<think>so</think>4"),
        ([{"content": "4"}], "4"),
    ],
)  # fmt: skip
def test_a_thought_in_a_field_of_its_own_is_put_back_between_marks(deltas: list[dict[str, Any]], text: str) -> None:
    assert joined(read(stream(*deltas), []), None) == text


@pytest.mark.parametrize("style", ["think", "[THINK]", "harmony", "gemma", "granite", "seed:think", "kimi_k3"])
def test_a_joined_text_is_read_as_the_thought_and_the_answer_that_it_is_made_of(style: str) -> None:
    marks = marks_of(style)
    whole = thoughts.split(joined(read(stream({"reasoning": "so 2 + 2"}, {"content": "It is 4."}), []), marks), "stop")
    assert whole.answer.strip() == "It is 4."
    assert "so 2 + 2" in whole.thought
    open_end = thoughts.split(joined(read(stream({"reasoning": "so 2 + 2"}, finish="length"), []), marks), "length")
    assert open_end.open_at_end
    assert not open_end.answer


def test_a_thought_that_quotes_its_closing_mark_does_not_leak_into_the_answer() -> None:
    text = joined(read(stream({"reasoning": "wrong: </think> 5"}, {"content": "4"}), []), None)
    assert thoughts.split(text, "stop").answer == "4"


def test_a_thought_that_is_counted_and_not_shown_is_hidden_and_so_is_a_summary() -> None:
    plain = Answer(parts=[(False, ["4"])])
    summary = Answer(parts=[(True, ["added them"]), (False, ["4"])])
    shown = Answer(parts=[(True, ["so two and two make four"]), (False, ["4"])])
    assert is_hidden(plain, "4", 500)
    assert is_hidden(summary, joined(summary, None), 500)
    assert not is_hidden(shown, joined(shown, None), 6)
    assert not is_hidden(plain, "4", None)
    assert not is_hidden(Answer(parts=[(False, ["<think>so it is</think>4"])]), "<think>so it is</think>4", 5)


@pytest.mark.parametrize("data", [b'{"choi', b"[1]", b'{"error": {"message": "failed", "code": 500}}'])
def test_a_broken_piece_of_a_stream_is_tried_again(data: bytes) -> None:
    with pytest.raises(AttemptError) as caught:
        take_data(Answer(), data)
    assert caught.value.fault.follows is Follows.RETRY


def test_an_error_inside_a_stream_says_what_follows() -> None:
    with pytest.raises(AttemptError) as caught:
        Answer().take({"error": {"message": "busy", "code": "429"}})
    assert caught.value.fault.follows is Follows.OVERLOAD


# Counts.


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 12}, True),
        (None, False),
        ({}, False),
        ({"prompt_tokens": 9, "completion_tokens": 0}, False),
        ({"prompt_tokens": 9, "completion_tokens": 10**9}, False),
        ({"prompt_tokens": 9, "completion_tokens": -5}, False),
        ({"prompt_tokens": 9, "completion_tokens": "many"}, False),
        ({"prompt_tokens": 9, "completion_tokens": True}, False),
        ({"prompt_tokens": 0, "completion_tokens": 12}, False),
        ({"prompt_tokens": 9, "completion_tokens": 12, "completion_tokens_details": {"reasoning_tokens": 40}}, False),
        ({"prompt_tokens": 9, "completion_tokens": 900, "completion_tokens_details": {"reasoning_tokens": 888}}, True),
    ],
)
def test_counts_that_are_missing_or_impossible_are_noticed_and_never_too_small(said: Any, believed: bool) -> None:
    usage = read_usage(said, num_bytes=400, messages=HELLO, max_tokens=1000)
    assert bool(usage.fault) is not believed
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens >= (12 if believed else 400)


# What is asked.


def test_vllm_gets_every_sampling_value_and_an_api_only_what_says_something() -> None:
    settings = EngineSettings(engine="openai", base_url="http://h/v1", model="m")
    request = GenerationRequest("a", SamplingParameters(temperature=0.6), messages=HELLO, seed=7)
    vllm = body_for(request, settings, "vllm", Habits())
    assert {
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "seed": 7,
    }.items() <= vllm.items()
    api = body_for(request, settings, "api", Habits())
    assert set(api) == {"messages", "temperature", "top_p", "max_tokens", "stream", "stream_options"}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"top_k": 5}, "top_k"),
        ({"min_p": 0.1}, "min_p"),
        ({"repetition_penalty": 1.1}, "repetition_penalty"),
        ({"stop_token_ids": (3,)}, "stop_token_ids"),
        ({"thinking_tokens": 9}, "thinking_tokens"),
        ({"loop": {"size": 4}}, "loop"),
    ],
)
def test_a_sampling_key_without_an_equivalent_is_named(change: dict[str, Any], name: str) -> None:
    sampling = SamplingParameters(**change)
    assert without_equivalent("api", sampling) == [name]
    assert without_equivalent("vllm", sampling) == []
    assert without_equivalent("api", SamplingParameters()) == []


def test_habits_are_learned_from_refusals_and_values_that_matter_are_never_dropped() -> None:
    body = {"max_tokens": 5, "temperature": 1.0, "top_p": 0.9, "stream_options": {}}
    learned = learned_from("max_tokens", "Use 'max_completion_tokens' instead.", body, Habits())
    assert learned is not None
    assert learned.max_tokens == "max_completion_tokens"
    left_out = learned_from("temperature", "Unsupported value", body, Habits())
    assert left_out is not None
    assert left_out.left_out == {"temperature"}
    assert learned_from("top_p", "not supported", body, Habits()) is None, "0.9 changes what is drawn"
    assert learned_from("", "`stream_options` is unknown", body, Habits()) is not None


# The guard.


def problem(**further: Any) -> Problem:
    return Problem(**{"id": "p", "kind": "choice", "prompt": "?", "reference": {}, **further})


@pytest.mark.parametrize(
    ("found", "confidential"),
    [
        (problem(source="gpqa"), True),
        (problem(source="Idavidrein/GPQA_diamond"), True),
        (problem(source="PutnamBench"), True),
        (problem(source="trishullab/putnam-bench"), True),
        (problem(source="somewhere", reference={"name": "putnam_1962_a1"}), True),
        (problem(source="mine", meta={"confidential": True}), True),
        (problem(source="gpqa", meta={"confidential": False}), True),
        (problem(source="gpqadiamond"), True),
        (problem(source="GPQADiamond"), True),
        (problem(source="sets/my-GPQA/2"), True),
        (problem(source="MyGPQA"), True),
        (problem(source="mine", meta={"confidential": 1}), True),
        (problem(source="mine", meta={"confidential": "yes"}), True),
        (problem(source="mine", meta={"confidential": 0}), False),
        (problem(source="supergpqa"), False),
        (problem(source="m-a-p/SuperGPQA"), False),
        (problem(source="gsm8k"), False),
        (problem(reference={"name": "putnam_lemma"}), False),
        (problem(), False),
    ],
)
def test_which_problems_are_confidential(found: Problem, confidential: bool) -> None:
    assert is_confidential(found, SOURCES) is confidential


def test_confidential_text_leaves_for_another_machine_only_with_leave() -> None:
    away = EndpointKeys(base_url="https://api.example.com/v1")
    for confidential in (True, None):
        with pytest.raises(ConfidentialError, match="nothing was sent"):
            check_leave(away, confidential)
        check_leave(away.model_copy(update={"allow_confidential": True}), confidential)
        check_leave(EndpointKeys(base_url="http://127.0.0.1:8000/v1"), confidential)
    check_leave(away, False)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1.evil.example/v1", "http://localhost.evil.example", "http://10.0.0.1"]
)
def test_a_name_that_looks_like_loopback_is_another_machine(url: str) -> None:
    assert not is_loopback(url)
