"""The native engine end to end, over a FAKE toolchain (fake_lean.py): layers, limits, attacks, missing tools."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fake_lean
import pytest

from verifiers.lean.assembly import Reference, assemble, read_reference
from verifiers.lean.native.engine import Finding, NativeEngine, bounded_workers
from verifiers.lean.native.sandboxed_tools import Done, Task
from verifiers.lean.native.settings import NativeSettings, ProjectError
from verifiers.types import Limits, Status

Open = Callable[..., NativeEngine]
COMPARATOR = {"version": "4.35.0"}
SAFE_VERIFY = {"version": "4.34.1", "tools": ("lake",), "safe_verify": True}
LEANCHECKER = {"version": "4.34.1", "tools": ("lake", "leanexport", "leanchecker")}
SAFE_VERIFY_4_9 = {**SAFE_VERIFY, "version": "4.9.0"}
SAFE_VERIFY_4_23 = {**SAFE_VERIFY, "version": "4.23.0"}
SAFE_VERIFY_4_26 = {**SAFE_VERIFY, "version": "4.26.0"}
OLDER = [SAFE_VERIFY_4_9, SAFE_VERIFY_4_23, SAFE_VERIFY_4_26]
WAYS = [COMPARATOR, SAFE_VERIFY, LEANCHECKER]
way = pytest.mark.parametrize("options", WAYS, ids=["comparator", "safe_verify", "leanchecker"])
every_way = pytest.mark.parametrize(
    "options", [*WAYS, *OLDER], ids=["comparator", "safe_verify", "leanchecker", "sv 4.9", "sv 4.23", "sv 4.26"]
)
LIMITS = Limits(wall_s=60.0, memory_mb=2000)


def reference(statement: str = "theorem t : 1 = 1", header: str = "import Mathlib", name: str = "t") -> Reference:
    found = read_reference({"header": header, "statement": statement, "name": name})
    assert isinstance(found, Reference)
    return found


def check(engine: NativeEngine, text: str, limits: Limits = LIMITS, **problem: str) -> Finding:
    stated = reference(**problem)
    sources = assemble(stated, text, engine.settings.max_heartbeats)
    assert isinstance(sources, list), sources
    return engine.check(stated, sources[0], limits)


@every_way
def test_a_proof_is_verified(opened: Open, options: dict) -> None:
    engine = opened(**options)
    found = check(engine, "theorem t : 1 = 1 := proof")
    assert (found.status, found.reason) == (Status.VERIFIED, "proved"), found
    assert found.evidence["toolchain"] == f"{options['version']} (0123456789ab)"
    assert found.evidence["mathlib"] == "d13f23b7"
    assert "namespaces" in found.evidence["tier"]
    assert ("axioms" if options is LEANCHECKER else "axioms_within") in found.evidence
    assert ("maps the candidate's file" in found.evidence["tier"]) == (options is not COMPARATOR)
    assert "unaudited" not in found.evidence["tier"]


@every_way
@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("theorem t : 1 = 1 := by sorry", Status.REFUTED, "uses other axioms"),
        ("theorem t : 1 = 1 := macro", Status.REFUTED, "uses other axioms"),
        ("theorem t : 1 = 1 := axiom:cheat", Status.REFUTED, "uses other axioms"),
        ("theorem t : 2 = 2 := proof", Status.REFUTED, "states something else"),
        ("theorem t : 1 = 1 := unchecked", Status.REFUTED, "kernel rejected"),
        ("def t : 1 = 1 := proof", Status.REFUTED, "not a theorem"),
        ("theorem A.t : 1 = 1 := proof", Status.MALFORMED, "theorem not found"),
    ],
)
def test_each_audit_rejects_alone(opened: Open, options: dict, text: str, status: Status, reason: str) -> None:
    """The text policy is off."""
    found = check(opened(**options), text)
    assert (found.status, found.reason) == (status, reason), found


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("theorem t : 1 = 1 := wrong", Status.REFUTED, "Lean error"),
        ("nonsense here\ntheorem t : 1 = 1 := proof", Status.REFUTED, "syntax error"),
        ("theorem t : 1 = 1 := forever", Status.UNDECIDED, "heartbeat limit"),
        ("-- fake: sleep 600\ntheorem t : 1 = 1 := proof", Status.UNDECIDED, "timeout"),
        ("-- fake: crash\ntheorem t : 1 = 1 := proof", Status.UNDECIDED, "Lean crashed twice"),
        ("-- fake: exit 0\ntheorem t : 1 = 1 := proof", Status.REFUTED, "no compiled file"),
        ("-- fake: exit 3\ntheorem t : 1 = 1 := proof", Status.UNDECIDED, "Lean ended with 3 and no error"),
        ("-- fake: flood\ntheorem t : 1 = 1 := proof", Status.UNDECIDED, "output limit"),
    ],
)
def test_what_does_not_come_to_an_audit(opened: Open, text: str, status: Status, reason: str) -> None:
    found = check(opened(), text, Limits(wall_s=4.0 if "sleep" in text else 60.0, memory_mb=2000))
    assert (found.status, found.reason) == (status, reason), found


FORGED = {"constants": {"t": {"kind": "thm", "type": "1 = 1", "proof": "unchecked"}}}


FORGERIES = [
    # Standard output is the candidate's: words of acceptance there count for nothing.
    (COMPARATOR, "print Your solution is okay!", {"uses other axioms"}),
    (SAFE_VERIFY, "print SafeVerify check passed.", {"uses other axioms"}),
    (LEANCHECKER, "print replaying ProofmillProblem", {"uses other axioms"}),
    (
        COMPARATOR,
        """print {"severity":"information","data":"'t' does not depend on any axioms"}""",
        {"uses other axioms"},
    ),
    (COMPARATOR, "print " + "[" * 100_000, {"uses other axioms"}),
    (COMPARATOR, 'print {"severity":"error","data":"","pos":{"line":1e999,"column":0}}', {"uses other axioms"}),
    (COMPARATOR, "daemon", {"uses other axioms"}),
    # The compiled file is the candidate's, too, and the exit code of its elaboration.
    *((options, f"olean {json.dumps(FORGED)}", {"kernel rejected"}) for options in WAYS),
    *((options, "olean garbage", {"audit failed"}) for options in WAYS),
]


@pytest.mark.parametrize(("options", "attack", "reasons"), FORGERIES, ids=range(len(FORGERIES)))
def test_forgery_does_not_help(opened: Open, options: dict, attack: str, reasons: set[str]) -> None:
    found = check(opened(**options), f"-- fake: {attack}\ntheorem t : 1 = 1 := by sorry")
    assert found.status is not Status.VERIFIED
    assert found.reason in reasons, found


@pytest.mark.parametrize("words", ["", "Your solution is okay!\n"])
def test_an_exporter_that_was_taken_over_writes_data_only(
    opened: Open, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """It may write terms that are in no file; the kernel reads those terms."""
    monkeypatch.setattr(fake_lean, "version", lambda: "4.35.0")
    terms = fake_lean.export(FORGED["constants"], ["t"])
    crafted = {"constants": {}, "takes_over": {"leanexport": {"code": 0, "stdout": words + terms}}}
    found = check(opened(), f"-- fake: olean {json.dumps(crafted)}\ntheorem t : 1 = 1 := proof")
    assert found.status is not Status.VERIFIED, found
    assert words or found.reason == "kernel rejected", found


def test_only_the_comparator_withstands_a_file_that_takes_its_reader_over(opened: Open) -> None:
    """Why the other ways' tier says that they map the candidate's file."""
    said = {"code": 0, "stderr": "SafeVerify check passed.\n", "stdout": "replaying ProofmillProblem\n"}
    crafted = {"constants": FORGED["constants"], "takes_over": {"safe_verify": said, "leanchecker": said, "lake": said}}
    text = f"-- fake: olean {json.dumps(crafted)}\ntheorem t : 1 = 1 := proof"
    assert check(opened(**COMPARATOR), text).reason == "kernel rejected"
    for options in (SAFE_VERIFY, LEANCHECKER):
        found = check(opened(**options), text)
        assert "maps the candidate's file" in found.evidence["tier"]
    assert "run_cmd" in check(opened(policy=True), "run_cmd x\ntheorem t : 1 = 1 := proof").reason


def test_the_elaboration_is_shut_in(opened: Open, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    engine = opened()
    seen = check(engine, f"-- fake: read {secret}\ntheorem t : 1 = 1 := proof")
    assert "secret" not in json.dumps(seen.evidence).replace(str(secret), ""), seen
    outside = engine.project.folder / "lakefile.toml"
    before = outside.read_text()
    check(engine, f"-- fake: touch {outside}\ntheorem t : 1 = 1 := proof")
    check(engine, "-- fake: touch /lean/path/0/Mathlib.olean\ntheorem t : 1 = 1 := proof")
    assert outside.read_text() == before
    assert (engine.project.search_path[0] / "Mathlib.olean").read_text() == "{}"


def test_memory_is_bounded(opened: Open) -> None:
    engine = opened()
    if "cgroup" not in engine._runner.tier:
        pytest.skip("no control group on this machine: the per-process bound is far higher")
    found = check(engine, "-- fake: memory\ntheorem t : 1 = 1 := proof", Limits(wall_s=30.0, memory_mb=200))
    assert (found.status, found.reason) == (Status.UNDECIDED, "memory limit"), found


def test_definitions_of_the_header_are_part_of_the_statement(opened: Open) -> None:
    problem = {"header": "import Mathlib\ndef twice : Nat := proof", "statement": "theorem t : twice = 4"}
    for options in WAYS:
        engine = opened(**options)
        assert check(engine, "theorem t : twice = 4 := proof", **problem).status is Status.VERIFIED
        stated = reference(**problem)
        changed = assemble(stated, "def twice : Nat := other\ntheorem t : twice = 4 := proof", 1)
        assert isinstance(changed, list)
        alone = next(source for source in changed if source.form == "standalone file")
        found = engine.check(stated, alone, LIMITS)
        assert (found.status, found.reason) == (Status.REFUTED, "states something else"), found


@pytest.mark.parametrize("options", OLDER, ids=["4.9", "4.23", "4.26"])
def test_older_releases_of_safe_verify_are_checked_for_what_they_do_not_compare(opened: Open, options: dict) -> None:
    """A file that stands alone may bring another structure of the header's name."""
    problem = {"header": "import Mathlib\nstructure P : Type := hard", "statement": "theorem t : P = 4"}
    engine = opened(**options)
    stated = reference(**problem)

    def alone(structure: str) -> Finding:
        text = f"import Mathlib\nstructure P : {structure} := easy\ntheorem t : P = 4 := proof"
        sources = assemble(stated, text, 1)
        assert isinstance(sources, list)
        return engine.check(stated, next(s for s in sources if s.form == "standalone file"), LIMITS)

    assert alone("Type").status is Status.VERIFIED
    found = alone("Another")
    assert (found.status, found.reason) == (Status.REFUTED, "states something else"), found


