"""The rewards of integrations/ inside their trainers, each in a process that has the trainer and not Proofmill, against
a real `proofmill serve`.

Installed here are TRL, verl and skyrl-gym. Prime Intellect's `verifiers` needs an environment of its own, which
`make integrations` sets up; without it its test is skipped. NeMo Gym is on no package index: a stand-in for the classes
that its server is made of, held to their source of August 2026, takes its place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_process import ROOT, ServiceProcess

from jobs.service.settings import new_token

pytestmark = pytest.mark.ray
TOKEN, TOKEN_LINES = new_token("trainer")
CONFIG = (
    "verify = { actors = 1, workers_per_actor = 1 }\nresources = { cpus_per_verifier = 0.1, cpus_per_gateway = 0.1 }\n"
    "server.max_body_mb = 1\n"
)
OWN_ENVIRONMENT = ROOT / ".venv" / "integrations" / "bin" / "python"

ITEMS = [
    {"name": "verified", "reference": {"answer": "5"}, "text": "So \\boxed{5}."},
    {"name": "refuted", "reference": {"answer": "5"}, "text": "So \\boxed{6}."},
    {"name": "malformed", "reference": {"answer": "5"}, "text": "I do not know."},
    {"name": "undecided", "reference": {"answer": "x=1, y=2"}, "text": "So \\boxed{1, 2}."},
    {"name": "unchecked", "reference": {}, "text": "So \\boxed{5}."},
    {"name": "too long", "reference": {"answer": "5"}, "text": "5 ", "times": 800_000},
    {"name": "half a character", "reference": {"answer": "5"}, "text": "\ud83d So \\boxed{5}."},
    {"name": "bare answer", "reference": "5", "text": "So \\boxed{5}."},
    {"name": "filled with null", "reference": {"answer": "5", "tests": None}, "text": "So \\boxed{5}."},
]
REWARDS = {
    **{"verified": 1.0, "refuted": 0.0, "malformed": 0.0, "undecided": None, "unchecked": None, "too long": None},
    **{"half a character": 1.0, "bare answer": 1.0, "filled with null": 1.0},
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    process = ServiceProcess(tmp_path_factory.mktemp("service"), CONFIG + TOKEN_LINES)
    try:
        process.wait()
        yield process
    finally:
        process.kill()


def inside(script: str, service: ServiceProcess | None, python: Path = Path(sys.executable), **variables: str) -> dict:
    """Runs tests/integrations/inside/SCRIPT in a process that cannot import Proofmill; returns what it prints last."""
    environment = {**os.environ, **variables, "ITEMS": json.dumps(ITEMS), "PROOFMILL_ROOT": str(ROOT)}
    environment.pop("PYTHONPATH", None)
    if service is not None:
        environment.update(PROOFMILL_URL=service.url, PROOFMILL_TOKEN=TOKEN)
    folder = ROOT / "tests/integrations/inside"
    command = [str(python), str(folder / "apart.py"), str(folder / script)]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_trl_gets_none_for_what_was_not_decided_and_trains_around_it(service: ServiceProcess) -> None:
    found = inside("in_trl.py", service)
    assert found["rewards"] == found["async rewards"] == list(REWARDS.values())
    assert found["masked"] == pytest.approx(3 / len(ITEMS))
    # TRL's own step: the advantage of a sample without a reward is 0, and the others' baseline does not see it.
    assert found["advantages"] == pytest.approx([0.7071, -0.7071, 0.0, 0.0], abs=1e-2)


def test_verl_masks_what_was_not_decided(service: ServiceProcess) -> None:
    found = inside("in_verl.py", service)
    scores = dict(zip(REWARDS, found["scores"], strict=True))
    assert scores == REWARDS
    assert found["facts"]["too long"]["proofmill_masked"] == 1.0
    assert "413" in found["facts"]["too long"]["proofmill_reason"]
    # One group of 1, 0, NaN; one of NaN alone; one of 1 and 1.
    assert found["advantages"] == pytest.approx([0.7071, -0.7071, 0.0, 0.0, 0.0, 0.0], abs=1e-3)
    assert found["mask"] == [1, 1, 0, 0, 1, 1]
    # Without masks the estimator is verl's own.
    assert found["same as grpo"] and found["same as grpo without deviations"]
    assert "proofmill_grpo" in found["refusal"]


def test_skyrl_masks_what_was_not_decided(service: ServiceProcess) -> None:
    found = inside("in_skyrl.py", service)
    assert found["rewards"] == [reward or 0.0 for reward in REWARDS.values()]
    assert found["masked"] == [float(reward is None) for reward in REWARDS.values()]
    assert "SkyRL would score it 0" in found["without the generator"]
    # The group of rewards 1, 0 and a masked one keeps its mean; a masked sample has no tokens in the loss.
    assert found["neutral"] == [1.0, 0.0, 0.5, 0.0]
    assert found["loss masks"] == [[1, 1], [1, 1], [0, 0], [0, 0]]


def test_nemo_gym_is_told_to_mask(service: ServiceProcess) -> None:
    found = inside("in_nemo_gym.py", service)
    for item, answer in zip(ITEMS, found["answers"], strict=True):
        reward = REWARDS[item["name"]]
        assert answer["mask_sample"] == (reward is None), item["name"]
        assert (answer["failure_reason"] is None) == (reward is not None)
        assert answer["reward"] == (reward or 0.0)
    assert "cut off" in found["cut off"]["proofmill_reason"] or found["cut off"]["reward"] == 0.0


@pytest.mark.skipif(not OWN_ENVIRONMENT.exists(), reason="run by `make integrations`")
def test_verifiers_traces_carry_an_error_and_no_reward(service: ServiceProcess, tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    for at, item in enumerate(ITEMS):
        row = {"id": str(at), "kind": "math", "prompt": "?", "reference": item["reference"]}
        file.write_text((file.read_text() if at else "") + json.dumps(row) + "\n")
    found = inside("in_verifiers.py", service, OWN_ENVIRONMENT, PROBLEMS=str(file))
    assert found["rewards"] == list(REWARDS.values())
    assert all("UndecidedError" in error for error in found["errors"]) and len(found["errors"]) == 3


def test_a_service_that_is_not_there_or_refuses_the_token_is_told_and_not_scored(service: ServiceProcess) -> None:
    found = inside("in_client.py", service, PROOFMILL_DOWN="http://127.0.0.1:9")
    assert "did not answer" in found["down"]
    assert "HTTP 401" in found["wrong token"] and TOKEN not in json.dumps(found)
    assert found["busy then there"] == ["verified"] * 3
    assert found["requests of 300 single checks"] <= 4
    assert found["one in 64 refused"] == [1.0] * 63 + [None]
