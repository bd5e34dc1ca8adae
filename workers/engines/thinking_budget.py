"""Thoughts that the engine closes when they have grown too long (`sampling.thinking_tokens`).

vLLM does that itself: it counts the tokens behind the opening mark and writes the closing mark at the budget. It has to
know both marks when it starts, and they are those of `model.thinking`. The closing mark goes in bare, without a phrase
before it: vLLM would otherwise look for the whole phrase as the end of a thought, miss the model's own closing mark,
and write the phrase into the middle of the answer (vLLM pull request 53572).

Promises: `closed_by_budget` says what vLLM did, from the tokens alone.
Does not: bound a thought that is not marked, or one that a model takes up again without a mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from workers.engines.thinking import Marks


def reasoning_config(marks: Marks) -> Any:
    """What vLLM is told of a style when it starts."""
    from vllm.config.reasoning import ReasoningConfig

    return ReasoningConfig(reasoning_start_str=marks.opening.strip(), reasoning_end_str=marks.closing)


class MarkIds(NamedTuple):
    """The tokens of a style's marks."""

    opening: Sequence[int]
    closing: Sequence[int]


def mark_ids(config: Any) -> MarkIds:
    """The marks as vLLM has tokenised them."""
    return MarkIds(tuple(config.reasoning_start_token_ids), tuple(config.reasoning_end_token_ids))


def closed_by_budget(prompt: Sequence[int], drawn: Sequence[int], budget: int, marks: MarkIds) -> bool:
    """Whether vLLM closed a thought of this sample: one that has as many tokens as it may have, and not fewer.

    >>> marks = MarkIds((1,), (2,))
    >>> closed_by_budget([9, 1], [5, 5, 2, 7], 2, marks), closed_by_budget([9, 1], [5, 2, 7], 2, marks)
    (True, False)
    >>> closed_by_budget([9], [1, 5, 5, 2, 7], 2, marks), closed_by_budget([9], [5, 5, 2, 7], 2, marks)
    (True, False)
    """
    opened = last_place(prompt, marks.opening)
    begin = -1
    if opened >= 0 and opened > last_place(prompt, marks.closing):
        begin = opened + len(marks.opening) - len(prompt)  # tokens of the thought that stand in the prompt count too
    else:
        found = first_place(drawn, marks.opening)
        if found < 0:
            return False
        begin = found + len(marks.opening)
    end = first_place(drawn, marks.closing, max(begin, 0))
    return end >= 0 and end - begin >= budget


def first_place(tokens: Sequence[int], part: Sequence[int], start: int = 0) -> int:
    """Where `part` first stands in `tokens`, from `start` on; -1: nowhere."""
    part = list(part)
    for place in range(start, len(tokens) - len(part) + 1):
        if tokens[place] == part[0] and list(tokens[place : place + len(part)]) == part:
            return place
    return -1


def last_place(tokens: Sequence[int], part: Sequence[int]) -> int:
    """Where `part` last stands in `tokens`; -1: nowhere."""
    part = list(part)
    for place in range(len(tokens) - len(part), -1, -1):
        if tokens[place] == part[0] and list(tokens[place : place + len(part)]) == part:
            return place
    return -1
