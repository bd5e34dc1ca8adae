"""Exports as an elaborator that a candidate has taken over could send them: each function changes an honest one."""

from __future__ import annotations

from typing import Any

Export = dict[str, Any]


def nothing(export: Export) -> None:
    pass


def hide_axiom_as_declared(export: Export) -> None:
    axiom = next(i for i, n in enumerate(export["names"]) if n and n[1] == "sorryAx")
    export["names"][axiom] = [0, "lcProof"]
    export["declarations"][-1]["types"] = [{"n": axiom, "l": [], "t": 0, "c": []}]


def drop_proof(export: Export) -> None:
    export["declarations"][-1]["k"] = "axiom"
    del export["declarations"][-1]["v"]


def prove_by_itself(export: Export) -> None:
    theorem = export["declarations"][-1]
    export["exprs"].append(["c", theorem["n"], []])
    theorem["v"] = len(export["exprs"]) - 1


def redeclare_false(export: Export) -> None:
    names = export["names"]
    names.append([0, "False"])
    export["exprs"].append(["s", 0])
    export["declarations"].insert(0, {"k": "axiom", "n": len(names) - 1, "l": [], "t": len(export["exprs"]) - 1})


def point_outside(export: Export) -> None:
    export["declarations"][-1]["v"] = 10**6


def type_in_type(export: Export) -> None:
    export["declarations"][-1]["t"] = export["declarations"][-1]["v"]


class Writer:
    """Adds declarations to an export, before its theorem."""

    def __init__(self, export: Export) -> None:
        self.export = export
        self.zero = self.row("levels", ["0"])
        self.one = self.row("levels", ["s", self.zero])
        self.prop, self.type = self.row("exprs", ["s", self.zero]), self.row("exprs", ["s", self.one])
        self.bool = self.constant("Bool")

    def row(self, table: str, row: list[Any]) -> int:
        rows = self.export[table]
        if row not in rows:
            rows.append(row)
        return rows.index(row)

    def name(self, dotted: str) -> int:
        index = 0
        for part in dotted.split("."):
            index = self.row("names", [index, part])
        return index

    def constant(self, name: str, *levels: int) -> int:
        return self.row("exprs", ["c", self.name(name), list(levels)])

    def apply(self, function: int, *arguments: int) -> int:
        for argument in arguments:
            function = self.row("exprs", ["a", function, argument])
        return function

    def binder(self, kind: str, domain: int, body: int) -> int:
        return self.row("exprs", [kind, 0, domain, body, 0])

    def arrow(self, *types: int) -> int:
        *domains, result = types
        for domain in reversed(domains):
            result = self.binder("p", domain, result)
        return result

    def bound(self, index: int) -> int:
        return self.row("exprs", ["v", str(index)])

    def projection(self, structure: str, term: int) -> int:
        return self.row("exprs", ["j", self.name(structure), "0", term])

    def define(self, name: str, type_: int, value: int) -> int:
        record = {"k": "definition", "n": self.name(name), "l": [], "t": type_, "v": value, "h": "a"}
        self.export["declarations"].insert(-1, record)
        return self.constant(name)

    def inductive(self, *types: tuple[str, int, int], parameters: int = 0) -> None:
        """Each with its type and that of its constructor, `mk`."""
        rows = [
            {"n": self.name(n), "l": [], "t": t, "c": [{"n": self.name(f"{n}.mk"), "l": [], "t": c}]}
            for n, t, c in types
        ]
        record = {"k": "inductive", "n": rows[0]["n"], "l": [], "p": str(parameters), "types": rows}
        self.export["declarations"].insert(-1, record)


def data_from_a_proposition_not_written_so(export: Export) -> None:
    """`S : Sort (imax 1 0)`, a proposition, holds a Bool: two of its proofs are equal and hold different ones."""
    w = Writer(export)
    w.export["names"][w.name("sorryAx")][1] = "unused"
    sort = w.row("exprs", ["s", w.row("levels", ["i", w.one, w.zero])])
    box, dummy = w.constant("S"), w.constant("Dummy")
    w.inductive(("Dummy", w.prop, dummy), ("S", sort, w.arrow(w.bool, box)))
    alias = w.define("Alias", w.prop, box)
    make = w.define("make", w.arrow(w.bool, alias), w.constant("S.mk"))
    get = w.define("get", w.arrow(alias, w.bool), w.binder("l", box, w.projection("S", w.bound(0))))
    proofs = [w.apply(make, w.constant(f"Bool.{b}")) for b in ("false", "true")]
    same = w.apply(w.constant("proof_irrel"), alias, *proofs)
    equal = w.apply(w.constant("congrArg", w.zero, w.one), alias, w.bool, *proofs, get, same)
    contradiction = w.apply(w.constant("Bool.false_ne_true"), equal)
    theorem = export["declarations"][-1]
    theorem["v"] = w.apply(w.constant("False.elim", w.zero), theorem["t"], contradiction)


