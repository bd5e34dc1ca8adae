r"""Places of a text in which nothing is stated: comments, code, struck-out text, footnotes, quotations, and objects
whose other fields take their answer back.

What stands there says no option. It is not removed: another option that is said there still contradicts an answer.

Promises: linear in the text, which callers bound. Does not: know fences that hold a thought (verifiers.thoughts).
"""

from __future__ import annotations

import bisect
import dataclasses
import re

from verifiers.choice.behind import is_confident
from verifiers.choice.vocabulary import ANSWER_KEYS, CONFIDENCE_KEYS, PROSE_KEYS, TRUE_KEYS, WRAPPING_KEYS

MAX_OBJECT_CHARS = 4_000
"""Longest JSON object in which an answer is read."""
_FENCE = re.compile(r"^[ \t>]{0,8}(```|~~~)`{0,8}[ \t]{0,4}([\w+#.-]{0,20})[^\n`]{0,80}$", re.MULTILINE)
_OBJECTS = frozenset(("json", "json5", "jsonc", "yaml", "yml", "toml", "xml"))
"""Languages of fences that hold data, and may hold an answer."""
_PLAIN = frozenset(
    ("", "text", "txt", "plaintext", "plain", "markdown", "md", "latex", "tex", "answer", "math", "output")
)
_PAIRED = re.compile(
    r"<!--|\\iffalse\b|\\begin\{(?:comment|verbatim|lstlisting|minted)\}|~~|<(?:s|del|strike|code|pre|blockquote|q|sup|sub|template|example|script|style)>|"
    r"\\(?:verb|lstinline)\*?(?=[|!+@/\"'#])|\\(?:footnote|sout|st|cancel|xcancel|bcancel|phantom|hphantom|vphantom|textst|hide|comment|marginpar|todo|index)\{"
)
_CLOSING = {
    "<!--": "-->",
    "\\iffalse": "\\fi",
    "~~": "~~",
}
_LINES = re.compile(
    r"^[ \t]{0,8}(?:%|//|/\*|--[ \t]|#![^\n]|\[\^[^\]\n]{1,20}\]:|(?:[-*+][ \t]{1,4})?(?:\[[ xX]?\](?!\()|[☐☒⬜]))"
    r"[^\n]{0,2000}$",
    re.MULTILINE,
)
"""Lines that are a comment, a footnote or a box to tick."""
_INLINE = re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]{1,400})\1(?!`)")


class Places:
    """The places of one text in which nothing is stated."""

    def __init__(self, text: str) -> None:
        self.text = text
        spans = [*_fences(text), *_paired(text)]
        spans += [(match.start(), match.end()) for match in _LINES.finditer(text)]
        spans += [(match.start(2), match.end(2)) for match in _INLINE.finditer(text)]
        self._spans = sorted(spans)
        self._starts = [begin for begin, _ in self._spans]
        self._reach: list[int] = []
        for _, end in self._spans:
            self._reach.append(max(end, self._reach[-1] if self._reach else 0))

    def holds(self, at: int) -> bool:
        """Whether the place `at` is one in which nothing is stated."""
        before = bisect.bisect_right(self._starts, at) - 1
        return before >= 0 and at < self._reach[before]


def _fences(text: str) -> list[tuple[int, int]]:
    """Fenced blocks but those of data, and of an answer alone."""
    spans: list[tuple[int, int]] = []
    opened: re.Match[str] | None = None
    for match in _FENCE.finditer(text):
        if opened is None:
            opened = match
            continue
        if match[1] != opened[1] or match[2]:
            continue
        inside = text[opened.end() : match.start()].strip()
        language = opened[2].lower()
        is_alone = language in _PLAIN and (
            len(inside) <= 3 or ("\n" not in inside and ":" not in inside and "\\" not in inside)
        )
        if not is_alone and language not in _OBJECTS and not (language in _PLAIN and inside[:1] in ("{", "[", "<")):
            spans.append((opened.end(), match.start()))
        opened = None
    return spans


def _paired(text: str) -> list[tuple[int, int]]:
    """What stands between an opening mark and its closing one, or the end of the text."""
    spans: list[tuple[int, int]] = []
    at = 0
    while opened := _PAIRED.search(text, at):
        mark = opened[0]
        begin = opened.end()
        if mark.startswith(("\\verb", "\\lstinline")):
            begin, closing = begin + 1, text[begin]
        elif mark.startswith("\\begin"):
            closing = mark.replace("begin", "end")
        elif mark.startswith("<") and mark != "<!--":
            closing = mark.replace("<", "</")
        elif mark.endswith("{"):
            closing = ""
        else:
            closing = _CLOSING[mark]
        end = text.find(closing, begin) if closing else _brace_end(text, begin)
        if end < 0:
            if mark == "~~":
                break
            end = len(text)
        spans.append((begin, end))
        at = max(end + (len(closing) if closing else 0), begin)
    return spans


def _brace_end(text: str, begin: int) -> int:
    depth = 1
    for at in range(begin, min(len(text), begin + 2000)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return -1


_QUOTES = (("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"), ("『", "』"), ("‹", "›"))
_SINGLE = re.compile(r"(?:^|[\s(:])['‘][^'’\n]{0,200}$")


def is_quoted(lead: str) -> bool:
    """Whether a quotation that begins in a statement's lead is open where the statement begins."""
    if lead.count('"') % 2 or any(lead.rfind(opening) > lead.rfind(closing) for opening, closing in _QUOTES):
        return True
    return _SINGLE.search(lead) is not None


_KEY = re.compile(r"[\"']([A-Za-z_][\w -]{0,40})[\"']\s{0,8}:\s{0,8}([\"']?)([^\"'\n,}\]]{0,200})")


_VALUE = re.compile(r"[\"']([A-Za-z_][\w -]{0,40})[\"']\s{0,8}:\s{0,8}\"((?:[^\"\\\n]|\\.){0,4000})\"")
_KEY_GOES_ON = re.compile(r"[\w -]{1,40}[\"']\s{0,8}:")


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """The key of an object under which an answer stands."""

    is_plain: bool
    """The object holds beside the answer only fields that leave it the answer."""
    begin: int
    end: int
    """Where the object begins and ends."""
    prose: str
    """What its fields behind the answer say, one per line."""


def is_key(text: str, start: int) -> Key | None:
    """The key of an object, if a statement begins with one."""
    if text[start - 1 : start] not in ('"', "'") or not _KEY_GOES_ON.match(text, start):
        return None
    around = _object_around(text, start)
    if around is None:
        return Key(is_plain=True, begin=text.rfind("\n", 0, start) + 1, end=start, prose="")
    inside = text[around[0] : around[1]]
    values = _VALUE.finditer(text, start, around[1])
    prose = "\n".join(f"Explanation: {match[2]}" for match in values if _plain_key(match[1]) not in ANSWER_KEYS)
    return Key(is_plain_object(inside) and _is_outermost(text, around[0]), *around, prose)


_PARENT = re.compile(r"[\"']([\w -]{1,40})[\"']\s{0,8}:[\s\[]{0,20}$")


def _is_outermost(text: str, begin: int) -> bool:
    """Whether an object stands by itself, and not as one of several or under a key that may reject it."""
    before = text[max(0, begin - 80) : begin]
    if parent := _PARENT.search(before):
        return _plain_key(parent[1]) in WRAPPING_KEYS
    return not before.rstrip(" \t\n[").endswith(("},", "],", '",'))


def _object_around(text: str, at: int) -> tuple[int, int] | None:
    """The innermost object in braces around a place."""
    begin, depth = -1, 0
    for brace in reversed(list(_BRACE.finditer(text, max(0, at - MAX_OBJECT_CHARS), at))):
        depth += 1 if brace[0] == "}" else -1
        if depth < 0:
            begin = brace.start()
            break
    if begin < 0:
        return None
    end, depth = min(len(text), begin + MAX_OBJECT_CHARS), 0
    for brace in _BRACE.finditer(text, begin, end):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return begin, brace.end()
    return begin, end


_BRACE = re.compile(r"[{}]")


def is_plain_object(text: str) -> bool:
    """Whether an object with an answer holds beside it only fields that leave it the answer: an explanation, a
    confidence of at least one half, `"correct": true`."""
    for match in _KEY.finditer(text):
        key = _plain_key(match[1])
        value = match[3].strip().casefold()
        if key in ANSWER_KEYS or key in PROSE_KEYS:
            continue
        if key in CONFIDENCE_KEYS and is_confident(value):
            continue
        if key in TRUE_KEYS and value in ("true", "1", "yes"):
            continue
        return False
    return True


def _plain_key(key: str) -> str:
    return "".join(char for char in key.casefold() if char.isalnum())
