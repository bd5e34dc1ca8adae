"""An answer whose function has another name than the problem asks for.

Plain execution raises NameError for it, and so do the public harnesses: it is refuted, unless the user accepts one
unambiguous renaming (`verify.code.accept_renamed`). The evidence then says so.
"""

from __future__ import annotations

import dataclasses

from verifiers.code import extraction
from verifiers.code.evidence import Outcome
from verifiers.code.extraction import Program
from verifiers.code.judges import test_names
from verifiers.code.reference import Reference
from verifiers.types import Status


@dataclasses.dataclass(frozen=True, slots=True)
class Renaming:
    asked: str
    found: str


def find(reference: Reference, program: Program) -> Renaming | None:
    """What the program has instead of what is asked for; None if it has that.

    In mode `function` a method of a class `Solution` and a plain function of the same name stand for each other, as
    they do for LiveCodeBench, APPS and TACO. A test program calls one of the two and would not find the other.
    """
    if reference.mode == "stdin":
        return None
    asked = reference.entry_point
    if reference.mode == "assert" and not asked:
        return find_called(reference, program)
    found = program.entry_point
    if reference.mode == "function":
        same = asked.rpartition(".")[2] == found.rpartition(".")[2]
    else:
        same = asked == found
    return None if same else Renaming(asked, found)


def find_called(reference: Reference, program: Program) -> Renaming | None:
    """For a list of asserts: the one name that they call and the program lacks, and its only function."""
    tree = extraction.parse(program.source)
    if tree is None:
        return None
    test = test_names.read(reference.program, reference.prompt, "")
    names = test_names.sort_out(test, tree, "", reference.imported, reference.named)
    if len(names.candidate) != 1 or names.candidate[0] in extraction.defined_names(tree):
        return None
    found = extraction.resolve_all(tree, names.candidate)
    return Renaming(names.candidate[0], found[names.candidate[0]]) if found else None


def refuted(renaming: Renaming, program: Program) -> Outcome:
    got = f"the program does not define {renaming.asked}, but {renaming.found}"
    evidence = {"extraction": program.rule, "entry_point": program.entry_point, "first_failure": {"got": got}}
    return Outcome(Status.REFUTED, "no such function", evidence)


def tell(renaming: Renaming, outcome: Outcome) -> Outcome:
    """The outcome of a run under another name, with both names in the evidence."""
    renamed = {"asked": renaming.asked, "found": renaming.found}
    return Outcome(outcome.status, outcome.reason, {**outcome.evidence, "renamed": renamed})
