"""A model's path that is not there: the folder is named, and the hub is not waited for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from jobs.config import ConfigError
from jobs.model_path import HUB_TIMEOUT_S, check_model_path, is_hub_id, public_name, read_model_config


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is asked of the hub; the cache is empty and nothing answers."""
    questions: list[str] = []

    def download(repo: str, file: str, revision: str | None = None, local_files_only: bool = False) -> str:
        questions.append(f"{'cache' if local_files_only else 'download'} {repo}")
        raise LocalEntryNotFoundError("not in the cache")

    def metadata(url: str, timeout: float) -> None:
        assert timeout == HUB_TIMEOUT_S
        questions.append(f"ask {url.split('/resolve')[0].split('://')[1].partition('/')[2]}")
        raise OSError("Name or service not known")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    monkeypatch.chdir(tmp_path)
    return questions


@pytest.mark.parametrize(
    "path",
    [
        "./models/tiny",
        "../tiny",
        "/no/such/model",
        "~/no/such/model",
        "out/models/tiny",
        "tiny",
        "a b/c",
        "org/x--y",
    ],
)
def test_what_can_not_be_a_hub_id_is_never_asked_of_the_hub(path: str, asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read_model_config(path)
    assert "no hub id" in str(refused.value) and asked == []
    if not path.startswith(("/", "~", ".")):
        assert f"no such folder here: {tmp_path / path}" in str(refused.value)
        assert "begins at the working directory, not at the config file" in str(refused.value)


def test_a_folder_of_models_is_looked_for_in_the_cache_only(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read_model_config("models/tiny_reasoner")
    assert asked == ["cache models/tiny_reasoner"]
    assert f"no such folder here: {tmp_path}/models/tiny_reasoner" in str(refused.value)
    assert "meant as a hub id" in str(refused.value)


def test_a_hub_id_is_asked_for_once(asked: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        read_model_config("org/name")
    assert asked == ["cache org/name", "ask org/name"]
    for words in ("no such folder here", "nor to be had from the hub (OSError)", "hf download org/name"):
        assert words in str(refused.value)


def test_what_is_there_is_read(asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"vocab_size": 9}))
    assert read_model_config("models/tiny") == {"vocab_size": 9} and asked == []

    def cached(repo: str, file: str, **_: Any) -> str:
        return str(folder / "config.json")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", cached)
    assert read_model_config("org/name") == {"vocab_size": 9}


def test_the_key_is_that_of_the_caller(asked: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"^select\.student = 'a/b/c': no such folder"):
        check_model_path("a/b/c", "select.student")
    check_model_path("org/name")
    assert is_hub_id("org/name-1.5B") and asked == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/me/private/models/tiny_reasoner", "tiny_reasoner"),
        ("/home/me/models/tiny_reasoner/", "tiny_reasoner"),
        ("models/tiny_reasoner", "tiny_reasoner"),
        ("./tiny", "tiny"),
        ("~/tiny", "tiny"),
        ("a/b/c", "c"),
        ("s3://bucket/private/name", "name"),
        ("org/name-3B", "org/name-3B"),
        ("gpt2", "gpt2"),
        ("/root/.cache/huggingface/hub/models--org--name-3B/snapshots/0123abc", "org/name-3B"),
        ("", ""),
    ],
)
def test_no_path_becomes_public(path: str, name: str) -> None:
    assert public_name(path) == name
