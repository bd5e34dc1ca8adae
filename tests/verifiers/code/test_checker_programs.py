"""Checker programs: what they decide, and what a hostile output can do to them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from verifiers.code.checker import CodeChecker
from verifiers.sandbox import kernel
from verifiers.sandbox.room import Tier
from verifiers.types import Kind, Limits, Problem, Status, Verdict

LIMITS = Limits(wall_s=30.0, cpu_s=10.0, memory_mb=512, output_kb=2048)
needs_gcc = pytest.mark.skipif(not shutil.which("g++"), reason="no g++ on this machine")

HEADER = r"""
// The few functions of testlib.h that the checkers below call.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
enum TResult { _ok = 0, _wa = 1, _pe = 2, _fail = 3 };
struct InStream {
    std::ifstream file;
    bool hostile = false;
    int readInt() {
        int x;
        if (file >> x) return x;
        std::fprintf(stderr, "expected an integer\n");
        std::exit(hostile ? _pe : _fail);
    }
    std::string readToken() { std::string s; file >> s; return s; }
    bool seekEof() { std::string s; return !(file >> s); }
};
InStream inf, ouf, ans;
inline void quitf(TResult result, const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    std::vfprintf(stderr, format, rest);
    std::fputc('\n', stderr);
    std::exit(result);
}
inline void registerTestlibCmd(int count, char **arguments) {
    if (count < 4) std::exit(_fail);
    inf.file.open(arguments[1]);
    ouf.file.open(arguments[2]);
    ans.file.open(arguments[3]);
    ouf.hostile = true;
    if (!inf.file || !ouf.file || !ans.file) std::exit(_fail);
}
"""
SPLIT = r"""
#include "testlib.h"
int main(int count, char **arguments) {
    registerTestlibCmd(count, arguments);
    int n = inf.readInt(), a = ouf.readInt(), b = ouf.readInt();
    if (a + b != n) quitf(_wa, "%d and %d are not %d", a, b, n);
    if (!ouf.seekEof()) quitf(_pe, "something behind the answer");
    if (ans.readInt() + ans.readInt() != n) quitf(_fail, "the jury's own answer is wrong");
    quitf(_ok, "fine");
}
"""
SPLIT_SCORE = """
import sys

given, answer, output = (open(path, encoding="utf-8", errors="replace").read() for path in sys.argv[1:])
assert sum(map(int, answer.split())) == int(given)
print("looking at", output[:50])
try:
    parts = [int(word) for word in output.split()]
except ValueError:
    parts = []
print(int(len(parts) == 2 and sum(parts) == int(given)))
"""
SPLIT_STATUS = """
import sys

