"""Makes one text of a thought and an answer that came apart, as the same model in process would have written it.

The rows of a run, its checkers and its exports know one form: the thought between the marks of its style, then the
answer. A server with a reasoning parser sends the thought in a field of its own and leaves the marks out; here they are
put back. Where the server tells its rendered prompt, the opening mark is that of the prompt, to the letter.

Promises: a thought that the answer does not follow stays open, so that nothing of it is read as an answer. A thought
that was counted and not shown is said to be hidden.
"""

from __future__ import annotations

from verifiers import thoughts
from workers.engines.remote.answer import Answer
from workers.engines.thinking import Marks, marks_of

DEFAULT_STYLE = "think"
"""Style of a thought whose model names none."""
MARK_TOKENS = 8
"""Tokens of a thought that are no text: its marks."""
HIDDEN = "hidden"
"""`thought_closed_by` of a sample whose thought the endpoint did not show."""


def joined(answer: Answer, marks: Marks | None, opening: str = "") -> str:
    """The sample's text. `opening` is the mark, with what follows it, with which the server's prompt begins a thought.

    >>> joined(Answer(parts=[(True, ["2 + 2 ", "is 4"]), (False, ["4"])]), None)
    '<think>2 + 2 is 4</think>4'
    >>> joined(Answer(parts=[(True, ["2 + 2"])]), None), joined(Answer(parts=[(False, ["4"])]), None)
    ('<think>2 + 2', '4')
    """
    if not answer.has_thought:
        return opening + answer.text(False)
    style = marks or marks_of(DEFAULT_STYLE)
    text = ""
    for number, (is_thought, pieces) in enumerate(answer.parts):
        piece = "".join(pieces)
        if not is_thought:
            text += piece
            continue
        first = opening if number == 0 and opening else style.opening
        is_last = number == len(answer.parts) - 1
        text += first + piece + ("" if is_last else style.closing)
    return text


def is_hidden(answer: Answer, text: str, thought_tokens: int | None) -> bool:
    """Whether the endpoint counts a thought that it does not show, or shows a summary of. A token stands for at least
    one byte, so a thought with fewer bytes than tokens is not the whole one."""
    if not thought_tokens:
        return False
    shown = answer.text(True) if answer.has_thought else thoughts.split(text).thought
    return len(shown.encode(errors="replace")) + MARK_TOKENS < thought_tokens
