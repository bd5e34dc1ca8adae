"""The kernel of another release, which must agree: what it accepts, what it does with hostile exports, and what a
verdict says of it. Its own answers are tested without the auditor's, for each kernel must hold alone.
"""

from __future__ import annotations

import functools
import gzip
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import lean_forgeries as forgeries
from tests.helpers.lean_forgeries import Export, Writer
from verifiers.lean import checker as checker_module
from verifiers.lean.assembly import Reference
from verifiers.lean.checker import LeanChecker
from verifiers.lean.embedded import engine
from verifiers.lean.embedded import process as embedded_process
from verifiers.lean.embedded.process import LeanProcess
from verifiers.lean.native.settings import ProjectError
from verifiers.lean.second_kernel import disagreements
from verifiers.lean.second_kernel import process as second_process
from verifiers.lean.second_kernel.library import PACKAGE, find_library
from verifiers.lean.second_kernel.process import Answer, SecondKernel
from verifiers.sandbox.kernel import landlock_abi
from verifiers.sandbox.room import Tier
from verifiers.types import Kind, Problem, Status, Verdict

pytestmark = [
    pytest.mark.lean,
    pytest.mark.skipif(isinstance(find_library(), str), reason=f"the wheel {PACKAGE} is not here: {find_library()}"),
]

SUM = Reference((), "", "theorem t (a b : Nat) : a + b = b + a", "t")
FALSE = Reference((), "", "theorem t : (2 : Nat) + 2 = 5", "t")
HONEST = "Nat.add_comm a b"


class Bench:
    """A second kernel beside the processes of a checker, which make exports and know the library."""

    def __init__(self, lean: LeanChecker, **settings: Any) -> None:
        self.pool = lean._pool(())
        folder = find_library()
        assert isinstance(folder, Path)
        self.kernel = SecondKernel(folder, **settings)

    def export(self, reference: Reference, proof: str) -> Export:
        stated = self.pool.state(reference)
        request = {
            "op": "elaborate",
            "header": reference.header,
            "source": f"{reference.statement} := {proof}",
            "target": list(stated.target),
            "policy": False,
        }
        with self.pool._elaborator() as elaborator:
            answer, payload = elaborator.ask(request, time.monotonic() + 60)
        assert payload is not None, answer
        return json.loads(payload)  # type: ignore[no-any-return]

    def judge(self, export: Export | bytes, wall_s: float = 20.0, axioms: tuple[str, ...] = ()) -> Answer:
        payload = export if isinstance(export, bytes) else json.dumps(export).encode()
        try:
            names = _components(json.loads(payload)["names"])
        except (ValueError, TypeError, KeyError, IndexError, RecursionError):
            names = []
        return self.kernel.check(payload, names, axioms, self.pool._library, wall_s)


def _components(rows: list[Any]) -> list[list[Any]]:
    """Every name of an export, as if each were the library's: those that are not there are passed over."""
    names: list[list[Any]] = []
    for row in rows:
        plain = isinstance(row, list) and len(row) == 2 and type(row[0]) is int and 0 <= row[0] < len(names)
        well_formed = plain and (isinstance(row[1], dict) or (isinstance(row[1], str) and row[1].isprintable()))
        names.append([*names[row[0]], row[1]] if well_formed else [])
    return [name for name in names if name]


@pytest.fixture(scope="module")
def bench(lean: LeanChecker) -> Iterator[Bench]:
    made = Bench(lean)
    yield made
    made.kernel.close()


