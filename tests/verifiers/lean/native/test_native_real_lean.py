"""The native path against the real `lean` of Lean 4.35.0: its arguments, its exit codes, its files and its words.

The fake toolchain of the other tests can only be as right as what was read in Lean's sources; here the program itself
answers, in the real rooms. It has a core library of a few types (tests/helpers/real_lean.py), so the proofs are terms,
and no audit tool, so that what elaborates and states the problem is accepted where that is switched on.
"""

from __future__ import annotations

import dataclasses
import random
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_lean import make_lake, make_toolchain

from verifiers.lean.assembly import Reference, Source
from verifiers.lean.native.audit import Stated, judge_compiled
from verifiers.lean.native.compiled_file import CompiledFile
from verifiers.lean.native.engine import _AXIOMS_LINE, Finding, NativeEngine, read_messages
from verifiers.lean.native.exports import ExportError, Terms, axioms_of
from verifiers.lean.native.project import Project
from verifiers.lean.native.sandboxed_tools import Done
from verifiers.lean.native.settings import NativeSettings
from verifiers.lean.second_kernel.library import PACKAGE, find_library
from verifiers.sandbox.room import detect
from verifiers.types import Limits, Status

LIBRARY = find_library()
pytestmark = [
    pytest.mark.skipif(isinstance(LIBRARY, str), reason=f"the wheel {PACKAGE} is not here: {LIBRARY}"),
    pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler for two lines of C"),
    pytest.mark.skipif(detect().boundary != "namespaces", reason="the native engine needs a sandbox with namespaces"),
]
HEADER = "set_option autoImplicit false"
STATEMENT = "theorem t (p q : Prop) (h : And p q) : And q p"
SETTINGS = NativeSettings(accept_unaudited=True, memory_mb=2000, wall_s=60)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder beside a toolchain."""
    assert isinstance(LIBRARY, Path)
    place = tmp_path_factory.mktemp("real")
    make_toolchain(place / "toolchain", LIBRARY)
    make_lake(place / "lake", place / "toolchain")
    project = place / "project"
    project.mkdir()
    (project / "lean-toolchain").write_text("leanprover/lean4:v4.35.0\n")
    (project / "lakefile.toml").write_text('name = "real"\n')
    return place


@pytest.fixture(scope="module")
def engine(place: Path) -> Iterator[NativeEngine]:
    settings = dataclasses.replace(SETTINGS, lake=str(place / "lake"))
    made = NativeEngine.open(place / "project", settings, policy=False)
    yield made
    made.close()


LIMITS = Limits(wall_s=60, memory_mb=2000)


def compiled(engine: NativeEngine, text: str) -> Done:
    return engine._compile(engine._folder(), text, 60, 2000)


def judged(
    engine: NativeEngine, code: str, statement: str = STATEMENT, header: str = HEADER, standalone: bool = False
) -> Finding:
    """`standalone`: the text repeats the header or puts its own in its place."""
    reference = Reference((), header, statement, "t")
    return engine.check(reference, Source("file", "" if standalone else header, code, 1), LIMITS)


def test_the_project_reads_the_real_version(place: Path, engine: NativeEngine) -> None:
    project = Project.open(place / "project", dataclasses.replace(SETTINGS, lake=str(place / "lake")))
    assert str(project.version) == "4.35.0"
    assert project.version.trusted
    assert project.commit.startswith("eb6cafb")
    assert engine.project.has_module("Init")
    assert not engine.project.has_module("Mathlib")


def test_a_proof_becomes_a_compiled_file(engine: NativeEngine) -> None:
    done = compiled(engine, f"{HEADER}\n{STATEMENT} := And.intro h.right h.left\n")
    assert (done.code, read_messages(done, 1)) == (0, [])
    (olean,) = done.handed_out.values()
    assert olean.startswith(b"olean")


def test_what_elaborates_is_accepted_unaudited(engine: NativeEngine) -> None:
    finding = judged(engine, f"{STATEMENT} := And.intro h.right h.left")
    assert finding.status is Status.VERIFIED, finding
    assert finding.evidence["tier"].startswith("unaudited")
    assert "axioms" not in finding.evidence and "axioms_within" not in finding.evidence, "nothing has traced them"


BOTH = "theorem t : And True True"
ABOUT_P = {"header": "structure P : Prop where\n  x : False", "statement": "theorem t (h : P) : False"}


@pytest.mark.parametrize(
    ("code", "problem", "reason"),
    [
        ("theorem t : True := True.intro", {"statement": BOTH}, "states something else"),
        ("theorem t (h : And True True) : And True True := h", {"statement": BOTH}, "states something else"),
        (
            "variable (h : False)\ninclude h\ntheorem t : And True True := False.rec _ h",
            {"statement": BOTH},
            "states something else",
        ),
        ("def t : And True True := And.intro True.intro True.intro", {"statement": BOTH}, "not a theorem"),
        ("namespace A\ntheorem t : And True True := And.intro True.intro True.intro", {"statement": BOTH}, ""),
        (
            "namespace A\nstructure And (a b : Prop) : Prop where\n  x : a\n"
            "theorem _root_.t : And True False := ⟨.intro⟩",
            {"statement": "theorem t : And True False"},
            "states something else",
        ),
        ("axiom cheat : And True True\ntheorem t : And True True := cheat", {"statement": BOTH}, "uses other axioms"),
        (
            "axiom cheat : And True True\ntheorem u : And True True := cheat\ntheorem t : And True True := u",
            {"statement": BOTH},
            "uses other axioms",
        ),
        (
            "set_option warn.sorry false\ntheorem t : And True True := sorryAx _ Bool.false",
            {"statement": BOTH},
            "uses other axioms",
        ),
        (
            "theorem t.{v} (a : PUnit.{v}) : Eq a a := Eq.refl",
            {"statement": "theorem t (a : PUnit.{1}) : Eq a a"},
            "states something else",
        ),
        (
            "theorem t (a : Bool) : Eq a a := Eq.refl",
            {"statement": "theorem t {a : Bool} : Eq (cond a a a) a"},
            "states something else",
        ),
    ],
)
def test_what_states_or_rests_on_something_else_is_not_accepted_unaudited(
    engine: NativeEngine, code: str, problem: dict[str, str], reason: str
) -> None:
    finding = judged(engine, code, **problem)
    assert finding.status in (Status.REFUTED, Status.MALFORMED), finding
    assert finding.reason == (reason or "theorem not found"), finding


def test_what_the_statement_is_about_is_compared_too(engine: NativeEngine) -> None:
    """A file that stands alone brings the header's definitions itself."""
    honest, theorem = ABOUT_P["header"], f"{ABOUT_P['statement']} := h.x"
    finding = judged(engine, f"{honest}\n{theorem}", standalone=True, **ABOUT_P)
    assert finding.status is Status.VERIFIED, finding
    harder = {"header": "structure P : Prop where\n  x : True", "statement": ABOUT_P["statement"]}
    finding = judged(engine, f"{honest}\n{theorem}", standalone=True, **harder)
    assert (finding.status, finding.reason) == (Status.REFUTED, "states something else"), finding
    two = {"header": "def two : Bool := Bool.true", "statement": "theorem t : Eq two Bool.true"}
    finding = judged(engine, "def two : Bool := Bool.false\ntheorem t : Eq two two := Eq.refl", standalone=True, **two)
    assert (finding.status, finding.reason) == (Status.REFUTED, "states something else"), finding
    finding = judged(engine, f"{two['header']}\n{two['statement']} := Eq.refl", standalone=True, **two)
    assert finding.status is Status.VERIFIED, finding