given, output, answer = (open(path).read() for path in sys.argv[1:])
parts = output.split()
sys.exit(0 if len(parts) == 2 and sum(map(int, parts)) == int(given) else 1)
"""
TESTS = [{"input": f"{n}\n", "output": f"0 {n}\n"} for n in (3, 10, 7)]
OTHER = "n = int(input())\nprint(1, n - 1)"
CHECKERS = {
    "testlib": {"language": "cpp", "source": SPLIT, "protocol": "testlib"},
    "score": {"language": "python", "source": SPLIT_SCORE, "protocol": "score"},
    "status": {"language": "python", "source": SPLIT_STATUS, "protocol": "testlib"},
}


def problem(checker: dict[str, Any], **reference: Any) -> Problem:
    return Problem("split", Kind.CODE, "", {"mode": "stdin", "tests": TESTS, "checker": checker, **reference})


def python(source: str, protocol: str = "testlib") -> dict[str, str]:
    return {"language": "python", "source": source, "protocol": protocol}


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeChecker]:
    header = tmp_path_factory.mktemp("testlib") / "testlib.h"
    header.write_text(HEADER)
    checker = CodeChecker(num_workers=1, testlib=str(header))
    yield checker
    checker.close()


def check(checker: CodeChecker, problem: Problem, text: str, limits: Limits = LIMITS) -> Verdict:
    return checker.verify(problem, text, limits)


@pytest.mark.parametrize("name", [pytest.param("testlib", marks=needs_gcc), "score", "status"])
def test_a_checker_decides_where_several_answers_are_right(checker: CodeChecker, name: str) -> None:
    split = problem(CHECKERS[name])
    verdict = check(checker, split, OTHER)
    assert (verdict.status, verdict.evidence["passed"], verdict.evidence["checker"]) == (Status.VERIFIED, 3, "program")
    for wrong, test in [("print(1, 2)", 2), ("print('x y')", 1), ("print(1)", 1), ("", 1), ("print(-1, 4, 0)", 1)]:
        verdict = check(checker, split, f"pass\n{wrong}")
        assert verdict.status is Status.REFUTED, (wrong, verdict)
        assert verdict.evidence["first_failure"]["test"] == test
    crash = check(checker, split, "print(0, int(input()))\nraise SystemExit(1)")
    assert (crash.status, crash.reason) == (Status.REFUTED, "runtime error")


@pytest.mark.parametrize("missing", [{}, {"output": None}])
def test_a_test_without_an_output_counts_beside_a_checker(checker: CodeChecker, missing: dict[str, None]) -> None:
    """The checker program gets an empty file as the answer."""
    source = SPLIT_SCORE.replace("assert sum(map(int, answer.split())) == int(given)", "assert answer == ''")
    given = problem(python(source, "score"), tests=[{"input": "3\n", **missing}, *TESTS[1:2]])
    assert check(checker, given, OTHER).status is Status.UNDECIDED, "the second answer is not empty"
    given = problem(python(source, "score"), tests=[{"input": test["input"], **missing} for test in TESTS])
    assert (check(checker, given, OTHER).status, check(checker, given, "print(1, 2)").status) == ("verified", "refuted")
    tests = [{"input": "3\n", "output": "0 3\n"}, {"input": "3\n", **missing}]
    alone = Problem("split", Kind.CODE, "", {"mode": "stdin", "tests": tests})
    assert "tests[1]: has no output" in str(checker.check_problem(alone))


@needs_gcc
def test_the_words_of_the_checker_are_evidence(checker: CodeChecker) -> None:
    verdict = check(checker, problem(CHECKERS["testlib"]), "n = input()\nprint(1, 2)")
    assert verdict.evidence["first_failure"]["checker"] == "1 and 2 are not 10"


@pytest.mark.parametrize(
    ("source", "protocol", "words"),
    [
        ("import sys; sys.exit(3)", "testlib", "exit status 3"),
        ("import sys; sys.exit(7)", "testlib", "exit status 7"),
        ("import os; os.kill(os.getpid(), 11)", "testlib", "killed by SIGSEGV"),
        ("x = bytearray(8 << 30)", "testlib", "memory limit"),
        ("import no_such_package", "testlib", "module not installed"),
        ("print('x' * (64 << 20))", "testlib", "output limit"),
        ("print(2)", "score", "its last line is"),
        ("print('1.0')", "score", "its last line is"),
        ("print()", "score", "its last line is"),
        ("print(1); raise SystemExit(1)", "score", "exit status 1"),
        ("print(1); import os; os.kill(os.getpid(), 9)", "score", "killed by SIGKILL"),
    ],
)
def test_no_ruling_decides_nothing(checker: CodeChecker, source: str, protocol: str, words: str) -> None:
    verdict = check(checker, problem(python(source, protocol)), OTHER)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "the checker program did not decide"), verdict
    assert words in verdict.evidence["first_failure"]["checker"]


def test_a_checker_that_hangs_is_ended(checker: CodeChecker) -> None:
    verdict = check(checker, problem(python("while True: pass")), OTHER, Limits(wall_s=2.0))
    assert verdict.status is Status.UNDECIDED
    assert verdict.evidence["first_failure"]["checker"] == "time limit"
    assert verdict.seconds < 15
    assert check(checker, problem(CHECKERS["score"]), OTHER).status is Status.VERIFIED


def test_testlib_has_to_be_configured(checker: CodeChecker, shared_checker: CodeChecker) -> None:
    verdict = check(shared_checker, problem(CHECKERS["testlib"]), OTHER)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "testlib.h is not configured")
    with pytest.raises(ValueError, match=r"verify\.code\.testlib"):
        CodeChecker(testlib="/no/such/testlib.h")


@needs_gcc
def test_a_checker_that_does_not_compile_is_not_the_candidates_fault(checker: CodeChecker) -> None:
    broken = problem({"language": "cpp", "source": "int main() { return oops; }", "protocol": "testlib"})
    verdict = check(checker, broken, OTHER)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "the checker program does not compile")
    assert checker.check_problem(problem(python("def ("))) is not None


# --- hostile outputs -------------------------------------------------------------------------------------------------

OVERFLOW = r"""
#include <cstdio>
#include <cstdlib>
#include <cstring>
// A checker that a long word in the output takes over: the word runs into what stands behind it, here the name of the
// file that the checker notes its findings in. It believes its own note when it looks at the next test.
struct Frame { char word[16]; char notes[64]; };
int main(int, char **arguments) {
    Frame *frame = (Frame *)std::malloc(1 << 20);
    std::strcpy(frame->notes, "nothing");
    bool accepted = std::fopen("accepted", "r") != nullptr;
    std::fscanf(std::fopen(arguments[2], "r"), "%s", frame->word);
    std::fclose(std::fopen(frame->notes, "w"));
    char first[16];
    std::fscanf(std::fopen(arguments[1], "r"), "%15s", first);
    return accepted || std::strcmp(first, "first") == 0 ? 0 : 1;
}
"""
TWO_TESTS = [{"input": "first", "output": ""}, {"input": "second", "output": ""}]
TAKE_OVER = "A" * 16 + "accepted"


@needs_gcc
def test_a_checker_taken_over_leaves_nothing_for_its_next_run(checker: CodeChecker, tmp_path: Path) -> None:
    """The first output makes the checker leave a file that accepts the second."""
    evil = problem({"language": "cpp", "source": OVERFLOW, "protocol": "testlib"}, tests=TWO_TESTS)
    verdict = check(checker, evil, f"print({TAKE_OVER!r})")
    assert (verdict.status, verdict.evidence["first_failure"]["test"]) == (Status.REFUTED, 2)
    # Run one after the other in one folder, as a plain harness does, it accepts.
    (tmp_path / "checker.cpp").write_text(OVERFLOW)
    subprocess.run(["g++", "-w", "-o", "checker", "checker.cpp"], cwd=tmp_path, check=True)
    (tmp_path / "output").write_text(TAKE_OVER)
    for test in TWO_TESTS:
        (tmp_path / "input").write_text(test["input"])
        subprocess.run(["./checker", "input", "output", "answer"], cwd=tmp_path, check=True)


def test_a_process_left_behind_by_a_checker_is_ended(checker: CodeChecker) -> None:
    source = """