PROOFS = {
    "rfl": ("theorem t : 2 + 2 = 4", "rfl"),
    "big numbers": ("theorem t : 10^40 + 1 = 10000000000000000000000000000000000000001", "by decide"),
    "decide": ("theorem t : ∀ n : Fin 20, n.val * n.val < 400", "by decide"),
    "omega and simp": ("theorem t (a b : Nat) (h : a < b) : a + 1 ≤ b ∧ a + 0 = a", "⟨by omega, by simp⟩"),
    "grind": ("theorem t (a b : Int) : (a+b)*(a+b) = a*a + 2*a*b + b*b", "by grind"),
    "strings": ('theorem t : "aé\\x00b".length = 4', "by decide"),
    "quotients": (
        "theorem t (α : Type) (s : Setoid α) (a b : α) (h : a ≈ b) : Quotient.mk s a = Quotient.mk s b",
        "Quotient.sound h",
    ),
    "choice": ("theorem t (p : Prop) : p ∨ ¬p", "Classical.em p"),
    "well-founded recursion": ("theorem t (a b : Nat) : Nat.gcd a b = Nat.gcd b a", "Nat.gcd_comm a b"),
}
HEADERS = {
    "mutual types": (
        "mutual\ninductive Even : Nat → Prop\n| zero : Even 0\n| succ : Odd n → Even (n+1)\n"
        "inductive Odd : Nat → Prop\n| succ : Even n → Odd (n+1)\nend",
        "theorem t : Even 2",
        ".succ (.succ .zero)",
    ),
    "nested types": (
        "inductive Tree where\n| node : List Tree → Tree\n"
        "def Tree.size : Tree → Nat\n| .node ts => 1 + (ts.attach.map fun ⟨t, _⟩ => t.size).sum",
        "theorem t : (Tree.node []).size = 1",
        "by simp [Tree.size]",
    ),
    "mutual functions": (
        "mutual\ndef even : Nat → Bool\n| 0 => true\n| n+1 => odd n\n"
        "def odd : Nat → Bool\n| 0 => false\n| n+1 => even n\nend",
        "theorem t : even 4 = true",
        "by decide",
    ),
    "classes": (
        "class Op (α : Type u) where\n  op : α → α → α\n  comm : ∀ a b, op a b = op b a\n"
        "instance : Op Nat := ⟨Nat.add, Nat.add_comm⟩",
        "theorem t (a b : Nat) : Op.op a b = Op.op b a",
        "Op.comm a b",
    ),
}


@pytest.mark.parametrize("name", PROOFS)
def test_honest_proofs_are_accepted(bench: Bench, name: str) -> None:
    statement, proof = PROOFS[name]
    answer = bench.judge(bench.export(Reference((), "", statement, "t"), proof))
    assert (answer.outcome, answer.version) == ("accepted", "4.35.0"), answer


@pytest.mark.parametrize("name", HEADERS)
def test_declarations_of_every_kind_are_accepted(bench: Bench, name: str) -> None:
    header, statement, proof = HEADERS[name]
    answer = bench.judge(bench.export(Reference((), header, statement, "t"), proof))
    assert answer.outcome == "accepted", answer


@pytest.mark.parametrize(
    ("reference", "proof", "forge", "outcome"),
    [
        (FALSE, "sorry", forgeries.hide_axiom_as_declared, "rejected"),
        (FALSE, "sorry", forgeries.drop_proof, "rejected"),
        (SUM, HONEST, forgeries.prove_by_itself, "rejected"),
        (SUM, HONEST, forgeries.redeclare_false, "rejected"),
        (SUM, HONEST, forgeries.point_outside, "malformed"),
        (SUM, HONEST, forgeries.type_in_type, "rejected"),
        (FALSE, "sorry", forgeries.data_from_a_proposition_not_written_so, "rejected"),
        (SUM, HONEST, forgeries.recursion_under_a_second_name, "malformed"),
        (SUM, HONEST, forgeries.nested_with_a_field_of_no_structure, "rejected"),
        (SUM, HONEST, forgeries.other_parameter_in_a_nested_argument, "rejected"),
        (SUM, HONEST, forgeries.other_levels_in_a_nested_argument, "rejected"),
        (SUM, HONEST, forgeries.occurrence_that_reduction_erases, "rejected"),
        # Without a false conclusion: what this kernel has no reason to refuse.
        (SUM, HONEST, forgeries.sort_by_reduction, "accepted"),
        (SUM, HONEST, forgeries.recursion_by_reduction, "accepted"),
        (SUM, HONEST, forgeries.recursion_by_reduction_in_a_parameter, "accepted"),
        (SUM, HONEST, forgeries.name_of_the_kernels_own, "accepted"),
        (SUM, HONEST, forgeries.nested_well_typed, "accepted"),
    ],
)
def test_forged_exports_meet_this_kernel_alone(
    bench: Bench, reference: Reference, proof: str, forge: Callable[[Export], None], outcome: str
) -> None:
    export = bench.export(reference, proof)
    forge(export)
    answer = bench.judge(export)
    assert answer.outcome == outcome, answer


