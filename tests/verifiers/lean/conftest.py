"""One Lean for the tests of this folder: its processes start once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from verifiers.lean.checker import LeanChecker


@pytest.fixture(scope="session")
def lean() -> Iterator[LeanChecker]:
    """Prepares the embedded Lean if need be (a download of 116 MB, then half a minute)."""
    checker = LeanChecker()
    yield checker
    checker.close()
