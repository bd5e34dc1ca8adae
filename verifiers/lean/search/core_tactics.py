"""A proposer without a model: the core library's tactics, filled in from what the goal shows.

Promises: pure, deterministic, no tactic that needs a library beyond Lean's own. The log-probabilities are made up: they
order tactics by how often they finish or advance small goals, closers first, and sum to one over a state. A baseline to
measure models against, and enough to drive the search in tests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from verifiers.lean.search.best_first import Proposal, TacticState

_CLOSERS = (
    ("rfl", 6.0),
    ("assumption", 5.0),
    ("omega", 8.0),
    ("simp", 7.0),
    ("simp_all", 6.0),
    ("decide", 4.0),
    ("contradiction", 3.0),
    ("grind", 5.0),
)
_INDUCTIONS = {
    "Nat": "induction {0} with\n| zero => ?_\n| succ n ih => ?_",
    "List": "induction {0} with\n| nil => ?_\n| cons x xs ih => ?_",
}
"""Induction tactics by type, with names for what they introduce, so that later tactics can speak of it."""
_MAX_HYPOTHESES = 24
_MAX_FOREIGN_NAMES = 3
_KEYWORDS = frozenset({"fun", "if", "then", "else", "match", "with", "let", "have", "do", "at", "in"})
_NAME = re.compile(r"[A-Za-z_α-ωΑ-Ω][\w'₀-₉]*")
_HYPOTHESIS = re.compile(r"((?:[^\s:✝]+ )+): (.*)", re.S)
_RECURSIVE = re.compile(r"(Nat|List|Option|Bool|Int|Array)\b")


class CoreTactics:
    """The `Proposer` that needs no model."""

    def propose(self, state: TacticState) -> list[Proposal]:
        weighted = dict(_weighted(state.goals[0])) if state.goals else {}
        total = sum(weighted.values())
        return [Proposal(tactic, math.log(weight / total)) for tactic, weight in weighted.items()]


def _weighted(goal: str) -> Iterator[tuple[str, float]]:
    hypotheses, target = read_goal(goal)
    names = {name for name, _ in hypotheses}
    yield from _CLOSERS
    if target.startswith(("∀", "¬")) or _has(target, "→"):
        fresh = next(f"h{i or ''}" for i in range(100) if f"h{i or ''}" not in names)
        yield f"intro {fresh}", 9.0
        yield "intros", 2.0
    if _has(target, "∧") or _has(target, "↔") or _has(target, "×"):
        yield "constructor", 8.0
        yield "refine ⟨?_, ?_⟩", 2.0
    if _has(target, "∨"):
        yield "left", 3.0
        yield "right", 3.0
    if _has(target, "=") or _has(target, "↔"):
        yield "ac_rfl", 2.0
        yield "ext x", 1.0
        yield "funext x", 1.0
    if "if " in target or "match " in target:
        yield "split", 5.0
    for name in _foreign_names(target, names):
        # Definitions of the problem's header, for all that the goal shows.
        yield f"simp [{name}]", 3.0
        yield f"simp_all [{name}]", 2.0
        yield f"grind [{name}]", 3.0
        yield f"unfold {name}", 1.0
    if target.startswith("∃"):
        yield "exists 0", 1.0
        yield "refine ⟨_, rfl⟩", 1.0
    for name, kind in hypotheses[-_MAX_HYPOTHESES:]:
        if _RECURSIVE.match(kind):
            yield _INDUCTIONS.get(kind.split(" ")[0], "induction {0}").format(name), 3.0
            yield f"cases {name}", 2.0
        if kind.startswith("∃") or any(_has(kind, mark) for mark in ("∧", "∨", "↔")):
            yield f"cases {name}", 5.0
        if _has(kind, "=") or _has(kind, "↔"):
            yield f"rw [{name}]", 3.0
            yield f"rw [← {name}]", 1.0
            yield f"subst {name}", 1.0
        if _has(kind, "→") or kind.startswith(("∀", "¬")):
            yield f"apply {name}", 4.0
        if not _RECURSIVE.match(kind):
            yield f"exact {name}", 1.0


def read_goal(goal: str) -> tuple[list[tuple[str, str]], str]:
    """Hypotheses that have names of their own, as (name, type), and the target."""
    before, _, target = goal.partition("⊢ ")
    entries: list[str] = []
    for line in before.split("\n"):
        if line.startswith(" ") and entries:
            entries[-1] += " " + line.strip()
        elif line and not line.startswith("case "):
            entries.append(line)
    hypotheses = []
    for entry in entries:
        if found := _HYPOTHESIS.match(entry):
            kind = found.group(2).split(" := ")[0]
            hypotheses += [(name, kind) for name in found.group(1).split() if _NAME.fullmatch(name)]
    return hypotheses, " ".join(target.split())


def _foreign_names(target: str, known: set[str]) -> list[str]:
    """Identifiers of the target that are neither hypotheses nor types, each once, in order."""
    found = dict.fromkeys(re.findall(r"(?<![\w.✝])[a-z][\w']*(?:\.[\w']+)*(?![\w✝'])", target))
    names = [name for name in found if name.split(".")[0] not in known and name not in _KEYWORDS]
    return names[:_MAX_FOREIGN_NAMES]


def _has(proposition: str, mark: str) -> bool:
    """Whether `mark` stands outside all brackets."""
    depth = 0
    for character in proposition:
        if character in "([{⟨":
            depth += 1
        elif character in ")]}⟩":
            depth -= 1
        elif character == mark and depth == 0:
            return True
    return False
