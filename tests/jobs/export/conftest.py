"""An empty bucket on the suite's S3 server."""

from __future__ import annotations

import pytest


@pytest.fixture
def bucket(s3: str) -> str:
    return s3.removeprefix("s3://").partition("/")[0]