def test_names_of_bound_variables_do_not_matter(engine: NativeEngine) -> None:
    finding = judged(engine, "theorem t (a b : Prop) {k : And a b} : And b a := And.intro k.right k.left")
    assert finding.status is Status.VERIFIED, finding
    helped = f"theorem u (p : Prop) (h : p) : p := h\n{STATEMENT} := u _ (And.intro h.right h.left)"
    assert judged(engine, helped).status is Status.VERIFIED


@pytest.mark.parametrize(
    ("code", "reason", "line", "column", "words"),
    [
        (f"{STATEMENT} := h", "Lean error", 1, 50, "Type mismatch"),
        (f"{STATEMENT} :=\n  And.intro h.right\n    h.missing", "Lean error", 3, 6, "missing"),
        (f"-- ∀ «é»\n{STATEMENT} := unknown", "Lean error", 2, 50, "Unknown identifier"),
        (f"{STATEMENT} := And.intro _ h.left", "Lean error", 1, 60, "don't know how to synthesize placeholder"),
        (f"{STATEMENT} := )", "syntax error", 1, 49, "unexpected token"),
        (f"{STATEMENT} := And.intro (h.right h.left", "syntax error", None, None, "expected"),
        ("theorem t : True := by\n  tauto", "syntax error", 2, 3, "unknown tactic"),
    ],
)
def test_errors_are_read_with_their_places(
    engine: NativeEngine, code: str, reason: str, line: int | None, column: int | None, words: str
) -> None:
    finding = judged(engine, code)
    assert (finding.status, finding.reason) == (Status.REFUTED, reason), finding
    error = finding.evidence["error"]
    assert words in error["message"]
    if line is not None:
        assert (error["line"], error["column"]) == (line, column), error


