"""How many tokens a request took, by what the endpoint says, and whether that can be true.

Prices, caps and ceilings rest on these counts, and no tokenizer of the model is at hand. But a token stands for at
least one byte of text and for at most BYTES_PER_TOKEN, and an answer is no longer than was asked for. A count outside
of these bounds is wrong.

Promises: a count that is missing or cannot be true is noticed, and replaced by the most that the text can have cost, so
that no ceiling is passed because of it.
Does not: find a count that is wrong and possible.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from runstore.schema import Messages
from verifiers.types import Json

BYTES_PER_TOKEN = 48
"""Most bytes of text that a token stands for on average over a whole answer. Single tokens are longer (runs of blanks),
whole answers never are."""
SLACK_TOKENS = 64
"""Tokens beside the text: ends of turns, marks, names of channels."""
TURN_TOKENS = 16
"""Tokens that a chat format puts around one message, at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one request."""

    prompt_tokens: int
    completion_tokens: int
    thought_tokens: int | None = None
    """Tokens of the completion that are thought; None: the endpoint does not tell."""
    fault: str = ""
    """Why the endpoint's counts were not believed; empty: they were."""

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens


def most_prompt_tokens(messages: Messages) -> int:
    """The most tokens that a prompt can have."""
    return sum(len(content.encode(errors="replace")) + TURN_TOKENS for _, content in messages)


def read_usage(said: Mapping[str, Json] | None, num_bytes: int, messages: Messages, max_tokens: int) -> Usage:
    """The tokens of a request. `said` is the endpoint's `usage`, `num_bytes` what its answer has, `max_tokens` what was
    asked for at most; 0: nothing was asked for."""
    most = min(num_bytes + SLACK_TOKENS, max_tokens) if max_tokens else num_bytes + SLACK_TOKENS
    prompt, completion = count(said, "prompt_tokens"), count(said, "completion_tokens")
    details = said.get("completion_tokens_details") if said else None
    thought = count(details, "reasoning_tokens") if isinstance(details, Mapping) else None
    if said is None or prompt is None or completion is None:
        fault = "no usage" if said is None else f"usage without counts: {str(dict(said))[:120]}"
        return Usage(prompt or most_prompt_tokens(messages), completion or most, thought, fault)
    fault = ""
    if completion * BYTES_PER_TOKEN + SLACK_TOKENS < num_bytes:
        fault = f"{completion:,} tokens for a text of {num_bytes:,} bytes"
    elif completion > num_bytes + (thought or 0) + SLACK_TOKENS:
        fault = f"{completion:,} tokens, {thought or 0:,} of them thought, for a text of {num_bytes:,} bytes"
    elif max_tokens and completion > max_tokens + SLACK_TOKENS:
        fault = f"{completion:,} tokens, where at most {max_tokens:,} were asked for"
    elif thought is not None and thought > completion:
        fault = f"{thought:,} tokens of thought among {completion:,} tokens"
    elif not prompt and messages:
        fault = "no token in the prompt"
    if fault:
        return Usage(prompt or most_prompt_tokens(messages), max(completion, most), None, fault)
    return Usage(prompt, completion, thought)


def count(table: Mapping[str, Json] | None, name: str) -> int | None:
    """A count of a table; None where it has none that is one."""
    value = table.get(name) if table else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
