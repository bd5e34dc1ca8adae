"""Rollouts without Ray: what the model is shown, what is asked, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
import json

import pytest
from stand_ins import StandInEngine

from verifiers.registry import UnknownNameError
from workers.engines.base import Engine, EngineSettings, Generation, SamplingParameters
from workers.messages import Parent, SampleTask
from workers.prompting.messages import finding_for_model
from workers.rollouts.base import Rollout, RolloutRequest, make_sample
from workers.rollouts.registry import check_first_rollout, rollout_class, rollout_name

TASK = SampleTask((0, 4), "p0", 0, 0, 1, 7, "{}", round=1, parent_index=0)
MESSAGES = (("user", json.dumps({"answer": "7", "p": 1.0, "tokens": 4})),)


def rollout(name: str, **change: object) -> Rollout:
    engine: Engine = StandInEngine(EngineSettings(path="m"))
    fields = {"id": "0-4", "task": TASK, "messages": MESSAGES, "sampling": SamplingParameters(), **change}
    return rollout_class(name)(engine, RolloutRequest(**fields))  # type: ignore[arg-type]


def test_single_asks_once_with_the_samples_seed() -> None:
    drawn = rollout("single")
    generation = asyncio.run(drawn.draw())
    assert generation.text == "7" and drawn.messages == MESSAGES
    sample = make_sample(TASK, drawn.messages, generation)
    assert (sample.problem_id, sample.sample_index, sample.seed, sample.round) == ("p0", 4, 7, 1)


def test_a_sample_that_nobody_wants_any_more_does_not_reach_the_engine() -> None:
    generation = asyncio.run(rollout("single", is_unwanted=lambda: True).draw())
    sample = make_sample(TASK, MESSAGES, generation)
    assert sample.finish_reason == "abort" and sample.text is None and sample.prompt_tokens == 0


def test_a_partial_text_is_never_stored() -> None:
    assert make_sample(TASK, MESSAGES, Generation("7, beca", "abort")).text is None


def test_a_repair_round_without_its_attempt_fails_and_keeps_the_problems_messages() -> None:
    drawn = rollout("repair")
    with pytest.raises(ValueError, match="without the attempt"):
        asyncio.run(drawn.draw())
    assert drawn.messages == MESSAGES


@pytest.mark.parametrize("told", [True, False])
def test_a_repair_round_shows_the_same_finding_after_a_resume(monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    """The coordinator knows the finding; after a resume it is made again from the stored row."""
    row = {"messages": json.dumps([{"role": "user", "content": "p"}]), "text": "x", "reason": "wrong answer"}
    row["finish_reason"] = "stop"
    row["evidence"] = json.dumps({"tier": "t", "first_failure": {"got": "3"}})
    monkeypatch.setattr("workers.rollouts.repair.read_row", lambda *_: row)
    first = finding_for_model(row["reason"], row["evidence"], 30) if told else ""
    drawn = rollout("repair", parent=Parent(None, 0, "part", first), storage_uri="/nowhere", evidence_chars=30)
    messages = asyncio.run(drawn._repair_messages(drawn.request.parent))  # type: ignore[attr-defined]
    assert messages[-1][1].splitlines()[1:3] == ["wrong answer", "{"] and '"t"' not in messages[-1][1]
    assert messages[-1][1].startswith(
        "Checking this found a problem:\n" + finding_for_model("wrong answer", row["evidence"], 30)
    )


THOUGHTFUL = {
    # (text, finish reason) → what an earlier turn shows of it
    ("<think>\n4 or 5?\n</think>\n\n\\boxed{4}<|im_end|>", "stop"): "\\boxed{4}",
    ("<think>4 or 5? \\boxed{4}", "length"): "(no answer)",
    ("", "length"): "(no answer)",
    ("4", "stop"): "4",
    ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>", "stop"): "4",
}


@pytest.mark.parametrize(("attempt", "shown"), THOUGHTFUL.items())
@pytest.mark.parametrize("keep_thought", [False, True])
def test_an_earlier_turn_has_the_answer_without_the_thought(
    monkeypatch: pytest.MonkeyPatch, attempt: tuple[str, str], shown: str, keep_thought: bool
) -> None:
    text, finish_reason = attempt
    row = {"messages": json.dumps([{"role": "user", "content": "p"}]), "text": text, "reason": "wrong answer"}
    monkeypatch.setattr(
        "workers.rollouts.repair.read_row", lambda *_: {**row, "finish_reason": finish_reason, "evidence": "{}"}
    )
    drawn = rollout("repair", parent=Parent(None, 0, "part", ""), storage_uri="/nowhere", keep_thought=keep_thought)
    _, turn, _ = asyncio.run(drawn._repair_messages(drawn.request.parent))  # type: ignore[attr-defined]
    assert turn == ("assistant", text if keep_thought else shown)


def test_a_follow_up_turn_is_a_repair_and_a_first_attempt_what_the_config_names() -> None:
    attempt = Parent(None, 0, "part", "")
    for chosen in ("single", "tools"):
        assert rollout_name(chosen, None) == chosen and rollout_name(chosen, attempt) == "repair"


def test_a_config_names_a_known_rollout_that_can_draw_a_first_attempt() -> None:
    check_first_rollout("single")
    with pytest.raises(UnknownNameError, match="unknown rollout 'tools'; known: single, repair"):
        check_first_rollout("tools")
    with pytest.raises(ValueError, match=r"sampling\.repair\.rounds asks for it\. Known here: single$"):
        check_first_rollout("repair")
