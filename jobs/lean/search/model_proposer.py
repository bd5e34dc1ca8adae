"""Tactics from a model: one engine in this process, asked for several continuations of a goal state.

Promises: safe from many threads (the engine runs on an event loop of its own); a tactic's log-probability is that of
its share among the samples of its state, an estimate that does not punish long tactics for their tokens. Does not: use
Ray, or judge a tactic (Lean does). Fails: EngineStartError from `start`, EngineGoneError from `propose`.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import math
import re
import textwrap
from collections import Counter

from runstore.schema import Messages
from verifiers import thoughts
from verifiers.lean.search.best_first import Proposal, TacticState
from verifiers.lean.search.core_tactics import read_goal
from workers.engines.base import Ability, Engine, Generation, GenerationRequest, SamplingParameters
from workers.engines.blocking import BlockingEngine

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:^[ \t]*```|\Z)", re.M | re.S)
_PREFIX = re.compile(r"(?:theorem|lemma|example)\b.*?:=[ \t]*by(?![\w'.])", re.S)
PROMPTS = ("state", "theorem")


class ModelProposer:
    """The `Proposer` over an engine. `prompt` `state` shows Lean's goals and asks for a tactic; `theorem` states the
    first goal as a theorem to prove, for models that know whole proofs only.
    """

    def __init__(
        self,
        engine: Engine,
        sampling: SamplingParameters,
        *,
        num_samples: int = 8,
        prompt: str = "state",
        seed: int = 0,
    ) -> None:
        """`engine` is not started yet. Raises EngineAbilityError for one that cannot be asked with messages."""
        if prompt not in PROMPTS:
            raise ValueError(f"prompt: {prompt!r} is not one of {', '.join(PROMPTS)}")
        engine.require({Ability.MESSAGES})
        self._engine = engine
        self._blocking = BlockingEngine(engine)
        self._sampling = sampling
        self._num_samples = num_samples
        self._prompt = prompt
        self._seed = seed
        self._numbers = itertools.count()

    def start(self) -> None:
        """Loads the model. Raises EngineStartError."""
        self._blocking.start()

    def propose(self, state: TacticState) -> list[Proposal]:
        generations = self._blocking.call(self._sample(state))
        return count_tactics([(generation.text, generation.finish_reason) for generation in generations])

    def close(self) -> None:
        self._blocking.close()

    async def _sample(self, state: TacticState) -> list[Generation]:
        messages = messages_for(state, self._prompt)
        # The same state gets the same samples whenever the search reaches it.
        content = "\0".join((str(self._seed), *state.goals)).encode()
        first = int.from_bytes(hashlib.sha256(content).digest()[:4])
        number = next(self._numbers)
        requests = (
            GenerationRequest(f"state-{number}-{i}", self._sampling, messages=messages, seed=first + i)
            for i in range(self._num_samples)
        )
        return await asyncio.gather(*(self._engine.generate(request) for request in requests))


def messages_for(state: TacticState, prompt: str) -> Messages:
    """What the model is shown."""
    if prompt == "theorem":
        return (("user", f"Prove in Lean 4: {as_theorem(state.goals[0])}"),)
    shown = "\n\n".join(state.goals)
    return (
        (
            "user",
            f"Lean 4 proof state:\n\n{shown}\n\nGive the next tactic for the first goal in one fenced lean block.",
        ),
    )


def as_theorem(goal: str) -> str:
    """A goal as a statement that a whole proof could prove; nothing depends on its being exact."""
    hypotheses, target = read_goal(goal.replace("✝", ""))
    groups = [
        (" ".join(name for name, _ in group), kind)
        for kind, group in itertools.groupby(hypotheses, key=lambda hypothesis: hypothesis[1])
    ]
    binders = "".join(f" ({names} : {kind})" for names, kind in groups)
    return f"theorem t{binders} : {target}"


def count_tactics(texts: list[tuple[str, str]]) -> list[Proposal]:
    """Every text's whole block and its first tactic, with the logarithm of their share of the texts. A text comes with
    its finish reason."""
    counts = Counter(tactic for text, finish in texts for tactic in dict.fromkeys(read_tactics(text, finish)))
    return [Proposal(tactic, math.log(count / len(texts))) for tactic, count in counts.items()]


def read_tactics(text: str, finish_reason: str | None = None) -> list[str]:
    """The tactic block in a model's text and its first tactic; none where there is no text. In a text that was cut off,
    only tactics that are followed by something else count."""
    parts = thoughts.split(text, finish_reason)
    if parts.open_at_end:
        return []
    text = parts.answer
    blocks = _FENCE.findall(text)
    code = blocks[-1] if blocks else text
    code = _PREFIX.sub("", code.strip("\n"), count=1)
    code = re.sub(r"\A\s*(?::=\s*)?by(?![\w'.])[ \t]*\n?", "", code)
    block = textwrap.dedent(code).strip()
    lines = block.split("\n")
    end = next((i for i, line in enumerate(lines[1:], 1) if line and not line[0].isspace() and line[0] != "|"), None)
    first = "\n".join(lines[:end]).rstrip()
    if parts.cut and (parts.in_fence or not blocks):
        return [first] if first and end is not None else []
    return [tactic for tactic in dict.fromkeys((block, first)) if tactic]
