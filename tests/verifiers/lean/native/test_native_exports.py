"""Exported terms, written here in lean4export's format 3.1: which statements are the same, and where axioms hide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from verifiers.lean.native.audit import judge_terms
from verifiers.lean.native.exports import Export, ExportError, Terms


class Writer:
    """Makes an export line by line; numbers start at `first`, to differ between two files."""

    def __init__(self, first: int = 1) -> None:
        self.lines: list[dict[str, Any]] = [
            {"meta": {"exporter": {}, "format": {"version": "3.1.0"}, "lean": {"version": "4.35.0"}}}
        ]
        self._next = first
        self._names: dict[str, int] = {}

    def name(self, text: str) -> int:
        number = 0
        for end in [i for i, c in enumerate(text) if c == "."] + [len(text)]:
            whole = text[:end]
            if whole not in self._names:
                self._next += 1
                self._names[whole] = self._next
                part = whole.rsplit(".", 1)[-1]
                self.lines.append({"in": self._next, "str": {"pre": number, "str": part}})
            number = self._names[whole]
        return number

    def expr(self, **body: Any) -> int:
        self._next += 1
        self.lines.append({**body, "ie": self._next})
        return self._next

    def const(self, name: str) -> int:
        return self.expr(const={"name": self.name(name), "us": []})

    def arrow(self, left: int, right: int, binder: str = "a", info: str = "default") -> int:
        return self.expr(forallE={"name": self.name(binder), "type": left, "body": right, "binderInfo": info})

    def declare(self, kind: str, name: str, type_: int, value: int | None = None, **more: Any) -> None:
        row: dict[str, Any] = {"name": self.name(name), "levelParams": [], "type": type_, **more}
        if value is not None:
            row |= {"value": value, "all": [self.name(name)]}
        if kind == "def":
            row.setdefault("safety", "safe")
        if kind == "axiom":
            row.setdefault("isUnsafe", False)
        self.lines.append({kind: row})

    def inductive(self, name: str, num_params: int = 0) -> None:
        row = {"name": self.name(name), "levelParams": [], "type": self.prop(), "all": [self.name(name)], "ctors": []}
        sizes = {"numParams": num_params, "numIndices": 0, "numNested": 0, "isRec": False, "isUnsafe": False}
        self.lines.append({"inductive": {"types": [row | sizes | {"isReflexive": False}], "ctors": [], "recs": []}})

    def prop(self) -> int:
        return self.expr(sort=0)

    def write(self, path: Path) -> Path:
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return path


def statement(writer: Writer, binder: str = "a", info: str = "default", helper: str = "P") -> int:
    """`P → Q`, where Q is a definition over `helper`."""
    for name in ("P", "R"):
        writer.inductive(name)
    writer.declare("def", "Q", writer.prop(), writer.const(helper))
    return writer.arrow(writer.const("P"), writer.const("Q"), binder, info)


def reference(path: Path) -> Path:
    writer = Writer()
    type_ = statement(writer)
    writer.declare("axiom", "sorryAx", writer.prop())
    writer.declare("thm", "A.t", type_, writer.const("sorryAx"))
    return writer.write(path / "reference")


def judged(path: Path, writer: Writer) -> tuple[str, list[str]]:
    found = judge_terms(reference(path), writer.write(path / "candidate"), "A.t")
    return found.stage, list(found.axioms or ())


def proof(writer: Writer, type_: int) -> int:
    return writer.expr(lam={"name": 0, "type": type_, "body": type_, "binderInfo": "default"})


def test_the_same_statement_under_other_numbers_and_bound_names(tmp_path: Path) -> None:
    writer = Writer(first=1000)
    type_ = statement(writer, binder="other", info="implicit")
    writer.declare("thm", "A.t", type_, proof(writer, type_))
    assert judged(tmp_path, writer) == ("verified", [])


def test_another_type_kind_or_name(tmp_path: Path) -> None:
    for kind, name, stage in (("thm", "A.t", "statement"), ("def", "A.t", "kind"), ("thm", "t", "name")):
        writer = Writer()
        type_ = statement(writer)
        other = writer.arrow(type_, type_)
        writer.declare(kind, name, other if stage == "statement" else type_, proof(writer, type_))
        assert judged(tmp_path, writer)[0] == stage


def test_a_definition_below_the_statement_was_changed(tmp_path: Path) -> None:
    writer = Writer()
    type_ = statement(writer, helper="R")
    writer.declare("thm", "A.t", type_, proof(writer, type_))
    assert judged(tmp_path, writer)[0] == "statement"


def test_a_type_below_the_statement_was_changed(tmp_path: Path) -> None:
    writer = Writer()
    writer.inductive("P", num_params=1)
    writer.declare("def", "Q", writer.prop(), writer.const("P"))
    type_ = writer.arrow(writer.const("P"), writer.const("Q"))
    writer.declare("thm", "A.t", type_, proof(writer, type_))
    assert judged(tmp_path, writer)[0] == "statement"


def test_what_the_kernel_computes_with_was_changed(tmp_path: Path) -> None:
    """The statement does not mention Nat.add; a proof that computes with another one proves anything."""
    theirs = Writer()
    type_ = statement(theirs)
    theirs.declare("def", "Nat.add", theirs.prop(), theirs.const("R"))
    theirs.declare("thm", "A.t", type_, theirs.const("Nat.add"))
    ours = Writer()
    type_ = statement(ours)
    ours.declare("def", "Nat.add", ours.prop(), ours.const("P"))
    ours.declare("thm", "A.t", type_, ours.const("P"))
    found = judge_terms(ours.write(tmp_path / "a"), theirs.write(tmp_path / "b"), "A.t")
    assert (found.stage, "Nat.add" in found.detail) == ("statement", True)


@pytest.mark.parametrize("through", ["value", "type of a lemma", "opaque", "constructor", "unsafe"])
def test_axioms_are_found_wherever_they_hide(tmp_path: Path, through: str) -> None:
    writer = Writer()
    type_ = statement(writer)
    writer.declare("axiom", "cheat\nPropext", writer.prop())
    cheat = writer.const("cheat\nPropext")
    if through == "value":
        value = cheat
    elif through == "type of a lemma":
        writer.declare("thm", "lemma", writer.arrow(cheat, cheat), writer.const("P"))
        value = writer.const("lemma")
    elif through == "opaque":
        writer.declare("opaque", "hidden", writer.prop(), cheat, isUnsafe=False)
        value = writer.const("hidden")
    elif through == "unsafe":
        writer.declare("def", "hidden", writer.prop(), writer.const("P"), safety="unsafe")
        value = writer.const("hidden")
    else:
        number = writer.name("W")
        flags = {"isUnsafe": False, "numParams": 0}
        row = {
            "name": number,
            "levelParams": [],
            "type": writer.prop(),
            "all": [number],
            "ctors": [writer.name("W.mk")],
        }
        more = {"numIndices": 0, "numNested": 0, "isRec": False, "isReflexive": False}
        make = {"name": writer.name("W.mk"), "levelParams": [], "type": writer.arrow(cheat, cheat), "induct": number}
        group = {"types": [row | flags | more], "ctors": [make | flags | {"cidx": 0, "numFields": 1}], "recs": []}
        writer.lines.append({"inductive": group})
        value = writer.const("W")
    writer.declare("thm", "A.t", type_, value)
    stage, axioms = judged(tmp_path, writer)
    assert stage == ("kernel" if through == "unsafe" else "axioms")
    assert axioms == ([] if through == "unsafe" else ["cheat\\nPropext"])


def test_an_export_that_is_not_whole_proves_nothing(tmp_path: Path) -> None:
    writer = Writer()
    type_ = statement(writer)
    writer.declare("thm", "A.t", type_, writer.const("elsewhere"))
    assert judged(tmp_path, writer)[0] == "kernel"
    writer.declare("thm", "A.t", type_, type_)
    assert judged(tmp_path, writer)[0] == "kernel", "declared twice"


@pytest.mark.parametrize(
    "line",
    [
        "not JSON",
        "[" * 100_000,
        '{"ie": 7, "bvar": 1e999}',
        "[]",
        "null",
        '{"ie": 1, "bvar": 0}',  # a number given twice would read differently elsewhere
        '{"ie": 7, "app": {"fn": 99, "arg": 1}}',
        '{"ie": 7, "mystery": 1}',
        '{"thm": {"name": 0, "levelParams": [], "type": 1}}',
        '{"mystery": {}}',
    ],
)
def test_nonsense_is_refused(tmp_path: Path, line: str) -> None:
    meta = json.dumps(Writer().lines[0])
    path = tmp_path / "export"
    path.write_text(f'{meta}\n{{"ie": 1, "sort": 0}}\n{line}\n')
    with pytest.raises(ExportError, match="line 3"):
        Export.read(path, Terms())
    path.write_text('{"ie": 1, "sort": 0}\n')
    with pytest.raises(ExportError, match="version"):
        Export.read(path, Terms())
    path.write_text(meta.replace("3.1.0", "2.0.0") + "\n")
    with pytest.raises(ExportError, match="format"):
        Export.read(path, Terms())
