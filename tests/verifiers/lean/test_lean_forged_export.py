"""What an elaborator that a candidate has taken over could send: the auditor must not believe it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers import lean_forgeries as forgeries
from tests.helpers.lean_forgeries import Export, nested_well_typed, nothing
from verifiers.lean.assembly import Reference
from verifiers.lean.checker import LeanChecker

pytestmark = pytest.mark.lean

FALSE = Reference((), "", "theorem t : (2 : Nat) + 2 = 5", "t")
TRUE = Reference((), "", "theorem t (a b : Nat) : a + b = b + a", "t")


def judge(lean: LeanChecker, reference: Reference, proof: str, forge: Callable[[Export], None]) -> dict[str, Any]:
    """The auditor's answer to the export of `reference.statement := proof` after `forge` has changed it."""
    pool = lean._pool(())
    stated = pool.state(reference)
    request = {
        "op": "elaborate",
        "header": "",
        "source": f"{reference.statement} := {proof}",
        "target": list(stated.target),
        "policy": False,
    }
    with pool._elaborator() as elaborator:
        _, payload = elaborator.ask(request, time.monotonic() + 60)
    assert payload is not None
    export = json.loads(payload)
    forge(export)
    with pool._the_auditor() as auditor:
        number = pool._state(auditor, reference).id
        answer, _ = auditor.ask({"op": "audit", "id": number}, time.monotonic() + 60, json.dumps(export).encode())
    return answer


def test_honest_exports_pass(lean: LeanChecker) -> None:
    assert judge(lean, TRUE, "Nat.add_comm a b", nothing)["ok"] is True
    assert judge(lean, TRUE, "Nat.add_comm a b", nested_well_typed)["ok"] is True


@pytest.mark.parametrize(
    ("reference", "proof", "forge", "reason"),
    [
        (FALSE, "sorry", forgeries.hide_axiom_as_declared, "axioms"),
        (FALSE, "sorry", nothing, "axioms"),
        (FALSE, "sorry", forgeries.drop_proof, "statement"),
        (TRUE, "Nat.add_comm a b", forgeries.prove_by_itself, "kernel"),
        (TRUE, "Nat.add_comm a b", forgeries.redeclare_false, "axioms"),
        (TRUE, "Nat.add_comm a b", forgeries.point_outside, "kernel"),
        (TRUE, "Nat.add_comm a b", forgeries.type_in_type, "statement"),
        (FALSE, "sorry", forgeries.data_from_a_proposition_not_written_so, "unsupported"),
        (TRUE, "Nat.add_comm a b", forgeries.sort_by_reduction, "unsupported"),
        (TRUE, "Nat.add_comm a b", forgeries.recursion_by_reduction, "unsupported"),
        (TRUE, "Nat.add_comm a b", forgeries.recursion_by_reduction_in_a_parameter, "unsupported"),
        (TRUE, "Nat.add_comm a b", forgeries.recursion_under_a_second_name, "kernel"),
        (TRUE, "Nat.add_comm a b", forgeries.name_of_the_kernels_own, "unsupported"),
        (TRUE, "Nat.add_comm a b", forgeries.nested_with_a_field_of_no_structure, "kernel"),
        (TRUE, "Nat.add_comm a b", forgeries.other_parameter_in_a_nested_argument, "unsupported"),
        (TRUE, "Nat.add_comm a b", forgeries.other_levels_in_a_nested_argument, "unsupported"),
        (TRUE, "Nat.add_comm a b", forgeries.occurrence_that_reduction_erases, "unsupported"),
    ],
)
def test_forged_exports_do_not(
    lean: LeanChecker, reference: Reference, proof: str, forge: Callable[[Export], None], reason: str
) -> None:
    answer = judge(lean, reference, proof, forge)
    assert (answer["ok"], answer["reason"]) == (False, reason), answer
