"""Paths into a row: `answer`, `reward_model.ground_truth`, `options[2]`, `choices[].text`.

Promises: a step into text reads it as JSON; `[]` goes through a list; a column whose own name is the whole path wins; a
key that a row lacks is null, since JSONL leaves nulls out.
Does not: say that a column exists nowhere. `missing` does, given several rows.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from jobs.problems.errors import BadRow
from jobs.problems.rows import parsed
from verifiers.reference_fields import excerpt, json_type
from verifiers.types import Json

MAX_NAMES = 40
"""Number of columns that one error lists."""
_PART = re.compile(r"\[(-?\d*)\]")
_ABSENT = object()

Step = str | int | None
"""A key, a place in a list, or None for all of its elements."""


@dataclasses.dataclass(frozen=True, slots=True)
class Path:
    """Where a value stands in a row."""

    text: str
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, text: str) -> Path:
        """Raises ValueError for a text that is no path."""
        steps: list[Step] = []
        for part in text.split("."):
            name, *brackets = part.partition("[")
            if name:
                steps.append(name)
            rest = "".join(brackets)
            found = _PART.findall(rest)
            if _PART.sub("", rest) or not (name or (found and steps)):
                raise ValueError(f"{text!r} is no path; write column, column.key, column[0] or column[].key")
            steps += [int(place) if place else None for place in found]
        return cls(text, tuple(steps))

    @property
    def is_list(self) -> bool:
        """Whether the path goes through all elements of a list."""
        return None in self.steps

    def value(self, row: Mapping[str, Json]) -> Json:
        """None where the row has nothing there. Raises BadRow for a text on the way that is no JSON."""
        if self.text in row:
            return row[self.text]
        found = self._follow(row, self.steps)
        return None if found is _ABSENT else found

    def _follow(self, value: Json, steps: Sequence[Step]) -> Json:
        for number, step in enumerate(steps):
            if isinstance(value, str) and number:
                value = parsed(value, self.text)
            if step is None:
                if value is None:
                    return None
                if not isinstance(value, list):
                    raise BadRow(self.text, f"is a {json_type(value)} where [] stands: {excerpt(value)}", "a list")
                found = [self._follow(item, steps[number + 1 :]) for item in value]
                return [None if item is _ABSENT else item for item in found]
            if isinstance(step, int):
                if not isinstance(value, list):
                    return _ABSENT
                value = value[step] if -len(value) <= step < len(value) else None
            else:
                if not isinstance(value, Mapping) or step not in value:
                    # Nothing is known of the keys of a null.
                    return None if value is None and number else _ABSENT
                value = value[step]
            if value is None:
                return None
        return value

    def is_in(self, row: Mapping[str, Json]) -> bool:
        """Whether the row has this place; a null on the way counts, since it shows nothing of what else is there."""
        try:
            return self.text in row or self._follow(row, self.steps) is not _ABSENT
        except BadRow:
            return True  # a fault of this row, which reading it reports

    def whats_there(self, row: Mapping[str, Json]) -> str:
        """What a row has where this path leaves it, for an error."""
        value: Json = row
        for number, step in enumerate(self.steps):
            if isinstance(value, str) and number:
                value = parsed(value, self.text)
            if isinstance(value, Mapping) and isinstance(step, str):
                if step not in value:
                    of = f"keys of {self.steps[number - 1]}" if number else "columns"
                    return f"the {of} are {', '.join(list(value)[:MAX_NAMES])}"
                value = value[step]
            elif isinstance(value, list) and not isinstance(step, str):
                value = value[step or 0] if value else None
            else:
                return f"{self.text.partition('.')[0]} holds a {json_type(value)}: {excerpt(value)}"
        return f"the columns are {', '.join(list(row)[:MAX_NAMES])}"


def missing(paths: Mapping[str, Path], rows: Sequence[Mapping[str, Json]]) -> tuple[str, Path, str] | None:
    """The first path that none of the rows has: its key, itself, and what there is instead."""
    for key, path in paths.items():
        if rows and not any(path.is_in(row) for row in rows):
            return key, path, path.whats_there(rows[0])
    return None
