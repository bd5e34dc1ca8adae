"""Where there are no namespaces, what the sandbox refuses is not the program's fault."""

import os
from collections.abc import Iterator

import pytest

from verifiers.code.checker import CodeChecker
from verifiers.sandbox import kernel
from verifiers.sandbox.room import Tier
from verifiers.types import Kind, Limits, Problem, Status

LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=512, output_kb=2048)
SIX = Problem("six", Kind.CODE, "", {"mode": "stdin", "tests": [{"input": "3\n", "output": "6\n"}]})
SIX_CALLED = Problem(
    "six", Kind.CODE, "", {"mode": "function", "entry_point": "six", "tests": [{"input": [], "output": 6}]}
)
SIX_ASSERTED = Problem("six", Kind.CODE, "", {"mode": "assert", "test_list": ["assert six() == 6"]})


@pytest.fixture(scope="module")
def weak() -> Iterator[CodeChecker]:
    if not kernel.landlock_abi():
        pytest.skip("no Landlock on this machine")
    checker = CodeChecker(num_workers=1, tier=Tier("landlock", os.geteuid() == 0, None, kernel.landlock_abi()))
    yield checker
    checker.close()


HONEST = {
    "file": "with open('/tmp/six', 'w') as f: f.write('6')\nprint(open('/tmp/six').read())",
    "file here": "open('six.txt', 'w').write('6')\nprint(open('six.txt').read())",
    "temporary file": """
import tempfile
with tempfile.TemporaryFile("w+") as file:
    file.write("6")
    file.seek(0)
    print(file.read())
""",
    "temporary folder": "import tempfile\nwith tempfile.TemporaryDirectory() as folder: print(6 if folder else 0)",
    "shelf": "import shelve\nwith shelve.open('/tmp/db') as db:\n    db['x'] = 6\n    print(db['x'])",
    "database": "import sqlite3\nc = sqlite3.connect('/tmp/x.db')\nc.execute('create table t (x)')\nprint(6)",
    "folder": "import os\nos.mkdir('/tmp/six')\nprint(6 if os.path.isdir('/tmp/six') else 0)",
    "fork": """
import os
pid = os.fork()
if pid == 0:
    os._exit(6)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
    "subprocess": """
import subprocess, sys
print(subprocess.run([sys.executable, "-c", "print(6)"], capture_output=True, text=True).stdout)
""",
    "pool": "import multiprocessing\nwith multiprocessing.Pool(2) as pool: print(sum(pool.map(abs, [1, 2, 3])))",
    "thread pool": "from multiprocessing.pool import ThreadPool\nprint(sum(ThreadPool(2).map(abs, [1, 2, 3])))",
    "process": "import multiprocessing\np = multiprocessing.Process(target=print, args=(6,))\np.start()\np.join()",
    "executor": """
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2) as executor:
    print(sum(executor.map(abs, [1, 2, 3])))
""",
    "swallowed": """
try:
    open("/tmp/a", "w").write("6")
    print(open("/tmp/a").read())
except OSError:
    print("no file")
