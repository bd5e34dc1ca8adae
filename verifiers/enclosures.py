# ruff: noqa: E501  (tables)
"""What encloses an answer: code, tags, commands of TeX, environments, comments and marks in front of it.

An answer counts only where the text itself says it. In a block of code, in `<student>…</student>`, in a footnote or
behind an empty check box it is shown, quoted or hidden. Which tags, commands, environments, colours and marks leave it
said is listed; any other hides it. The readers of math and of multiple choice ask here.

Promises: fences, tags and environments are found in one pass over the text, when they are first asked for; each
question looks at those and at bounded stretches beside the answer. Does not: know fences that hold a thought
(verifiers.thoughts), or whose words an answer is.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

from verifiers import fences


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEAR = 400
"""Characters in front of an answer in which the command around it is looked for."""

_TAGS = _words("""
    b strong i em u p div span center br big small font h1 h2 h3 h4 h5 h6 li ul ol dl dd td tr th table tbody section article main body html mark sub sup
    answer final final_answer finalanswer solution response output result conclusion step steps boxed box assistant math latex reply summary explanation details choice option letter pick
    """)
"""Tags in which an answer is said."""
_COMMANDS = _words("""
    text mbox hbox textbf textit textrm textsf texttt emph mathrm mathbf mathsf mathit boldsymbol bm pmb bold underline uline boxed fbox framebox makebox parbox
    centerline center large Large LARGE huge Huge small normalsize displaystyle textstyle textcolor color colorbox fcolorbox ensuremath mathbox answer ans final solution
    section subsection subsubsection paragraph textnormal left right item
    """)
"""Commands in whose argument an answer is said."""
_ENVIRONMENTS = _words("""
    align aligned alignat alignedat equation gather gathered split multline eqnarray array cases matrix pmatrix bmatrix center document proof solution answer enumerate itemize
    tcolorbox framed mdframed flushleft flushright minipage conclusion large Large math displaymath boxed tabular table
    """)
_COLORS = _words("""
    red blue green black orange purple brown cyan magenta violet gray grey teal olive navy maroon lime pink yellow gold darkgreen darkblue darkred crimson indigo
    forestgreen royalblue dodgerblue steelblue seagreen limegreen tomato salmon coral chocolate turquoise firebrick mediumblue midnightblue orangered redorange
    cerulean bluegreen emerald junglegreen pinegreen olivegreen rawsienna sepia mahogany brickred plum orchid rubinered wildstrawberry burntorange bittersweet
    """)
"""Colours that can be seen on white."""
SYMBOLS = frozenset(
    "✓✔✅☑➡➜➤►▶▸●○◆◇■□▪▫◼◾★☆✨🎯🎉🎊🏁📌📍👉👇👆🔹🔸🔷🔶🔵🟢🟩🟦💡📝✏📐📏📊📈🧮🔢🔍🔎🧠🏆🥇🔑⭐🌟💯✍🖊📘📗📙📕📖📚⚡🔥🚀☛☞❖✦✧♦◉⬛▲△❗⟶⟹∎🙂😊👍💪🤓🔔📢📣🗒📋🧾🪙💰💵🏠🍎↳↪°™®"
)
"""Signs and pictures on the line of an answer that say nothing against it."""
_PICTURES = re.compile("[\U0001f330-\U0001f37f\U0001f400-\U0001f43f\U0001f950-\U0001f96f\U0001f980-\U0001f9bf]")
"""Plants, food and animals."""
_EMPTY_BOXES = frozenset("□◻")
"""In front of an answer they are check boxes that nobody checked; behind it they end a proof."""

_NEVER_SAYING = _words("s del strike code pre blockquote q template example script style")
"""Tags in which nothing is said even where they are never closed."""
_LANGUAGES_OF_DATA = _words("json json5 jsonc yaml yml toml xml")
_PLAIN_LANGUAGES = _words("text txt plaintext plain markdown md latex tex answer math output") | {""}
"""Languages of fenced blocks that are no code."""

_TAG = re.compile(r"<(/?)([A-Za-z][\w-]{0,20})(?:\s[^<>\n]{0,100})?>")
_ENVIRONMENT = re.compile(r"\\(begin|end)\s{0,4}\{(\w{1,20})\*?\}")
_CONDITIONAL = re.compile(r"\\(iffalse|if0|else|fi)(?![A-Za-z])")
_BRACE = re.compile(r"(?<!\\)[{}]")
_COMMAND_BEFORE = re.compile(r"\\([A-Za-z]{1,20})\*?\s{0,4}(?:(?:\[[^\[\]\n]{0,40}\]|\{[^{}\n]{0,60}\})\s{0,4}){0,3}\Z")
_VERBATIM = re.compile(r"\\(?:verb|lstinline|mintinline\{\w{1,20}\})\*?([^\sA-Za-z*])")
_COLOR = re.compile(r"\\(?:text|math)?color\s{0,4}(?:\[\w{1,10}\]\s{0,4})?\{([^{}\n]{1,40})\}")
_DEFINITION = re.compile(r"\\(?:[gex]?def|let|(?:re)?newcommand|providecommand|DeclareMathOperator)(?![A-Za-z])")
_COMMENT = re.compile(r"\s{0,20}(?://|/\*|%|;|--(?!-)\s)")
_UNCHECKED = re.compile(r"(?:[\s>*+\-•\d.)]){0,12}(?:\[\s{0,3}[-✗✘×]?\s{0,3}\]|\(\s{1,3}\))")
_FOOTNOTE = re.compile(r"[ \t]{0,8}\[\^[^\]\n]{1,20}\]:")
_CODE = re.compile(
    r"\s{0,40}(?:print\s{0,4}\(|import\s|from\s{1,4}\w{1,60}\s{1,4}import|def\s{1,4}\w{1,60}\(|return\b|assert\b|\w{1,60}\s{0,8}[+\-*/]?=\s{0,8}[\w.\[(\"']|"
    r"(?:for|while|if)\b.{0,400}:\s{0,8}\Z|[\w.]{1,200}\(.{0,400}\)\s{0,8};?\s{0,8}\Z)"
)


class _Block(NamedTuple):
    """A fenced block: where its opening line begins, where its closing line begins, and what lies between."""

    start: int
    end: int
    language: str
    content: str


class Enclosures:
    """The enclosures of one text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def hides(self, start: int, end: int, *, may_be_data: bool = False) -> str:
        """Why what stands from `start` to `end` is not said by the text itself; empty where it is.

        `may_be_data`: a fenced block of data, or of an answer alone, hides nothing.
        """
        text = self.text
        line_start = text.rfind("\n", 0, start) + 1
        before = text[max(line_start, start - NEAR) : start]
        head = before if line_start >= start - NEAR else ""
        if self._is_in_block(start, may_be_data) or _is_inline_code(text, before, start):
            return "an answer in code"
        if before.count("~~") % 2 and "~~" in text[end : end + NEAR].split("\n", 1)[0]:
            return "an answer that is struck out"
        if "<" in text and self._is_in_other_tag(start, end):
            return "an answer in a quotation or in a part that is no answer"
        if "\\" in text and self._is_in_other_command(start, end, before):
            return "an answer in a command that hides it or sets it aside"
        if (
            _COMMENT.match(head)
            or _FOOTNOTE.match(head)
            or (head.lstrip().startswith("#") and _stands_above_code(text, end))
        ):
            return "an answer in a comment"
        behind = text[end : end + 40].split("\n", 1)[0]
        if _UNCHECKED.match(head) or has_other_symbol(before, SYMBOLS - _EMPTY_BOXES) or has_other_symbol(behind):
            return "an answer with a mark that it is none"
        return ""

    @functools.cached_property
    def _blocks(self) -> list[_Block]:
        found: list[_Block] = []
        opened: fences.Fence | None = None
        for fence in fences.lines(self.text):
            if opened is None:
                opened = fence
            elif fence.run.startswith(opened.run) and not fence.info.strip():
                found.append(_block(self.text, opened, fence.start))
                opened = None
        if opened is not None:
            found.append(_block(self.text, opened, len(self.text)))
        return found

    def _is_in_block(self, place: int, may_be_data: bool) -> bool:
        return any(block.start < place <= block.end and not (may_be_data and _is_data(block)) for block in self._blocks)

    @functools.cached_property
    def _tags(self) -> list[tuple[int, str, bool]]:
        """The tags in which nothing is said: their places and names, and whether they close."""
        found = ((match.start(), match[2].lower(), bool(match[1])) for match in _TAG.finditer(self.text))
        return [tag for tag in found if tag[1] not in _TAGS]

    def _is_in_other_tag(self, start: int, end: int) -> bool:
        """Whether a tag that is open at `start`, and closed behind `end`, is none in which an answer is said."""
        if self.text.rfind("<!--", 0, start) > self.text.rfind("-->", 0, start):
            return True
        closed = {name for place, name, closes in self._tags if closes and place >= end} | _NEVER_SAYING
        opened = dict.fromkeys(closed, 0)
        for place, name, closes in self._tags:
            if place < start and name in opened:
                opened[name] = max(0, opened[name] + (-1 if closes else 1))
        return any(opened.values())

    def _is_in_other_command(self, start: int, end: int, before: str) -> bool:
        if any(not is_visible(match[1]) for match in _COLOR.finditer(before)):
            return True
        if _DEFINITION.search(before):
            return True
        verbatim = list(_VERBATIM.finditer(before))
        if verbatim and verbatim[-1][1] not in before[verbatim[-1].end() :]:
            return True
        if "\\if" in self.text:
            conditional = ""
            for match in _CONDITIONAL.finditer(self.text, 0, start):
                conditional = match[1]
            if conditional in ("iffalse", "if0"):
                return True
        if any(name not in _COMMANDS for name in _commands_around(self.text[max(0, start - NEAR) : start])):
            return True
        return "\\begin" in self.text and self._is_in_other_environment(start)

    @functools.cached_property
    def _environments(self) -> list[tuple[int, str, int]]:
        """The environments in which nothing is said: their places and names, and 1 for a beginning, -1 for an end."""
        found = (
            (match.start(), match[2], 1 if match[1] == "begin" else -1) for match in _ENVIRONMENT.finditer(self.text)
        )
        return [one for one in found if one[1] not in _ENVIRONMENTS]

    def _is_in_other_environment(self, start: int) -> bool:
        opened: dict[str, int] = {}
        for place, name, step in self._environments:
            if place < start:
                opened[name] = max(0, opened.get(name, 0) + step)
        return any(opened.values())


