"""Which problems have an answer key: something that the text of a solution can be checked against.

A problem has none when its reference lacks all of `answer`, `answers`, `all` (math), lacks `answer` (choice), or lacks
all of `tests`, `test_list`, `test` (code; a test without an output counts only beside a `checker`). A Lean problem
always has its statement. A plugin's kind says it in its row (verifiers.kinds.KindRow.has_answer_key); without a word of
its own it always has one.

Promises: pure, and quick enough to be asked for every text.
Does not: judge whether a key can be used (`Checker.check_problem` does), or guess one.
"""

from __future__ import annotations

from collections.abc import Mapping

from verifiers.kinds import KINDS
from verifiers.types import Json


def has_answer_key(kind: str, reference: Mapping[str, Json]) -> bool:
    """Raises UnknownNameError for a kind that no table has.

    >>> has_answer_key("math", {"answer": "5"}), has_answer_key("math", {"tolerance": {"abs": 0.1}})
    (True, False)
    """
    return KINDS.row(kind).has_answer_key(reference)
