# ruff: noqa: E501  (tables)
"""What encloses an answer: code, tags, commands of TeX, environments, comments, quotations and marks in front of it.

An answer counts only where the text itself says it. In a block of code, in `<student>…</student>`, in a footnote or
behind an empty check box it is shown, quoted or hidden. Which tags, commands, environments, colours and marks leave it
said is listed; any other hides it.

Promises: one pass over the text in front of an answer, and bounded stretches beside it.
"""

from __future__ import annotations

import re
import unicodedata

from verifiers import fences
from verifiers.math.reading.nouns import is_describing, is_noun
from verifiers.math.reading.vocabulary import QUANTITIES, words_of

NEAR = 400
"""Characters in front of an answer in which the command around it is looked for."""

_TAGS = frozenset(
    words_of("""
    b strong i em u p div span center br big small font h1 h2 h3 h4 h5 h6 li ul ol dl dd td tr th table tbody section article main body html mark sub sup
    answer final final_answer finalanswer solution response output result conclusion step steps boxed box assistant math latex reply summary explanation details
    """)
)
"""Tags in which an answer is said."""
_COMMANDS = frozenset(
    words_of("""
    text mbox hbox textbf textit textrm textsf texttt emph mathrm mathbf mathsf mathit boldsymbol bm pmb bold underline uline boxed fbox framebox makebox parbox
    centerline center large Large LARGE huge Huge small normalsize displaystyle textstyle textcolor color colorbox fcolorbox ensuremath mathbox answer ans final solution
    section subsection subsubsection paragraph textnormal left right item
    """)
)
"""Commands in whose argument an answer is said."""
_ENVIRONMENTS = frozenset(
    words_of("""
    align aligned alignat alignedat equation gather gathered split multline eqnarray array cases matrix pmatrix bmatrix center document proof solution answer enumerate itemize
    tcolorbox framed mdframed flushleft flushright minipage conclusion large Large math displaymath boxed tabular table
    """)
)
_COLORS = frozenset(
    words_of("""
    red blue green black orange purple brown cyan magenta violet gray grey teal olive navy maroon lime pink yellow gold darkgreen darkblue darkred crimson indigo
    forestgreen royalblue dodgerblue steelblue seagreen limegreen tomato salmon coral chocolate turquoise firebrick mediumblue midnightblue orangered redorange
    cerulean bluegreen emerald junglegreen pinegreen olivegreen rawsienna sepia mahogany brickred plum orchid rubinered wildstrawberry burntorange bittersweet
    """)
)
"""Colours that can be seen on white."""
_SYMBOLS = frozenset(
    "✓✔✅☑➡➜➤►▶▸●○◆◇■□▪▫◼◾★☆✨🎯🎉🎊🏁📌📍👉👇👆🔹🔸🔷🔶🔵🟢🟩🟦💡📝✏📐📏📊📈🧮🔢🔍🔎🧠🏆🥇🔑⭐🌟💯✍🖊📘📗📙📕📖📚⚡🔥🚀☛☞❖✦✧♦◉⬛▲△⟶⟹∎🙂😊👍💪🤓🔔📢📣🗒📋🧾🪙💰💵🏠🍎↳↪°™®"
)
"""Signs and pictures on the line of an answer that say nothing against it."""
_PICTURES = re.compile("[\U0001f330-\U0001f37f\U0001f400-\U0001f43f\U0001f950-\U0001f96f\U0001f980-\U0001f9bf]")
"""Plants, food and animals."""
_EMPTY_BOXES = frozenset("□◻")
"""In front of an answer they are check boxes that nobody checked; behind it they end a proof."""

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
_QUOTE_OPENS = re.compile(r"\S.*[:,]\s*[*_]{0,3}[\"“«„'‘](?:[^\"”»'’]{0,60})\Z")
_QUOTE_OPENS_WITH = frozenset("\"“«„'‘")
_LABEL = re.compile(r"[\s>*_#\-]*([A-Z][a-z]+(?: [A-Za-z]+)?)[\s*_]*:")
_SPEAKER = re.compile(
    r"[\s>*_#\-]*(?:\[([A-Za-z][A-Za-z ]{1,20})\](?![(\[])|\(([A-Z][a-z]+)\)|@([A-Za-z]\w*)|([A-Z][a-z]+)\s+[-—–]\s)"
)
_LABELS = frozenset(
    words_of("""
    answer final solution conclusion result response output explanation reasoning note summary step proof analysis therefore thus so hence finally here ans calculation calculations check correction corrected update edit
    verification derivation working work workings method approach given assistant model system bot ai gpt problem question task part case simplification simplified simplify interpretation option
    total thought thoughts discussion overview recap remark comment details computation strategy idea plan it this then now first second third next last also overall statement format rationale inference logic evidence insight context facts claim
    a the in to as my our for with by from at on of all let we i
    """)
)
"""Words of labels that are no names."""
_PEOPLE = frozenset(
    words_of(
        "student students teacher tutor user human friend pupil classmate colleague person child kid boy girl man woman"
    )
)
_CODE = re.compile(
    r"\s*(?:print\s*\(|import\s|from\s+\w+\s+import|def\s+\w+\(|return\b|assert\b|\w+\s*[+\-*/]?=\s*[\w.\[(\"']|(?:for|while|if)\b.*:\s*\Z|[\w.]+\(.*\)\s*;?\s*\Z)"
)


