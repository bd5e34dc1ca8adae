"""Prints what the checker said about a run's texts, by verdict and reason, with the end of one text of each.

python -m examples.real_model.verdicts out/runs/real_model
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import NamedTuple

from runstore.parts import read_parts
from runstore.storage import open_storage

END_CHARS = 90
"""Length of the shown end of a text, in characters."""


class Row(NamedTuple):
    """Samples with one verdict for one reason."""

    status: str
    reason: str
    count: int
    example: str
    """The end of one such text, on one line."""


def rows_of(uri: str) -> list[Row]:
    """The run's verdicts, the commonest first."""
    counts, examples = Counter[tuple[str, str]](), dict[tuple[str, str], str]()
    for table in read_parts(open_storage(uri), ["status", "reason", "text"]):
        for row in table.to_pylist():
            key = row["status"], "" if row["status"] == "verified" else row["reason"]
            counts[key] += 1
            examples.setdefault(key, " ".join(row["text"].split())[-END_CHARS:])
    return [Row(*key, count, examples[key]) for key, count in counts.most_common()]


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m examples.real_model.verdicts RUN_URI")
    rows = rows_of(sys.argv[1])
    width = max((len(row.reason) for row in rows), default=0)
    for row in rows:
        print(f"{row.count:5}  {row.status:9}  {row.reason:{width}}  … {row.example}")


if __name__ == "__main__":
    main()
