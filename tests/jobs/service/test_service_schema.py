"""The service against its own OpenAPI schema: made-up and broken requests get documented answers, never a 5xx.

Every route takes part, those that start runs and batches too; their processes end at once. Half of the made-up ids are
replaced by those of a run, a batch and a file that there are, so that the answers are not all 404.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from made_up_generators import FakeGenerators
from made_up_run import sample_row, write_run
from schemathesis import checks
from starlette.testclient import TestClient

from jobs.service import runs
from jobs.service.app import build_app
from jobs.service.gateway import Gateway
from jobs.service.settings import check_service_config, new_token, token_digest
from jobs.service.verifying import LocalVerifiers
from verifiers.checker import Checkers

TOKEN, _ = new_token("schema")
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
FOLDER = tempfile.TemporaryDirectory()
MODEL = Path(__file__).parents[3] / "models/tiny_reasoner"
CONFIG = check_service_config(
    {
        "tokens": [{"name": "schema", "sha256": token_digest(TOKEN), "requests_per_s": 1e6, "items_per_s": 1e9}],
        "runs": {
            "output_uri": f"{FOLDER.name}/out",
            "roots": ["/nonexistent/root"],
            "max_running": 1000,
            "template": {"model": {"path": str(MODEL)}},
        },
    },
    "test",
)
VERIFIERS = LocalVerifiers(Checkers(1), 1)
GENERATORS = FakeGenerators(["\\boxed{5}"] * 64)
GENERATORS.pace_s = 0.0
APP = build_app(Gateway(CONFIG, VERIFIERS, generators=GENERATORS, model="models/tiny"))
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
"""Answers to a body against the schema: schemathesis's own list, and 413. A text above its length can make a body that
is too large to be read."""
CHECKS = {"negative_data_rejection": {"expected-statuses": REFUSALS}}
schema = schemathesis.openapi.from_asgi("/openapi.json", APP, config=schemathesis.Config.from_dict({"checks": CHECKS}))


def begin() -> dict[str, str]:
    """Ids of a file, and of a batch whose run has a sample."""
    with TestClient(APP, headers=HEADERS) as client:
        message = {"role": "user", "content": "Hi"}
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [message]}}
        answer = client.post("/v1/files", data={"purpose": "batch"}, files={"file": json.dumps(line).encode()})
        file_id = done(answer)["id"]
        body = {"input_file_id": file_id, "endpoint": line["url"], "completion_window": "24h"}
        batch = done(client.post("/v1/batches", json=body))
        write_run(f"{FOLDER.name}/out/runs/{batch['run_id']}", [sample_row("a", 0, "undecided", {})])
        known = {"file_id": file_id, "batch_id": batch["id"], "run_id": batch["run_id"], "model": "models/tiny"}
        for path in ("batches/{batch_id}", "runs/{run_id}", "files/{file_id}", "models/{model}"):
            done(client.get(f"/v1/{path.format(**known)}"))  # else the ids would test nothing
    return known


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


EXAMPLES = int(os.environ.get("PROOFMILL_SCHEMA_EXAMPLES", "3"))
"""Made-up requests per route; `make schema` sends many more."""
KNOWN: dict[str, str] = {}


@pytest.fixture(scope="module", autouse=True)
def known_ids() -> Iterator[None]:
    """Runs whose processes end at once, and the ids of what there is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "launch", lambda config: subprocess.Popen(["true"]))
        KNOWN.update(begin())
        yield
    VERIFIERS.close()
    FOLDER.cleanup()


@schema.hook
def map_path_parameters(context: Any, value: dict[str, Any] | None) -> dict[str, Any] | None:
    if not value:
        return value
    return {key: KNOWN[key] if len(str(one)) % 2 and key in KNOWN else one for key, one in value.items()}


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
def test_answers_keep_to_the_schema(case: schemathesis.Case) -> None:
    # Whether a problem's reference can be used is decided by its kind's rules, which JSON Schema does not hold: a
    # schema-valid request may get 422.
    excluded = [checks.positive_data_acceptance] if hasattr(checks, "positive_data_acceptance") else []
    case.call_and_validate(headers=HEADERS, excluded_checks=excluded)


def test_nothing_outside_the_roots_was_written() -> None:
    assert not Path("/nonexistent").exists()
