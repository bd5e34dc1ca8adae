"""The texts of stopping rules: each is made once, although every problem has one."""

from __future__ import annotations

import json
from typing import Any

from workers.scheduling.routes import StoredRule


class RuleTexts:
    """Problems with the same plan share the text of their rule."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._read: dict[str, StoredRule] = {}
        self._last: tuple[dict[str, Any], str] = ({}, "{}")
        """The rule asked for last, and its text: most problems of a run have the same one."""

    def of(self, rule: dict[str, Any]) -> str:
        """The rule as JSON."""
        if rule != self._last[0]:
            self._last = rule, self.shared(json.dumps(rule, sort_keys=True))
        return self._last[1]

    def read(self, text: str) -> StoredRule:
        """What the text of a rule says."""
        if text not in self._read:
            self._read[text] = StoredRule.of(json.loads(text))
        return self._read[text]

    def shared(self, text: str) -> str:
        """An equal text that other problems have already."""
        return self._texts.setdefault(text, text)
