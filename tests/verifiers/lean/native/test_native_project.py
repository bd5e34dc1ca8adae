"""Projects, settings and tools: what is refused with which words, what is found where, what doctor shows of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fake_project import make_project, program

from jobs import doctor
from verifiers.checker import check_settings
from verifiers.lean.checker import LeanChecker
from verifiers.lean.native.policy import refusal
from verifiers.lean.native.project import Project, Version, check_folder
from verifiers.lean.native.settings import NativeSettings, ProjectError
from verifiers.lean.native.tools import find_tools
from verifiers.types import Kind, Problem, SettingsError, Status


def settings_for(project: Path, **more: object) -> NativeSettings:
    return NativeSettings.read({"lake": str(project.parent / "toolchain" / "bin" / "lake"), **more})


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("lean-toolchain", "has no `lean-toolchain`"),
        ("lakefile.toml", "neither `lakefile.lean` nor `lakefile.toml`"),
        ("", "no such folder"),
    ],
)
def test_a_folder_that_is_no_project(tmp_path: Path, broken: str, words: str) -> None:
    project = make_project(tmp_path)
    if broken:
        (project / broken).unlink()
    else:
        project = project / "nowhere"
    with pytest.raises(ProjectError, match=words):
        check_folder(project)
    with pytest.raises(SettingsError, match=words):
        check_settings({"lean": {"project": str(project)}})
    with pytest.raises(SettingsError, match=words):
        LeanChecker(project=str(project))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"prject": "x"}, "verify.lean.prject: unknown key; known here: .*project"),
        ({"native": {"memory": 3}}, r"native\.memory: unknown key"),
        ({"native": {"memory_mb": "much"}}, r"native\.memory_mb: expected int, got 'much'"),
        ({"native": {"memory_mb": True}}, r"native\.memory_mb: expected int"),
        ({"native": {"wall_s": 0}}, r"native\.wall_s: must be greater than 0"),
        ({"native": {"audit": "none"}}, r"native\.audit: one of auto"),
        ({"native": {"safe_verify": "/nowhere"}}, r"native\.safe_verify: no such file"),
        ({"native": {"memory_mb": 4000}}, r"verify\.lean\.project is not"),
        ({"project": 3}, "`project` is a path"),
    ],
)
def test_settings_that_can_not_be_used(table: dict, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        check_settings({"lean": table})


def test_an_unknown_key_of_another_kind_is_named_too() -> None:
    with pytest.raises(SettingsError, match=r"verify\.math\.colour: unknown key"):
        check_settings({"math": {"colour": 1}})


def test_lake_that_fails_or_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path)
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho 'error: no default toolchain configured' >&2\nexit 1\n")
    failing.chmod(0o755)
    with pytest.raises(ProjectError, match=r"failed \(1\): error: no default toolchain configured"):
        Project.open(project, NativeSettings(lake=str(failing)))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ProjectError, match="`lake` was not found on PATH: install elan"):
        Project.open(project, NativeSettings())


def test_an_opened_project(tmp_path: Path) -> None:
    project = make_project(tmp_path, "4.35.0-rc2")
    found = Project.open(project, settings_for(project))
    assert found.describe() == "4.35.0-rc2 (0123456789ab)"
    assert found.toolchain == "leanprover/lean4:v4.35.0-rc2"
    assert found.version.trusted
    assert found.mathlib == "d13f23b7"
    assert found.has_module("Mathlib") and not found.has_module("Mathlib.Nothing")
    assert all(path.is_absolute() for path in found.search_path)
    assert len(found.search_path) == 2


@pytest.mark.parametrize(
    ("text", "number", "trusted"),
    [
        ("Lean (version 4.34.1, x86_64-unknown-linux-gnu, commit 0123456, Release)", (4, 34, 1), True),
        ("v4.34.0", (4, 34, 0), False),
        ("4.34.1-rc1", (4, 34, 1), False),
        ("4.35.0-rc1", (4, 35, 0), True),
        ("Lean (version 4.36.0-nightly-2026-10-01, …)", (4, 36, 0), True),
        ("leanprover/lean4:v4.9.0", (4, 9, 0), False),
    ],
)
def test_versions(text: str, number: tuple[int, int, int], trusted: bool) -> None:
    version = Version.parse(text)
    assert version is not None
    assert (version.number, version.trusted) == (number, trusted)


@pytest.mark.parametrize(
    ("version", "tools", "audits"),
    [
        ("4.35.0", ("lake", "leanexport", "leanchecker"), ["comparator", "leanchecker"]),
        ("4.34.1", ("lake", "leanchecker"), []),
        ("4.34.1", ("lake",), []),
        ("4.35.0", ("lake",), []),
    ],
)
def test_tools_of_a_toolchain(tmp_path: Path, version: str, tools: tuple[str, ...], audits: list[str]) -> None:
    project = make_project(tmp_path, version, tools)
    settings = settings_for(project)
    assert find_tools(Project.open(project, settings), settings).audits() == audits


def test_tools_of_packages_and_settings(tmp_path: Path) -> None:
    project = make_project(tmp_path, "4.27.0", ("lake",))
    for package, name in (("lean4export", "lean4export"), ("lean4checker", "lean4checker"), ("REPL", "repl")):
        place = project / ".lake" / "packages" / package / ".lake" / "build" / "bin"
        place.mkdir(parents=True)
        program(place / name)
    settings = settings_for(project, safe_verify=str(program(tmp_path / "safe_verify")))
    opened = Project.open(project, settings)
    tools = find_tools(opened, settings)
    assert tools.audits() == ["safeverify", "leanchecker"]
    assert tools.repl is not None
    assert tools.safe_verify is not None
    assert tools.inside(tools.safe_verify)[0] == "/lean/tools/safe_verify"
    assert tools.inside(opened.prefix / "bin" / "lean") == ("/lean/toolchain/bin/lean", {})


def test_lake_challenge_is_named_and_not_used(tmp_path: Path) -> None:
    """The command's name before Lean 4.35.0-rc2; it cannot judge exports."""
    project = make_project(tmp_path, "4.34.1", ("lake",))
    settings = settings_for(project)
    opened = Project.open(project, settings)

    def command(argv: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        said = "lake challenge\n  --config=file  the comparator configuration" if argv[-1] == "challenge" else "USAGE:"
        return subprocess.CompletedProcess(argv, 0, said, "")

    tools = find_tools(opened, settings, command)
    assert tools.comparator is None
    assert any("lake challenge" in note for note in tools.notes)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("by sorry", "uses sorry"),
        ("by simp -- sorry", ""),
        ('by exact foo "sorry"', ""),
        ("axiom cheat : False", "declares an axiom"),
        ("by native_decide", "uses native_decide"),
        ("by decide +native", "uses native_decide"),
        ("local simproc foo (_ + _) := fun e => x", "runs code while Lean elaborates: simproc"),
        ("attribute [-simproc] foo\nby simp [-simproc, foo]", ""),
        ("#eval IO.println 1", "runs code while Lean elaborates: #eval"),
        ("#exit", "uses #exit"),
        ("run_cmd foo", "runs code while Lean elaborates: run_cmd"),
        ("@[implemented_by foo] def x := 1", "uses the attribute implemented_by"),
        ("attribute [csimp] foo", "uses the attribute csimp"),
        ("set_option debug.skipKernelTC true", "sets the option debug.skipKernelTC"),
        ("open private foo from Lean", "uses open private"),
        ("exact Lean.ofReduceBool a b h", "uses ofReduceBool"),
        ("@[simp, norm_cast] lemma foo : True := trivial", ""),
        ("intro axiom' h.sorry elaborate x.elab tactic macro_free", ""),
        ('notation "x" => y\nmacro "foo" : tactic => `(tactic| simp)', ""),
    ],
)
def test_the_text_policy(code: str, reason: str) -> None:
    assert refusal(code) == reason