def test_open_goals_are_read(engine: NativeEngine) -> None:
    finding = judged(engine, f"{STATEMENT} := And.intro _ h.left")
    assert finding.evidence["goals"] == ["⊢ q"]


def test_a_sorry_is_a_warning_that_is_seen(engine: NativeEngine) -> None:
    finding = judged(engine, f"{STATEMENT} := sorryAx _ Bool.false")
    assert (finding.status, finding.reason) == (Status.REFUTED, "uses sorry"), finding


def test_errors_of_the_header_stand_before_the_first_line(engine: NativeEngine) -> None:
    done = compiled(engine, f"example : False := nothing\n{STATEMENT} := And.intro h.right h.left\n")
    (message,) = read_messages(done, 1)
    assert (message["severity"], message["line"]) == ("error", 0)


def test_a_missing_module_is_an_error_and_no_crash(engine: NativeEngine) -> None:
    done = compiled(engine, f"import Mathlib\n{STATEMENT} := h\n")
    assert done.code == 1
    (message,) = read_messages(done, 0)
    assert "Mathlib" in str(message["text"])


@pytest.mark.parametrize(
    ("proof", "axioms"),
    [
        ("And.intro h.right h.left", None),
        ("sorryAx _ Bool.false", ["sorryAx"]),
        (
            "And.intro h.right ((propext (fun (x : p) => x) (fun x => x)).ndrec (motive := fun x => x) h.left)",
            ["propext"],
        ),
    ],
)
def test_the_axioms_are_read_as_lean_prints_them(engine: NativeEngine, proof: str, axioms: list[str] | None) -> None:
    done = compiled(engine, f"namespace A\n{STATEMENT} := {proof}\n#print axioms t\n")
    found = [match for m in read_messages(done, 0) if (match := _AXIOMS_LINE.search(str(m["text"])))]
    assert [m.group(1) for m in found] == ["A.t"], done.text()
    assert (found[0].group(2) and [name.strip() for name in found[0].group(2).split(",")]) == axioms


def test_heartbeats_given_on_the_command_line_are_a_limit(place: Path) -> None:
    settings = dataclasses.replace(SETTINGS, lake=str(place / "lake"), max_heartbeats=1)
    engine = NativeEngine.open(place / "project", settings, policy=False)
    try:
        many = "".join(f"(x{i} : Eq p p) " for i in range(300))
        source = Source("file", "", f"theorem t (p : Prop) {many}: Eq p p := Eq.refl", 1)
        stated = Stated("t", Path("/nowhere"))
        finding = engine._elaborate_and_audit(engine._folder(), "", stated, source, LIMITS, {})
        assert (finding.status, finding.reason) == (Status.UNDECIDED, "heartbeat limit"), finding
    finally:
        engine.close()


def test_heartbeats_of_header_and_text_count_more_than_the_command_lines(place: Path) -> None:
    settings = dataclasses.replace(SETTINGS, lake=str(place / "lake"), max_heartbeats=1)
    engine = NativeEngine.open(place / "project", settings, policy=False)
    many = "".join(f"(x{i} : Eq p p) " for i in range(300))
    theorem = f"theorem t (p : Prop) {many}: Eq p p"
    allow = "set_option maxHeartbeats 200000"
    try:
        assert judged(engine, f"{theorem} := Eq.refl", theorem, header=allow).status is Status.VERIFIED
        done = compiled(engine, f"{allow} in\n{theorem} := Eq.refl\n")
        assert done.code == 0 and "heartbeats" not in done.text()
    finally:
        engine.close()