# Malformed exports


def _set(table: str, row: Any) -> Callable[[Export], None]:
    def change(export: Export) -> None:
        export[table].append(row)

    return change


def _change_proof(**fields: Any) -> Callable[[Export], None]:
    def change(export: Export) -> None:
        export["declarations"][-1].update(fields)

    return change


def _without(key: str) -> Callable[[Export], None]:
    def change(export: Export) -> None:
        del export[key]

    return change


MALFORMED: dict[str, Callable[[Export], None]] = {
    "an index below zero": _set("exprs", ["a", -1, 0]),
    "an index of its own row": lambda e: e["exprs"].append(["a", len(e["exprs"]), 0]),
    "a later index": lambda e: e["exprs"].insert(0, ["a", 5, 5]),
    "an index that is true": _set("exprs", ["a", True, 0]),
    "an index that is a fraction": _set("exprs", ["a", 1.0, 0]),
    "an index that is a text": _set("exprs", ["a", "0", 0]),
    "a huge index": _set("exprs", ["a", 1 << 70, 0]),
    "an unknown expression": _set("exprs", ["z", 0]),
    "an expression that is no list": _set("exprs", 7),
    "an expression without parts": _set("exprs", ["a"]),
    "an expression with too many parts": _set("exprs", ["a", 0, 0, 0]),
    "an expression of an unhashable kind": _set("exprs", [[], 0]),
    "a binder of no kind": _set("exprs", ["l", 0, 0, 0, 300]),
    "a bound variable below zero": _set("exprs", ["v", "-1"]),
    "a bound variable beyond Lean's range": _set("exprs", ["v", str(1 << 20)]),
    "a bound variable of many digits": _set("exprs", ["v", "9" * 30]),
    "a number that is not digits": _set("exprs", ["n", "1e9"]),
    "a number in foreign digits": _set("exprs", ["n", "٣"]),
    "a number with a zero in front": _set("exprs", ["n", "007"]),
    "a number of a million digits": _set("exprs", ["n", "9" * 1_000_000]),
    "half a character": _set("exprs", ["x", "\ud800"]),
    "a text that is a list": _set("exprs", ["x", []]),
    "an unknown level": _set("levels", ["q", 0]),
    "a level that is no list": _set("levels", None),
    "a name listed twice": lambda e: e["names"].append(e["names"][1]),
    "a name below a later one": _set("names", [10**6, "a"]),
    "a name that is null": _set("names", None),
    "a name with a number of no digits": _set("names", [0, {"n": 5}]),
    "an unknown declaration": lambda e: e["declarations"].insert(0, {"k": "example", "n": 1, "l": [], "t": 0}),
    "a declaration that is null": lambda e: e["declarations"].insert(0, None),
    "a quotient": lambda e: e["declarations"].insert(0, {"k": "quotient", "n": 1, "l": [], "t": 0}),
    "a theorem without a proof": _change_proof(v=None),
    "universe parameters that are no list": _change_proof(l="u"),
    "no names": _without("names"),
    "no declarations": _without("declarations"),
    "no target": _without("target"),
    "another target": lambda e: e.update(target={"n": 0}),
    "a target that is a definition": _change_proof(k="definition", h="a"),
    "a type of types that are no list": lambda e: e["declarations"].insert(
        0, {"k": "inductive", "n": 1, "l": [], "p": "0", "types": 5}
    ),
    "too many parameters": lambda e: e["declarations"].insert(
        0, {"k": "inductive", "n": 1, "l": [], "p": str(1 << 40), "types": []}
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_exports_are_said_to_be(bench: Bench, name: str) -> None:
    export = bench.export(SUM, HONEST)
    MALFORMED[name](export)
    before = bench.kernel._process
    assert bench.judge(export).outcome == "malformed"
    assert bench.kernel._process is before, "the process should have lived on"


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"{", b"[" * 200_000, b"\xff\xfe", b'{"names": NaN}'])
def test_payloads_that_are_no_export_at_all(bench: Bench, payload: bytes) -> None:
    assert bench.judge(payload).outcome == "malformed"


