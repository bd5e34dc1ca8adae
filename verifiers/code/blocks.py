"""Finds the fenced blocks of a model's text, as models write them rather than as Markdown defines them.

A fence opens with three or more backticks or tildes, at any indent or behind other words on its line (`<answer>` and a
fence), with a language's name that may go on (`python:main.py`, `{.python}`). It closes at the next line of such
characters, also where something follows on that line (`</answer>`, an end token) or where the last line of code runs
into it. Where several lines could close a block of the wanted language, the first one after which it parses does: a
docstring may hold fences of its own.

The line scanner of verifiers.fences is not used here. It knows the lines that are fences by Markdown's rules. A line
that this module takes is often none of them: its marks stand behind prose, at the end of a line of code or twice in a
row, and whether a line closes a block depends on what parses. Only `a run of three marks` would be shared.

Promises: one pass over the lines, and a bounded number of parses. Does not: choose among the blocks (extraction.py).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator

MAX_BLOCKS = 200
_MAX_ENDS = 40
"""Lines tried as the end of one block."""
_MAX_TRIED_CHARS = 3_000_000
"""Characters parsed for all of these tries together, a few seconds: no limit covers them."""
TAGS = {
    "python": {"python", "py", "python3", "py3", "pycon", "python2", "sage", "pypy"},
    "cpp": {"cpp", "c++", "cc", "cxx", "c", "cpp17", "cpp20", "c++17", "c++20", "c++14", "cpp14", "c++11", "cpp11"},
    "javascript": {"javascript", "js", "node", "nodejs", "mjs", "cjs"},
}
_OTHER_TAGS = {
    *("java", "rust", "go", "bash", "sh", "shell", "console", "text", "txt", "plaintext", "output", "input", "json"),
    *("yaml", "toml", "html", "css", "sql", "lean", "latex", "tex", "markdown", "md", "csharp", "cs", "kotlin", "ruby"),
    *("r", "php", "swift", "scala", "typescript", "ts", "diff", "pseudocode"),
}
_KNOWN_TAGS = _OTHER_TAGS.union(*TAGS.values())
# A text may be a megabyte of one character: no two neighbouring repeats may match the same one.
_RUN = re.compile(r"`{3,}|~{3,}")
_QUOTED_FENCE = re.compile(r"> ?(?:`{3}|~{3})")
_INFO = re.compile(r"[ \t]*(?:\{[ \t]*)?\.?([A-Za-z0-9+#_.\-]*)")
_ASSIGNMENT = re.compile(r"\s+\w+(?:, ?\w+){0,20} ?= ?[\w.]+\(")
_FIRST_LINE_OF_CODE = re.compile(r"\s+(import |from \S+ import|def |class |print\(|#\s*include|using )")


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    tag: str
    """The language's name in lower case, empty where there is none."""
    source: str
    closed: bool = True
    """False for one that the text breaks off."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Opening:
    mark: str
    tag: str
    first: str
    """Code on the line of the fence."""


@dataclasses.dataclass(frozen=True, slots=True)
class _End:
    """A place where a block may end: its last, partial line, and where reading goes on."""

    line: int
    rest: str
    resume: int
    strict: bool


def _tag(info: str) -> tuple[str, str]:
    """The language named behind a fence, and code on the same line."""
    match = _INFO.match(info)
    word = match[1].lower() if match else ""
    after = info[match.end() :] if match else ""
    if word not in _KNOWN_TAGS:
        # `main.py`, `python3.11`; any other word, misspelt or not, names no language.
        guesses = (word.rpartition(".")[2], word.rstrip("0123456789."))
        word = next((guess for guess in guesses if guess in _KNOWN_TAGS), "")
    first = after.strip() if word in _KNOWN_TAGS and _is_code(after) else ""
    return word, first


def _is_code(after: str) -> bool:
    """Whether what follows a language's name on the line of its fence is code: `a = int(input())`, not `title="x"`."""
    return bool(_FIRST_LINE_OF_CODE.match(after)) or ("(" in after and bool(_ASSIGNMENT.match(after)))


