"""Hostile programs are not accepted and leave nothing behind; honest ones are accepted.

One exploit per file in adversarial/, one peculiarity per file in honest/; the headers say what each is run against.
"""

import contextlib
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from code_corpora import HERE, HONEST, PROBLEMS, as_answer, header

from verifiers.code.cells import languages
from verifiers.code.checker import CodeChecker
from verifiers.types import Limits, Status

ADVERSARIAL = sorted((HERE / "adversarial").iterdir())
HONEST_FILES = sorted((HERE / "honest").iterdir())
LIMITS = Limits(wall_s=2.0, cpu_s=2.0, memory_mb=256, output_kb=256, processes=24)
PATIENT = Limits(wall_s=60.0, cpu_s=20.0, memory_mb=1024, output_kb=4096, processes=32)
_LEAKS = [
    "/proofmill_leak",
    "/tmp/proofmill_leak",
    "/var/tmp/proofmill_leak",
    "/dev/shm/proofmill_leak",
    "/tmp/proofmill_leak_before",
]


def processes_below() -> set[int]:
    """Every process descended from this one, by its launchers: the fork servers and their one prepared cell each."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def leftovers() -> list[int]:
    """Processes in the rooms, beyond a fork server with its parent, and a prepared cell with its namespace's first
    process. A room is what is below the child of a launcher."""
    extra = []
    for launcher in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            for first in launcher.children():
                extra += [process.pid for process in first.children(recursive=True)[3:]]
    return [pid for pid in extra if pid not in _OF_OTHER_TESTS]


_OF_OTHER_TESTS: set[int] = set()


@pytest.fixture(scope="module", autouse=True)
def _processes_of_other_tests() -> None:
    """What other files of this test process left running, servers and pools for instance, came from no program here."""
    _OF_OTHER_TESTS.update(leftovers())


@pytest.mark.parametrize("path", ADVERSARIAL, ids=lambda path: path.stem)
def test_hostile_program_is_not_accepted(path: Path, shared_checker: CodeChecker) -> None:
    about = header(path)
    for mode in about["mode"].split(", "):
        if mode == "honest-import":
            verdict = shared_checker.verify(PROBLEMS[mode], "import json, heapq\nprint(json.dumps(1))", PATIENT)
            assert verdict.status is Status.VERIFIED, verdict
            continue
        if not languages.available(PROBLEMS[mode].reference.get("language", "python")):
            pytest.skip(f"no {mode} on this machine")
        verdict = shared_checker.verify(PROBLEMS[mode], as_answer(path), LIMITS)
        expected = {Status(word) for word in about.get(f"expect_{mode}", about["expect"]).split(", ")}
        assert verdict.status in expected, (mode, verdict)
        assert verdict.seconds < LIMITS.wall_s + 20
        assert leftovers() == []
    assert [leak for leak in _LEAKS if Path(leak).exists()] == []
    assert not Path("proofmill_leak").exists()


def naive_grader(path: Path, tmp_path: Path) -> bool:
    """What many graders do: the asserts appended, exit status 0 is a pass."""
    program = path.read_text() + "\nassert add(3, 4) == 7\nassert add(1, 0) == 1\n"
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-I", "program.py"], cwd=tmp_path, check=False, timeout=30, capture_output=True
    )
    return done.returncode == 0


@pytest.mark.parametrize(
    "path", [path for path in ADVERSARIAL if header(path).get("naive") == "accepts"], ids=lambda path: path.stem
)
def test_exploit_fools_a_naive_grader(path: Path, tmp_path: Path) -> None:
    """Else its refusal above would prove little."""
    assert naive_grader(path, tmp_path)


@pytest.mark.parametrize("path", HONEST_FILES, ids=lambda path: path.stem)
def test_honest_program_is_accepted(path: Path, shared_checker: CodeChecker) -> None:
    name = header(path)["problem"]
    problem = PROBLEMS[HONEST.get(name, name)]
    if not languages.available(problem.reference.get("language", "python")):
        pytest.skip(f"no {problem.reference['language']} on this machine")
    if "accept_renamed" in header(path):
        assert shared_checker.verify(problem, as_answer(path), PATIENT).status is Status.REFUTED
        checker = CodeChecker(accept_renamed=True)
        verdict = checker.verify(problem, as_answer(path), PATIENT)
        checker.close()
    else:
        verdict = shared_checker.verify(problem, as_answer(path), PATIENT)
    assert verdict.status is Status.VERIFIED, verdict
    assert leftovers() == []


def test_closing_leaves_no_process() -> None:
    before = processes_below()
    checker = CodeChecker(num_workers=1)
    assert checker.verify(PROBLEMS["stdin"], "print(1)", PATIENT).status is Status.REFUTED
    checker.close()
    checker.close()
    assert processes_below() <= before