""",
}


@pytest.mark.parametrize("name", HONEST)
def test_what_a_weak_tier_denies_is_undecided_and_says_so(
    name: str, weak: CodeChecker, shared_checker: CodeChecker
) -> None:
    verdict = weak.verify(SIX, HONEST[name], LIMITS)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "denied by the sandbox"), verdict
    assert verdict.evidence["detail"]
    if shared_checker.tier.boundary == "namespaces" and name != "subprocess":  # no program to start in that room
        assert shared_checker.verify(SIX, HONEST[name], LIMITS).status is Status.VERIFIED


@pytest.mark.parametrize(
    "body", ["open('/tmp/a', 'w')", "import os; os.fork()", "try: open('a', 'w')\n    except OSError: pass"]
)
def test_also_in_function_mode(body: str, weak: CodeChecker) -> None:
    verdict = weak.verify(SIX_CALLED, f"def six():\n    {body}\n    return 5", LIMITS)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "denied by the sandbox")


@pytest.mark.parametrize("place", ["def six():\n    {}\n    return 5", "{}\ndef six(): return 5"])
@pytest.mark.parametrize("body", ["open('/tmp/a', 'w')", "import os; os.system('true')"])
def test_also_in_assert_mode(body: str, place: str, weak: CodeChecker) -> None:
    reference = {"mode": "assert", "test_list": ["assert six() == 6"]}
    problem = Problem("six", Kind.CODE, "", reference)
    verdict = weak.verify(problem, place.format(body), LIMITS)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "denied by the sandbox"), verdict
    assert weak.verify(problem, place.format("pass"), LIMITS).status is Status.REFUTED
    right = weak.verify(problem, place.format(body).replace("5", "6"), LIMITS)
    if "open(" in body:
        assert right.status is Status.UNDECIDED, right
        body = "print('/tmp/a', 'w')"
        right = weak.verify(problem, place.format(body).replace("5", "6"), LIMITS)
        assert right.status is Status.VERIFIED, right
    else:  # what it might have changed cannot be told
        assert (right.status, right.reason) == (Status.UNDECIDED, "denied by the sandbox"), right


def test_what_is_not_denied_is_judged_as_ever(weak: CodeChecker) -> None:
    for text, status in [
        ("print(6)", Status.VERIFIED),
        ("print(7)", Status.REFUTED),
        ("raise ValueError", Status.REFUTED),
        ("import threading\nt = threading.Thread(target=print, args=(6,))\nt.start()\nt.join()", Status.VERIFIED),
        ("import sys\nprint(open('/dev/stdin').read() and 6, file=open('/dev/stdout', 'w'))", Status.VERIFIED),
        (
            "from concurrent.futures import ThreadPoolExecutor\nprint(sum(ThreadPoolExecutor(2).map(abs, [1])))",
            Status.REFUTED,
        ),
    ]:
        assert weak.verify(SIX, text, LIMITS).status is status, text
    # An operation that was refused and not needed spoils nothing.
    assert (
        weak.verify(SIX, "try: open('/tmp/a', 'w')\nexcept OSError: pass\nprint(6)", LIMITS).status is Status.VERIFIED
    )


@pytest.mark.parametrize(
    "start", ["os.system('kill -9 $PPID')", "subprocess.run(['kill', '-9', str(os.getppid())])", "os.popen('true')"]
)
def test_no_tier_has_programs_to_start(start: str, shared_checker: CodeChecker) -> None:
    """A shell might have ended the program, or made its answer."""
    tried = f"try:\n        {start}\n    except OSError:\n        pass"
    for problem, text in [
        (SIX, f"import os, subprocess\nif True:\n    {tried}\nprint(6)"),
        (SIX, f"import os, subprocess\n{start}\nprint(5)"),
        (SIX_CALLED, f"import os, subprocess\ndef six():\n    {tried}\n    return 6"),
        (SIX_ASSERTED, f"import os, subprocess\ndef six():\n    {tried}\n    return 6"),
    ]:
        verdict = shared_checker.verify(problem, text, LIMITS)
        assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "denied by the sandbox"), verdict
    untried = f"import os, subprocess\nif 0: {start}\nprint(6)"
    assert shared_checker.verify(SIX, untried, LIMITS).status is Status.VERIFIED
    claimed = "import sys\nprint('proofmill: the sandbox of this machine denies os.fork', file=sys.stderr)"
    assert shared_checker.verify(SIX, claimed, LIMITS).status is Status.REFUTED


@pytest.mark.parametrize("language", ["cpp", "javascript"])
def test_languages_that_need_files(language: str, weak: CodeChecker) -> None:
    reference = {"mode": "stdin", "language": language, "tests": [{"input": "", "output": "6"}]}
    text = {"cpp": '#include <cstdio>\nint main() { puts("6"); }', "javascript": "console.log(6)"}[language]
    verdict = weak.verify(Problem("six", Kind.CODE, "", reference), text, LIMITS)
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "denied by the sandbox")
