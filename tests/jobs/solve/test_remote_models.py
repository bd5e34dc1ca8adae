"""A config with a remote model, up to the moment before the run: its keys, the dry-run, the guard and the prices."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from endpoints import StandInEndpoint, stand_in_endpoint

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.doctor import examine_config
from jobs.problems.examples import examples_digest
from jobs.run_secrets import run_secrets
from jobs.service.command import solve_config
from jobs.service.runs import RunKeeper
from jobs.service.settings import Runs, check_service_config
from jobs.solve.command import solve
from jobs.solve.endpoints import longest_prompt
from jobs.solve.pilot import pilot_config
from jobs.solve.record import check_resume, new_record
from jobs.solve.settings import coordinator_settings, generator_settings
from verifiers.types import Kind, Problem
from workers.actors.generator import Prompted
from workers.coordinator.state import open_routes
from workers.sampling.budget import Budget, Reserve, TokenPrices


@pytest.fixture(scope="module")
def endpoint() -> Iterator[StandInEndpoint]:
    with stand_in_endpoint() as running:
        yield running


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    rows = [
        {"id": f"q{i}", "kind": "math", "prompt": f"{i} + 1?", "reference": {"answer": str(i + 1)}} for i in range(3)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def table(endpoint: Any, files: Path, **sections: Any) -> dict[str, Any]:
    url = endpoint.url if isinstance(endpoint, StandInEndpoint) else endpoint
    model = {"engine": "openai", "base_url": url, "model": "stand-in"}
    found: dict[str, Any] = {
        "run": {"id": "r"},
        "problems": {"files": [str(files)]},
        "output": {"uri": str(files.parent / "out")},
        "sampling": {"num_samples": 2, "max_tokens": 64},
    }
    found["model"] = {**model, **sections.pop("model", {})}
    for name, section in sections.items():
        found[name] = {**found.get(name, {}), **section} if isinstance(section, dict) else section
    return found


def config(*arguments: Any, **sections: Any) -> SolveConfig:
    return check_config(table(*arguments, **sections), "run.toml")


def fault(*arguments: Any, **sections: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config(*arguments, **sections)
    return str(caught.value)


def refused(found: SolveConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        solve(found, dry_run=True)
    return str(caught.value)


# Keys.


def test_keys_of_an_endpoint_and_keys_of_a_model_in_process_do_not_mix(problems: Path) -> None:
    away = "https://api.example.com/v1"
    assert config(away, problems).model.path == "stand-in"
    assert 'model.base_url: missing: engine = "openai" asks the endpoint' in fault("", problems)
    assert "model.model: missing" in fault(away, problems, model={"model": ""})
    for key, value in [("dtype", "float16"), ("lora", "/adapter"), ("tensor_parallel_size", 2), ("completion", True)]:
        said = fault(away, problems, model={key: value})
        assert f'model.{key}: has no effect with engine = "openai"' in said
    for key, value in [("base_url", away), ("max_concurrency", 9), ("allow_confidential", True), ("model", "m")]:
        said = fault(away, problems, model={"engine": "vllm", "path": "p", "base_url": "", "model": "", key: value})
        assert f'model.{key}: has an effect only with engine = "openai"' in said
    assert "model.engine_args.temperature" not in fault(away, problems, model={"engine_args": {"temperature": 0.1}})
    assert config(away, problems, model={"engine_args": {"reasoning_effort": "high"}}).model.engine_args


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base_url", "https://user:sk-secret@api.example.com/v1"),
        ("base_url", "https://api.example.com/v1?api-key=sk-secret"),
        ("base_url", "sk-secret"),
        ("api_key_env", "sk-secret"),
        ("engine_args", {"api_key": "sk-secret"}),
        ("engine_args", {"Access-Token": "sk-secret"}),
        ("engine_args", {"extra_headers": {"Authorization": "Bearer sk-secret"}}),
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(problems: Path, key: str, value: Any) -> None:
    said = fault("https://api.example.com/v1", problems, model={key: value})
    assert f"model.{key}" in said
    assert "sk-secret" not in said


def test_a_preset_gives_a_remote_model_its_sampling_and_not_how_it_is_loaded(problems: Path) -> None:
    found = config("https://api.example.com/v1", problems, model={"preset": "kimi-k2.5"}, sampling={})
    assert found.model.thinking
    assert found.model.path == "stand-in"
    assert not found.model.trust_remote_code
    assert found.model.tensor_parallel_size == 1
    assert not found.model.engine_args
    assert not found.model.chat_template_kwargs
    kept = config("http://h/v1", problems, model={"preset": "kimi-k2.5", "server": "vllm"})
    assert kept.model.chat_template_kwargs


def test_the_key_reaches_generators_only_and_stands_in_no_record(
    problems: Path, endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "sk-secret-value")
    found = config(endpoint, problems, model={"api_key_env": "STAND_IN_KEY"}, ray={"address": "ray://head:1"})
    secrets = run_secrets(found, {"STAND_IN_KEY": "sk-secret-value"})
    assert dict(secrets.generator)["STAND_IN_KEY"] == "sk-secret-value"
    assert "STAND_IN_KEY" not in secrets.verifier
    assert "STAND_IN_KEY" not in secrets.storage
    assert "sk-secret-value" not in json.dumps(found.resolved())


# Before the run.


def test_the_dry_run_asks_the_endpoint_and_needs_neither_gpu_nor_folder(
    problems: Path, endpoint: StandInEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.behave(fingerprint="fp_7")
    assert solve(config(endpoint, problems), dry_run=True) == 0
    said = capsys.readouterr().out
    assert f"endpoint    {endpoint.url} (api): stand-in, fingerprint fp_7; at most 64 requests at once" in said
    assert "not reproducible" in said
    assert "2 + 2" not in json.dumps(endpoint.seen()["bodies"]).replace("Answer with one number: 2 + 2?", "")
    assert endpoint.seen()["requests"] == 1


def test_the_verifiers_of_a_run_with_endpoints_only_have_to_fit(
    problems: Path, endpoint: StandInEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.behave()
    asked = {"verify": {"actors": 9}, "resources": {"cpus_per_verifier": 0.5}}
    with pytest.raises(ConfigError, match=r"9 verifiers of 0.5 CPUs are wanted; there is room for 4\n") as caught:
        solve(config(endpoint, problems, **asked), dry_run=True, on="cpu:2")
    assert str(caught.value).endswith("what would fit:\n  --set verify.actors=4")
    with pytest.raises(ConfigError, match="1 verifier of 8 CPUs are wanted; there is room for 0"):
        solve(config(endpoint, problems, resources={"cpus_per_verifier": 8}), dry_run=True, on="cpu:2")
    capsys.readouterr()
    assert solve(config(endpoint, problems, verify={"actors": 4}), dry_run=True, on="cpu:2") == 0
    assert "4 verifiers" in capsys.readouterr().out


def test_every_way_of_sampling_is_tried_and_a_key_that_is_refused_is_named(
    problems: Path, endpoint: StandInEndpoint
) -> None:
    endpoint.behave()
    assert "sampling.top_k: the endpoint" in refused(config(endpoint, problems, sampling={"top_k": 20}))
    by_kind = {"by_kind": {"math": {"min_p": 0.1}}}
    assert "sampling.min_p: the endpoint" in refused(config(endpoint, problems, sampling=by_kind))
    endpoint.behave(owned_by="vllm")
    assert solve(config(endpoint, problems, sampling={"top_k": 20}), dry_run=True) == 0


def test_an_endpoint_that_cannot_serve_is_one_error_before_anything_starts(
    problems: Path, endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.solve.command.run_batch", lambda *_, **__: pytest.fail("the run has begun"))
    endpoint.behave(key="sk-new")
    monkeypatch.setenv("STAND_IN_KEY", "sk-old")
    with_key = config(endpoint, problems, model={"api_key_env": "STAND_IN_KEY"})
    for dry_run in (True, False):
        with pytest.raises(ConfigError, match=r"model\.api_key_env = 'STAND_IN_KEY': .* refuses the key"):
            solve(with_key, dry_run=dry_run)
    endpoint.behave()
    with pytest.raises(ConfigError, match=r"model\.model = 'other': .* does not have it"):
        solve(config(endpoint, problems, model={"model": "other"}))
    with pytest.raises(ConfigError, match=r"model\.base_url = .* does not answer"):
        solve(config("http://127.0.0.1:9/v1", problems))
    several = table(endpoint, problems)
    model = {**several.pop("model"), "model": "other"}
    several |= {"models": {"large": model, "small": {**model, "model": "stand-in"}}, "default_route": "large"}
    with pytest.raises(ConfigError, match=r"models\.large\.model = 'other'"):
        solve(check_config(several, "run.toml"), dry_run=True)


def test_doctor_asks_the_endpoint_too(
    problems: Path, endpoint: StandInEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint.behave()
    path = problems.parent / "run.toml"
    path.write_text(tomli_w.dumps(table(endpoint, problems)))
    assert examine_config(str(path), []) == 0
    said = capsys.readouterr().out
    assert f"{endpoint.url} (api): stand-in" in said
    assert "no GPU here is used" in said
    assert examine_config(str(path), ["model.model=other"]) != 0
    assert "model.model = 'other'" in capsys.readouterr().out


def test_the_service_asks_its_endpoints_before_it_starts(problems: Path, endpoint: StandInEndpoint) -> None:
    """Else it would start replicas that wait for an endpoint which is not there."""
    file = problems.parent / "solve.toml"
    endpoint.behave()
    file.write_text(tomli_w.dumps(table(endpoint, problems)))
    service = check_service_config({"solve": {"config": str(file)}}, "t")
    found = solve_config(service)
    assert found is not None and found.model.base_url == endpoint.url
    file.write_text(tomli_w.dumps(table("http://127.0.0.1:1/v1", problems)))
    with pytest.raises(ConfigError, match=r"model\.base_url = .*: the endpoint does not answer"):
        solve_config(service)


def test_a_template_of_the_service_with_an_endpoint_has_a_model() -> None:
    keeper = RunKeeper.__new__(RunKeeper)
    keeper.settings = Runs(template={"model": {"engine": "openai", "base_url": "http://h/v1", "model": "m"}})
    assert keeper.has_model()
    keeper.settings = Runs(template={"model": {"dtype": "float32"}})
    assert not keeper.has_model()


def test_caps_that_let_no_sample_through_are_refused(problems: Path, endpoint: StandInEndpoint) -> None:
    endpoint.behave()
    assert "model.tokens_per_minute = 50: one sample may take" in refused(
        config(endpoint, problems, model={"tokens_per_minute": 50})
    )
    assert "sampling.max_tokens = 0" in refused(
        config(endpoint, problems, model={"tokens_per_minute": 5000}, sampling={"max_tokens": 0})
    )
    assert "resources.replicas = 2: one process asks" in refused(config(endpoint, problems, resources={"replicas": 2}))


def test_confidential_problems_are_refused_before_anything_is_sent(
    tmp_path: Path, problems: Path, endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.behave()
    row = {"id": "s", "kind": "math", "prompt": "1 + 1?", "reference": {"answer": "2"}, "source": "gpqa_diamond"}
    secret = tmp_path / "secret.jsonl"
    secret.write_text(problems.read_text() + json.dumps(row) + "\n")
    assert solve(config(endpoint, secret), dry_run=True) == 0, "loopback needs no leave"
    monkeypatch.setattr("workers.engines.endpoint.is_loopback", lambda url: False)
    endpoint.behave()
    said = refused(config(endpoint, secret))
    assert "model.allow_confidential = false: 1 problems are of confidential sources" in said
    assert endpoint.seen()["requests"] == 0
    assert solve(config(endpoint, secret, model={"allow_confidential": True}), dry_run=True) == 0
    assert solve(config(endpoint, secret, problems={"confidential": []}), dry_run=True) == 0
    assert solve(config(endpoint, problems), dry_run=True) == 0


@pytest.mark.parametrize(
    ("name", "line", "prompt"),
    [
        ("shots.jsonl", {"source": "Idavidrein/gpqa_main"}, {}),
        ("shots.jsonl", {"confidential": True}, {}),
        ("shots.jsonl", {"meta": {"confidential": True}}, {}),
        ("gpqa_shots.jsonl", {}, {}),
        ("shots.jsonl", {"answer": "theorem putnam_1988_b1 : True := trivial"}, {}),
        ("shots.jsonl", {"source": "ours"}, {"confidential": True}),
    ],
)
def test_confidential_examples_and_prompts_need_leave_as_problems_do(
    tmp_path: Path, problems: Path, endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch, name: str,
    line: dict[str, Any], prompt: dict[str, Any],
) -> None:  # fmt: skip
    shots = tmp_path / name
    shots.write_text(json.dumps({"prompt": "1 + 1?", "answer": "2", **line}) + "\n")
    shown = {"examples": str(shots), **prompt}
    endpoint.behave()
    assert solve(config(endpoint, problems, prompt=shown), dry_run=True) == 0, "loopback needs no leave"
    monkeypatch.setattr("workers.engines.endpoint.is_loopback", lambda url: False)
    endpoint.behave()
    said = refused(config(endpoint, problems, prompt=shown))
    assert ("prompt: its texts are marked" if prompt else "prompt.examples: 1 of its examples") in said
    assert endpoint.seen()["requests"] == 0
    leave = {"allow_confidential": True}
    assert solve(config(endpoint, problems, prompt=shown, model=leave), dry_run=True) == 0
    if not prompt and not {"confidential", "meta"} & line.keys():
        assert solve(config(endpoint, problems, prompt=shown, problems={"confidential": []}), dry_run=True) == 0


def test_every_request_says_that_its_examples_are_confidential(tmp_path: Path, problems: Path) -> None:
    """The plan may be passed by: a kind of problems that came later, a service, a worker of another config."""
    shots = tmp_path / "shots.jsonl"
    rows = [{"prompt": "a", "answer": "b", "kind": "code", "source": "gpqa"}, {"prompt": "c", "answer": "d"}]
    shots.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = config("https://api.example.com/v1", problems, prompt={"examples": str(shots)})
    generator = generator_settings(found, "", use_gpu=False)
    asked = {
        kind: Prompted(Problem(id="p", kind=kind, prompt="?", reference={}), generator, generator.style).confidential
        for kind in (Kind.MATH, Kind.CODE)
    }
    assert asked == {Kind.MATH: False, Kind.CODE: True}


def test_the_mark_of_an_example_does_not_make_it_another_one(tmp_path: Path, problems: Path) -> None:
    """A run from before there were marks is resumed."""
    shots = tmp_path / "shots.jsonl"
    shots.write_text(json.dumps({"prompt": "a", "answer": "b", "source": "gpqa"}) + "\n")
    assert examples_digest(str(shots)) == hashlib.sha256(json.dumps([["a", "b", ""]]).encode()).hexdigest()


# Money.


def test_a_pilot_keeps_the_list_of_confidential_sources(problems: Path) -> None:
    """Its problems are asked of the same endpoints, and its workers know the list from its own config."""
    for sources in ([], ["mine"]):
        whole = config("https://api.example.com/v1", problems, problems={"confidential": sources})
        assert pilot_config(whole).problems.confidential == sources


def test_a_ceiling_in_dollars_needs_both_prices(problems: Path) -> None:
    away = "https://api.example.com/v1"
    said = fault(away, problems, budget={"usd": 5}, cost={"usd_per_million_input_tokens": 3.0})
    assert "cost.usd_per_million_output_tokens: missing" in said
    prices = {"usd_per_million_input_tokens": 3.0, "usd_per_million_output_tokens": 15.0}
    assert config(away, problems, budget={"usd": 5}, cost=prices)


def test_the_coordinator_is_told_prices_and_the_longest_prompt(problems: Path, endpoint: StandInEndpoint) -> None:
    from jobs.solve.command import check_problem_set

    found = config(endpoint, problems, prompt={"system": "Be brief."}, cost={"usd_per_million_output_tokens": 15.0})
    summary = check_problem_set(found)
    longest = longest_prompt(found, summary)
    assert len("0 + 1?") + len("Be brief.") <= longest <= 200
    settings = coordinator_settings(found, ("math",), "/tmp/r", {"model": False}, longest_prompts={"model": longest})
    (pool,) = settings.pools
    assert (pool.is_remote, pool.gpus_per_replica, pool.cpus_per_replica, pool.replicas) == (True, 0, 0.0, 1)
    assert pool.longest_prompt == longest
    (route,) = open_routes(settings)
    assert route.stages[0].most.usd == pytest.approx(64 * 15e-6), "prompts are free here"
    dear = dataclasses.replace(pool, cost={"usd_per_million_input_tokens": 1e6})
    (route,) = open_routes(dataclasses.replace(settings, pools=(dear,)))
    assert route.stages[0].most.usd == pytest.approx(longest)


def test_dollars_in_flight_count_at_their_worst_and_those_that_were_lost_for_ever() -> None:
    prices = TokenPrices(3.0, 15.0)
    most = Reserve(2000, prices.usd(1000, 2000))
    assert most.usd == pytest.approx(0.033)
    ceiling = {"tokens": 0, "gpu_s": 0, "usd": 0.1, "wall_s": 0}
    budget = Budget.of(ceiling)
    assert budget.room(most, 10) == 3
    budget.reserve(most, 3)
    assert budget.room(most, 10) == 0
    budget.release(most)
    budget.charge(tokens=100, usd=prices.usd(10, 100))
    assert budget.room(most, 10) == 0, "0.0015 is spent and two are in flight"
    budget.release(most)
    budget.charge(tokens=100, usd=prices.usd(10, 100))
    assert budget.room(most, 10) == 1
    budget.lose(most)
    assert budget.lost_usd == pytest.approx(most.usd), "what it has cost is not known"
    assert budget.reserved_usd == 0
    assert "budget.usd = 0.1" in budget.stranded(Reserve(2000, 0.07))
    again = Budget.of(ceiling)
    again.restore(budget.to_json())
    assert again.spent_usd == pytest.approx(budget.spent_usd)
    assert again.lost_usd == pytest.approx(most.usd)


# Resume.


def test_a_resume_may_move_the_endpoint_and_not_change_the_model(problems: Path, endpoint: StandInEndpoint) -> None:
    from jobs.solve.command import check_problem_set

    first = config(endpoint, problems)
    summary = check_problem_set(first)
    record = new_record(first, summary, {})
    moved = {"base_url": "http://127.0.0.1:1/v1", "max_concurrency": 3, "requests_per_minute": 9, "api_key_env": "K"}
    check_resume(config(endpoint, problems, model=moved), summary, record, "r")
    with pytest.raises(ConfigError, match=r"model\.model was 'stand-in' and is 'other' now"):
        check_resume(config(endpoint, problems, model={"model": "other"}), summary, record, "r")


def test_nothing_is_logged_of_a_key(caplog: pytest.LogCaptureFixture, problems: Path, endpoint: StandInEndpoint,
                                    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("STAND_IN_KEY", "sk-secret-value")
    endpoint.behave(key="sk-other")
    with caplog.at_level(logging.DEBUG):
        said = refused(config(endpoint, problems, model={"api_key_env": "STAND_IN_KEY"}))
    assert "sk-secret-value" not in said + caplog.text
