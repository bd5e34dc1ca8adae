"""Styles of thoughts by name, against the installed vLLM, and the tokens of thought and answer."""

from __future__ import annotations

from typing import Any

import pytest

from verifiers import thoughts
from workers.engines.base import EngineSettings
from workers.engines.thinking import PARSERS, UNNAMED, UnknownStyleError, marks_of, part_tokens


class AnyVocabulary(dict[str, int]):
    """A vocabulary in which every mark is one token, as in a tokenizer of any of these models."""

    def get(self, key: str, default: Any = None) -> Any:
        return self.setdefault(key, len(self))

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> int:
        return self.setdefault(key, len(self))


class AnyTokenizer:
    """As much of a tokenizer as vLLM's reasoning parsers ask for."""

    def __init__(self) -> None:
        self.vocab = AnyVocabulary()

    def get_vocab(self) -> AnyVocabulary:
        return self.vocab

    def encode(self, text: str, **_: Any) -> list[int]:
        return [self.vocab.get(text)]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def test_the_table_has_every_parser_of_vllm() -> None:
    reasoning = pytest.importorskip("vllm.reasoning")
    assert set(reasoning.ReasoningParserManager.list_registered()) == PARSERS.keys() | UNNAMED


def test_marks_that_vllms_parsers_tell_are_those_of_their_style() -> None:
    """A text with a parser's own marks is split at them, and its thought is of the style in the table."""
    manager = pytest.importorskip("vllm.reasoning").ReasoningParserManager
    told = 0
    for name, style in PARSERS.items():
        try:
            parser = manager.get_reasoning_parser(name)(AnyTokenizer(), chat_template_kwargs={"thinking": True})
            opening, closing = parser.reasoning_start_str, parser.reasoning_end_str
        except Exception:  # wants a tokenizer of its own model
            continue
        if not opening or not closing or name == "inkling":  # its end of a message ends the answer too
            continue
        told += 1
        parts = thoughts.split(f"{opening}It is 4, or 5.{closing}It is 5.", "stop")
        assert (parts.answer, parts.style, parts.closed) == ("It is 5.", style, True), name
        assert thoughts.split(f"{opening}It is 4, or 5.", "length").open_at_end, name
    assert told >= 20


def test_names_of_styles() -> None:
    assert marks_of("qwen3") == marks_of("think") == ("think", "<think>", "</think>")
    assert marks_of("openai_gptoss").style == "harmony"
    for name in [*thoughts.BY_NAME, *PARSERS]:
        marks = marks_of(name)
        assert thoughts.split(f"{marks.opening}no", "length").open_at_end, name
    with pytest.raises(UnknownStyleError, match=r"called 'qwen9'.*Styles: think, .*parsers: cohere_command3, "):
        marks_of("qwen9")
    with pytest.raises(ValueError, match="no style of thoughts is called 'thinkk'"):
        EngineSettings(path="m", thinking="thinkk")


TEXTS = {
    # text, finish reason → number of tokens in the thought, in the answer, closed
    ("4", "stop"): (0, 2, False),
    ("<think>no</think>4", "stop"): (4, 2, True),
    ("<think>no</think>\n\n4", "length"): (4, 3, True),
    ("<think>no", "length"): (3, 0, False),
    ("<think>no", "stop"): (4, 0, False),
    ("", "length"): (0, 0, False),
    ("<think>n</think>4<think>m</think>5 5", "stop"): (7, 4, True),
}


@pytest.mark.parametrize(("said", "wanted"), TEXTS.items())
def test_tokens_of_thought_and_answer(said: tuple[str, str], wanted: tuple[int, int, bool]) -> None:
    """Marks are single tokens here, and every other character is one."""
    text, finish = said
    marks = {"<think>": "\ue000", "</think>": "\ue001"}

    def encode(words: str) -> list[int]:
        for mark, sign in marks.items():
            words = words.replace(mark, sign)
        return [ord(char) for char in words]

    def decode(tokens: Any) -> str:
        words = "".join(map(chr, tokens))
        for mark, sign in marks.items():
            words = words.replace(sign, mark)
        return words

    token_ids = encode(text) + [0] * (finish == "stop")
    assert part_tokens(text, finish, token_ids, encode, decode) == wanted
    # The prompt's opening mark is no token of the sample.
    if text.startswith("<think>"):
        opened = part_tokens(text, finish, token_ids[1:], encode, decode)
        assert opened == (wanted[0] - 1, *wanted[1:])


def test_a_bad_first_guess_is_corrected() -> None:
    """A tokenizer that writes the answer otherwise when it stands alone."""
    text, token_ids = "<think>no</think>12 34", list("<think>no</think>12 34")
    for guess in (["12 34"], list("1 2 - 3 4 -")):
        found = part_tokens(text, "length", token_ids, lambda _, guess=guess: guess, "".join)  # type: ignore[misc]
        assert found == (17, 5, True)


def test_a_parser_without_marks_of_its_own_is_told_apart() -> None:
    with pytest.raises(UnknownStyleError, match="reads its marks from the model's own folder; name the style itself"):
        marks_of("hf")