def test_without_a_comparison_an_older_yes_is_none(opened: Open) -> None:
    """A file in a layout that is not known here, from a hostile elaboration: the tool says yes, and nothing follows."""
    said = {"code": 0, "stdout": "Finished with no errors.\n"}
    crafted = {
        "constants": {"t": {"kind": "thm", "type": "2 = 2", "proof": "proof"}},
        "takes_over": {"safe_verify": said},
    }
    text = f"-- fake: olean {json.dumps(crafted)}\ntheorem t : 1 = 1 := proof"
    assert check(opened(**SAFE_VERIFY_4_9), text).reason == "states something else"
    text = f"-- fake: olean ?{json.dumps(crafted)[1:]}\n{{}}\ntheorem t : 1 = 1 := proof"
    assert check(opened(**SAFE_VERIFY_4_9), text).status is not Status.VERIFIED


def test_the_reference_is_elaborated_alone_and_first(opened: Open) -> None:
    engine = opened()
    stated = reference()
    assert engine.check_problem(stated) is None
    before = engine._stated[stated]
    check(engine, '-- fake: print {"severity":"error"}\ntheorem t : 2 = 2 := proof')
    assert engine._stated[stated] is before
    assert "does not elaborate" in (engine.check_problem(reference("theorem t : 1 = 1 nonsense\nmore")) or "")
    assert "no theorem named u" in (engine.check_problem(reference(name="u")) or "")
    assert "header does not elaborate" in (engine.check_problem(reference(header="import Mathlib\nnonsense")) or "")
    assert "axiom" in (engine.check_problem(reference(header="import Mathlib\naxiom cheat : False")) or "")


