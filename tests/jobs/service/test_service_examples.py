"""The reward functions of examples/service, and the dashboard against the metrics that there are."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import httpx
import pytest

from jobs.service import metrics


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend("examples/service")
    return importlib.import_module


VERDICTS = [{"status": status} for status in ("verified", "refuted", "undecided", "error")]


def test_trl_rewards_leave_out_what_was_not_decided(examples, monkeypatch: pytest.MonkeyPatch) -> None:
    trl = examples("trl_reward")
    asked = []
    monkeypatch.setattr(trl, "verify", lambda items: (asked.extend(items), VERDICTS)[1])
    chat = [[{"role": "assistant", "content": "\\boxed{1}"}]] * 3 + ["plain"]
    assert trl.proofmill_reward(["?"] * 4, chat, kind=["math"] * 4, reference=[{"answer": "1"}] * 4) == [
        1.0,
        0.0,
        None,
        None,
    ]
    assert [item["text"] for item in asked] == ["\\boxed{1}"] * 3 + ["plain"]
    assert [item["finish_reason"] for item in asked] == [None] * 4
    asked.clear()
    ends = ["stop", "length", None, "stop"]
    columns = {"kind": ["math"] * 4, "reference": [{"answer": "1"}] * 4, "finish_reason": ends}
    trl.proofmill_reward(["?"] * 4, chat, **columns)
    assert [item["finish_reason"] for item in asked] == ends


def test_verl_scores_and_counts_what_was_not_checked(examples, monkeypatch: pytest.MonkeyPatch) -> None:
    verl = examples("verl_reward")
    asked = []
    monkeypatch.setattr(verl, "verify", lambda items: (asked.extend(items), VERDICTS)[1])
    truths = ['{"answer": "1"}', "7", "x+1", '{"answer": "2"}']
    extras = [{"kind": "math", "finish_reason": end} for end in ("stop", "length", None)] + [{"kind": "math"}]
    scores = verl.compute_score(["s"] * 4, ["t"] * 4, truths, extras)
    assert [item["finish_reason"] for item in asked] == ["stop", "length", None, None]
    assert [score["score"] for score in scores] == [1.0, 0.0, 0.0, 0.0]
    assert [score["proofmill_unchecked"] for score in scores] == [0.0, 0.0, 1.0, 1.0]
    assert [item["problem"]["reference"]["answer"] for item in asked] == ["1", "7", "x+1", "2"]


def test_the_client_waits_when_busy_and_does_not_repeat_a_wrong_request(examples, monkeypatch) -> None:
    client = examples("client")
    slept: list[float] = []
    monkeypatch.setattr(client.time, "sleep", slept.append)
    answers = [
        httpx.Response(429, headers={"Retry-After": "7"}),
        httpx.Response(503),
        httpx.Response(200, json={"verdicts": VERDICTS}),
        httpx.Response(422),
    ]
    transport = httpx.MockTransport(lambda request: answers.pop(0))
    with httpx.Client(transport=transport, base_url="http://test") as http:
        assert client.ask(http, [{}], 8) == VERDICTS
        with pytest.raises(httpx.HTTPStatusError):
            client.ask(http, [{}], 8)
    assert slept == [7.0, 4.0]


def test_every_plotted_metric_exists() -> None:
    dashboard = json.loads(Path("docs/grafana/proofmill.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    plotted = set(re.findall(r"ray_(proofmill_\w+)", " ".join(expressions)))
    known = set(re.findall(r'"(proofmill_\w+)"', Path(metrics.__file__).read_text()))
    shown = {name.removesuffix("_total").removesuffix("_bucket") for name in plotted}
    assert shown <= known and len(shown) >= 10, shown - known
