"""The text of a finished sample, decoded once at its end instead of token by token.

vLLM decodes each token as it comes, in the one event loop of the process, which only stop strings and streams need.
The text here is the one that vLLM would have made: it decodes what follows the prompt, leaves out the token that ended
the sample, and leaves out a character whose bytes are not complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

TAIL_TOKENS = 32
"""Tokens of the prompt that are decoded with the answer: the first token of an answer is written otherwise at the
beginning of a text (many tokenizers drop its space there)."""
LONG_TOKENS = 2000
"""Length from which a text is decoded in a thread, since it takes a millisecond or more."""
REPLACEMENT = "\ufffd"
"""What a tokenizer writes for bytes that are no character."""


def decoder_of(tokenizer: Any) -> Any:
    """The tokenizer's own decoder, which adds and cleans up nothing; None where vLLM decodes in another way."""
    from vllm.v1.engine.detokenizer import uses_fast_detokenizer

    return tokenizer._tokenizer if uses_fast_detokenizer(tokenizer) else None


async def text_of(
    decoder: Any, prompt: Sequence[int], token_ids: Sequence[int], is_stopped: bool, skip_special_tokens: bool
) -> str:
    """The text of `token_ids` behind `prompt`. `is_stopped`: the last token ended it and is no part of the text."""
    arguments = decoder, prompt, token_ids, is_stopped, skip_special_tokens
    if len(token_ids) < LONG_TOKENS:
        return decoded(*arguments)
    return await asyncio.to_thread(decoded, *arguments)


def decoded(
    decoder: Any, prompt: Sequence[int], token_ids: Sequence[int], is_stopped: bool, skip_special_tokens: bool
) -> str:
    """See `text_of`."""
    tail = list(prompt[-TAIL_TOKENS:])
    answer = list(token_ids[:-1] if is_stopped else token_ids)
    before = decoder.decode(tail, skip_special_tokens=skip_special_tokens)
    text = decoder.decode(tail + answer, skip_special_tokens=skip_special_tokens)
    if not text.startswith(before):  # the prompt ends inside a character
        before, text = "", decoder.decode(answer, skip_special_tokens=skip_special_tokens)
    return str(text[len(before) :]).rstrip(REPLACEMENT)


def num_last_tokens(token_ids: Sequence[int], text: str, tokenizer: Any) -> int:
    """How many of the last tokens say `text`, with which the text of all of them ends; a token that lies across its
    beginning counts."""
    for count in range(1, len(token_ids) + 1):
        if len(tokenizer.decode(list(token_ids[-count:]), skip_special_tokens=False)) >= len(text):
            return count
    return len(token_ids)
