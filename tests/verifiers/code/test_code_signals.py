"""A program that ends itself by a signal after the right answer is refused, as plain Python's exit status refuses it.

The first process of a PID namespace cannot be killed by a signal that it does not handle, so no program is that.
"""

import os
from collections.abc import Iterator

import pytest

from verifiers.code.cells import languages
from verifiers.code.checker import CodeChecker
from verifiers.sandbox import kernel
from verifiers.sandbox.room import Tier
from verifiers.types import Kind, Limits, Problem, Status, Verdict

LIMITS = Limits(wall_s=60.0, cpu_s=10.0, memory_mb=256, output_kb=256, processes=24)
STDIN = {"mode": "stdin", "tests": [{"input": "3 4\n", "output": "7\n"}]}
FUNCTION = {"mode": "function", "entry_point": "add", "tests": [{"input": [3, 4], "output": 7}]}
ASSERT = {"mode": "assert", "test_list": ["assert add(3, 4) == 7"]}
HEADER = "import atexit, ctypes, os, signal, threading, time\n"

ENDS = {
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "process group": "os.killpg(0, signal.SIGTERM)",
    "own group": "os.kill(0, signal.SIGKILL)",
    "raised": "signal.raise_signal(signal.SIGUSR1)",
    "thread": "signal.pthread_kill(threading.get_ident(), signal.SIGHUP)",
    "abort": "os.abort()",
    "alarm": "signal.setitimer(signal.ITIMER_REAL, 0.001); time.sleep(30)",
    "library": 'ctypes.CDLL(None)["raise"](signal.SIGQUIT)',
    "segmentation fault": "os.kill(os.getpid(), signal.SIGSEGV)",
    "default restored": "signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGINT)",
    "pipe": "signal.signal(signal.SIGPIPE, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGPIPE)",
    "real time": "os.kill(os.getpid(), signal.SIGRTMIN)",
    "child": "os.fork() or (os.kill(os.getppid(), signal.SIGKILL), os._exit(0)); time.sleep(30)",
}
LIVES = {
    "handled": "signal.signal(signal.SIGUSR1, lambda *_: None); os.kill(os.getpid(), signal.SIGUSR1)",
    "ignored": "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(0, signal.SIGTERM)",
    "ignored by default": "os.kill(os.getpid(), signal.SIGCHLD)",
    "ignored by Python": "os.kill(os.getpid(), signal.SIGPIPE)",
    "asks": "os.kill(os.getpid(), 0)",
}


def tiers() -> dict[str, Tier | None]:
    found: dict[str, Tier | None] = {"strongest": None, "no root": Tier("namespaces", False, None, 0)}
    if kernel.landlock_abi():
        found["landlock"] = Tier("landlock", os.geteuid() == 0, None, kernel.landlock_abi())
    return found


@pytest.fixture(scope="module", params=list(tiers()))
def checker(request: pytest.FixtureRequest) -> Iterator[CodeChecker]:
    made = CodeChecker(num_workers=1, tier=tiers()[request.param])
    yield made
    made.close()


def verdicts(checker: CodeChecker, code: str) -> list[Verdict]:
    """In every mode: at the end of a script, in its atexit, and in a function before it returns."""
    script = f"{HEADER}a, b = map(int, input().split())\nprint(a + b, flush=True)\n"
    called = f"{HEADER}def add(a, b):\n    {code}\n    return a + b\n"
    return [
        checker.verify(Problem("p", Kind.CODE, "", reference), text, LIMITS)
        for reference, text in [
            (STDIN, f"{script}{code}\n"),
            (STDIN, f"{script}atexit.register(lambda: exec({code!r}))\n"),
            (FUNCTION, called),
            (ASSERT, called),
        ]
    ]


@pytest.mark.parametrize("name", ENDS)
def test_a_program_that_ends_itself_is_refused(name: str, checker: CodeChecker) -> None:
    denied = name == "child" and checker.tier.boundary == "landlock"  # no process can be started there
    for verdict in verdicts(checker, ENDS[name]):
        assert verdict.status is (Status.UNDECIDED if denied else Status.REFUTED), verdict


@pytest.mark.parametrize("name", LIVES)
def test_a_program_that_outlives_its_signal_is_right(name: str, checker: CodeChecker) -> None:
    assert [str(verdict.status) for verdict in verdicts(checker, LIVES[name])] == ["verified"] * 4


@pytest.mark.parametrize(
    ("language", "end"),
    [
        ("cpp", "raise(SIGTERM)"),
        ("cpp", "kill(getpid(), SIGKILL)"),
        ("javascript", "process.kill(process.pid)"),
        ("javascript", "process.abort()"),
    ],
)
def test_in_other_languages(language: str, end: str, shared_checker: CodeChecker) -> None:
    if not languages.available(language):
        pytest.skip(f"no {language} on this machine")
    text = {
        "cpp": "#include <csignal>\n#include <cstdio>\n#include <unistd.h>\n"
        f'int main() {{ puts("7"); fflush(stdout); {end}; pause(); }}',
        "javascript": f'require("fs").writeSync(1, "7\\n"); {end}; setTimeout(() => {{}}, 30000)',
    }[language]
    problem = Problem("p", Kind.CODE, "", {**STDIN, "language": language})
    assert shared_checker.verify(problem, text, LIMITS).status is Status.REFUTED


def test_nothing_in_a_cell_can_end_its_first_process(checker: CodeChecker) -> None:
    """Else a program could end what watches over it, or reach the fork server whose memory that process shares."""
    if checker.tier.boundary != "namespaces":
        pytest.skip("no PID namespace in this tier")
    program = """
import os, signal
input()
for number in set(range(1, 65)) - {32, 33}:
    try:
        os.kill(1, number)
    except PermissionError:
        pass
for path in ("/proc/1/mem", "/proc/1/environ"):
    try:
        open(path, "rb").read(1)
        print("read", path)
    except OSError:
        pass
if "1" in os.listdir("/proc"):
    print("seen")
print(7 if os.getpid() != 1 else "first")
"""
    verdict = checker.verify(Problem("p", Kind.CODE, "", STDIN), program, LIMITS)
    assert verdict.status is Status.VERIFIED, verdict
    right = checker.verify(Problem("p", Kind.CODE, "", STDIN), "print(7)", LIMITS)
    assert right.status is Status.VERIFIED, right


LAST_OBJECTS = {
    "instance": ("class D:\n    def __del__(s): os._exit(4)\nd = D()\nprint(7, flush=True)", Status.REFUTED),
    "in a list": ("class D:\n    def __del__(s): os._exit(4)\nd = [D()]\nprint(7, flush=True)", Status.REFUTED),
    "generator": ("def g():\n    try: yield\n    finally: os._exit(3)\nx = g(); next(x); print(7)", Status.REFUTED),
    "prints": ("class D:\n    def __del__(s): print(helper())\ndef helper(): return 7\nd = D()", Status.VERIFIED),
    "generator prints": ("def g():\n    try: yield\n    finally: print(7)\nx = g(); next(x)", Status.VERIFIED),
    "raises": ("class D:\n    def __del__(s): raise ValueError\nd = D()\nprint(7)", Status.VERIFIED),
}


@pytest.mark.parametrize("name", LAST_OBJECTS)
def test_the_last_objects_end_as_in_plain_python(name: str, shared_checker: CodeChecker) -> None:
    program, status = LAST_OBJECTS[name]
    assert shared_checker.verify(Problem("p", Kind.CODE, "", STDIN), f"import os\n{program}", LIMITS).status is status
