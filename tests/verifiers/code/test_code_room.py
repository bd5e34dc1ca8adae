"""What of this package a candidate's room shows: the code that runs there, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

import verifiers
from verifiers.code.cells.worker import python_room
from verifiers.sandbox.room import Tier

PACKAGE = Path(verifiers.__file__).resolve().parent


@pytest.mark.parametrize("boundary", ["namespaces", "landlock"])
def test_only_the_sandbox_and_the_judge_are_mounted(boundary: str) -> None:
    """The paths are computed from where the module lies; a moved module would mount another folder in silence."""
    room = python_room(Tier(boundary), 256, 16, 64, "verifiers.code.judges.test_program")
    ours = {
        inside: outside
        for inside, outside in room.read_only.items()
        if Path(outside).is_relative_to(PACKAGE.parent) and "site-packages" not in outside
    }
    assert ours == {
        "/opt/proofmill/verifiers/sandbox": str(PACKAGE / "sandbox"),
        "/opt/proofmill/verifiers/code": str(PACKAGE / "code"),
    }
