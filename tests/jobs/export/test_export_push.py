"""`export --push-to-hub` against a stand-in for the hub on loopback, by huggingface_hub's own client."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from made_up_runs import mixed_samples, sample, write_run
from stand_in_hub import TOKEN, StandInHub, stand_in_hub

from jobs.export import command
from jobs.export.dataset_card import file_name

Json = Any


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    with stand_in_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


def push(tmp_path: Path, *flags: str, samples: Json = None, clean: bool = True) -> int:
    run = tmp_path / "run"
    if not run.exists():
        write_run(run, samples or mixed_samples())
    held_out = tmp_path / "held-out.jsonl"
    item = {"id": "e", "kind": "math", "prompt": "How many roads lead to Rome from here?", "reference": {"answer": "3"}}
    held_out.write_text(json.dumps(item) + "\n")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    flags = ("--decontaminate", str(held_out), *flags) if clean else flags
    line = ["sft", "--run", str(run), "--out", str(tmp_path / "out"), "--push-to-hub", "org/set", "--processes", "1"]
    return command.run(parser.parse_args([*line, *flags]))


def newest(hub: StandInHub) -> dict[str, bytes]:
    return list(hub.sets["org/set"].values())[-1]


def test_a_set_is_uploaded_to_a_private_repository(
    tmp_path: Path, hub: StandInHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(tmp_path) == 0
    said = capsys.readouterr()
    assert f"uploaded: {hub.url}/datasets/org/set/commit/" in said.out and TOKEN not in said.out + said.err
    assert hub.private == {"org/set"}
    files = newest(hub)
    # What names places of this machine stays here.
    assert set(files) == {".gitattributes", "README.md", "data/train.parquet"}
    assert files["data/train.parquet"] == (tmp_path / "out" / "data" / "train.parquet").read_bytes()
    header = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    rows = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    (split,) = header["dataset_info"]["splits"]
    assert (split["name"], split["num_examples"]) == ("train", len(rows))
    assert {feature["name"] for feature in header["dataset_info"]["features"]} == set(rows.column_names)
    assert str(tmp_path) not in files["README.md"].decode()
    # Another export becomes another commit of the same set.
    assert push(tmp_path, "--per-problem", "1", "--overwrite") == 0
    assert len(hub.sets["org/set"]) == 3 and newest(hub)["data/train.parquet"] != files["data/train.parquet"]


def test_a_public_repository_is_only_used_when_asked_for(
    tmp_path: Path, hub: StandInHub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.commit("org/set", {})
    assert push(tmp_path) == 2
    assert "org/set is public on the hub" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and set(newest(hub)) == {".gitattributes"}
    assert push(tmp_path, "--set", "output.public=true") == 0
    assert "README.md" in newest(hub)


@pytest.mark.parametrize(
    ("over", "config", "named"),
    [
        ({"source": "Idavidrein/gpqa_diamond"}, {}, "gpqa"),
        ({"meta": json.dumps({"confidential": True})}, {}, "made-up"),
        ({"meta": json.dumps({"confidential": 1})}, {}, "made-up"),
        ({"meta": json.dumps({"confidential": "yes"})}, {}, "made-up"),
        ({"meta": '{"confidential":true}'}, {}, "made-up"),
        ({"meta": '{"confidential" : true}'}, {}, "made-up"),
        ({"meta": '{"confidenti\\u0061l": true}'}, {}, "made-up"),
        ({"reference": '{"answer": "1", "name" : "putnam_1962_a1"}'}, {}, "putnam_1962_a1"),
        ({"reference": json.dumps({"answer": "1234567", "name": "putnam_1962_a1"})}, {}, "putnam_1962_a1"),
        ({}, {"problems": {"confidential": ["gpqa", "made up"]}}, "made-up"),
        ({}, {"prompt": {"confidential": True}}, "prompts of"),
    ],
)
def test_confidential_problems_are_never_uploaded(
    tmp_path: Path, hub: StandInHub, capsys: pytest.CaptureFixture[str], over: Json, config: Json, named: str
) -> None:
    rows = [*mixed_samples(), sample("other", 0, **over)]
    write_run(tmp_path / "run", rows)
    (tmp_path / "run" / "run.json").write_text(json.dumps({"config": config}))
    assert push(tmp_path) == 2
    error = capsys.readouterr().err
    assert "confidential" in error and named in error
    assert not hub.sets and not (tmp_path / "out").exists()


def test_a_run_of_a_confidential_file_is_never_uploaded(
    tmp_path: Path, hub: StandInHub, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where its config takes nothing for confidential, so that no problem is marked."""
    write_run(tmp_path / "run", mixed_samples())
    record: Json = {"config": {"problems": {"confidential": []}}}
    record["problems"] = {"sources": [{"uri": "hf://datasets/Idavidrein/gpqa@main/test.jsonl", "layout": "mmlu"}]}
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert push(tmp_path) == 2
    assert "Idavidrein/gpqa" in capsys.readouterr().err and not hub.sets


def test_a_public_set_whose_name_ends_like_a_confidential_one_is_uploaded(tmp_path: Path, hub: StandInHub) -> None:
    rows = [*mixed_samples(), sample("other", 0, source="SuperGPQA"), sample("free", 0, source="supergpqa")]
    rows.append(sample("said", 0, meta=json.dumps({"confidential": False})))
    assert push(tmp_path, samples=rows) == 0
    assert hub.private == {"org/set"}


def test_a_card_repeats_no_signature() -> None:
    assert file_name("https://h/sets/x.jsonl?sig=SECRET") == "x.jsonl"
    assert file_name("https://me:SECRET@h/sets/x.jsonl#SECRET") == "x.jsonl"
    assert file_name("/data/x.jsonl") == "x.jsonl"


def test_what_cannot_be_pushed_is_said_before_anything_is_read(
    tmp_path: Path, hub: StandInHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert push(tmp_path, clean=False) == 2
    assert "not decontaminated" in capsys.readouterr().err
    assert push(tmp_path, "--push-to-hub", "no/such/name") == 2
    assert "no id of the hub" in capsys.readouterr().err
    assert push(tmp_path, "--out", "s3://bucket/set") == 2
    assert "--out has to be a local folder" in capsys.readouterr().err
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    assert push(tmp_path) == 2
    assert "set HF_TOKEN" in capsys.readouterr().err
    assert not hub.sets and not (tmp_path / "out").exists()


def test_a_hub_that_fails_leaves_the_set_here_and_no_token_in_the_error(
    tmp_path: Path, hub: StandInHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "hf_a_token_that_is_wrong"
    monkeypatch.setenv("HF_TOKEN", secret)
    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", raises_with(secret))
    assert push(tmp_path) == 3
    said = capsys.readouterr()
    assert "the data set is whole at" in said.err and secret not in said.out + said.err
    assert (tmp_path / "out" / "data" / "train.parquet").exists()
    hub.status = 503
    assert push(tmp_path, "--overwrite") == 3
    assert "org/set cannot be asked for" in capsys.readouterr().err


def raises_with(secret: str) -> Any:
    def create(*_: Any, **__: Any) -> None:
        raise OSError(f"refused: Bearer {secret}")

    return create
