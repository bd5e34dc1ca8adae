"""Lean's syntax trees in the form that lean-dojo's extractor writes, for small files without a Lean to parse them.

A file is a list of commands, a command a tree of (kind, children), an identifier or a word. Positions are found by
walking the file's own text, so that what lean-dojo computes from them is real.
"""

from __future__ import annotations

import dataclasses
from typing import Any

Json = Any


@dataclasses.dataclass(frozen=True)
class Word:
    text: str


@dataclasses.dataclass(frozen=True)
class Name:
    text: str


@dataclasses.dataclass(frozen=True)
class Node:
    kind: str
    children: tuple[Any, ...]


def node(kind: str, *children: Any) -> Node:
    """Strings become words (keywords, symbols)."""
    return Node(kind, tuple(Word(c) if isinstance(c, str) else c for c in children))


def null(*children: Any) -> Node:
    return node("null", *children)


def declaration(body: Node, modifiers: Node | None = None) -> Node:
    empty = node("Lean.Parser.Command.declModifiers", *[null() for _ in range(7)])
    return node("Lean.Parser.Command.declaration", modifiers or empty, body)


def theorem(name: str, signature: Node, value: Node) -> Node:
    identity = node("Lean.Parser.Command.declId", Name(name), null())
    return node("Lean.Parser.Command.theorem", "theorem", identity, signature, value)


def by(*tactics: Node) -> Node:
    steps = node("Lean.Parser.Tactic.tacticSeq1Indented", null(*[part for t in tactics for part in (t, null())][:-1]))
    tactic = node("Lean.Parser.Term.byTactic", "by", node("Lean.Parser.Tactic.tacticSeq", steps))
    return node("Lean.Parser.Command.declValSimple", ":=", tactic, null(), null())


class Writer:
    """Turns trees into the extractor's JSON, finding each word in `text` after the one before."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.premises: list[Json] = []

    def commands(self, *trees: Node) -> list[Json]:
        return [{"node": self._node(tree)} for tree in trees]

    def _node(self, tree: Node) -> Json:
        return {"kind": tree.kind, "info": "none", "args": [self._child(child) for child in tree.children]}

    def _child(self, child: Any) -> Json:
        if isinstance(child, Node):
            return {"node": self._node(child)}
        start = self._text.index(child.text, self._at)
        end = self._at = start + len(child.text)
        following = len(self._text) - len(self._text[end:].lstrip())
        info = {
            "original": {
                "leading": "",
                "pos": len(self._text[:start].encode()),
                "trailing": self._text[end:following],
                "endPos": len(self._text[:end].encode()),
            }
        }
        if isinstance(child, Word):
            return {"atom": {"info": info, "val": child.text}}
        self.premises.append(self._premise(child.text, start, end))
        return {"ident": {"info": info, "rawVal": child.text, "val": child.text, "preresolved": []}}

    def _premise(self, name: str, start: int, end: int) -> Json:
        def position(at: int) -> Json:
            line = self._text.count("\n", 0, at)
            return {"line": line + 1, "column": at - (self._text.rfind("\n", 0, at) + 1)}

        # As the extractor does for a constant of the library.
        return {
            "fullName": name,
            "modName": "Init.Prelude",
            "defPath": ".lake/packages/lean4/src/lean/Init/Prelude.lean",
            "pos": position(start),
            "endPos": position(end),
            "defPos": {"line": 7, "column": 0},
            "defEndPos": {"line": 9, "column": 0},
        }
