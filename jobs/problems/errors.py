"""What is wrong with a problem file: where, which field, what was found and what would be right."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from verifiers.reference_fields import MAX_EXCERPT

MAX_SHOWN = 20
"""Number of faults that one error lists: enough to see the pattern, and few enough to read."""


@dataclasses.dataclass(frozen=True, slots=True)
class RowError:
    """One fault. `line` counts lines of text and rows of Parquet from 1; 0 means the file as a whole."""

    file: str
    line: int
    field: str
    wrong: str
    right: str
    identity: str = ""
    """The row's own id, where it could be read despite the fault."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        field = f" {self.field}:" if self.field else ""
        right = f"; {self.right}" if self.right else ""
        return f"{place}:{field} {self.wrong}{right}"


class ProblemFileError(Exception):
    """A problem set that cannot be used as it is; the text is for the user. Exit code 2.

    `faults` are the first ones found (at most MAX_SHOWN), `num_faults` all of them; `reasons` counts the references
    that cannot be used, by reason.
    """

    def __init__(
        self, faults: Sequence[RowError], num_faults: int = 0, reasons: Mapping[str, int] | None = None
    ) -> None:
        # All arguments go to Exception's args, from which pickle rebuilds the error.
        super().__init__(tuple(faults), num_faults or len(faults), dict(reasons or {}))
        self.faults: tuple[RowError, ...] = tuple(faults)
        self.num_faults = num_faults or len(faults)
        self.reasons = dict(reasons or {})

    def __str__(self) -> str:
        lines = [str(fault) for fault in self.faults]
        if more := self.num_faults - len(self.faults):
            lines.append(f"… and {more:,} more")
        lines += describe_reasons(self.reasons) if self.num_faults > 1 else []
        return "\n".join(lines)


def reason_of(fault: RowError) -> str:
    """The last part of what a checker said about a reference, without the reference itself that it quotes."""
    return fault.wrong.rsplit(": ", 1)[-1]


def describe_reasons(reasons: Mapping[str, int]) -> list[str]:
    """Lines that count the references that cannot be used, the most frequent reason first."""
    if not reasons:
        return []
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{sum(reasons.values()):,} references cannot be used, by reason:"]
    lines += [f"  {count:,} × {reason}" for reason, count in ordered[:MAX_SHOWN]]
    if len(ordered) > MAX_SHOWN:
        lines.append(f"  … and {len(ordered) - MAX_SHOWN:,} more reasons")
    return lines


class BadRow(Exception):
    """Raised while one row is read; the reader of the file adds file and line and makes it a `RowError`."""

    def __init__(self, field: str, wrong: str, right: str) -> None:
        super().__init__(field, wrong, right)
        self.field, self.wrong, self.right = field, wrong, right
        self.identity = ""

    def at(self, file: str, line: int) -> RowError:
        return RowError(file, line, self.field, self.wrong, self.right, self.identity)


class BadFile(BadRow):
    """A fault of one row which shows that the whole file is read wrongly, so that leaving the row out helps nothing."""


def identity_of(row: object, *fields: str) -> str:
    """The first of `fields` that a row gives an id in, as text that can be written; empty if none."""
    for field in fields:
        value = row.get(field) if isinstance(row, dict) else None
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            return str(value).encode("utf-8", "backslashreplace").decode()[:MAX_EXCERPT]
    return ""
