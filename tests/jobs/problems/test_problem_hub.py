"""Data sets of the hub as problem files, against a stand-in hub on loopback and the hub's own client."""

from __future__ import annotations

import json

import pytest

from jobs.config import Problems, SolveConfig
from jobs.problems import hub
from jobs.problems.errors import ProblemFileError
from jobs.problems.load import check_problems, stream_problems
from jobs.solve.record import check_resume, new_record, pin_data_sets
from tests.helpers.stand_in_hub import TOKEN, StandInHub, stand_in_hub

CARD = b"""---
configs:
- config_name: main
  data_files:
  - split: test
    path: main/test-*
  - split: train
    path: [main/train-*]
- config_name: socratic
  data_dir: socratic
  data_files:
  - split: test
    path: "*.jsonl"
---
# A data set
"""


def rows(*numbers: int) -> bytes:
    return "".join(json.dumps({"question": f"What is {n}?", "answer": f"#### {n}"}) + "\n" for n in numbers).encode()


@pytest.fixture
def served(monkeypatch, tmp_path):
    """A hub, and a cache and an environment of its own for its client."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.chdir(tmp_path)
    hub.forget_commits()
    with stand_in_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
    hub.forget_commits()


def gsm8k(served: StandInHub) -> str:
    files = {"main/test-00000-of-00001.jsonl": rows(3), "main/train-00000-of-00001.jsonl": rows(4, 5)}
    return served.commit("openai/gsm8k", {"README.md": CARD, **files, "socratic/test.jsonl": rows(6)})


def prompts(**table) -> list[str]:
    return [problem.prompt for problem in stream_problems(Problems(**table))]


def refused(**table) -> str:
    with pytest.raises(ProblemFileError) as caught:
        check_problems(Problems(**table))
    return str(caught.value)


def test_a_card_that_names_all_below_a_folder(served):
    """A pattern `data/**` reaches every depth; files that it missed would be left out without a word."""
    card = b"---\nconfigs:\n- config_name: all\n  data_files:\n  - split: train\n    path: data/**\n---\n"
    files = {"data/a.jsonl": rows(3), "data/en/b.jsonl": rows(4), "data/en/deep/c.jsonl": rows(5)}
    served.commit("own/set", {"README.md": card, **files, "other/d.jsonl": rows(6)})
    assert prompts(files=["own/set"]) == ["What is 3?", "What is 4?", "What is 5?"]
    assert prompts(files=["hf://datasets/own/set/data/en/**"]) == ["What is 4?", "What is 5?"]


def test_a_bare_id_and_a_uri_read_the_same_files_and_name_the_commit(served):
    commit = gsm8k(served)
    summary = check_problems(Problems(files=["openai/gsm8k"], config="main", split="test"))
    uri = f"hf://datasets/openai/gsm8k@{commit}/main/test-00000-of-00001.jsonl"
    assert [source.uri for source in summary.sources] == [uri]
    assert check_problems(Problems(files=["hf://datasets/openai/gsm8k/main/test-*"])).sha256 == summary.sha256
    assert check_problems(Problems(files=[uri])).sha256 == summary.sha256
    assert prompts(files=["hf://datasets/openai/gsm8k/socratic"]) == ["What is 6?"]
    served.commit("org/own", {"x.jsonl": b'{"problem": "1 + 1?", "answer": "2"}\n'})
    assert {problem.source for problem in stream_problems(Problems(files=["org/own"]))} == {"org/own"}
    # What nobody asked for was not downloaded.
    assert not [name for name in served.downloads if "train" in name]


def test_the_part_of_a_set_is_asked_for_and_not_guessed(served):
    gsm8k(served)
    assert "set problems.config to one of main, socratic" in refused(files=["openai/gsm8k"])
    text = refused(files=["openai/gsm8k"], config="main")
    assert "several splits" in text and "set problems.split to one of test, train" in text
    assert "name its files, as hf://datasets/ORG/NAME/PATH, or in a config set" in text
    assert "there is no split 'dev'" in refused(files=["openai/gsm8k"], config="main", split="dev")
    assert prompts(files=["openai/gsm8k"], config="socratic") == ["What is 6?"]


def test_a_set_without_a_card_is_read_by_the_names_of_its_files(served):
    served.commit("org/plain", {"data/train-00000-of-00002.jsonl": rows(1), "data/train-00001-of-00002.jsonl": rows(2)})
    assert prompts(files=["org/plain"]) == ["What is 1?", "What is 2?"]
    served.commit("org/folders", {"algebra/test.jsonl": rows(1), "geometry/test.jsonl": rows(2)})
    assert prompts(files=["org/folders"], config="geometry") == ["What is 2?"]
    served.commit("org/pictures", {"picture.png": b"x"})
    assert "no problem file among its 2 files" in refused(files=["org/pictures"])


def test_a_branch_that_moves_changes_nothing_in_this_run_nor_in_its_resume(served):
    old = gsm8k(served)
    chosen = {"files": ["openai/gsm8k"], "config": "main", "split": "test"}
    before = check_problems(Problems(**chosen))
    new = served.commit("openai/gsm8k", {"README.md": CARD, "main/test-00000-of-00001.jsonl": rows(3, 7)})
    assert prompts(**chosen) == ["What is 3?"]
    hub.forget_commits()
    assert new in check_problems(Problems(**chosen)).sources[0].uri
    hub.forget_commits()
    hub.pin_files([source.uri for source in before.sources], "")
    assert check_problems(Problems(**chosen)).sha256 == before.sha256
    hub.forget_commits()
    assert check_problems(Problems(**chosen, revision=old)).sha256 == before.sha256
    text = refused(files=[f"hf://datasets/openai/gsm8k@{old}/main/test-*"], revision=new)
    assert "problems.revision" in text
    assert "no revision 'v9'" in refused(**chosen, revision="v9")


def begun(table: dict) -> tuple[SolveConfig, dict]:
    """A config with these problems, and what run.json says of the run that begins with it."""
    run = {"run": {"id": "r", "seed": 1}, "model": {"path": "m"}, "output": {"uri": "out"}}
    config = SolveConfig.model_validate({**run, "problems": table, "sampling": {"policy": "fixed", "num_samples": 4}})
    return config, json.loads(json.dumps(new_record(config, check_problems(config.problems), {})))


@pytest.mark.parametrize(
    "table",
    [
        {"files": ["hf://datasets/org/set@main/x.jsonl"]},
        {"files": ["hf://datasets/org/set@v1/x.jsonl", "hf://datasets/org/set@dev/y.jsonl"]},
        # Both names stand at one commit, and so for one file, when the run begins.
        {"files": ["hf://datasets/org/set@v1/x.jsonl", "hf://datasets/org/set@refs%2Fpr%2F1/x.jsonl"]},
        {"sources": [{"files": ["org/set"], "revision": "v1"}, {"files": ["org/set"], "revision": "dev"}]},
        {"files": ["org/set"], "revision": "dev", "sources": [{"files": ["org/set"], "revision": "v1"}]},
        {"files": ["org/set"]},
    ],
)
def test_a_resume_keeps_every_revision_at_its_commit(served, table):
    """Two revisions of one set are two commits, wherever each was asked for, and all of their names may move."""
    first = served.commit("org/set", {"x.jsonl": rows(1), "y.jsonl": rows(8)})
    second = served.commit("org/set", {"x.jsonl": rows(2), "y.jsonl": rows(9)})
    served.names = {("org/set", "v1"): first, ("org/set", "refs/pr/1"): first, ("org/set", "dev"): second}
    config, record = begun(table)
    before = check_problems(config.problems)
    moved = served.commit("org/set", {"x.jsonl": rows(3), "y.jsonl": rows(7)})
    newest = served.commit("org/set", {"x.jsonl": rows(4), "y.jsonl": rows(6)})
    served.names = {**dict.fromkeys(served.names, moved), ("org/set", "dev"): newest}
    hub.forget_commits()
    pin_data_sets(config, record)
    assert check_problems(config.problems) == before
    check_resume(config, before, record, "out")
    hub.forget_commits()
    assert check_problems(config.problems).sha256 != before.sha256, "without the record the set has changed"


def test_a_run_that_stored_no_commits_is_pinned_by_its_files(served):
    served.commit("org/set", {"x.jsonl": rows(1)})
    config, record = begun({"files": ["org/set"]})
    del record["data_sets"]
    served.commit("org/set", {"x.jsonl": rows(2)})
    hub.forget_commits()
    pin_data_sets(config, record)
    check_resume(config, check_problems(config.problems), record, "out")


def test_private_gated_and_unknown_sets_say_what_to_do(served, monkeypatch):
    served.commit("org/private", {"x.jsonl": rows(1)})
    served.commit("org/gated", {"x.jsonl": rows(2)})
    served.private.add("org/private")
    served.gated.add("org/gated")
    for name in ("org/private", "org/none"):
        text = refused(files=[name])
        assert f"no data set {name}, or it is private" in text and "HF_TOKEN" in text
    assert "is gated" in refused(files=["hf://datasets/org/gated"])
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert prompts(files=["org/private"]) == ["What is 1?"]
    assert prompts(files=["org/gated"]) == ["What is 2?"]


def test_without_a_network_a_whole_cache_is_read_and_a_part_of_one_is_not(served, monkeypatch):
    import huggingface_hub.constants

    gsm8k(served)
    chosen = {"files": ["openai/gsm8k"], "config": "main"}
    before = check_problems(Problems(**chosen, split="test"))
    hub.forget_commits()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert check_problems(Problems(**chosen, split="test")) == before
    text = refused(**chosen, split="train")
    assert "not whole in the hub's cache" in text and "network" in text
    assert "not whole in the hub's cache" in refused(files=["org/never"])


def test_a_local_name_comes_before_the_hub(served, tmp_path):
    (tmp_path / "org").mkdir()
    assert "no such file; paths are relative" in refused(files=["org/typo"])
    assert served.downloads == []