# The compiled file, read without Lean


DECLARED = """universe u
structure Pair (a b : Prop) : Prop where
  left : a
  right : b
inductive Either (a b : Prop) : Prop where
  | left : a → Either a b
  | right : b → Either a b
def f : Bool → Bool := fun x => let y := x; y
axiom cheat : False
namespace A
theorem «b.c».{v} {α : Sort v} (a : α) (p : Pair True True) : Eq (Pair.mk p.1 p.2) p := Eq.refl
theorem d : False := cheat
end A
"""


def olean_of(engine: NativeEngine, text: str) -> bytes:
    done = compiled(engine, text)
    assert done.code == 0, done.text()
    (olean,) = done.handed_out.values()
    return olean


@pytest.fixture(scope="module")
def olean(engine: NativeEngine) -> bytes:
    return olean_of(engine, DECLARED)


def test_a_compiled_file_is_read_as_lean_wrote_it(olean: bytes) -> None:
    found = CompiledFile(olean, Terms())
    assert set(found.imports) == {"Init"}
    kinds = {name: constant.kind for name, constant in found.constants.items()}
    assert kinds["Pair"] == kinds["Either"] == "inductive"
    assert (kinds["Pair.mk"], kinds["Pair.rec"], kinds["f"]) == ("ctor", "rec", "def")
    assert (kinds["cheat"], kinds["A.d"], kinds["A.b\\.c"]) == ("axiom", "thm", "thm")
    theorem = found.constants["A.b\\.c"]
    assert theorem.level_params == ("v",)
    assert found.used_constants([theorem.type]) == {"Pair", "Pair.mk", "Pair.left", "Pair.right", "True", "Eq"}
    assert axioms_of(found, "A.d") == ["cheat"]
    assert axioms_of(found, "A.b\\.c") == []


def test_an_older_layout_is_read_alike(olean: bytes) -> None:
    """Lean 4.0 to 4.2x: a shorter header, and the module's address at the end. Rewritten from the new one here."""
    base, root = struct.unpack_from("<QQ", olean, 80)
    moved = base - 56 + 96  # the objects keep the addresses that their fields name
    older = b"olean\x01" + bytes(42) + struct.pack("<Q", moved) + olean[96:] + struct.pack("<QQ", 255 << 56, root)
    new, old = CompiledFile(olean, Terms()), CompiledFile(older, Terms())
    assert old.imports == new.imports
    assert {n: c.kind for n, c in old.constants.items()} == {n: c.kind for n, c in new.constants.items()}
    assert axioms_of(old, "A.d") == ["cheat"]


def test_a_file_that_is_none_or_was_tampered_with_is_an_error_or_read(olean: bytes, tmp_path: Path) -> None:
    """Whatever bytes come, the reader ends, and with no other exception than its own."""
    for data in (b"", b"olean", b"olean\x07" + olean[6:], olean[:200], olean[:-100], b"ELF" + olean, bytes(len(olean))):
        with pytest.raises(ExportError):
            CompiledFile(data, Terms())
    draw = random.Random(14)
    refused = 0
    for _ in range(300):
        data = bytearray(olean)
        for _ in range(draw.randint(1, 4)):
            place = draw.randrange(80, len(data) - 8) & ~7
            word = draw.choice(
                [0, 1, draw.getrandbits(64), struct.unpack_from("<Q", olean, draw.randrange(80, 4000) & ~7)[0]]
            )
            struct.pack_into("<Q", data, place, word)
        try:
            CompiledFile(bytes(data), Terms())
        except ExportError:
            refused += 1
    assert refused > 100
    reference, candidate = tmp_path / "r", tmp_path / "c"
    reference.write_bytes(olean)
    candidate.write_bytes(b"nothing of the kind")
    assert judge_compiled(reference, candidate, "A.d").stage == "unread"


def test_other_imports_are_another_statement(engine: NativeEngine, olean: bytes, tmp_path: Path) -> None:
    reference, candidate = tmp_path / "r", tmp_path / "c"
    reference.write_bytes(olean)
    candidate.write_bytes(
        olean.replace(b"\x05\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0Init", b"\x05\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0Evil")
    )
    found = judge_compiled(reference, candidate, "A.d")
    assert (found.stage, found.detail) == ("statement", "imports other modules: Evil, Init")
