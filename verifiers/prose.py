"""What prose around a final answer says in any kind of problem: that it is a guess, or that the text was not finished.

Every check looks at a bounded stretch of text, so all are linear.
"""

from __future__ import annotations

import re

MAX_TAIL_CHARS = 4000
"""Characters behind an answer that are looked at."""

_SENTENCE_END = re.compile(r"(?<!\.)[.?!;。](?=[\s$*)\\]|\Z)|\n")
_GIVES_UP = re.compile(
    r"(?:\A|[.!?\n]|\b(?:so|but|and)\b)\s*(?:(?:there\s+is\s+)?no\s+(?:answer|idea|clue)|i\s+(?:do\s+not|don['’]t|cannot|can['’]t)\s+(?:really\s+)?(?:know|solve|tell|say|answer)\b[^.!?\n]*|"
    r"(?:it|this|the\s+answer)\s+(?:cannot|can['’]t|can\s+not)\s+be\s+(?:determined|solved|found|known)|cannot\s+be\s+(?:determined|solved)|(?:i\s+am|i['’]m)\s+not\s+sure\b[^.!?\n]*|i\s+give\s+up|"
    r"(?:i['’]ll\s+|i\s+will\s+)?(?:just\s+)?(?:a\s+|my\s+)?(?:random\s+|wild\s+)?guess(?:ing)?|unsolved|unfinished|to\s+be\s+(?:checked|continued|verified)|todo|tbd|not\s+(?:sure|verified|checked))\s*"
    r"[.!…:—–-]*[\s$*\\\[(]*\Z",
    re.IGNORECASE,
)
"""A sentence that gives up, at the end of what stands before an answer: the answer is a guess."""
_GOES_ON = re.compile(
    r"[\s*_#>-]*(?:(?:next|now|then|but|so|also|let|we|i|first|second|to|for|if|suppose|consider|however|since|because|when|where|this|that|the|it)\b)",
    re.IGNORECASE,
)
_FAREWELL = re.compile(
    r"\b(?:i\s+hope|hope\s+(?:this|that|it)|let\s+me\s+know|thank|feel\s+free|correct|done|solved|answer|solution|qed|required|desired|proved|result)\b",
    re.IGNORECASE,
)


def breaks_off(text: str, end: int) -> bool:
    """Whether another sentence follows the one that ends behind the answer, and the text ends in the middle of it."""
    behind = text[end : end + MAX_TAIL_CHARS + 1].rstrip()
    if len(behind) > MAX_TAIL_CHARS or not behind or not (behind[-1].isalpha() or behind[-1] in ",("):
        return False
    last = _SENTENCE_END.split(behind)[-1]
    if last == behind or len(last.split()) < 4:
        return False
    return _GOES_ON.match(last) is not None and _FAREWELL.search(last) is None


def gives_up(before: str) -> bool:
    """Whether the sentence in front of an answer says that the answer is not known."""
    return _GIVES_UP.search(before) is not None
