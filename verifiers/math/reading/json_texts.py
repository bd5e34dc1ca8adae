"""Texts that are in whole one JSON object: the answer under its one answer key, and what the other keys say of it.

Only keys that hold the work, the problem or an identifier may stand beside the answer. Any other key could change the
answer (`unit`, `base`, `corrected_answer`) or take it back (`correct`, `status`), so the object states no answer then.
"""

from __future__ import annotations

import dataclasses
import json
import re

from verifiers.math.reading.vocabulary import words_of

_FENCED = re.compile(r"\A\s*```(?:json)?\s*(\{.*\})\s*```\s*\Z", re.DOTALL)
_OBJECT = re.compile(r'\A\{\s*"[^"\n]{0,80}"\s*:')
_LABEL = re.compile(
    r'(?:\A|[{,\n])[ \t]*(?:"([^"\n]{1,60})"|([A-Za-z]\w{0,40}_\w{1,40}|old|guess))[ \t]*[:=][ \t]*"?[^"\n]{0,200}\Z'
)
_CONTROLS = {"\b": "\\b", "\f": "\\f", "\t": "\\t", "\r": "\\r"}
"""What JSON makes of a command of TeX whose backslash was not doubled, and that backslash with its letter."""
_ESCAPED = re.compile(r"[\b\f\t\r](?=[a-z])")
_ANSWER_KEYS = frozenset({"answer", "final_answer", "final answer", "finalanswer"})
_SAID_BY_OTHERS = frozenset(words_of("problem question prompt id index uuid task_id problem_id question_id"))
"""Neutral keys that say nothing of the answer."""
_NEUTRAL_KEYS = _SAID_BY_OTHERS | frozenset(
    words_of("""
    reasoning explanation steps step rationale thought thoughts thinking work working analysis justification derivation
    calculation calculations chain_of_thought
    """)
)


@dataclasses.dataclass(frozen=True, slots=True)
class JsonText:
    answer: str
    remarks: tuple[str, ...] = ()
    """What the other keys say, in order."""
    problem: str = ""
    """Why the object states no answer; empty if it does."""


def read(text: str) -> JsonText | None:
    """The answer of a text that is in whole one JSON object; None for any other text."""
    fenced = _FENCED.match(text)
    body = (fenced[1] if fenced else text).strip()
    if not (body.endswith("}") and _OBJECT.match(body)):
        return None
    try:
        value = json.loads(body, object_pairs_hook=list, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return JsonText("", problem="a JSON object that cannot be read")
    answers = [(str(key).strip().lower(), item) for key, item in value if str(key).strip().lower() in _ANSWER_KEYS]
    others = [(str(key).strip().lower(), item) for key, item in value if str(key).strip().lower() not in _ANSWER_KEYS]
    if len(answers) != 1 or not isinstance(answers[0][1], str):
        return JsonText("", problem="a JSON object without one answer")
    remarks: list[str] = []
    for key, item in others:
        said = _said(item)
        if key not in _NEUTRAL_KEYS or said is None:
            return JsonText("", problem=f"a JSON object with {key[:40]} beside its answer")
        if key not in _SAID_BY_OTHERS:
            remarks.append(said)
    return JsonText(_with_commands(answers[0][1]), tuple(remarks))


def _said(item: object) -> str | None:
    """The text of a value; None for one that is neither a text nor a list of texts."""
    if isinstance(item, str):
        return _with_commands(item)
    if isinstance(item, list) and all(isinstance(part, str) for part in item):
        return "\n".join(_with_commands(part) for part in item)
    return None


def _with_commands(text: str) -> str:
    """The text with `\\boxed` again where its backslash and letter were read as an escape of JSON."""
    return _ESCAPED.sub(lambda match: _CONTROLS[match[0]], text)


def is_under_another_key(before: str) -> bool:
    """Whether what stands in front of a box or an answer is a key that names no final answer: `student_answer:`."""
    label = _LABEL.search(before)
    if label is None:
        return False
    key = (label[1] or label[2]).strip().lower()
    return key not in _ANSWER_KEYS and key not in _NEUTRAL_KEYS
