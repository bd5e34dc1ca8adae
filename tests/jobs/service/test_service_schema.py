"""The service against its own OpenAPI schema: made-up and broken requests get documented answers, never a 500."""

from __future__ import annotations

from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, settings
from made_up_generators import FakeGenerators
from schemathesis import checks

from jobs.service.app import build_app
from jobs.service.gateway import Gateway
from jobs.service.settings import check_service_config, new_token, token_digest
from jobs.service.verifying import LocalVerifiers
from verifiers.checker import Checkers

TOKEN, _ = new_token("schema")
CONFIG = check_service_config(
    {
        "tokens": [{"name": "schema", "sha256": token_digest(TOKEN), "requests_per_s": 1e6, "items_per_s": 1e9}],
        "runs": {"output_uri": "/nonexistent/never-written", "roots": ["/nonexistent/root"], "max_running": 1},
    },
    "test",
)
VERIFIERS = LocalVerifiers(Checkers(1), 1)
GENERATORS = FakeGenerators(["\\boxed{5}"] * 64)
GENERATORS.pace_s = 0.0
schema = schemathesis.openapi.from_asgi(
    "/openapi.json", build_app(Gateway(CONFIG, VERIFIERS, generators=GENERATORS, model="models/tiny"))
)


@schema.parametrize()
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
def test_answers_keep_to_the_schema(case: schemathesis.Case) -> None:
    # Whether a problem's reference can be used is decided by its kind's rules, which JSON Schema does not hold: a
    # schema-valid request may get 422.
    excluded = [checks.positive_data_acceptance] if hasattr(checks, "positive_data_acceptance") else []
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, excluded_checks=excluded)


def test_nothing_was_written() -> None:
    assert not Path("/nonexistent").exists()
