"""An engine for callers without an event loop. It runs on a loop in its own thread, and many threads may call it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from workers.engines.base import Engine, EngineStartError

START_TIMEOUT_S = 900.0
"""Longest wait for a model to load, in seconds."""
CLOSE_TIMEOUT_S = 60.0

T = TypeVar("T")


class BlockingEngine:
    """An engine with blocking calls. It can be started once and closed once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"engine {engine.name}", daemon=True)

    def start(self) -> None:
        """Loads the model. Raises EngineStartError."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.engine.start(), self._loop).result(START_TIMEOUT_S)
        except TimeoutError:
            raise EngineStartError(
                f"the engine {self.engine.name} did not start within {START_TIMEOUT_S:g} s"
            ) from None

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` on the engine's loop and waits for it; raises what it raises."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Ends the engine's processes; may be called before `start`."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.engine.stop)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_TIMEOUT_S)
