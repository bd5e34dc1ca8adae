"""Explicit statements of an answer (`the answer is x`, `#### x`, `Ans: x`, `答案：x`) and where each one ends.

A statement ends with its line or its sentence. A full stop inside a formula or behind an abbreviation, and the
exclamation mark of a factorial, end no sentence. Every statement is read to a bounded length, so that finding all of
them is linear.
"""

from __future__ import annotations

import re

from verifiers.math.reading.vocabulary import UNITS

MAX_CHARS = 4000
"""Length to which a statement is read; a longer one is no answer."""

MAX_ITEMS = 100
"""Items of a list that is an answer."""

_NSWER_IS = r"nswers?\b(?:\s*\*\*)?\s*(?:is|are|=|:|：|to\s+(?:the|this)\s+(?:problem|question)\s+is)(?:\s*[:：])?"
"""The rest of `answer is` behind its first letter."""
_CORRECTS = (
    r"\b[,.:;! -]*(?:it\s+is|it's|it\s+should\s+be|that\s+is|that's)\b"
    r"(?!\s*(?:wrong|incorrect|not|a|an|the|right|correct|impossible|false|true)\b)"
)
STATEMENT = re.compile(
    r"[#FfAaNnWwRrCc \t*_最答](?i:"
    r"(?<=\#)\#{3}|"
    # A word begins here.
    r"(?<=[fanwrc])(?<!\w\w)(?:"
    rf"(?<=a)(?:{_NSWER_IS}|nswer\s+(?:will|would|should|must)\s+be\b)|(?<=f)inal\s+a{_NSWER_IS}|"
    rf"(?:(?<=n)o|(?<=w)ait|(?<=a)ctually|(?<=r)ather|(?<=c)orrection){_CORRECTS})|"
    # A line begins here.
    r"(?<=[\#a \t*_答])(?<![^\n][^\n])(?:"
    r"(?:(?<=[ \t*_])[ \t*_]*ans|(?<=a)ns)(?:\.|\b)[ \t*_]*[:=：]|"
    r"(?:(?<=[ \t])[ \t]*(?:\#{1,6}[ \t]+|\*\*|__)|(?<=\#)\#{0,5}[ \t]+|(?<=\*)\*|(?<=_)_)"
    r"[ \t*_]*(?:final[ \t]+)?answer[ \t*_]*[:：]?[ \t*_]*(?=\n)|"
    r"(?:(?<=[ \t])[ \t]*答|(?<=答))[ \t]*[：:])|"
    r"(?<=[最答])(?:(?<=最)终答案|(?<=答)案)\s*(?:是|为|：|:)+)"
)
"""It begins with a set of characters, so that a long text is passed over quickly; what follows says which of them may
begin what."""
SHORT_LABEL = re.compile(r"(?:\A|(?<=\n))[ \t*_]*A[ \t*_]*[:：](?=[^\n]*\Z)(?![^\n]*\b[B-Z][ \t]*[:：])")
"""The last line of a text of questions and answers: `A: 18`."""
OPTION_LINE = re.compile(r"(?:\A|(?<=\n))[ \t*_(]*[B-E][ \t*_]*[:：.)]")
_HEADING = re.compile(r"[ \t]*\d+[.)][ \t]+\S")
"""What follows the #### of a numbered heading."""
_ITEM = re.compile(r"[ \t]*(?:(\d{1,2})[.)]|([-*•])|\(([a-h]|[ivx]+|\d)\))[ \t]+")
_CONTINUES = re.compile(r"[ \t]*(?:[+*/=<>≤≥×]|-[ \t]|\\(?:cdot|times|le|ge)\b|(?:and|or)\b)")
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr st mt no nos vs approx sq cu fig eq ca cf e.g i.e u.s jr sr prof gen rev al resp".split()  # noqa: SIM905
)
_DAYTIME = re.compile(r"\b[ap]\.\s?m\Z", re.IGNORECASE)
_WORD_BEFORE = re.compile(r"[A-Za-z]+\Z")


def is_heading(text: str, mark: str, start: int) -> bool:
    """Whether the label is the #### of a numbered heading."""
    return mark == "####" and _HEADING.match(text, start) is not None


_BEHIND_LABEL = re.compile(r"(?:[ \t_:：]|\*+(?=\s))*\s*")


def answer_start(text: str, start: int) -> int:
    """Where the answer begins behind a label: on its line, or on the next line that has anything on it."""
    match = _BEHIND_LABEL.match(text, start)
    return match.end() if match else start


def listed_items(text: str, start: int) -> tuple[list[str], int] | None:
    """The items of a list that begins at `start`, at the beginning of a line, and where it ends. One bullet alone, or
    a list by hyphens, which may be minus signs, gives no items."""
    if text[max(0, text.rfind("\n", 0, start) + 1) : start].strip(" \t") or not _ITEM.match(text, start):
        return None
    items: list[str] = []
    marks: set[str] = set()
    at = start
    while match := _ITEM.match(text, at, at + MAX_CHARS):
        end = text.find("\n", match.end())
        end = len(text) if end < 0 else end
        items.append(text[match.end() : end].strip())
        marks.add("#" if match[1] else match[2] or "(")
        at = end + 1
        if at >= len(text) or len(items) > MAX_ITEMS:
            break
    if not 2 <= len(items) <= MAX_ITEMS or len(marks) > 1 or marks & {"-", "("}:
        return [], min(at, len(text))
    return items, min(at, len(text))