def test_errors_point_into_the_text(opened: Open) -> None:
    text = "So:\n```lean\ntheorem u : 1 = 1 := proof\ntheorem t : 1 = 1 := wrong\n```"
    found = check(opened(), text)
    assert found.evidence["error"]["line"] == 4
    assert found.evidence["goals"] == ["⊢ 1 = 1"]


def test_without_an_audit_nothing_is_accepted_unless_asked_for(opened: Open) -> None:
    bare = {"version": "4.20.0", "tools": ("lake",)}
    found = check(opened(**bare), "theorem t : 1 = 1 := proof")
    assert (found.status, found.reason) == (Status.UNDECIDED, "no audit tool"), found
    engine = opened(**bare, accept_unaudited=True)
    found = check(engine, "theorem t : 1 = 1 := proof")
    assert found.status is Status.VERIFIED
    assert found.evidence["tier"].startswith("unaudited")
    assert found.evidence["audit"] == "none"
    for text, reason in (
        ("theorem t : 1 = 1 := by sorry", "uses sorry"),
        ("theorem t : 1 = 1 := wrong", "Lean error"),
        ("theorem t : 2 = 2 := proof", "states something else"),
        ("def t : 1 = 1 := proof", "not a theorem"),
        ("theorem A.t : 1 = 1 := proof", "theorem not found"),
        ("theorem t : 1 = 1 := axiom:sorryAx", "uses other axioms"),
        ("-- fake: olean garbage\ntheorem t : 1 = 1 := proof", "statement could not be compared"),
    ):
        found = check(engine, text)
        assert found.status is not Status.VERIFIED and found.reason == reason, found


