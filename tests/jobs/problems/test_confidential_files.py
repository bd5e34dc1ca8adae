"""Problems of confidential sources are known by their files and rows, whatever source their layout gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.config import Problems
from jobs.problems import load
from jobs.problems.load import check_problems, stream_problems
from jobs.problems.sources import Source
from jobs.service.deploy import load_known
from jobs.service.settings import ServiceConfig
from verifiers.types import Problem
from workers.engines.remote.confidential import SOURCES, is_confidential

MMLU = {"question": "Which?", "choices": ["a", "b", "c", "d"], "answer": 1}
MMLU_PRO = {"question": "Which?", "options": ["a", "b", "c"], "answer": "B", "answer_index": 1}
MEDQA = {"question": "Which?", "options": {"A": "a", "B": "b"}, "answer": "b", "answer_idx": "B"}
MEDMCQA = {"question": "Which?", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": 1}
AQUA = {"question": "Which?", "options": ["A)1", "B)2"], "correct": "B", "rationale": "x"}
VERL = {
    "data_source": "mine",
    "prompt": [{"role": "user", "content": "1 + 1?"}],
    "reward_model": {"style": "rule", "ground_truth": "2"},
}
ROWS: dict[str, dict[str, Any]] = {
    "mmlu": MMLU,
    "mmlu_pro": MMLU_PRO,
    "medqa": MEDQA,
    "medmcqa": MEDMCQA,
    "aqua": AQUA,
    "verl": VERL,
    "canonical": {"id": "a", "kind": "math", "prompt": "?", "reference": {"answer": "1"}, "source": "mine"},
}


def read(path: Path, *rows: dict[str, Any], **table: Any) -> tuple[list[Problem], Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = Problems(files=[str(path)], **table)
    return list(stream_problems(config)), check_problems(config)


@pytest.mark.parametrize("layout", ROWS)
@pytest.mark.parametrize("place", ["sets/gpqa_diamond.jsonl", "GPQA/data/test.jsonl", "datasets--x--gpqa/s/main.jsonl"])
def test_a_file_with_the_name_of_a_confidential_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (problem,), summary = read(Path(place), ROWS[layout])
    assert summary.sources[0].layout == layout
    assert problem.meta["confidential"] is True and is_confidential(problem, SOURCES)
    assert sum(summary.confidential.values()) == 1
    # The same rows elsewhere are what they were.
    (plain,), summary = read(Path("sets/other.jsonl"), ROWS[layout])
    assert "confidential" not in plain.meta and not summary.confidential


@pytest.mark.parametrize(
    "further",
    [
        {"source": "Idavidrein/gpqa"},
        {"dataset": "gpqa_main"},
        {"confidential": True},
        {"src": "GPQA"},
        {"dataset": ["a", "gpqa"]},
        {"extra_info": {"source": "gpqa"}},
    ],
)
def test_a_row_that_names_a_confidential_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, further: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    problems, _ = read(Path("mixed.jsonl"), {**MMLU, **further}, MMLU)
    assert [is_confidential(problem, SOURCES) for problem in problems] == [True, False]


def source_of(uri: str, path: str = "/cache/file.jsonl", system: str = "local") -> Source:
    return Source(uri, path, "jsonl", "", "a", system)


@pytest.mark.parametrize(
    ("source", "confidential"),
    [
        (source_of("hf://datasets/Idavidrein/gpqa@" + 40 * "0" + "/main/test.parquet"), True),
        (source_of("s3://bucket/putnam-bench/a.jsonl"), True),
        (source_of("https://h/f.jsonl", "https://h/f.jsonl?of=gpqa.jsonl", "fsspec"), True),
        (source_of("https://h/sets%2Fgpqa_main.jsonl", "https://h/sets%2Fgpqa_main.jsonl", "fsspec"), True),
        (source_of("hf://datasets/m-a-p/SuperGPQA@" + 40 * "0" + "/SuperGPQA-all.jsonl"), False),
        (source_of("hf://datasets/cais/mmlu@" + 40 * "0" + "/all/test.parquet", "/cache/mmlu/test.parquet"), False),
    ],
)
def test_ids_of_the_hub_and_addresses(source: Source, confidential: bool) -> None:
    problem = Problem("a", "choice", "?", {}, source="mmlu")
    marked = load.with_mark(problem, MMLU, source, SOURCES)
    assert is_confidential(marked, SOURCES) is confidential
    assert confidential or marked is problem


def test_what_says_it_itself_keeps_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set whose source is confidential already is the same set as before, in whatever file it lies."""
    monkeypatch.chdir(tmp_path)
    row = {**ROWS["canonical"], "source": "gpqa"}
    (here,), by_file = read(Path("gpqa.jsonl"), row)
    _, elsewhere = read(Path("other.jsonl"), row)
    assert not here.meta and by_file.sha256 == elsewhere.sha256
    # A config that takes nothing for confidential marks nothing; --push-to-hub goes by the files that run.json names.
    (free,), _ = read(Path("gpqa.jsonl"), MMLU, confidential=[])
    assert not is_confidential(free, [])


def test_the_problems_that_a_service_knows_are_marked_by_its_own_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    read(Path("secret_set.jsonl"), MMLU)
    settings = ServiceConfig.model_validate({"problems": {"files": ["secret_set.jsonl"]}})
    (known,) = load_known(settings, ["secret-set"]).values()
    assert is_confidential(known, ["secret-set"])
    (known,) = load_known(settings).values()
    assert not known.meta.get("confidential")
