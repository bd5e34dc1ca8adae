"""The lines that begin and end fenced blocks of Markdown, and what lies between them.

Strict, as Markdown defines them, because what is in a block is no part of what a text says. Models' programs are found
by a looser reading (verifiers.code.blocks), which takes a block even where its fence is badly written.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

_LINE = re.compile(r"(?:^|(?<=[>\]▷]))[ \t]*(?:(`{3,})([^`\n]*)|(~{3,})([^\n]*))$", re.MULTILINE)
"""The line of a fence; it may also stand behind a mark such as `</think>`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fence:
    start: int
    end: int
    run: str
    """The fence's own characters."""
    info: str
    """What stands behind them on the line."""


def lines(text: str) -> Iterator[Fence]:
    """Every line that can begin or end a block, in order."""
    if "```" not in text and "~~~" not in text:
        return
    for match in _LINE.finditer(text):
        run, info = (match[1], match[2]) if match[1] else (match[3], match[4])
        yield Fence(match.start(), match.end(), run, info)


def is_inside(text: str, place: int) -> bool:
    """Whether a block is open at `place`."""
    opened = ""
    for fence in lines(text):
        if fence.start >= place:
            break
        if not opened:
            opened = fence.run
        elif fence.run.startswith(opened) and not fence.info.strip():
            opened = ""
    return bool(opened)