import os, sys, time
if "second" in open(sys.argv[1]).read():
    time.sleep(0.5)
    alive = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getppid(), os.getpid())]
    sys.exit(1 if alive else 0)
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
"""
    tests = [{"input": "first", "output": ""}, {"input": "second", "output": ""}]
    assert check(checker, problem(python(source), tests=tests), "print('x')").status is Status.VERIFIED


@pytest.mark.parametrize(
    "output",
    [
        "print('1')",
        "print('\\n' * 5 + '1\\n' * 5)",
        "print('0 3\\n1')",
        "print('\\x00' * 1000 + '1')",
        "import sys; sys.stdout.buffer.write(bytes(range(256)) * 100 + b'\\n1\\n')",
        "print('1 ' * 500_000)",
        "print('9' * 1_000_000, 1)",
        "print('__import__(\"os\")._exit(0)')",
        "print('\\x1b[2J\\r1')",
        "print('1\\u2028' * 100)",
    ],
)
@pytest.mark.parametrize("name", [pytest.param("testlib", marks=needs_gcc), "score", "status"])
def test_no_output_speaks_for_the_checker(checker: CodeChecker, name: str, output: str) -> None:
    """Whatever a candidate prints, in the words of the protocol too, is an output to look at."""
    verdict = check(checker, problem(CHECKERS[name]), output)
    assert verdict.status in (Status.REFUTED, Status.UNDECIDED), verdict


def test_an_output_repeated_behind_the_ruling_is_no_ruling(checker: CodeChecker) -> None:
    """By the protocol's letter the last line decides, and here the candidate has written it."""
    source = "import sys\nprint(0)\nprint('got', open(sys.argv[3]).read())"
    verdict = check(checker, problem(python(source, "score")), "print('nothing', 1, sep='\\n')")
    assert verdict.status is Status.UNDECIDED
    assert verdict.evidence["first_failure"]["checker"] == "it prints both 0 and 1"
    assert check(checker, problem(python(source, "score")), "print('nothing')").status is Status.UNDECIDED
    assert check(checker, problem(python(source, "score")), "print('nothing', 0, sep='\\n')").status is Status.REFUTED