def _block(text: str, opened: fences.Fence, end: int) -> _Block:
    words = opened.info.lower().split()
    return _Block(opened.start, end, words[0] if words else "", text[opened.end : end].strip())


def _is_data(block: _Block) -> bool:
    """Whether a block holds data, or an answer alone."""
    if block.language in _LANGUAGES_OF_DATA:
        return True
    if block.language not in _PLAIN_LANGUAGES:
        return False
    content = block.content
    is_short = len(content) <= MAX_ALONE_CHARS or not ("\n" in content or ":" in content or "\\" in content)
    return is_short or content[:1] in ("{", "[", "<")


MAX_ALONE_CHARS = 3
"""Characters of a letter with its brackets, alone in a block."""


def is_visible(color: str) -> bool:
    """Whether a colour of TeX can be seen on white paper."""
    name = color.strip().lower().split("!")[0]
    if name.startswith("#") or re.fullmatch(r"[0-9a-f]{6}", name):
        return re.fullmatch(r"#?(?:[ef][0-9a-f]){3}|#?[ef]{3}", name) is None
    return name in _COLORS or (re.fullmatch(r"[\d.,\s]+", name) is not None and "0" in name)


def holds_hidden_color(text: str) -> bool:
    return any(not is_visible(match[1]) for match in _COLOR.finditer(text))


def _is_inline_code(text: str, before: str, start: int) -> bool:
    return before.count("`") % 2 == 1 and "`" in text[start : start + NEAR].split("\n", 1)[0]


def _commands_around(before: str) -> list[str]:
    """The commands of the brace groups that are open at the end of a text."""
    found: list[str] = []
    depth = 0
    for brace in reversed(list(_BRACE.finditer(before))):
        depth += 1 if brace[0] == "}" else -1
        if depth < 0:
            depth = 0
            if command := _COMMAND_BEFORE.search(before, max(0, brace.start() - 160), brace.start()):
                found.append(command[1])
    return found


def _stands_above_code(text: str, end: int) -> bool:
    """Whether the next line is code, so that a line that begins with `#` is a comment and no heading."""
    rest = text[end : end + NEAR].partition("\n")[2].lstrip("\n")
    return _CODE.match(rest.split("\n", 1)[0]) is not None


def has_other_symbol(line: str, allowed: frozenset[str] = SYMBOLS) -> bool:
    """Whether a sign or picture stands on the line that is not allowed; plants and animals picture what is counted."""
    return not line.isascii() and any(
        unicodedata.category(char) == "So" and char not in allowed and not _PICTURES.match(char) for char in line
    )
