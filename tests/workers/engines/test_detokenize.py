"""The text decoded once at a sample's end is what vLLM's way gives, which decodes it token by token."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.decoders import DecodeStream

from workers.engines.detokenize import decoded, text_of

END = "<|end|>"
WORDS = ("the", "answer", "is", "5", "spaces", "and", "lines", "one", "two")
TEXTS = (
    "the answer is 5",
    "  spaces   and\nlines\n",
    "\u03b1 \u2264 \U0001d4ab and \u6f22\u5b57",
    "one<|end|>two",
    "a\ufffdb",
    "",
)


def byte_tokenizer() -> Tokenizer:
    """Every byte is a token, so that a cut may fall inside a character."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: at for at, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    return tokenizer


def word_tokenizer() -> Tokenizer:
    """Words that carry the space before them, which is dropped at the beginning of a text."""
    words = [
        "<unk>",
        *("\u2581" + word for word in ["the", "answer", "is", "5", "spaces", "and", "lines", "one", "two"]),
    ]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    return tokenizer


def token_by_token(tokenizer: Tokenizer, prompt: list[int], token_ids: list[int], skip: bool) -> str:
    """As vLLM's FastIncrementalDetokenizer does it."""
    stream = DecodeStream(ids=prompt, skip_special_tokens=skip)
    return "".join(stream.step(tokenizer, token_id) or "" for token_id in token_ids)


@pytest.mark.parametrize("make", [byte_tokenizer, word_tokenizer])
@pytest.mark.parametrize("skip", [True, False])
def test_the_text_is_that_of_decoding_by_token(make: object, skip: bool) -> None:
    tokenizer = make()  # type: ignore[operator]
    num_compared = 0
    for ask, answer in itertools.product(("the answer", "\u03b1" * 40, f"one{END}"), TEXTS):
        prompt, ids = tokenizer.encode(ask).ids, tokenizer.encode(answer).ids
        for end in range(len(ids) + 1):
            cut = ids[:end]
            expected = token_by_token(tokenizer, prompt, cut, skip)
            assert decoded(tokenizer, prompt, cut, False, skip) == expected, (ask, answer, end)
            assert decoded(tokenizer, prompt, [*cut, 0], True, skip) == expected, "the token that ends a sample"
            num_compared += 1
    assert num_compared > 60


def test_the_space_before_the_first_word_stays() -> None:
    tokenizer = word_tokenizer()
    prompt, ids = tokenizer.encode("the answer").ids, tokenizer.encode("is 5").ids
    assert decoded(tokenizer, prompt, ids, False, True) == " is 5" != tokenizer.decode(ids)


def test_a_long_text_is_decoded_beside_the_event_loop() -> None:
    tokenizer = byte_tokenizer()
    text = "x = 5\n" * 5000
    assert asyncio.run(text_of(tokenizer, [], tokenizer.encode(text).ids, False, True)) == text