def test_the_candidate_and_the_checker_share_no_files(checker: CodeChecker) -> None:
    """Neither finds the other: the program looks for a checker and its answers, the checker for a program."""
    spy = """
import os
n = int(input())
found = [os.path.join(folder, name) for folder in ("/tmp", "/proc/self/fd") for name in os.listdir(folder)]
text = " ".join(found) + " ".join(os.readlink(f) for f in found if "/fd/" in f and os.path.lexists(f))
print(0, n) if "checker" not in text and "answer" not in text else print("found")
"""
    source = """
import os, sys
assert not os.path.exists("/tmp/solution.py") or "looks" in open("/tmp/solution.py").read()
sys.exit(0 if open(sys.argv[2]).read().split()[0] == "0" else 1)  # looks
"""
    assert check(checker, problem(python(source)), spy).status is Status.VERIFIED


def test_rooms_of_checkers_are_never_lent_to_candidates(checker: CodeChecker) -> None:
    check(checker, problem(CHECKERS["score"]), OTHER)
    purposes = {key[0]: {id(slot) for slot in slots} for key, slots in checker._pool._idle.items() if slots}
    assert set(purposes) == {"candidates", "checkers"}
    assert not purposes["candidates"] & purposes["checkers"]


def weaker_tiers() -> list[Tier]:
    root, landlock = os.geteuid() == 0, kernel.landlock_abi()
    tiers = [Tier("namespaces", False, None, landlock)]
    return [*tiers, Tier("landlock", root, None, landlock)] if landlock else tiers


@pytest.mark.parametrize("tier", weaker_tiers(), ids=lambda tier: tier.boundary)
def test_every_tier_runs_checkers_or_says_that_it_cannot(tier: Tier, tmp_path: Path) -> None:
    (tmp_path / "testlib.h").write_text(HEADER)
    checker = CodeChecker(num_workers=1, tier=tier, testlib=str(tmp_path / "testlib.h"))
    try:
        for name in ("score", "status"):
            assert check(checker, problem(CHECKERS[name]), OTHER).status is Status.VERIFIED
            assert check(checker, problem(CHECKERS[name]), "print(1)").status is Status.REFUTED
            assert check(checker, problem(CHECKERS[name]), "print('1\\n' * 9)").status is Status.REFUTED
        verdict = check(checker, problem(CHECKERS["testlib"]), OTHER)
        if tier.boundary == "landlock":
            assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "the checker program cannot run here")
    finally:
        checker.close()
