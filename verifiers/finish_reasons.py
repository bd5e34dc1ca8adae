"""Why a text ended, in the words of this project: `stop`, or the name of a cut.

Promises: a reason that no list knows counts as a cut and is named in the verdict. Does not: look at the text
(verifiers.thoughts).
"""

from __future__ import annotations

import dataclasses
import functools

MAX_NAMED_CHARS = 40
"""The longest part of an unknown finish reason that is shown."""

_STOPS = frozenset(
    {
        *("stop", "stopped", "eos", "eos_token", "end_turn", "end_of_turn", "end_of_text", "endoftext"),
        *("stop_sequence", "stop_token", "stop_string", "stop_str", "stop_word", "word"),
        *("complete", "completed", "finish", "finished"),
    }
)
_CUTS = frozenset(
    {
        *("length", "limit", "max_length", "max_tokens", "max_new_tokens", "max_output_tokens", "token_limit"),
        *("model_length", "context_length", "model_context_window_exceeded", "incomplete", "timeout", "time"),
        *("abort", "aborted", "cancel", "cancelled", "canceled", "interrupted", "error", "repetition"),
        *("content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii"),
        *("refusal", "guardrail_intervened", "sensitive", "tool_calls", "tool_call", "tool_use", "function_call"),
        *("pause_turn", "other"),
    }
)
"""`none` and `null` are missing on purpose: an unfinished stream is a cut whose reason is not known."""


@dataclasses.dataclass(frozen=True, slots=True)
class Finish:
    """A finish reason, mapped."""

    name: str
    """`stop`, the cut's own name, or empty: none was given."""
    cut: bool
    unknown: str = ""
    """A reason that stands in no list, as it is shown. It counts as a cut."""


@functools.lru_cache(maxsize=256)
def map_finish_reason(reason: str | None) -> Finish:
    """Foreign finish reasons in the words of this project: `stop`, or the name of a cut."""
    if reason is None or not reason.strip():
        return Finish("", cut=False)
    name = reason.strip().lower().replace("-", "_").replace(" ", "_").removeprefix("finish_reason_")
    if name in _STOPS:
        return Finish("stop", cut=False)
    if name in _CUTS:
        return Finish(name, cut=True)
    shown = "".join(char if char.isprintable() else "?" for char in reason.strip()[:MAX_NAMED_CHARS])
    return Finish(name[:MAX_NAMED_CHARS], cut=True, unknown=shown)


def name_unknown(reason: str, finish_reason: str | None) -> str:
    """A verdict's reason, with the finish reason where that is one that no list knows."""
    unknown = map_finish_reason(finish_reason).unknown
    return f"{reason} (unknown finish reason {unknown!r})" if unknown else reason