def test_a_null_byte_does_not_end_a_name(bench: Bench) -> None:
    """Two names that differ after a null byte are two; cut there they would be one, with two meanings."""
    export = bench.export(SUM, HONEST)
    w = Writer(export)
    for last in ("a", "b"):
        index = w.row("names", [0, f"x\0{last}"])
        record = {"k": "definition", "n": index, "l": [], "t": w.type, "v": w.prop, "h": "a"}
        export["declarations"].insert(-1, record)
    assert bench.judge(export).outcome == "accepted"


def test_declarations_that_need_each_other_are_refused(bench: Bench) -> None:
    export = bench.export(FALSE, "sorry")
    w = Writer(export)
    target = export["declarations"][-1]["t"]
    first, second = w.constant("first"), w.constant("second")
    w.define("first", target, second)
    w.define("second", target, first)
    export["declarations"][-1]["v"] = first
    assert bench.judge(export).outcome == "rejected"


# Limits


def _tower(export: Export) -> None:
    """A proof by a computation that does not end: a tower of powers of 3 over the successor, in unary."""
    w = Writer(export)
    nat = w.constant("Nat")
    step = w.arrow(nat, nat)
    twice = w.binder("l", step, w.binder("l", nat, w.apply(w.bound(1), w.apply(w.bound(1), w.bound(0)))))
    endo = w.arrow(step, step)
    thrice = w.binder("l", endo, w.binder("l", step, w.apply(w.bound(1), w.apply(w.bound(1), w.bound(0)))))
    big = twice
    for _ in range(6):
        big = w.apply(thrice, big)
    value = w.apply(big, w.constant("Nat.succ"), w.constant("Nat.zero"))
    equal = w.apply(w.constant("Eq", w.one), nat, value, w.constant("Nat.zero"))
    proof = w.apply(w.constant("Eq.refl", w.one), nat, value)
    index = w.name("burner")
    export["declarations"].insert(-1, {"k": "theorem", "n": index, "l": [], "t": equal, "v": proof})


def _deep(export: Export) -> None:
    """A term that is 300,000 applications deep."""
    w = Writer(export)
    rows = export["exprs"]
    term = w.constant("Nat.zero")
    successor = w.constant("Nat.succ")
    for _ in range(300_000):
        rows.append(["a", successor, term])
        term = len(rows) - 1
    w.define("deep", w.constant("Nat"), term)


@pytest.mark.parametrize(("attack", "wall_s"), [(_tower, 2.0), (_deep, 5.0)], ids=["time", "depth"])
def test_what_does_not_end_is_no_verdict_and_hurts_no_other_proof(
    bench: Bench, attack: Callable[[Export], None], wall_s: float
) -> None:
    honest = bench.export(SUM, HONEST)
    bench.judge(honest)
    before = bench.kernel._process
    export = bench.export(SUM, HONEST)
    attack(export)
    answer = bench.judge(export, wall_s=wall_s)
    assert answer.outcome in ("resources", "died"), answer
    assert not answer.disagrees
    assert bench.judge(honest).outcome == "accepted"
    assert bench.kernel._process is before, "the crash should have been the child's alone"


def _large(bench: Bench) -> Export:
    export = bench.export(SUM, HONEST)
    export["exprs"].extend(["n", str(i)] for i in range(400_000))
    export["exprs"].append(["n", "9" * 90_000])
    return export


def test_a_large_export_is_no_attack(bench: Bench) -> None:
    assert bench.judge(_large(bench)).outcome == "accepted"


