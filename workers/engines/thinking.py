"""Styles of thoughts by name, for `model.thinking`, and how many tokens of a sample are thought.

A name is a style of verifiers.thoughts or one of vLLM's reasoning parsers. The parsers are a table here, so that a name
is checked before anything is loaded, and where vLLM is not installed; tests/workers/engines/test_thinking.py compares
the table with the installed vLLM. What goes below this floor is plain text: a style's name and its two marks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from verifiers import thoughts
from verifiers.registry import meant

PARSERS: dict[str, str] = {
    **dict.fromkeys(("deepseek_r1", "deepseek_v3", "deepseek_v4", "deepseek_v41", "ernie45", "glm45"), "think"),
    **dict.fromkeys(("glm47", "granite_thinking_parser", "holo2", "hunyuan_a13b", "hy_v3", "hy_v4"), "think"),
    **dict.fromkeys(("kimi_k2", "ling3", "mimo", "minicpmv", "minimax_m2", "minimax_m2_append_think"), "think"),
    **dict.fromkeys(("nemotron_v3", "olmo3", "poolside_v1", "qwen3", "step3", "step3p5"), "think"),
    **dict.fromkeys(("cohere_command3", "cohere_command4"), "START_THINKING"),
    "gemma4": "gemma",
    "granite": "granite",
    "inkling": "inkling",
    "k2_horizon": "ifm|think",
    "kimi_k3": "kimi_k3",
    "minimax_m3": "mm:think",
    "mistral": "[THINK]",
    "muse_glimmer": "glimmer",
    "openai_gptoss": "harmony",
    "plamo3": "plamo",
    "seed_oss": "seed:think",
}
"""vLLM's reasoning parsers and the style that each of them reads."""
UNNAMED = frozenset({"hf"})
"""Parsers of vLLM whose marks stand in the model's own folder, so that their name says nothing."""
MAX_STEPS = 64
"""Tokens by which a first guess at the length of an answer is corrected."""


class Marks(NamedTuple):
    """A style and its marks, as plain text."""

    style: str
    opening: str
    closing: str


class UnknownStyleError(ValueError):
    """A name of no style; the text has the known ones."""


def marks_of(name: str) -> Marks:
    """The marks of a style, by its own name or by that of a parser of vLLM. Raises UnknownStyleError."""
    style = thoughts.BY_NAME.get(PARSERS.get(name, name))
    if name in UNNAMED:
        raise UnknownStyleError(
            f"vLLM's parser {name!r} reads its marks from the model's own folder; name the style itself, such as think"
        )
    if style is None:
        near = meant(name, [*thoughts.BY_NAME, *PARSERS])
        raise UnknownStyleError(
            f"no style of thoughts is called {name!r}{near}. Styles: {', '.join(thoughts.BY_NAME)}. "
            f"vLLM's reasoning parsers: {', '.join(sorted(PARSERS))}"
        )
    return Marks(style.name, *style.example)


def known_style(name: str) -> str:
    """`name`, for a settings model; empty: none is named. Raises UnknownStyleError."""
    if name:
        marks_of(name)
    return name


class Parted(NamedTuple):
    """The tokens of a sample in two parts."""

    thought_tokens: int
    answer_tokens: int
    is_closed: bool
    """Whether the text closes a thought."""


def part_tokens(
    text: str,
    finish_reason: str,
    token_ids: Sequence[int],
    encode: Callable[[str], Sequence[int]],
    decode: Callable[[Sequence[int]], str],
) -> Parted:
    """Counts the tokens of thought and answer. `text` is what `token_ids` say, behind an opening mark of the prompt's
    if there is one. Marks count as thought, and so does a token that lies across the boundary; the token that ended the
    sample counts with what it ended."""
    parts = thoughts.split(text, finish_reason)
    num_tokens = len(token_ids)
    if parts.open_at_end:
        return Parted(num_tokens, 0, parts.closed)
    if not parts.thought:
        return Parted(0, num_tokens, False)
    answer = text[len(parts.thought) :]
    num_said = num_tokens - (finish_reason == "stop")

    def fits(count: int) -> bool:
        return len(decode(token_ids[num_said - count : num_said])) <= len(answer)

    count = min(len(encode(answer)), num_said)
    for _ in range(MAX_STEPS):
        if fits(count):
            break
        count -= 1
    for _ in range(MAX_STEPS):
        if count == num_said or not fits(count + 1):
            break
        count += 1
    answer_tokens = count + num_tokens - num_said
    return Parted(num_tokens - answer_tokens, answer_tokens, parts.closed)