def test_a_named_audit_that_is_not_there_is_an_error(opened: Open) -> None:
    with pytest.raises(ProjectError, match=r"native\.audit = 'safeverify'.*comparator"):
        opened(audit="safeverify")


@pytest.mark.parametrize(("version", "warned"), [("4.34.1", False), ("4.34.0", True), ("4.34.1-rc1", True)])
def test_old_toolchains_are_named_in_every_verdict(opened: Open, version: str, warned: bool) -> None:
    found = check(opened(version=version), "theorem t : 1 = 1 := wrong")
    assert ("toolchain_warning" in found.evidence) == warned
    assert found.evidence["toolchain"].startswith(version)


# The first pass


def test_the_warm_pass_rejects_and_never_accepts(opened: Open) -> None:
    engine = opened(warm=True, fresh=True)
    found = check(engine, "theorem t : 1 = 1 := wrong")
    assert (found.status, found.evidence["pass"]) == (Status.REFUTED, "warm"), found
    assert found.evidence["error"]["line"] == 1
    # It has nothing against this, and the audit is asked.
    found = check(engine, "theorem t : 1 = 1 := unchecked")
    assert (found.reason, "pass" in found.evidence) == ("kernel rejected", False)
    assert check(engine, "theorem t : 1 = 1 := proof").status is Status.VERIFIED
    assert check(engine, "theorem t : 1 = 1 := macro").reason == "uses sorry"
    (server,) = engine._warm._idle
    assert list(server.environments) == ["import Mathlib\n"]
    assert server.num_requests == 4


@pytest.mark.parametrize(
    ("header", "text", "verified"),
    [
        ("import Mathlib", "theorem t : 1 = 1 := costs:200000", True),
        ("import Mathlib", "theorem t : 1 = 1 := costs:200001", False),
        ("import Mathlib\nset_option maxHeartbeats 400000", "theorem t : 1 = 1 := costs:400000", True),
        ("import Mathlib\nset_option maxHeartbeats 400000", "theorem t : 1 = 1 := costs:400001", False),
        ("import Mathlib", "set_option maxHeartbeats 400000\ntheorem t : 1 = 1 := costs:400000", True),
        ("import Mathlib", "set_option maxHeartbeats 0\ntheorem t : 1 = 1 := costs:1000000", True),
        ("import Mathlib", "set_option maxHeartbeats 0\ntheorem t : 1 = 1 := costs:1000001", False),
        ("import Mathlib\nset_option maxHeartbeats 0", "theorem t : 1 = 1 := costs:1000001", False),
        ("import Mathlib\nset_option maxHeartbeats 5", "theorem t : 1 = 1 := costs:6", False),
    ],
)
def test_heartbeats_of_header_and_text_count_in_both_passes(
    opened: Open, header: str, text: str, verified: bool
) -> None:
    """Up to MAX_HEARTBEATS_IN_TEXT. A fake Lean: its proofs say what they cost."""
    for warm in (False, True):
        found = check(opened(warm=warm), text, header=header)
        assert (found.status is Status.VERIFIED) == verified, (warm, found)
        assert verified or (found.status, found.reason) == (Status.UNDECIDED, "heartbeat limit")