def sort_by_reduction(export: Export) -> None:
    w = Writer(export)
    identity = w.binder("l", w.type, w.bound(0))
    w.inductive(("S", w.apply(identity, w.prop), w.arrow(w.bool, w.constant("S"))))


def recursion_by_reduction(export: Export) -> None:
    w = Writer(export)
    field = w.apply(w.binder("l", w.type, w.bound(0)), w.constant("S"))
    w.inductive(("S", w.type, w.arrow(field, w.constant("S"))))


def recursion_by_reduction_in_a_parameter(export: Export) -> None:
    w = Writer(export)
    field = w.apply(w.binder("l", w.type, w.bound(0)), w.constant("S"))
    w.inductive(("S", w.type, w.arrow(w.apply(w.constant("List", w.zero), field), w.constant("S"))))


def recursion_under_a_second_name(export: Export) -> None:
    recursion_by_reduction(export)
    export["names"].append([0, "S"])
    block = export["declarations"][-2]["types"]
    for row in export["exprs"]:
        if row[:2] == ["c", block[0]["n"]]:
            row[1] = len(export["names"]) - 1


def name_of_the_kernels_own(export: Export) -> None:
    w = Writer(export)
    w.define("_nested.List_1", w.prop, w.constant("True"))


def nested(export: Export, flag: str) -> None:
    """`E (b : Bool)` with a field of `L (E b) flag`, where `L` keeps neither argument."""
    w = Writer(export)
    box, unused, family = w.constant("C"), w.constant("L"), w.constant("E")
    w.inductive(("C", w.type, w.arrow(w.bool, box)))
    kept = w.arrow(w.type, w.bool, w.apply(unused, w.bound(1), w.bound(0)))
    w.inductive(("L", w.arrow(w.type, w.bool, w.type), kept), parameters=2)
    b = w.bound(0)
    field = w.apply(unused, w.apply(family, b), w.projection("C", b) if flag == "wrong" else b)
    constructor = w.arrow(w.bool, field, w.apply(family, w.bound(1)))
    w.inductive(("E", w.arrow(w.bool, w.type), constructor), parameters=1)


def nested_with_a_field_of_no_structure(export: Export) -> None:
    nested(export, "wrong")


def nested_well_typed(export: Export) -> None:
    nested(export, "right")


def other_parameter_in_a_nested_argument(export: Export) -> None:
    """`E (b : Bool)` with a field of `L (E true) b`, where `L` keeps neither argument (lean4#14582)."""
    w = Writer(export)
    unused, family = w.constant("L"), w.constant("E")
    kept = w.arrow(w.type, w.bool, w.apply(unused, w.bound(1), w.bound(0)))
    w.inductive(("L", w.arrow(w.type, w.bool, w.type), kept), parameters=2)
    field = w.apply(unused, w.apply(family, w.constant("Bool.true")), w.bound(0))
    w.inductive(("E", w.arrow(w.bool, w.type), w.arrow(w.bool, field, w.apply(family, w.bound(1)))), parameters=1)


def other_levels_in_a_nested_argument(export: Export) -> None:
    """`E.{u} : Type` with a field of `L E.{0}`, where `L` does not keep its argument (lean4#14582)."""
    w = Writer(export)
    u = w.name("u")
    own, unused = w.constant("E", w.row("levels", ["p", u])), w.constant("L")
    w.inductive(("L", w.arrow(w.type, w.type), w.arrow(w.type, w.apply(unused, w.bound(0)))), parameters=1)
    w.inductive(("E", w.type, w.arrow(w.apply(unused, w.constant("E", w.zero)), own)))
    export["declarations"][-2]["l"] = [u]


def occurrence_that_reduction_erases(export: Export) -> None:
    """`E (b : Bool)` with a field `(fun _ : Type => Bool) (E true)` (lean4#14582)."""
    w = Writer(export)
    family = w.constant("E")
    constant_function = w.binder("l", w.type, w.bool)
    field = w.apply(constant_function, w.apply(family, w.constant("Bool.true")))
    w.inductive(("E", w.arrow(w.bool, w.type), w.arrow(w.bool, field, w.apply(family, w.bound(1)))), parameters=1)
