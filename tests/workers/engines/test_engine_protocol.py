"""The engine protocol without a model: abilities, the table, scoring and callers without an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from stand_ins import StandInEngine

from jobs.config import ConfigError, check_config
from jobs.solve.plan import require_abilities
from verifiers.registry import UnknownNameError
from workers.engines.base import (
    Ability,
    Engine,
    EngineAbilityError,
    EngineGoneError,
    EngineSettings,
    EngineStartError,
    Generation,
    GenerationRequest,
    SamplingParameters,
)
from workers.engines.blocking import BlockingEngine
from workers.engines.registry import ENGINES, EngineRow, open_engine
from workers.engines.scoring import Scorer
from workers.engines.vllm import VllmEngine

SETTINGS = EngineSettings(path="m")
PLAIN = SamplingParameters()


class Modest(Engine):
    """Can be asked with messages, and nothing more."""

    name = "modest"
    abilities = frozenset({Ability.MESSAGES})

    async def start(self) -> None:
        if self.settings.path == "missing":
            raise EngineStartError("no such model")

    async def generate(self, request: GenerationRequest) -> Generation:
        self.require(request.needs())
        return Generation("an answer", "stop")

    async def abort(self, request_ids: Sequence[str]) -> None:
        pass

    def stop(self) -> None:
        pass


class Reader(Modest):
    """Scores every token of a text, its words, by its length; a text with `dead` in it kills the engine."""

    abilities = frozenset({Ability.SCORE})

    async def score(self, request_id: str, messages: Any, text: str) -> list[float] | None:
        if "dead" in text:
            raise EngineGoneError("dead")
        return [-float(len(word)) for word in text.split()] or None


@pytest.mark.parametrize(
    ("change", "ability"),
    [
        ({"messages": (), "token_ids": (1, 2)}, Ability.TOKEN_IDS),
        ({"prefix": "So"}, Ability.PREFIX),
        ({"stop": ("\n",)}, Ability.STOP),
        ({"json_schema": {"type": "object"}}, Ability.JSON_SCHEMA),
        ({"adapter": "/adapter"}, Ability.ADAPTER),
        ({"logprobs": True}, Ability.LOGPROBS),
        ({"sampling": SamplingParameters(top_k=5)}, Ability.TOP_K),
        ({"sampling": SamplingParameters(min_p=0.1)}, Ability.MIN_P),
        ({"sampling": SamplingParameters(stop=("\n",))}, Ability.STOP),
    ],
)
def test_a_request_names_what_it_needs_and_is_refused_where_that_is_missing(
    change: dict[str, Any], ability: Ability
) -> None:
    request = GenerationRequest(**{"id": "a", "sampling": PLAIN, "messages": (("user", "?"),), **change})
    assert ability in request.needs()
    with pytest.raises(EngineAbilityError, match=f"the engine modest cannot {ability}"):
        asyncio.run(Modest(SETTINGS).generate(request))


def test_a_plain_request_needs_messages_only() -> None:
    request = GenerationRequest("a", PLAIN, messages=(("user", "?"),))
    assert request.needs() == {Ability.MESSAGES}
    assert asyncio.run(Modest(SETTINGS).generate(request)).text == "an answer"


def config(**sections: dict[str, Any]) -> Any:
    table: dict[str, Any] = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m"}}
    for name, section in sections.items():
        table.setdefault(name, {}).update(section)
    return check_config(table, "test")


def test_a_config_that_needs_more_than_the_engine_can_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ENGINES._rows, "modest", EngineRow(f"{__name__}:Modest"))
    monkeypatch.setattr("workers.engines.registry.load", lambda target: Modest)
    require_abilities(config(model={"engine": "modest"}))
    for key, value, ability in [
        ("min_p", 0.1, Ability.MIN_P),
        ("top_k", 4, Ability.TOP_K),
        ("stop", ["x"], Ability.STOP),
    ]:
        with pytest.raises(ConfigError, match=rf"model\.engine = 'modest': .* cannot {ability}.*it can: render chat"):
            require_abilities(config(model={"engine": "modest"}, sampling={key: value}))
    with pytest.raises(ConfigError, match=r"model\.engine_args\.seed: unknown key"):
        config(model={"engine": "modest", "engine_args": {"seed": 1}})


def test_an_unknown_engine_is_one_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="unknown engine 'gguf'; known: vllm"):
        open_engine(EngineSettings(path="m", engine="gguf"))
    with pytest.raises(ConfigError, match=r"model\.engine: unknown engine 'gguf'; known: vllm"):
        config(model={"engine": "gguf"})


def test_vllm_can_apply_adapters_only_where_it_was_given_room_for_them() -> None:
    assert Ability.ADAPTER not in VllmEngine(SETTINGS).abilities
    lora = SETTINGS.model_copy(update={"engine_args": {"enable_lora": True}})
    assert VllmEngine(lora).abilities - VllmEngine(SETTINGS).abilities == {Ability.ADAPTER}


def test_a_scorer_takes_the_mean_over_the_texts_own_tokens() -> None:
    scorer = Scorer(Reader(SETTINGS))
    scorer.start()
    try:
        assert scorer.surprise([(("user", "?"),)] * 3, ["a bcd", "", "ab"]) == [2.0, None, 2.0]
        with pytest.raises(EngineGoneError):
            scorer.surprise([(("user", "?"),)], ["dead"])
    finally:
        scorer.close()
    with pytest.raises(EngineAbilityError, match="cannot score a given text"):
        Scorer(Modest(SETTINGS))


def test_an_engine_without_scores_says_so() -> None:
    with pytest.raises(EngineAbilityError, match="the engine modest cannot score a given text"):
        asyncio.run(Modest(SETTINGS).score("a", (), "text"))


def test_a_blocking_engine_tells_why_it_did_not_start_and_closes_either_way() -> None:
    engine = BlockingEngine(Modest(EngineSettings(path="missing")))
    with pytest.raises(EngineStartError, match="no such model"):
        engine.start()
    engine.close()
    BlockingEngine(StandInEngine(SETTINGS)).close()


def test_sampling_parameters_are_stored_under_their_names() -> None:
    stored = SamplingParameters(stop=("a", "b"), min_p=0.1).to_json()
    assert stored == {
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": -1,
        "min_p": 0.1,
        "max_tokens": 1024,
        "stop": ["a", "b"],
        "logprobs": False,
        "seeded": True,
    }
