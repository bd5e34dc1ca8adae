"""One checker for all programs of the corpora."""

from collections.abc import Iterator

import pytest

from verifiers.code.checker import CodeChecker


@pytest.fixture(scope="session")
def shared_checker() -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1)
    yield checker
    checker.close()
