"""Stand-ins for the engine and the checkers, so that a test of the pipeline takes seconds and its faults can be chosen.

A prompt is JSON: {"answer": "7", "p": 0.5, "tokens": 20, "token_s": 0.001, "fault": "..."}. A sample is right with
probability p by its own seed, so that a rerun of a sample gives the same text, as with the real engine. `p_of` has the
probabilities of single models by their paths, `lost` the path of an endpoint that is gone, and `texts` what its samples
say instead. `keyless` problems have no answer key, and `writings` are other ways to write their right answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from typing import Any

from verifiers.types import NO_ANSWER_KEY, Limits, Problem, Status, Verdict
from workers.engines.base import (
    Ability,
    EndpointLostError,
    Engine,
    EngineGoneError,
    Generation,
    GenerationRequest,
    StepClock,
)


class StandInEngine(Engine):
    name = "stand-in"
    abilities = frozenset(Ability)

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.version, self.revision, self.max_model_len = "1", "r1", 4096
        self._aborts: dict[str, asyncio.Event] = {}
        self.steps = [StepClock()]
        self._hangs = asyncio.Event()
        self._stepping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._stepping = asyncio.create_task(self._step())

    async def _step(self) -> None:
        while not self._hangs.is_set():
            await asyncio.sleep(0.01)
            self.steps[0].note(time.monotonic(), bool(self._aborts))

    async def responds(self) -> bool:
        if self._hangs.is_set():
            await asyncio.Event().wait()
        return True

    async def generate(self, request: GenerationRequest) -> Generation:
        messages, seed, request_id = request.messages, request.seed, request.id
        asked = [content for role, content in messages if role == "user"]
        task, _ = json.JSONDecoder().raw_decode(asked[0])  # a suffix may follow
        if task.get("fault") == "engine dies":
            raise EngineGoneError("the stand-in engine was told to die")
        if task.get("lost") == self.settings.path:
            raise EndpointLostError("the stand-in endpoint was told to be gone")
        if task.get("fault") == "engine refuses":
            raise ValueError("this prompt cannot be drawn")
        if task.get("fault") == "engine hangs":
            self._hangs.set()
        dice = random.Random(seed)
        p = task.get("p_of", {}).get(self.settings.path, task["p"])
        right = dice.random() < (p if len(asked) == 1 else task.get("p_repair", 0.0))
        tokens = int(task.get("tokens", 10) * dice.uniform(0.5, 1.5))
        seconds = tokens * task.get("token_s", 0.001)
        began = time.monotonic()
        event = self._aborts[request_id] = asyncio.Event()
        try:
            if self._hangs.is_set():
                await asyncio.Event().wait()
            await asyncio.wait_for(event.wait(), seconds)
            done = int(tokens * (time.monotonic() - began) / seconds)
            return Generation("par", "abort", 5, done, generation_s=time.monotonic() - began)
        except TimeoutError:
            pass
        finally:
            self._aborts.pop(request_id, None)
        if self._hangs.is_set():
            await asyncio.Event().wait()
        if right and task.get("writings"):
            return Generation(dice.choice(task["writings"]), "stop", 5, tokens, -0.5, generation_s=seconds)
        answer = task["answer"] if right else f"not {task['answer']} {dice.randrange(10)}"
        if texts := task.get("texts"):
            answer = texts[dice.randrange(len(texts))]
        return Generation(answer, "stop", 5, tokens, -0.5, generation_s=seconds)

    async def abort(self, request_ids: Any) -> None:
        for request_id in request_ids:
            if request_id in self._aborts:
                self._aborts[request_id].set()

    def stop(self) -> None:
        pass


class StandInCheckers:
    def __init__(self, num_workers: int, settings: Any) -> None:
        pass

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        task = json.loads(problem.prompt)
        fault = task.get("fault")
        time.sleep(task.get("check_s", 0.0))
        if fault == "checker dies":
            os._exit(9)
        if fault == "checker raises":
            raise RuntimeError("told to raise")
        if fault == "checker hangs":
            time.sleep(3600)
        if task.get("keyless"):
            return Verdict(Status.UNCHECKED, NO_ANSWER_KEY, {"answer": text}, "stand-in", "1", 0.001, Limits())
        status = Status.VERIFIED if text == problem.reference["answer"] else Status.REFUTED
        return Verdict(status, "compared", {"got": text}, "stand-in", "1", 0.001 + task.get("check_s", 0.0), Limits())

    def close(self) -> None:
        pass