def hides(text: str, start: int, end: int) -> str:
    """Why what stands from `start` to `end` is not said by the text itself; empty where it is."""
    line_start = text.rfind("\n", 0, start) + 1
    before = text[max(line_start, start - NEAR) : start]
    head = before if line_start >= start - NEAR else ""
    if fences.is_inside(text, start) or _is_inline_code(text, before, start):
        return "an answer in code"
    if "<" in text and _is_in_other_tag(text, start, end):
        return "an answer in a quotation or in a part that is no answer"
    if "\\" in text and _is_in_other_command(text, start, end, before):
        return "an answer in a command that hides it or sets it aside"
    if _COMMENT.match(head) or (head.lstrip().startswith("#") and _stands_above_code(text, end)):
        return "an answer in a comment"
    behind = text[end : end + 40].split("\n", 1)[0]
    if _names_speaker(_SPEAKER.match(head)):
        return "an answer of somebody else"
    if _UNCHECKED.match(head) or _has_other(before, _SYMBOLS - _EMPTY_BOXES) or _has_other(behind, _SYMBOLS):
        return "an answer with a mark that it is none"
    return ""


def is_quoted(text: str, start: int) -> bool:
    """Whether the statement that begins at `start` is somebody's words: `Bob: "The answer is 5."`"""
    before = text[max(text.rfind("\n", 0, start) + 1, start - NEAR) : start]
    if _QUOTE_OPENS_WITH.isdisjoint(before):
        return False
    return _QUOTE_OPENS.match(before.lstrip("> \t")) is not None


def is_said_by_another(text: str, start: int) -> bool:
    """Whether the line of the statement that begins at `start` has a name as its label: `Alice: The answer is 5.`"""
    before = text[max(text.rfind("\n", 0, start) + 1, start - NEAR) : start]
    return _names_speaker(_LABEL.match(before)) or _names_speaker(_SPEAKER.match(before))


def _names_speaker(label: re.Match[str] | None) -> bool:
    """Whether what stands at the beginning of a line is no label of an answer, and so the name of a speaker."""
    if label is None:
        return False
    words = next(part for part in label.groups() if part).lower().split()
    return not _PEOPLE.isdisjoint(words) or not any(map(_is_of_work, words))


def _is_of_work(word: str) -> bool:
    """Whether a word of a label belongs to work on a problem: `Solution`, `Adding`, `Area`, `Justification`."""
    known = word in _LABELS or word in QUANTITIES or is_noun(word) or is_describing(word)
    return known or word.endswith(("ing", "tion", "sion", "ment", "sis"))


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


def _is_in_other_tag(text: str, start: int, end: int) -> bool:
    """Whether a tag that is open at `start`, and closed behind `end`, is none in which an answer is said."""
    if text.rfind("<!--", 0, start) > text.rfind("-->", 0, start):
        return True
    closed = {match[2].lower() for match in _TAG.finditer(text, end) if match[1]} - _TAGS
    if not closed:
        return False
    opened = dict.fromkeys(closed, 0)
    for match in _TAG.finditer(text, 0, start):
        if (name := match[2].lower()) in opened:
            opened[name] = max(0, opened[name] + (-1 if match[1] else 1))
    return any(opened.values())


def _is_in_other_command(text: str, start: int, end: int, before: str) -> bool:
    if any(not is_visible(match[1]) for match in _COLOR.finditer(before)):
        return True
    if _DEFINITION.search(before):
        return True
    verbatim = list(_VERBATIM.finditer(before))
    if verbatim and verbatim[-1][1] not in before[verbatim[-1].end() :]:
        return True
    conditional = ""
    if "\\if" in text:
        for match in _CONDITIONAL.finditer(text, 0, start):
            conditional = match[1]
    if conditional in ("iffalse", "if0"):
        return True
    if any(name not in _COMMANDS for name in _commands_around(text[max(0, start - NEAR) : start])):
        return True
    return "\\begin" in text and _is_in_other_environment(text, start, end)


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


def _is_in_other_environment(text: str, start: int, end: int) -> bool:
    opened: dict[str, int] = {}
    for match in _ENVIRONMENT.finditer(text, 0, start):
        opened[match[2]] = max(0, opened.get(match[2], 0) + (1 if match[1] == "begin" else -1))
    return any(depth and name not in _ENVIRONMENTS for name, depth in opened.items())


def _stands_above_code(text: str, end: int) -> bool:
    """Whether the next line is code, so that a line that begins with `#` is a comment and no heading."""
    rest = text[end : end + NEAR].partition("\n")[2].lstrip("\n")
    return _CODE.match(rest.split("\n", 1)[0]) is not None


def _has_other(line: str, allowed: frozenset[str]) -> bool:
    """Whether a sign or picture stands on the line that is not allowed; plants and animals picture what is counted."""
    return not line.isascii() and any(
        unicodedata.category(char) == "So" and char not in allowed and not _PICTURES.match(char) for char in line
    )