def test_a_replay_that_takes_too_much_memory_is_no_verdict(lean: LeanChecker) -> None:
    bench = Bench(lean, memory_mb=120)
    try:
        answer = bench.judge(_large(bench))
        assert answer.outcome in ("resources", "died"), answer
        before = bench.kernel._process
        assert bench.judge(bench.export(SUM, HONEST)).outcome == "accepted"
        assert bench.kernel._process is before, "the memory should have been the child's alone"
    finally:
        bench.kernel.close()


def test_a_process_that_was_killed_is_replaced(lean: LeanChecker) -> None:
    bench = Bench(lean)
    try:
        export = bench.export(SUM, HONEST)
        assert bench.judge(export).outcome == "accepted"
        assert bench.kernel._process is not None
        bench.kernel._process._process.kill()
        assert bench.judge(export).outcome == "died"
        assert bench.judge(export).outcome == "accepted"
    finally:
        bench.kernel.close()


def test_where_no_process_may_be_forked_each_proof_has_a_process_of_its_own(
    lean: LeanChecker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tier = Tier("landlock", landlock=landlock_abi())
    if not tier.landlock:
        pytest.skip("the kernel has no Landlock")
    monkeypatch.setattr(second_process, "start", functools.partial(second_process.start, tier=tier))
    bench = Bench(lean)
    try:
        honest = bench.export(SUM, HONEST)
        forged = bench.export(SUM, HONEST)
        forgeries.prove_by_itself(forged)
        for export, outcome in ((honest, "accepted"), (forged, "rejected"), (honest, "accepted")):
            assert bench.judge(export).outcome == outcome
            assert bench.kernel._process is None, "the process has read an export, and should be gone"
    finally:
        bench.kernel.close()


# Verdicts


def _problem(reference: Reference) -> Problem:
    return Problem(
        "p", Kind.LEAN, "", {"header": reference.header, "statement": reference.statement, "name": reference.name}
    )


def _verify(checker: LeanChecker, reference: Reference, text: str) -> Verdict:
    return checker.verify(_problem(reference), text)


@pytest.fixture
def audit_without_its_guards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first kernel as it is without the look at inductive types: the one that proves 2 + 2 = 5."""
    folder = tmp_path / "worker"
    shutil.copytree(embedded_process.EMBEDDED, folder)
    script = (folder / "audit.js").read_text()
    guard = "const odd = d.k === 'inductive' ? oddity(candidate, d, definitions) : null;"
    assert guard in script
    (folder / "audit.js").write_text(script.replace(guard, "const odd = null;"))
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setattr(embedded_process, "EMBEDDED", folder)
    monkeypatch.setattr(engine, "cache_root", lambda: tmp_path / "cache")


def _forge_what_elaborators_send(monkeypatch: pytest.MonkeyPatch, forge: Callable[[Export], None]) -> None:
    ask = LeanProcess.ask

    def asked(self: LeanProcess, request: Any, deadline: float, payload: bytes | None = None) -> Any:
        answer, exported = ask(self, request, deadline, payload)
        if request["op"] == "elaborate" and exported is not None:
            export = json.loads(exported)
            forge(export)
            exported = json.dumps(export).encode()
        return answer, exported

    monkeypatch.setattr(LeanProcess, "ask", asked)


def test_what_deceives_one_kernel_is_undecided_and_kept(
    monkeypatch: pytest.MonkeyPatch, audit_without_its_guards: None
) -> None:
    forge = forgeries.data_from_a_proposition_not_written_so
    _forge_what_elaborators_send(monkeypatch, forge)
    alone = LeanChecker(policy=False, num_spares=0, second_kernel="off")
    verdict = _verify(alone, FALSE, "by sorry")
    alone.close()
    assert verdict.status is Status.VERIFIED, "without the second kernel the attack should succeed"
    both = LeanChecker(policy=False, num_spares=0)
    verdict = _verify(both, FALSE, "by sorry")
    both.close()
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "kernels disagree"), verdict
    assert "invalid projection" in verdict.evidence["detail"]
    kept = json.loads(gzip.decompress(Path(verdict.evidence["export"]).read_bytes()))
    assert kept["statement"] == FALSE.statement
    assert json.loads(kept["export"])["declarations"]


def test_the_verdict_says_which_kernels_agreed(lean: LeanChecker) -> None:
    verdict = _verify(lean, SUM, "by omega -- two kernels")
    assert verdict.status is Status.VERIFIED
    assert verdict.evidence["kernels"][1] == "4.35.0"
    assert verdict.evidence["kernels"][0].startswith("4.28.0")
    assert verdict.evidence["tier"].endswith("+kernels2")
    assert "+kernel4.35.0" in lean.version


def test_axioms_of_the_problem_are_allowed_and_no_others(lean: LeanChecker) -> None:
    stated = Reference((), "axiom «Ä.ß» : ∀ n : Nat, n = n + 1", "theorem t : (0 : Nat) = 1", "t")
    verdict = _verify(lean, stated, "by exact «Ä.ß» 0")
    assert verdict.status is Status.VERIFIED, verdict
    (axiom,) = verdict.evidence["header_axioms"]
    assert axiom.endswith("Ä.ß")
    assert len(verdict.evidence["kernels"]) == 2


def test_one_kernel_where_the_other_is_switched_off_or_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker_module, "find_library", lambda: "not installed")
    for setting in ("auto", "off"):
        checker = LeanChecker(num_spares=0, second_kernel=setting)
        verdict = _verify(checker, SUM, "by omega")
        checker.close()
        assert verdict.status is Status.VERIFIED
        assert len(verdict.evidence["kernels"]) == 1
        assert "+kernel" not in checker.version + verdict.evidence["tier"]
    with pytest.raises(ProjectError, match="not installed"):
        LeanChecker(second_kernel="required")


def test_a_second_kernel_that_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "libleanshared.so").write_bytes(b"no library")
    monkeypatch.setattr(checker_module, "find_library", lambda: tmp_path)
    for setting, status in (("auto", Status.VERIFIED), ("required", Status.UNDECIDED)):
        checker = LeanChecker(num_spares=0, second_kernel=setting)
        verdict = _verify(checker, SUM, "by omega")
        checker.close()
        assert verdict.status is status, verdict
        said = verdict.evidence["second_kernel" if setting == "auto" else "detail"]
        assert "Died" in said
        if setting == "required":
            assert verdict.reason == "second kernel did not start"


def test_a_second_kernel_that_dies_leaves_the_proof_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    checker = LeanChecker(num_spares=0)
    assert _verify(checker, SUM, "by omega").status is Status.VERIFIED
    for outcome, reason in (
        ("died", "second kernel died"),
        ("resources", "second kernel ran out of resources"),
        ("library", "second kernel does not take the library"),
        ("something new", "second kernel died"),
    ):
        monkeypatch.setattr(SecondKernel, "check", lambda *_, outcome=outcome: Answer(outcome, "why", "4.35.0"))
        verdict = _verify(checker, SUM, f"by omega -- {outcome}")
        assert (verdict.status, verdict.reason) == (Status.UNDECIDED, reason)
    checker.close()


def test_settings_of_the_second_kernel_are_checked() -> None:
    with pytest.raises(ProjectError, match="second_kernel is one of auto, off, required"):
        LeanChecker.check_settings({"second_kernel": "yes"})


def test_disagreements_are_kept_once_and_not_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disagreements, "MAX_FILES", 2)
    first = disagreements.keep(SUM, b"{}", "why", tmp_path)
    assert disagreements.keep(SUM, b"{}", "why", tmp_path) == first
    assert disagreements.keep(SUM, b"{}", "another reason", tmp_path)
    assert disagreements.keep(SUM, b"{}", "a third", tmp_path) == ""
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / "file").write_text("")
    assert disagreements.keep(SUM, b"{}", "no folder", tmp_path / "file" / "below") == ""


def test_the_worker_is_a_script_that_needs_nothing_of_the_project() -> None:
    assert "verifiers" not in second_process.WORKER.read_text()
