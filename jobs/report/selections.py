"""What the report says of a run's selections: answers chosen without a proof, and references that may be wrong.

Promises: nothing here counts as verified, and every figure says what it was measured on; memory grows with the number
of domains (capped by name), not with that of problems.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Any

from jobs.selections.suspects import Suspect, read_suspects
from runstore.errors import NoSelectionsError
from runstore.reader import read_selections
from runstore.storage import Storage

PROMISED = (0.95, 0.9, 0.8)
"""Probabilities at which the page counts how many problems reach them."""
MAX_SUSPECTS_SHOWN = 20
MAX_DOMAINS = 200
"""Number of domains kept apart; further ones are pooled."""
REST = "(others)"


@dataclasses.dataclass(slots=True)
class Chosen:
    """The problems without an answer key of one domain, or of the whole run."""

    problems: int = 0
    with_answer: int = 0
    with_probability: int = 0
    expected_right: float = 0.0
    """Sum of the probabilities."""
    reached: Counter[float] = dataclasses.field(default_factory=Counter)
    """Probability of PROMISED → number of problems that reach it."""

    def add(self, row: Mapping[str, Any]) -> None:
        self.problems += 1
        self.with_answer += row["winner_sample_index"] is not None
        if (probability := row["probability"]) is not None:
            self.with_probability += 1
            self.expected_right += probability
            self.reached.update(level for level in PROMISED if probability >= level)


@dataclasses.dataclass(slots=True)
class Selections:
    """The section of the page."""

    total: Chosen = dataclasses.field(default_factory=Chosen)
    domains: dict[str, Chosen] = dataclasses.field(default_factory=dict)
    keyed: int = 0
    """Number of problems with an answer key."""
    references: int = 0
    """Number of these that probabilities were measured on."""
    looked: int = 0
    """Number of these that gave answers and say nothing of others, because their plan looked at verdicts."""
    right: int = 0
    """Number of winners that verdicts prove right, among the problems that probabilities were measured on."""
    suspects: list[Suspect] = dataclasses.field(default_factory=list)
    """The first MAX_SUSPECTS_SHOWN of them."""
    num_suspects: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        if row["keyless"]:
            self.total.add(row)
            name = row["domain"] or "(no domain)"
            if name not in self.domains and len(self.domains) >= MAX_DOMAINS:
                name = REST
            self.domains.setdefault(name, Chosen()).add(row)
            return
        self.keyed += 1
        self.num_suspects += row["suspect"]
        if row["calibrates"]:
            self.references += 1
            self.right += row["clusters_right"][0]
        else:
            self.looked += row["winner_sample_index"] is not None


_COLUMNS = ["domain", "keyless", "winner_sample_index", "probability", "suspect", "calibrates", "clusters_right"]


def gather_selections(storage: Storage) -> Selections | None:
    """None where the run has no `selections.parquet`. Raises StoredRunError or StorageError."""
    found = Selections()
    try:
        for batch in read_selections(storage, _COLUMNS):
            for row in batch.to_pylist():
                found.add(row)
    except NoSelectionsError:
        return None
    if found.num_suspects:
        found.suspects = list(itertools.islice(read_suspects(storage), MAX_SUSPECTS_SHOWN))
    return found
