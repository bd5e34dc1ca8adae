"""Which variables a run's workers get, and that no text shows their values."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
from typing import Any
from unittest import mock

import pytest

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.run_secrets import named_variables, run_secrets, storage_variables, temporary_keys
from jobs.service import deploy
from jobs.service.settings import check_service_config
from jobs.solve.settings import verifier_settings
from verifiers.processes import environment
from workers.actors.verifier import Verifier
from workers.run_secrets import MAX_BYTES, NO_SECRETS, RunSecrets, Secrets

SHELL = {
    **{"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "hunter2", "AWS_REGION": "r"},
    **{"AWS_PROFILE": "mine", "AWS_ROLE_ARN": "arn", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost"},
    **{"HF_TOKEN": "hub", "ENGINE_KEY": "e", "JUDGE_KEY": "j", "HOOK": "u", "OTHER": "o", "HOME": "/root"},
}
STORAGE = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"}


def config_of(**tables: Any) -> SolveConfig:
    table = {
        "run": {"id": "r"},
        "problems": {"files": ["p"]},
        "model": {"engine": "openai", "base_url": "http://localhost/v1", "model": "m", "api_key_env": "ENGINE_KEY"},
        "verify": {"math": {"api_key_env": "JUDGE_KEY"}},
        "notify": [{"url_env": "HOOK"}],
        **tables,
    }
    return check_config(table, "t")


def test_each_kind_of_worker_gets_what_it_reads() -> None:
    handed = run_secrets(config_of(ray={"address": "auto", "pass_env": ["OTHER"]}), SHELL)
    assert set(handed.storage) == STORAGE | {"OTHER"}
    assert set(handed.generator) == STORAGE | {"OTHER", "HF_TOKEN", "ENGINE_KEY"}
    assert set(handed.verifier) == STORAGE | {"OTHER", "JUDGE_KEY"}
    assert handed.generator["HF_TOKEN"] == "hub"


def test_a_local_ray_inherits_and_is_handed_nothing() -> None:
    assert run_secrets(config_of(), SHELL) is NO_SECRETS


def test_what_belongs_to_this_machine_stays_here() -> None:
    assert set(storage_variables(SHELL)) == STORAGE


def test_names_are_found_under_every_key_that_ends_in_env() -> None:
    table = {
        "a": {"api_key_env": "A", "runtime_env": "NOT"},
        "b": [{"url_env": "B"}, {"keys_env": ["C", "D"]}],
        "c": {"x_env": "not a name", "y_env": 7, "environment": "NOT"},
    }
    assert list(named_variables(table)) == ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("ray", "told"),
    [
        ({"pass_env": ["NOPE"]}, "ray.pass_env: NOPE is not set"),
        ({"pass_env": ["PYTHONPATH"]}, "ray.pass_env: PYTHONPATH is read before"),
        ({"pass_env": ["sk-hunter2"]}, "ray.pass_env.0"),
        ({"runtime_env": {"env_vars": {"HF_TOKEN": "hunter2"}}}, "HF_TOKEN looks like a secret"),
        ({"runtime_env": {"env_vars": {"my_api_key": "hunter2"}}}, "name it in ray.pass_env"),
    ],
)
def test_a_wrong_place_is_refused_and_its_value_not_repeated(ray: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        run_secrets(config_of(ray={"address": "auto", **ray}), SHELL)
    assert told in str(refused.value) and "hunter2" not in str(refused.value)


def test_variables_that_only_sound_like_secrets_may_be_in_a_runtime_environment() -> None:
    variables = {"TOKENIZERS_PARALLELISM": "false", "VLLM_MAX_TOKENS": "1", "KEYBOARD": "us"}
    assert config_of(ray={"runtime_env": {"env_vars": variables}}).ray.runtime_env["env_vars"] == variables


def test_too_much_is_refused() -> None:
    shell = {**SHELL, "OTHER": "x" * MAX_BYTES}
    with pytest.raises(ConfigError, match=r"OTHER.* hold .* more than"):
        run_secrets(config_of(ray={"address": "auto", "pass_env": ["OTHER"]}), shell)


def test_no_text_shows_a_value() -> None:
    @dataclasses.dataclass
    class Settings:
        secrets: RunSecrets

    handed = RunSecrets(storage=Secrets({"A_KEY": "hunter2"}))
    for value in (handed, handed.storage, [handed.storage], Settings(handed), copy.deepcopy(handed)):
        assert "hunter2" not in f"{value} {value!r}" and "A_KEY" in repr(value)
    again = pickle.loads(pickle.dumps(handed))
    assert again == handed and "hunter2" not in repr(again)
    assert again.storage["A_KEY"] == "hunter2"


def test_handed_keys_do_not_mix_with_the_nodes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_withheld", set())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "A_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of the node")
    Secrets({"A_KEY": "x"}).adopt()
    assert os.environ["AWS_SESSION_TOKEN"] == "of the node"
    Secrets({"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}).adopt()
    assert "AWS_SESSION_TOKEN" not in os.environ
    assert os.environ["AWS_ACCESS_KEY_ID"] == "k"
    children = environment.child_environment()
    assert not {"A_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(children)
    assert children["PATH"] == os.environ["PATH"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "A_KEY"):
        del os.environ[name]


def test_the_checkers_children_have_no_key_of_a_model_on_a_local_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """There a verifier inherits the variables of the shell, those of endpoints included."""
    monkeypatch.setattr(environment, "_withheld", set())
    monkeypatch.setenv("ENGINE_KEY", "hunter2")
    settings = verifier_settings(config_of())
    assert settings.withheld == ("ENGINE_KEY",)
    Verifier(dataclasses.replace(settings, checkers_class=lambda *_: None))  # type: ignore[arg-type,return-value]
    assert "ENGINE_KEY" not in environment.child_environment()


def test_nor_have_the_children_of_a_services_checkers(monkeypatch: pytest.MonkeyPatch) -> None:
    application = deploy.application(check_service_config({}, "t"), config_of())
    verifier = next(
        bound
        for each in application._bound_deployment.init_args
        if (bound := each._bound_deployment).name == deploy.VERIFIER
    )
    assert verifier.init_args[1] == ["ENGINE_KEY"]
    monkeypatch.setattr(environment, "_withheld", set())
    monkeypatch.setattr(deploy, "replica_on_loopback", lambda: None)
    monkeypatch.setattr(deploy, "Checkers", mock.Mock())
    monkeypatch.setenv("ENGINE_KEY", "hunter2")
    deploy.VerifierReplica(*verifier.init_args)
    assert "ENGINE_KEY" not in environment.child_environment()


def test_temporary_keys_are_pointed_out() -> None:
    assert temporary_keys(SHELL) == []
    assert "instance role" in temporary_keys({**SHELL, "AWS_SESSION_TOKEN": "t"})[0]
