"""Reads lean4export's lines of JSON (format 3.1), compares two exports and traces axioms, without trusting their maker.

Promises: pure Python over data; terms of both exports are interned into one table, so that equality is equality of
kernel expressions up to bound names, binder annotations and metadata, universe levels included. Nothing is believed
that is not in the file: whether the terms type-check is the kernel's business (audit.py). Sizes are bounded. Does not:
scale to a whole Mathlib, for every term of both files is held in memory. Fails: ExportError.

The comparison is comparator's (leanprover/comparator, Compare.lean): the theorem's type and universe parameters are
equal; and so is, in full, every constant that the type reaches, every permitted axiom and every constant for which the
kernel has code of its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

MAX_LINES = 20_000_000
STANDARD_AXIOMS = ("propext", "Quot.sound", "Classical.choice")
IMPORTED_AXIOMS = (*STANDARD_AXIOMS, "sorryAx", "Lean.ofReduceBool", "Lean.ofReduceNat", "Lean.trustCompiler")
"""The axioms of Lean's own library."""
PRIMITIVES = (
    *("Nat.add", "Nat.sub", "Nat.mul", "Nat.pow", "Nat.gcd", "Nat.div", "Nat.mod", "Nat.beq", "Nat.ble"),
    *("Nat.land", "Nat.lor", "Nat.xor", "Nat.shiftLeft", "Nat.shiftRight", "Nat", "String", "Char", "List"),
    *("Quot", "Quot.mk", "Quot.lift", "Quot.ind", "Char.ofNat", "String.ofList", "eagerReduce"),
)
"""Constants that the kernel computes with or builds literals from. What an older version does not have is left out."""
_DECLARATIONS = ("axiom", "def", "thm", "opaque", "quot", "inductive")
_BINDERS = ("lam", "forallE")
_GROUP = (("inductive", "types"), ("constructor", "ctors"), ("recursor", "recs"))


class ExportError(ValueError):
    """Not an export, or one too large to read."""


class Terms:
    """Interns names, levels and expressions of several exports: equal things get equal numbers."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}

    def number(self, key: tuple[Any, ...]) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


@dataclasses.dataclass(slots=True)
class Constant:
    """One declared constant. `key` holds everything the kernel sees of it, in interned form."""

    kind: str
    name: str
    type: int
    level_params: tuple[str, ...]
    key: tuple[Any, ...]
    roots: tuple[int, ...]
    """Expressions in it, the type first."""
    related: tuple[str, ...] = ()
    """Constants it brings along by name: constructors, recursors, the other types of its group."""
    unsafe: bool = False


class Constants:
    """Declared constants, with their terms in a table that several of these share."""

    whole = True
    """Whether all that a constant needs is here, or only what one module declares."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._children: dict[int, tuple[int, ...]] = {}
        self._uses: dict[int, str] = {}
        self.constants: dict[str, Constant] = {}

    def add_expression(self, key: tuple[Any, ...], children: tuple[int, ...] = (), used: str = "") -> int:
        """The number of an expression; `used` is the constant that it names itself."""
        number = self._terms.number(key)
        if children:
            self._children[number] = children
        if used:
            self._uses[number] = used
        return number

    def declare(
        self,
        kind: str,
        name: str,
        level_params: tuple[str, ...],
        roots: tuple[int, ...],
        *,
        extra: tuple[Any, ...] = (),
        related: tuple[str, ...] = (),
        unsafe: bool = False,
    ) -> None:
        """Raises ExportError for a name that is declared already."""
        if name in self.constants:
            raise ExportError(f"{name} is declared twice")
        key = (kind, name, level_params, roots, extra)
        self.constants[name] = Constant(kind, name, roots[0], level_params, key, roots, related, unsafe)

    def used_constants(self, roots: Iterable[int]) -> set[str]:
        """Names that the expressions mention."""
        found: set[str] = set()
        seen: set[int] = set()
        stack = list(roots)
        while stack:
            expr = stack.pop()
            if expr in seen:
                continue
            seen.add(expr)
            if expr in self._uses:
                found.add(self._uses[expr])
            stack.extend(self._children.get(expr, ()))
        return found

    def reached(self, constant: Constant) -> set[str]:
        """Constants that this one needs, itself left out."""
        return (self.used_constants(constant.roots) | set(constant.related)) - {constant.name}


