"""Tables of phrases, and the patterns that are compiled from them.

A table lists phrases by what they mean; patterns are built of tables, so that a word stands in one place. In a phrase
a blank is any white space, `'` either apostrophe, and `{wrong}` the shared expression of that name; a backslash in
front of a blank or of an apostrophe keeps it as it is. Everything else is a regular expression. ` / ` separates phrases
on one line.
"""

from __future__ import annotations

import re

from verifiers.math.reading.vocabulary import words_of

Table = tuple[str, ...]

WRONG = words_of(
    "wrong incorrect erroneous flawed bad invalid false bogus fake mistaken faulty fallacious failed naive naïve "
    "unsuccessful"
)
_WORK = words_of(
    "solution answer approach attempt argument proof method reasoning way result value calculation try computation "
    "derivation response"
)
_VARIABLE = r"(?:[a-zA-Z]|\\[a-z]{2,7}|[a-zA-Z]_?\w|\|[a-z]\||[a-zA-Z]\([a-z]\))"
_RELATION = r"(?:=|<|>|≤|≥|≠|\\(?:le|ge|leq|geq|ne|neq|lt|gt|in|equiv|mid|nmid|to)\b|∈|≡)"
_SHARED = {
    "wrong": f"(?:{'|'.join(WRONG)})",
    "work": f"(?:{'|'.join(_WORK)})",
    "case": (
        rf"(?:{_VARIABLE}\s*{_RELATION}|{_VARIABLE}\s+(?:is|are|was)\b|"
        rf"{_VARIABLE}\s+(?:odd|even|positive|negative|prime|large|small|integer)\b|"
        r"(?:odd|even|positive|negative|large|small|prime|integer|non\w+)\s+[a-zA-Z]\b|\d+\s*(?:<|>|\\leq?\b|\\geq?\b|≤|≥)|"
        r"all\s+other|larger|smaller|other|each\s+case|(?:this|that|the)\s+\w*\s*case)"
    ),
    "bare_case": (
        r"\W{0,3}(?:[a-z]\b|\|\w\|)\W{0,3}"
        r"(?:(?:is|are|was)\b|even\b|odd\b|positive\b|negative\b|prime\b|[=<>≤≥≠]|\\[a-z]+)"
    ),
}
"""Regular expressions that phrases name: words that call something wrong, words for what is called so, and one case of
several (`n = 2`, `n is odd`), in the second form with marks around it."""


def phrases(table: str) -> Table:
    """The phrases of a table, in order."""
    return tuple(phrase for line in table.strip().splitlines() for phrase in line.strip().split(" / "))


def form(shape: str, *tables: Table) -> str:
    """The regular expression of `shape`, in the notation of phrases, with the alternatives of the tables for `@`."""
    alternatives = "|".join(_expression(phrase) for table in tables for phrase in table)
    return _expression(shape).replace("@", f"(?:{alternatives})") if tables else _expression(shape)


def compiled(*forms: str) -> re.Pattern[str]:
    """A pattern of any of the forms, without regard to case."""
    return re.compile("|".join(forms), re.IGNORECASE)


def _expression(phrase: str) -> str:
    return _NOTATION.sub(_translated, phrase)


_NOTATION = re.compile(r"\\(.)|( )|(')|\{([a-z_]+)\}", re.DOTALL)


def _translated(match: re.Match[str]) -> str:
    escaped, blank, apostrophe, name = match.groups()
    if escaped is not None:
        return escaped if escaped in " '" else match[0]
    if blank:
        return r"\s+"
    return "['’]" if apostrophe else _SHARED[name]