def _opening(line: str) -> _Opening | None:
    """The fence that this line of prose opens, if any: its last run of marks, with nothing closing it behind."""
    runs = [*_RUN.finditer(line)]
    if not runs or (runs[-1][0][0] == "`" and "`" in line[runs[-1].end() :]):
        return None
    run = runs[-1]
    before, info = line[: run.start()].strip(), line[run.end() :]
    tag, first = _tag(info)
    if before.strip(">*-+ ") and not re.fullmatch(r"\d+[.)]", before):
        # Behind other words: prose may end in marks that open nothing.
        named = tag in _KNOWN_TAGS and (first or not info.strip()[len(tag) :].strip(" }"))
        if not named and (info.strip() or before[-1] not in ":>"):
            return None
    return _Opening(run[0], tag, first)


def _whole(line: str) -> Block | None:
    """A block that opens and closes on one line."""
    runs = [*_RUN.finditer(line)]
    if len(runs) != 2 or line[: runs[0].start()].strip() or line[runs[1].end() :].strip():
        return None
    inner = line[runs[0].end() : runs[1].start()]
    tag, _ = _tag(inner)
    return Block(tag, inner.strip()[len(tag) :].strip()) if tag in _KNOWN_TAGS else None


def _ends(lines: list[str], start: int, opening: _Opening) -> Iterator[_End]:
    mark = opening.mark
    for number in range(start, len(lines)):
        line = lines[number]
        position = line.find(mark)
        if position < 0:
            continue
        before = line[:position]
        after = line[position:].lstrip(mark[0]).strip()
        if before.strip():
            if before.lstrip().startswith(("#", "//")) and opening.tag != "cpp":
                continue  # a comment that speaks of fences
            yield _End(number, before.rstrip(), number + 1, strict=False)
        elif after and (_tag(after)[0] in _KNOWN_TAGS and not after[:1].isspace() and " " not in after):
            yield _End(number, "", number, strict=False)  # the next block opens, and this one was never closed
        else:
            yield _End(number, "", number + 1, strict=not after)
    yield _End(len(lines), "", len(lines), strict=False)


def find(text: str, language: str, parses: Callable[[str], bool] | None) -> list[Block]:
    """The blocks of `text`, in order. `parses` tells whether a source is of `language`; None if nothing can tell."""
    lines = text.split("\n")
    if any(_QUOTED_FENCE.match(line) for line in lines):
        lines = [line.removeprefix(">").removeprefix(" ") if line.startswith(">") else line for line in lines]
    found: list[Block] = []
    budget = [_MAX_TRIED_CHARS]
    number = 0
    glued_to = ""
    while number < len(lines):
        line = lines[number]
        number += 1
        if glued_to and line.lstrip().startswith(glued_to * 2):
            # One run of marks closed a block and opens the next: ``````python.
            line = line.lstrip().removeprefix(glued_to)
        glued_to = ""
        if whole := _whole(line):
            found.append(whole)
            continue
        opening = _opening(line)
        if opening is None:
            continue
        tells = parses if not opening.tag or opening.tag in TAGS[language] else None
        end, source = _close(lines, number, opening, tells, budget)
        if source.strip() or end.line == len(lines):
            found.append(Block(opening.tag, source.removeprefix("\ufeff"), closed=end.line < len(lines)))
        glued_to = opening.mark if end.resume == end.line < len(lines) else ""
        number = max(number, end.resume)
    return found[-MAX_BLOCKS:]


def _close(
    lines: list[str], start: int, opening: _Opening, parses: Callable[[str], bool] | None, budget: list[int]
) -> tuple[_End, str]:
    """Where a block ends, and its source."""

    def source(end: _End) -> str:
        parts = [*([opening.first] if opening.first else []), *lines[start : end.line]]
        return "\n".join([*parts, end.rest] if end.rest else parts)

    first: _End | None = None
    only_in_string = False
    for tried, end in enumerate(_ends(lines, start, opening)):
        if parses is None:
            return end, source(end)
        text = source(end)
        if first is None or (end.strict and not first.strict):
            first = end
        if tried >= _MAX_ENDS or budget[0] <= 0:
            break
        if only_in_string and '"""' not in text and "'''" not in text:
            if first.strict:
                break
            continue
        budget[0] -= len(text)
        if parses(text):
            return end, text
        only_in_string |= not end.rest  # what goes on past a line that begins with marks
    assert first is not None  # the end of the text is always one
    return first, source(first)
