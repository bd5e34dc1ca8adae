"""How likely a model finds texts that are already there, for callers without an event loop.

Promises: a text is scored as the model's chat template presents it, over the tokens of the text alone; a text that
leaves the model's context gets no score.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from runstore.schema import Messages
from workers.engines.base import Ability, Engine
from workers.engines.blocking import BlockingEngine


class Scorer:
    """Owns its engine: `start` loads the model, `close` ends it."""

    def __init__(self, engine: Engine) -> None:
        """Raises EngineAbilityError for an engine that cannot score."""
        engine.require({Ability.SCORE})
        self._engine = engine
        self._blocking = BlockingEngine(engine)
        self._numbers = itertools.count()

    def start(self) -> None:
        """Raises EngineStartError."""
        self._blocking.start()

    def surprise(self, chats: Sequence[Messages], texts: Sequence[str]) -> list[float | None]:
        """The mean negative log-likelihood (nats per token) of each text as the answer to its chat; None where it does
        not fit. Raises EngineGoneError."""
        scores = self._blocking.call(self._score(list(zip(chats, texts, strict=True))))
        return [-sum(tokens) / len(tokens) if tokens else None for tokens in scores]

    async def _score(self, pairs: list[tuple[Messages, str]]) -> list[list[float] | None]:
        scoring = (self._engine.score(f"score-{next(self._numbers)}", chat, text) for chat, text in pairs)
        return list(await asyncio.gather(*scoring))

    def close(self) -> None:
        """Ends the engine's processes."""
        self._blocking.close()
