"""Programs in JSON: `{"code": "…"}`, as models write them that were asked for an object.

Promises: only a whole object counts, and only one whose program is told by its key. Does not: parse programs.
"""

from __future__ import annotations

import json
from typing import Any

_KEYS = {
    *("code", "program", "solution", "source", "source_code", "implementation", "completion"),
    *("python", "python_code", "cpp", "javascript", "answer", "final_answer"),
}
_MAX_STARTS = 60
"""Lines tried as the first one of an object."""
_DECODER = json.JSONDecoder(strict=False)  # models leave line breaks in strings as they are


def program_of(text: str) -> str | None:
    """The program in `text`, if it is an object with one."""
    text = text.strip()
    if not text.startswith(("{", "[")) or not text.endswith(("}", "]")):
        return None
    try:
        return _program(_DECODER.decode(text))
    except (ValueError, RecursionError):
        return None


def program_at_end(text: str) -> str | None:
    """The program in the object that ends `text`, behind words or a draft."""
    text = text.rstrip()
    whole = program_of(text)
    if whole is not None or not text.endswith("}"):
        return whole
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if line.startswith("{")]
    for start in starts[-_MAX_STARTS:]:
        found = program_of("\n".join(lines[start:]))
        if found is not None:
            return found
    return None


def _program(value: Any) -> str | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    found = {key.lower(): item for key, item in value.items() if key.lower() in _KEYS and item}
    if "code" in found:
        found = {"code": found["code"]}
    if len(found) != 1:
        return None
    (item,) = found.values()
    return item if isinstance(item, str) else _program(item)
