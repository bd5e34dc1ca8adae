"""Recorded exchanges: what the real tools' sources say they write, and what is made of it.

The files in `exchanges/` give exit code and output of one run each. They were written after the tools' sources, not
captured: no real toolchain was at hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from verifiers.lean.assembly import Source
from verifiers.lean.native.audit import Judgement, read_comparator, read_leanchecker, read_safe_verify
from verifiers.lean.native.engine import read_messages, read_rejection
from verifiers.lean.native.repl import Rejection
from verifiers.lean.native.sandboxed_tools import Done

FOLDER = Path(__file__).with_name("exchanges")
READERS: dict[str, Callable[[Done], Judgement]] = {
    "comparator": read_comparator,
    "safe_verify": read_safe_verify,
    "leanchecker": read_leanchecker,
}


def cases(tool: str) -> list[dict[str, Any]]:
    found = json.loads((FOLDER / f"{tool}.json").read_text())["cases"]
    assert isinstance(found, list) and found
    return found


JUDGED = [(tool, case) for tool in READERS for case in cases(tool)]


@pytest.mark.parametrize(("tool", "case"), JUDGED, ids=[f"{tool}: {case['name']}" for tool, case in JUDGED])
def test_judges(tool: str, case: dict[str, Any]) -> None:
    done = Done(case["code"], case["stdout"].encode(), case["stderr"].encode())
    found = READERS[tool](done)
    assert found.stage == case["stage"], found
    assert list(found.axioms or ()) == case.get("axioms", [])


@pytest.mark.parametrize("limit", ["timed_out", "out_of_memory", "overflowed"])
@pytest.mark.parametrize("tool", READERS)
def test_a_limit_outweighs_words(tool: str, limit: str) -> None:
    good = next(case for case in cases(tool) if case["stage"] == "verified")
    done = Done(0, good["stdout"].encode(), good["stderr"].encode(), **{limit: True})
    assert READERS[tool](done).stage == "resources"


@pytest.mark.parametrize("case", cases("lean"), ids=lambda case: case["name"])
def test_lean_messages(case: dict[str, Any]) -> None:
    messages = read_messages(Done(case["code"], case["stdout"].encode()), num_header_lines=2)
    found = read_rejection(Rejection(tuple(messages)), Source("file", "", "", first_line=1), {})
    assert (found.status, found.reason) == (case["status"], case["reason"])
    assert (found.evidence["error"]["line"], found.evidence["error"]["column"]) == (case["line"], case["column"])
    assert found.evidence.get("goals", []) == case.get("goals", [])
