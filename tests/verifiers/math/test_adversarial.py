"""One exploit a file in `adversarial/`, each through the whole checker under its ordinary limits."""

import itertools
import json
import time
from pathlib import Path

import pytest

from verifiers.math.checker import MathChecker
from verifiers.types import Kind, Problem, Status

FOLDER = Path(__file__).parent / "adversarial"


@pytest.fixture(scope="module")
def checker():
    checker = MathChecker()
    yield checker
    checker.close()


def build(text):
    """A string, or a list of strings and [string, times]."""
    if isinstance(text, str):
        return text
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in text)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_exploit(checker, path):
    case = json.loads(path.read_text())
    problem = Problem("p", Kind.MATH, "", {"answer": case["gold"]})
    verdict = checker.verify(problem, build(case["text"]))
    assert str(verdict.status) in case["expect"], (verdict.reason, dict(verdict.evidence))
    # The limit ends the work, and the next text is checked as if nothing had happened.
    assert verdict.seconds < verdict.limits.wall_s + 1.0
    assert checker.verify(problem, f"\\boxed{{{case['gold']}}}").status is Status.VERIFIED
    assert not Path("/tmp/proofmill_was_here").exists()


def test_the_caller_stays_responsive(checker):
    """A tower that takes its whole second does not hold the caller's interpreter lock."""
    import threading

    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.01):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    checker.verify(Problem("p", Kind.MATH, "", {"answer": "1"}), "\\boxed{7^{7^{7^{7^7}}}}")
    stop.set()
    thread.join()
    assert all(b - a < 5 for a, b in itertools.pairwise(ticks))