def has_words(line: str) -> bool:
    """Whether a line holds words of three letters or more; commands of TeX are none."""
    return _WORDS.search(_COMMANDS.sub("", line)) is not None


def statement_end(text: str, start: int) -> int:
    """End of the line or of the sentence that begins at `start`."""
    return _Sentence(text, start).end()


class _Sentence:
    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.start = start
        self.limit = min(len(text), start + MAX_CHARS)
        self.math = ""
        """The mark that closes the formula around the current place."""
        self.depth = 0
        self.said = False
        """Whether anything but space and the opening of a formula was seen."""
        self.own_line = not text[text.rfind("\n", 0, start) + 1 : start].strip(" \t*_")
        """The answer stands on a line of its own, so that another bare line below it belongs to it."""

    def end(self) -> int:
        text, at = self.text, self.start
        while at < self.limit:
            char = text[at]
            if char == "\\":
                self.said = self.said or self.text[at + 1 : at + 2] not in ("[", "(")
                at += self.backslash(at)
            elif char == "$":
                at += self.dollar(at)
            elif char in "{}":
                self.depth = max(0, self.depth + (char == "{") - (char == "}"))
                at += 1
            elif char == "\n":
                if self.line_ends(at):
                    return at
                at += 1
            elif char in ".?!。" and not self.math and not self.depth:
                end = self.sentence_ends(at)
                if end is not None:
                    return end
                at += 1
            else:
                self.said = self.said or not char.isspace()
                at += 1
        return self.limit

    def backslash(self, at: int) -> int:
        """Characters to go on; `\\(` and `\\[` open a formula, `\\begin` an environment."""
        pair = self.text[at : at + 2]
        if not self.math and pair in ("\\(", "\\["):
            self.math = "\\)" if pair == "\\(" else "\\]"
        elif pair == self.math:
            self.math = ""
        elif self.text.startswith("\\begin{", at):
            self.depth += 1
        elif self.text.startswith("\\end{", at):
            self.depth = max(0, self.depth - 1)
        return 2

    def dollar(self, at: int) -> int:
        """A dollar sign opens a formula only if one closes it; else it is money."""
        mark = "$$" if self.text.startswith("$$", at) else "$"
        if self.math:
            self.math = "" if self.math == mark else self.math
            return len(mark)
        stop = self.text.find("\n\n" if mark == "$$" else "\n", at + len(mark), self.limit)
        closing = self.text.find(mark, at + len(mark), self.limit if stop < 0 or mark == "$$" else stop)
        money = self.text[at + 1 : at + 2].isdigit() and self.text[closing + 1 : closing + 2].isdigit()
        if closing >= 0 and not (mark == "$" and money):
            self.math = mark
        return len(mark)

    def line_ends(self, at: int) -> bool:
        if not self.said:
            return False
        if self.math in ("\\]", "$$") or self.depth:
            return self.text.startswith("\n\n", at) and self.math != "$$"
        line = self.text[at + 1 : at + 200].split("\n", 1)[0]
        if self.own_line and line.strip() and not has_words(line) and any(c.isalnum() for c in line):
            return False
        return _CONTINUES.match(line) is None or line.lstrip().startswith("**")

    def sentence_ends(self, at: int) -> int | None:
        """Where the sentence ends if the mark at `at` ends it."""
        text, char = self.text, self.text[at]
        if char == "。":
            return at
        following = text[at + 1 : at + 40]
        if following and not following[0].isspace():
            return None
        if char == "." and text[at - 1 : at] == ".":
            return at + 1  # "0.5..." goes on
        same_line = following.split("\n", 1)[0].strip()
        before = text[max(self.start, at - 12) : at]
        if char == "?":
            return at
        if char == "!":
            factorial = bool(before) and (
                before[-1].isdigit() or before[-1] in ")]}" or bool(_ONE_LETTER.search(before))
            )
            if not factorial:
                return at
            return None if same_line and not same_line[0].isupper() else at + 1
        if _DAYTIME.search(before):
            return at + 1
        if same_line and (same_line[0].islower() or same_line[0].isdigit()):
            return None
        word = _WORD_BEFORE.search(before)
        if word and same_line and word[0].lower() in _ABBREVIATIONS:
            return None
        if word and same_line[:1] in ("$", "\\") and word[0].lower() in UNITS:
            return None
        return at


_COMMANDS = re.compile(r"\\[A-Za-z]+")
_WORDS = re.compile(r"[^\W\d_]{3}")
_ONE_LETTER = re.compile(r"(?:\A|[^A-Za-z])[A-Za-z]\Z")
