"""The native path against the real `lean` of Lean 4.35.0: its arguments, its exit codes, its files and its words.

The fake toolchain of the other tests can only be as right as what was read in Lean's sources; here the program itself
answers, in the real rooms. It has a core library of a few types (tests/helpers/real_lean.py), so the proofs are terms,
and no audit tool, so what merely elaborates is accepted where that is switched on.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_lean import make_lake, make_toolchain

from verifiers.lean.assembly import Reference, Source
from verifiers.lean.native.audit import Stated
from verifiers.lean.native.engine import _AXIOMS_LINE, Finding, NativeEngine, read_messages
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


def compiled(engine: NativeEngine, text: str) -> Done:
    return engine._compile(engine._folder(), text, 60, 2000)


def judged(engine: NativeEngine, code: str, header: str = HEADER) -> Finding:
    source = Source("file", header, code, 1)
    stated = Stated("t", Path("/nowhere"))
    limits = Limits(wall_s=60, memory_mb=2000)
    return engine._elaborate_and_audit(engine._folder(), f"{header}\n", stated, source, limits, {})


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
        finding = judged(engine, f"theorem t (p : Prop) {many}: Eq p p := Eq.refl")
        assert (finding.status, finding.reason) == (Status.UNDECIDED, "heartbeat limit"), finding
    finally:
        engine.close()


def test_a_reference_needs_more_of_a_library_than_this_one(engine: NativeEngine) -> None:
    """Statements are given a proof by the tactic `sorry`, which this small core library has not: it says so."""
    stated = engine._state(Reference((), HEADER, STATEMENT, "t"))
    assert isinstance(stated, str)
    assert "does not elaborate (line 1)" in stated