class Export(Constants):
    """The constants of one export."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._names: dict[int, str] = {0: ""}
        self._levels: dict[int, int] = {0: terms.number(("zero",))}
        self._exprs: dict[int, int] = {}
        self.lean_version = ""

    @classmethod
    def read(cls, path: Path, terms: Terms) -> Export:
        """Raises ExportError."""
        export = cls(terms)
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number > MAX_LINES:
                    raise ExportError(f"more than {MAX_LINES} lines")
                try:
                    export._take(json.loads(line))
                except (LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
                    raise ExportError(f"line {number}: {type(error).__name__}: {error}") from error
        if not export.lean_version:
            raise ExportError("no line with the exporter's version")
        return export

    # Lines

    def _take(self, line: Any) -> None:
        if "in" in line:
            self._take_name(line)
        elif "il" in line:
            self._take_level(line)
        elif "ie" in line:
            self._take_expr(line)
        elif "meta" in line:
            version = str(line["meta"]["format"]["version"])
            if version.split(".")[:2] != ["3", "1"]:
                raise ValueError(f"export format {version}; this reads 3.1")
            self.lean_version = str(line["meta"]["lean"]["version"])
        else:
            kind = next((k for k in _DECLARATIONS if k in line), None)
            if kind is None:
                raise ValueError(f"unknown line with keys {sorted(line)[:5]}")
            if kind == "inductive":
                self._take_inductive(line[kind])
            else:
                self._take_constant(kind, line[kind])

    def _take_name(self, line: Any) -> None:
        # Escaped, so that no two names are written alike.
        if "str" in line:
            prefix = self._names[line["str"]["pre"]]
            part = json.dumps(line["str"]["str"], ensure_ascii=False)[1:-1].replace(".", "\\.")
        else:
            prefix, part = self._names[line["num"]["pre"]], f"#{int(line['num']['i'])}"
        self._new(self._names, line["in"])
        self._names[line["in"]] = f"{prefix}.{part}" if prefix else part

    def _take_level(self, line: Any) -> None:
        levels = self._levels
        if "succ" in line:
            key: tuple[Any, ...] = ("succ", levels[line["succ"]])
        elif "param" in line:
            key = ("param", self._names[line["param"]])
        else:
            word = "max" if "max" in line else "imax"
            left, right = line[word]
            key = (word, levels[left], levels[right])
        self._new(levels, line["il"])
        levels[line["il"]] = self._terms.number(key)

    def _take_expr(self, line: Any) -> None:
        exprs = self._exprs
        children: tuple[int, ...] = ()
        used = ""
        if "app" in line:
            children = (exprs[line["app"]["fn"]], exprs[line["app"]["arg"]])
            key: tuple[Any, ...] = ("app", *children)
        elif "const" in line:
            used = self._names[line["const"]["name"]]
            key = ("const", used, tuple(self._levels[u] for u in line["const"]["us"]))
        elif "bvar" in line:
            key = ("bvar", int(line["bvar"]))
        elif "sort" in line:
            key = ("sort", self._levels[line["sort"]])
        elif word := next((w for w in _BINDERS if w in line), None):
            children = (exprs[line[word]["type"]], exprs[line[word]["body"]])
            key = (word, *children)
        elif "letE" in line:
            let = line["letE"]
            children = (exprs[let["type"]], exprs[let["value"]], exprs[let["body"]])
            key = ("let", *children)
        elif "proj" in line:
            used = self._names[line["proj"]["typeName"]]
            children = (exprs[line["proj"]["struct"]],)
            key = ("proj", used, int(line["proj"]["idx"]), *children)
        elif "natVal" in line:
            used, key = "Nat", ("nat", str(line["natVal"]))
        elif "strVal" in line:
            used, key = "String", ("str", str(line["strVal"]))
        elif "mdata" in line:
            self._new(exprs, line["ie"])
            exprs[line["ie"]] = exprs[line["mdata"]["expr"]]
            return
        else:
            raise ValueError(f"unknown expression with keys {sorted(line)[:5]}")
        self._new(exprs, line["ie"])
        exprs[line["ie"]] = self.add_expression(key, children, used)

    @staticmethod
    def _new(table: dict[int, Any], number: Any) -> None:
        # A number given twice could make one reader see other terms than the next.
        if not isinstance(number, int) or number in table:
            raise ValueError(f"number {number!r} is given twice or is no number")

    def _take_constant(self, kind: str, value: Any) -> None:
        names = self._names
        roots = [self._exprs[value["type"]]]
        if "value" in value:
            roots.append(self._exprs[value["value"]])
        elif kind in ("def", "thm", "opaque"):
            raise ValueError("a declaration without its value")
        unsafe = value.get("isUnsafe", False) is not False or value.get("safety", "safe") != "safe"
        extra = (value.get("kind", ""), value.get("safety", ""), unsafe)
        params = tuple(names[n] for n in value["levelParams"])
        self.declare(kind, names[value["name"]], params, tuple(roots), extra=extra, unsafe=unsafe)

    def _take_inductive(self, group: Any) -> None:
        names = self._names
        parts = [(kind, group[key]) for kind, key in _GROUP]
        members = tuple(names[value["name"]] for _, values in parts for value in values)
        for kind, values in parts:
            for value in values:
                roots = [self._exprs[value["type"]]]
                numbers: dict[str, Any] = {
                    k: v for k, v in value.items() if isinstance(v, int) and k not in ("name", "type")
                }
                if "induct" in numbers:
                    numbers["induct"] = names[numbers["induct"]]
                rules = []
                for rule in value.get("rules", ()):
                    roots.append(self._exprs[rule["rhs"]])
                    rules.append((names[rule["ctor"]], int(rule["nfields"])))
                lists = tuple(tuple(names[n] for n in value.get(k, ())) for k in ("all", "ctors"))
                extra = (tuple(sorted(numbers.items())), tuple(rules), lists, members)
                unsafe = value.get("isUnsafe", False) is not False
                params = tuple(names[n] for n in value["levelParams"])
                name, related = names[value["name"]], members
                self.declare(kind, name, params, tuple(roots), extra=extra, related=related, unsafe=unsafe)


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """Why an export does not answer a reference. `stage` as in audit.Judgement."""

    stage: str
    detail: str


def compare(reference: Constants, candidate: Constants, theorem: str) -> Difference | None:
    """None if the candidate's theorem states what the reference's does, in the same words down to the kernel's own."""
    wanted, found = reference.constants.get(theorem), candidate.constants.get(theorem)
    if wanted is None or wanted.kind != "thm":
        return Difference("failed", f"the reference has no theorem {theorem}")
    if found is None:
        return Difference("name", f"{theorem} is not in the export")
    if found.kind != "thm":
        return Difference("kind", f"{theorem} is not a theorem but {found.kind}")
    if (wanted.type, wanted.level_params) != (found.type, found.level_params):
        return Difference("statement", f"{theorem} has another type")
    for name in _closure(reference, wanted):
        if name == theorem:
            continue
        ours, theirs = reference.constants.get(name), candidate.constants.get(name)
        if ours is None and not reference.whole:
            if theirs is not None:
                return Difference("statement", f"{name} is declared anew")
            continue  # of an imported module
        if ours is None:
            return Difference("failed", f"{name} is not in the reference's export")
        if theirs is None or ours.key != theirs.key:
            return Difference("statement", f"{name} is not the reference's")
    return None


def _closure(reference: Constants, theorem: Constant) -> Iterator[str]:
    stack = list(reference.used_constants([theorem.type]))
    stack += [name for name in (*PRIMITIVES, *STANDARD_AXIOMS) if name in reference.constants]
    seen: set[str] = set()
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        if name in reference.constants and name != theorem.name:
            stack.extend(reference.reached(reference.constants[name]))


def axioms_of(candidate: Constants, theorem: str) -> list[str]:
    """Axioms below the theorem, sorted. Raises ExportError if something below it is missing or unsafe.

    Of one module alone those that it declares or names itself: what imported modules rest on is not in it.
    """
    found: set[str] = set()
    seen: set[str] = set()
    stack = [theorem]
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        constant = candidate.constants.get(name)
        if constant is None and not candidate.whole:
            if name in IMPORTED_AXIOMS:
                found.add(name)
            continue
        if constant is None:
            raise ExportError(f"{name} is used and not in the export")
        if constant.unsafe:
            raise ExportError(f"{name} is unsafe or partial")
        if constant.kind == "axiom":
            found.add(name)
        stack.extend(candidate.reached(constant))
    return sorted(found)
