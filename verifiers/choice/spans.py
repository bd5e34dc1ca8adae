"""What one span of an answer says: the option that it names, if it names one.

Promises: linear in the span; every repeat of every pattern is bounded. Does not: find spans (verifiers.choice.reading).
"""

from __future__ import annotations

import dataclasses
import functools
import re
import string
import unicodedata

from verifiers.answer_words import MARKS_FOR

MAX_SPAN_CHARS = 2_000
"""Longest statement read, in characters."""
SPACES = r"\s{1,8}"
"""White space between two words."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a span says: one letter, or none; and the letters that it names without settling on one."""

    letter: str = ""
    named: frozenset[str] = frozenset()


TAKEN_BACK = re.compile(
    r"(?:[.!?;,—–-]\s{0,8}|^)no\s{0,4}[,.!;:]|\.{2,3}\s{0,4}not\b|"
    r"\b(?:wait(?!\s{1,8}(?:for|until|to)\b)|oops|scratch\s{1,8}that|actually,?\s{1,8}no\b|correction\b|just\s{1,8}kidding|"
    r"sorry\s{0,4},|i\s{1,8}meant?\b|strike\s{1,8}that|hold\s{1,8}on\b|"
    r"on\s{1,8}second\s{1,8}thought|my\s{1,8}mistake|i\s{1,8}take\s{1,8}(?:that|it)\s{1,8}back|"
    r"that(?:['’]s|\s{1,8}is|\s{1,8}was)\s{1,8}(?:wrong|incorrect|not\s{1,8}right|a\s{1,8}mistake)|"
    r"i\s{1,8}(?:was|am)\s{1,8}(?:wrong|mistaken)|"
    r"i\s{1,8}made\s{1,8}(?:a|an|some)\s{1,8}(?:\w{1,20}\s{1,8})?(?:mistake|error))\b",
    re.IGNORECASE,
)
"""Words behind the last statement that withdraw it and put nothing in its place."""
DISOWNED = re.compile(
    r"[\s.,;:$*)}\]\\]{0,20}(?:\(|\[)?(?:(?:which|but\s{1,8}(?:this|that|it)|this|that|it)\s{1,8})?"
    r"(?:(?:is|was|are)\s{1,8}(?:\w{1,20}\s{1,8}){0,2}?)?"
    r"(?:wrong|incorrect|mistaken|impossible|false|absurd|(?:a\s{1,8})?contradict\w{1,8}|not\s{1,8}(?:really|quite|the|right|correct|possible|valid|it)|n['’]t\s{1,8}(?:the|right|correct))\b",
    re.IGNORECASE,
)
"""Words directly behind a statement that call it wrong."""
_COMMAND = re.compile(
    r"\\(?:textbf|textit|textrm|texttt|text|mathrm|mathbf|mathit|mathsf|rm|bf|operatorname|mbox|fbox|boxed)[ \t]{0,8}\{"
)
_LEADING = re.compile(
    rf"(?:(?:so|hence|then|it{SPACES}is|it['’]s|only|la|die|a(?={SPACES}op)|the|therefore|thus|clearly|definitely|certainly|obviously|simply|most(?:{SPACES}likely)?|indeed|just|again),?{SPACES}){{0,3}}"
    rf"(?:(?:correct|right|best|final){SPACES}){{0,2}}(?:(?:option|opción|opção|opzione|вариант|choice|answer|letter|选项|项)(?:\s{{1,8}}|(?=[(\[:#*$]))|选项)?"
    rf"(?:is{SPACES})?[:#]?\s{{0,8}}",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[(\[{<]?\s{0,4}([A-Za-z])(?![A-Za-z0-9_^'’])(\s{0,4}[)\]}>])?", re.DOTALL)
NEGATED_LETTERS = re.compile(
    rf"[,;(]?\s{{0,8}}(?:(?:and|but|so|definitely|certainly){SPACES}){{0,2}}(?:not|nor|neither|rather{SPACES}than|instead{SPACES}of|unlike)"
    rf"(?:{SPACES}(?:options?|answers?|choices?))?{SPACES}[(\[]?([A-Z])(?![A-Za-z0-9'’])[)\]]?"
    rf"(?:\s{{0,4}}(?:,|/|or|nor|and)\s{{0,4}}(?:(?:or|nor|and){SPACES})?(?:option{SPACES})?[(\[]?([A-Z])(?![A-Za-z0-9'’])[)\]]?){{0,8}}\)?"
)
_FAULTED_LETTER = re.compile(
    rf"(?<![A-Za-z0-9])[(\[]?[A-Z][)\]]?{SPACES}(?:is|was|would{SPACES}be|cannot{SPACES}be|can['’]t{SPACES}be|isn['’]t)"
    rf"(?:{SPACES}\w{{1,12}}ly)?{SPACES}"
    rf"(?:wrong|incorrect|false|not|the{SPACES}wrong|impossible|out|correct(?<=n['’]t correct))\b"
)
_FAULTED_LIST = re.compile(
    rf"(?<![A-Za-z0-9])(?:(?:[Tt]he{SPACES}|[Oo]ther{SPACES}){{0,2}}(?:[Oo]ptions?|[Cc]hoices?|[Aa]nswers?){SPACES})?[(\[]?[A-Z][)\]]?"
    rf"(?:(?:\s{{0,4}},\s{{0,4}}(?:and{SPACES}|or{SPACES})?|{SPACES}(?:and|or){SPACES})[(\[]?[A-Z](?![A-Za-z])[)\]]?){{1,8}}"
    rf"{SPACES}(?:are|were){SPACES}(?:(?:all|both|\w{{1,12}}ly){SPACES})?(?:incorrect|wrong|false|not|eliminated|ruled{SPACES}out)\b"
    rf"(?:{SPACES}(?:correct|right|true|valid))?"
)
"""A list of options that are called wrong: `Options A, B, and D are incorrect`."""
_OTHER_LETTER = re.compile(r"(?<![A-Za-z0-9])(?:([A-Z])\)|([A-Z])(?![A-Za-z0-9'’]))")
_HEDGE = re.compile(
    r"\b(?:also|wait|actually|though|rather|instead|hence|thus|therefore|alternatively|possibly|maybe|perhaps)\b",
    re.IGNORECASE,
)
_JOINED_LETTER = re.compile(
    rf"(?:\bor\b|\band\b|/|,|;|&|\bnot\b|\+|或|和)\s{{0,8}}(?:(?:or|and|possibly|maybe){SPACES})?(?:(?:option|answer){SPACES})?"
    r"[(\[]?([A-Za-z])(?![A-Za-z0-9'’])[)\]]?"
)
_REASON = re.compile(r"\b(?:because|since|as|not|nor|wrong|incorrect|unlike|than|over)\b")
_EXPLAINED = re.compile(
    rf"\s{{0,8}}(?:[-–—:]\s{{0,4}}\w|\(|because\b|since\b|as\b|which\b|for\b|due\b|(?:です|でした|だ|입니다|이다|이에요|(?:选?项)(?:是?正确)?)\s{{0,4}}(?:[。.,;]|$)|is{SPACES}(?:the{SPACES})?(?:correct|right|best|true|answer)\b)",
    re.IGNORECASE,
)


_OR_ELSE = re.compile(rf"\b(?:or|and){SPACES}(?:none|all|both|neither|maybe)\b", re.IGNORECASE)
_ONLY_IF = re.compile(
    r"\b(?:but|whereas|naively|at\s{1,8}(?:least|first)|for\s{1,8}(?:part|question|case|problem)|if|unless|else|otherwise|provided|depending|nobody|to\s{1,4}question)\b",
    re.IGNORECASE,
)
_ARGUED = re.compile(r"[\s,;:(–—-]{0,8}(?:because|since|as|given\s{1,4}that|due\s{1,4}to)\b", re.IGNORECASE)
"""The beginning of a reason, as in `C, since A and B are …`. Letters behind it belong to the reason."""
_TEXT_AND_LETTER = re.compile(
    rf"(?P<text>.{{1,{MAX_SPAN_CHARS}}}?)\s{{0,4}}(?:,|[—–-]|\()?\s{{0,4}}(?:(?:which|that){SPACES}is{SPACES})?(?:(?:option|choice|answer){SPACES})?"
    r"[(\[]?(?P<letter>[A-Z])[)\]]{0,2}[ .]{0,4}",
    re.DOTALL,
)
"""An option's text with its letter behind it: `carbon dioxide (C)`."""
_SHORT_ANSWER = re.compile(r"A\s{0,4}:\s{0,4}[(\[*]{0,3}([A-Za-z])[)\]*]{0,3}[ .]{0,4}")
"""A short answer to a question that began with `Q:`, such as `A: C`."""


class Options:
    """The options of a problem, prepared for reading spans."""

    def __init__(self, options: tuple[str, ...]) -> None:
        self.letters = string.ascii_uppercase[: len(options)]
        self.letter_patterns = {
            letter: re.compile(rf"(?<![A-Za-z0-9\\]){letter}(?![A-Za-z0-9])", re.IGNORECASE) for letter in self.letters
        }
        """Each letter by itself."""
        self.plain = {letter: plain(option) for letter, option in zip(self.letters, options, strict=True)}

    @classmethod
    @functools.lru_cache(maxsize=512)
    def of(cls, options: tuple[str, ...]) -> Options:
        return cls(options)

    def is_an_option(self, span: str) -> bool:
        return plain(span) in self.plain.values()

    def read(self, span: str) -> Reading:
        """The one option a span names: its letter, its letter with its text or an explanation, or its text."""
        if _CROSS.search(span):
            return Reading()  # `C ❌`
        exact = [letter for letter, option in self.plain.items() if len(option) > 1 and option == plain(span)]
        if len(exact) == 1:
            return Reading(exact[0])  # before words such as `the` are taken off
        span = cleaned(span)
        said = plain(span)
        by_text = [letter for letter, option in self.plain.items() if option == said and said]
        if len(by_text) == 1 and not (len(said) == 1 and said.upper() in self.letters and by_text[0] != said.upper()):
            return Reading(by_text[0])
        if short := _SHORT_ANSWER.fullmatch(span):
            letter = short[1].upper()
            return Reading(letter if letter in self.letters else "")
        if (both := _TEXT_AND_LETTER.fullmatch(span)) and self.plain.get(both["letter"]) == plain(both["text"]):
            return Reading(both["letter"])
        match = _LETTER.match(span)
        if match is None or match[1].upper() not in self.letters:
            return Reading(named=self._named(span))
        letter, rest = match[1].upper(), span[match.end() :]
        if self._is_said(letter, rest, is_bracketed=bool(match[2])):
            return Reading(letter)
        return Reading(named=self._named(span))

    def _is_said(self, letter: str, rest: str, *, is_bracketed: bool) -> bool:
        """Whether what follows a letter leaves it the answer."""
        if not rest.strip(" .!*)]}>:,;\"'`/\\"):
            return True
        if rest[:1] in "^\\=+<>_#" or re.match(r"\.\d", rest):
            return False  # the start of a formula
        if re.match(r"[-–]\w|\.[A-Za-z](?:\.|$)", rest) and plain(rest[1:]) != self.plain[letter]:
            return False  # `C-section`, `C.S. Lewis`
        if _OR_ELSE.search(rest) and not _has_words(self.plain[letter], "above"):
            return False
        if rest[:1] == "(" and not is_bracketed and plain(rest.strip("() .")) != self.plain[letter]:
            return False  # `C(5,2)`
        own = self.plain[letter]
        if plain(rest.lstrip(" .):,;-–—")) == own:
            return True  # before anything else: an option may read `False` or `wait`
        if "?" in rest or TAKEN_BACK.search(rest) or DISOWNED.match(rest):
            return False
        for match in NEGATED_LETTERS.finditer(rest):
            if letter in re.findall(r"(?<![A-Za-z])[A-Z](?![A-Za-z])", match[0]):
                return False  # `C, not C`
        for match in _FAULTED_LIST.finditer(rest):
            if letter in re.findall(r"(?<![A-Za-z])[A-Z](?![A-Za-z])", match[0]):
                return False
        rest = _FAULTED_LIST.sub(" ", rest)
        rest = _FAULTED_LETTER.sub(" ", NEGATED_LETTERS.sub(" ", rest))
        if not rest.strip(" .!*)]}>:,;"):
            return True
        is_argued = _ARGUED.match(rest) is not None
        if (not is_argued or _HEDGE.search(rest)) and self._names_another(rest, letter):
            return False
        if not is_argued and rest[:1] != "." and _ONLY_IF.search(re.split(r"[.!?]\s", rest)[0]):
            return False
        others = [option for other, option in self.plain.items() if other != letter]
        said = plain(rest.lstrip(" .):,;-–—"))
        if rest[:1] == "." and said == rest[1:].strip(" .") and len(said.split()) <= 2 and not _has_words(own, said):
            return False  # `C. elegans`
        if said in others or _describes_another(said, own, others):
            return False  # the letter of one option with the text of another
        # "C because …", "C is correct", "C, since": but not "A cell", "I think".
        return is_bracketed or rest[:1] in ".):,;*" or _EXPLAINED.match(rest) is not None

    def _names_another(self, rest: str, letter: str) -> bool:
        """Whether another letter stands beside the first: `B or C`, `B/C`, `B and (C)`, `B, but D also works`."""
        for match in _OTHER_LETTER.finditer(rest):
            other = match[1] or match[2]
            if other in self.letters and other != letter and (match[1] or _HEDGE.search(rest)):
                return True
        for match in _JOINED_LETTER.finditer(rest):
            other = match[1]
            is_letter = other.isupper() or match[0].rstrip().endswith(")")
            if is_letter and other.upper() in self.letters and other.upper() != letter:
                return True
        return False

    def _named(self, span: str) -> frozenset[str]:
        """Letters of options that stand in a span as words of their own; `I` and `A` only beside others."""
        span = NEGATED_LETTERS.sub(" ", span)
        found = {match[1] or match[2] for match in _OTHER_LETTER.finditer(span)} & set(self.letters)
        return frozenset(found) if found - {"A", "I"} else frozenset()


def is_explained(span: str, letter: str, known: Options) -> bool:
    """Whether a new sentence began behind the letter that no option's text could go on with: `C. This is bec`."""
    match = _LETTER.match(cleaned(span))
    if match is None:
        return False
    rest = plain(cleaned(span)[match.end() :].lstrip(" .):,;-–—"))
    return len(rest) > 1 and not any(
        option.startswith(rest) or rest.startswith(option) for other, option in known.plain.items() if other != letter
    )


def _describes_another(rest: str, own: str, others: list[str]) -> bool:
    """Whether another option's text follows the letter as words of its own, without a word like `because`: `C, that is
    red`."""
    if _has_words(rest, own) or _REASON.search(rest):
        return False
    return any((len(other) > 1 or other.isdigit()) and _has_words(rest, other) for other in others)


def _has_words(text: str, words: str) -> bool:
    """Whether `words` stand in `text` and are not part of longer ones."""
    at = text.find(words) if words else -1
    while at >= 0:
        end = at + len(words)
        if not (text[at - 1 : at].isalnum() and at) and not text[end : end + 1].isalnum():
            return True
        at = text.find(words, end)
    return False


_CROSS = re.compile("[✘❌✗✖]")
_SYMBOLS = re.compile(f"[{''.join(sorted(MARKS_FOR))}✘❌\ufe0f□]")


def cleaned(span: str) -> str:
    span = unwrapped(span).replace("\\ ", " ").replace("\\,", " ").replace("$", "").replace("**", "").replace("__", "")
    span = _SYMBOLS.sub("", span.replace("`", "")).strip(' \t\n"“”「」')
    if span[:1] in ("'", "‘"):
        span = span.strip(" '‘’")
    for opening, closing in (("\\(", "\\)"), ("\\[", "\\]")):
        span = span.removeprefix(opening).removesuffix(closing).strip()
    span = span.strip("*_ ")
    match = _LEADING.match(span)
    return span[match.end() :].strip('"“” ') if match and match.end() < len(span) else span


def unwrapped(text: str) -> str:
    r"""The text without commands that only set their argument in another font: `\text{\textbf{C}}` is `C`. One pass."""
    if "\\" not in text:
        return text
    out: list[str] = []
    kept: list[bool] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            if command := _COMMAND.match(text, at):
                kept.append(False)
                at = command.end()
                continue
            out.append(text[at : at + 2])
            at += 2
            continue
        if char == "{":
            kept.append(True)
        elif char == "}" and kept and not kept.pop():
            at += 1
            continue
        out.append(char)
        at += 1
    return "".join(out)


def plain(text: str) -> str:
    """An option's text without markup, case and outer punctuation, for comparing."""
    text = unicodedata.normalize("NFKC", unwrapped(text)).replace("$", "").replace("\\,", "").replace("**", "")
    text = re.sub(r"\\[()\[\] ]", " ", text)
    text = (
        re.sub(r"\\(?:left|right|displaystyle)\b", "", text).replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    )
    return " ".join(text.casefold().split()).strip(" .;,:")