def test_statements_are_elaborated_side_by_side(opened: Open, tmp_path: Path) -> None:
    """Each one waits for the other to have begun: one after the other they would wait for ever."""
    engine = opened(fresh=True)
    assert engine.num_workers == 2
    meeting = threading.Barrier(2, timeout=60)
    run = engine._runner.run

    def met(task: Task) -> Done:
        if "lean" in task.argv[0] and task.hand_out:
            meeting.wait()
        return run(task)

    engine._runner.run = met  # type: ignore[method-assign]
    names = ("one", "two")
    with ThreadPoolExecutor(4) as pool:
        problems = [reference(f"theorem {name} : 1 = 1", name=name) for name in names]
        twice = [pool.submit(engine.check_problem, problem) for problem in problems * 2]
        assert [future.result() for future in twice] == [None] * 4, "and each once: a third would wait alone"


def test_statements_in_use_are_kept(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifiers.lean.native.engine.MAX_REFERENCES", 1)
    engine = opened(fresh=True)
    first, second, third = (reference(f"theorem {name} : 1 = 1", name=name) for name in "abc")
    with engine._using(first):
        for problem in (first, second, third):
            assert engine.check_problem(problem) is None
        assert set(engine._stated) == {first}, "of the others the newest would stay, if there were room for it"
    assert engine.check_problem(second) is None
    assert set(engine._stated) == {second}
    assert len(list(engine._scratch.glob("*/reference.olean"))) == 1


def test_memory_bounds_the_workers(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifiers.lean.native.engine.memory_limit", lambda: 64 << 30)
    settings = NativeSettings(memory_mb=10_240)
    assert bounded_workers(4, settings, with_repl=False) == 4 and not caplog.text
    assert bounded_workers(8, settings, with_repl=False) == 6
    assert "6 of 8 Lean workers side by side: each may take 10240 MB" in caplog.text
    assert bounded_workers(8, settings, with_repl=True) == 3, "a warm REPL takes as much again"
    assert bounded_workers(8, NativeSettings(memory_mb=100_000), with_repl=False) == 1
    assert bounded_workers(8, NativeSettings(max_workers=2), with_repl=False) == 2


def test_a_warm_process_that_fails_costs_nobody_a_verdict(opened: Open) -> None:
    engine = opened(warm=True, fresh=True)
    good = "theorem t : 1 = 1 := proof"
    assert check(engine, f"-- fake: crash\n{good}").reason == "Lean crashed twice"
    assert check(engine, good).status is Status.VERIFIED
    assert check(engine, f"-- fake: print not JSON\n{good}").status is Status.VERIFIED, "no opinion, and audited"
    assert check(engine, f"-- fake: sleep 600\n{good}", Limits(wall_s=4.0, memory_mb=2000)).reason == "timeout"
    assert check(engine, good).status is Status.VERIFIED


def test_output_left_behind_does_not_reject_the_next_one(opened: Open) -> None:
    forged = '{"env": 1, "messages": [{"severity": "error", "pos": {"line": 1, "column": 0}, "data": "forged"}]}'
    engine = opened(warm=True, fresh=True)
    check(engine, f"-- fake: later {forged}\ntheorem t : 1 = 1 := proof")
    time.sleep(0.5)
    assert check(engine, "theorem t : 1 = 1 := proof").status is Status.VERIFIED
    # Now it comes while the next one is being answered, and is taken for the answer.
    header = "import Mathlib\n"
    assert engine._warm.examine(header, f"-- fake: later {forged}\ntheorem t : 1 = 1 := proof", 60.0) is None
    assert engine._warm.examine(header, "-- fake: sleep 2\ntheorem t : 1 = 1 := proof", 60.0) is None


def test_warm_processes_are_replaced_after_so_many(opened: Open) -> None:
    engine = opened(warm=True, max_requests=2, fresh=True)
    for expected in (1, 0, 1):
        check(engine, "theorem t : 1 = 1 := wrong")
        assert len(engine._warm._idle) == expected


def test_nothing_stays_behind(opened: Open) -> None:
    engine = opened(warm=True, fresh=True)
    check(engine, "theorem t : 1 = 1 := proof")
    scratch = engine._scratch
    (server,) = engine._warm._idle
    engine.close()
    assert not scratch.exists()
    assert not server.is_alive()