def mathlib_problem(header: str = "import Mathlib") -> Problem:
    return Problem("p", Kind.LEAN, "", {"header": header, "statement": "theorem t : 1 = 1", "name": "t"})


def test_the_checker_sends_mathlib_problems_to_the_project(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    lake = str(tmp_path / "toolchain" / "bin" / "lake")
    checker = LeanChecker(project=str(project), native={"lake": lake})
    try:
        assert checker.version.endswith("+native:leanprover/lean4:v4.35.0")
        assert checker.check_problem(mathlib_problem()) is None
        text = "theorem t : 1 = 1 := proof"
        verdict = checker.verify(mathlib_problem(), f"```lean\n{text}\n```")
        assert (verdict.status, verdict.reason) == (Status.VERIFIED, "proved"), verdict.evidence
        assert verdict.evidence["engine"] == "native"
        # Without a module that the problem does not import: what was proved is compared with the problem's statement.
        assert checker.verify(mathlib_problem(), f"import Other\n{text}").status is Status.VERIFIED
        assert checker.verify(mathlib_problem(), "Prose.").status is Status.REFUTED  # a tactic block Lean refuses
        (tmp_path / "project/.lake/packages/mathlib/.lake/build/lib/lean/Mathlib.olean").unlink()
        verdict = checker.verify(mathlib_problem(), f"{text}\n-- again")
        assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "needs Mathlib: not built in the native project")
    finally:
        checker.close()


def test_a_project_whose_lean_does_not_run_is_an_error_of_ours(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    checker = LeanChecker(project=str(project), native={"lake": "/bin/false"})
    try:
        assert "could not be checked" in (checker.check_problem(mathlib_problem()) or "")
        verdict = checker.verify(mathlib_problem(), "rfl")
        assert (verdict.status, verdict.reason) == (Status.ERROR, "no Lean")
    finally:
        checker.close()


def test_doctor_lists_the_native_engine(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    lake = str(tmp_path / "toolchain" / "bin" / "lake")
    shown = "\n".join(map(str, doctor.native_lean({"project": str(project), "native": {"lake": lake}})))
    for expected in (
        "ok      Lean       native 4.35.0 (0123456789ab)",
        "ok      Mathlib    d13f23b7",
        "ok      audit      comparator; there: comparator, leanchecker",
        "note    SafeVerify not found",
        "note    REPL       not found",
    ):
        assert expected in shown, shown


def test_doctor_says_what_is_wrong(tmp_path: Path) -> None:
    project = make_project(tmp_path, "4.20.0", ("lake",))
    lake = str(tmp_path / "toolchain" / "bin" / "lake")
    table = {"project": str(project), "native": {"lake": lake}}
    shown = "\n".join(map(str, doctor.native_lean(table)))
    assert "note    Lean       native 4.20.0" in shown and "known bugs" in shown
    assert "wrong   audit      none: no native proof can be accepted" in shown
    table["native"]["accept_unaudited"] = True
    assert "UNAUDITED" in "\n".join(map(str, doctor.native_lean(table)))
    (project / "lean-toolchain").unlink()
    assert "has no `lean-toolchain`" in "\n".join(map(str, doctor.native_lean(table)))
    assert list(doctor.native_lean({})) == []
