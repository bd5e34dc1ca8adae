"""The command: flags, settings files and exit codes."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from made_up_runs import mixed_samples, sample, write_run

from jobs.config import ConfigError
from jobs.export import command
from jobs.export.formats_table import FORMATS
from jobs.export.settings import load_settings

SHIPPED = sorted((Path(__file__).parents[3] / "configs" / "export").glob("*.toml"))


def call(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def test_export_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    flags = [
        "--run",
        run,
        "--out",
        str(tmp_path / "out"),
        "--layout",
        "messages",
        "--per-problem",
        "1",
        "--processes",
        "1",
    ]
    assert call("sft", *flags) == 0
    assert "12 rows in" in capsys.readouterr().out
    assert call("sft", *flags) == 2
    assert "holds a data set already" in capsys.readouterr().err
    assert call("sft", *flags, "--overwrite", "--set", "select.per_problem=2") == 0
    assert "24 rows in" in capsys.readouterr().out


def test_the_last_word_has_a_line_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run", [sample("p", 0, status="refuted")])
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert call("sft", "--run", run, "--out", str(tmp_path / "out"), "--processes", "1") == 2
    assert "\r\033[Kproofmill export: nothing to export" in capsys.readouterr().err


def test_flags_reach_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--tier", "a", "--tier", "b", "--data-source", "mine", "--decontaminate", "x.jsonl", "--skip-bad"]
    assert call("sft", "--run", "r", "--out", "o", *flags, "--print-config") == 0
    settings = json.loads(capsys.readouterr().out)
    assert settings["select"]["tiers"] == ["a", "b"]
    assert settings["rl"]["data_source"] == "mine"
    assert settings["decontaminate"]["files"] == ["x.jsonl"]
    assert settings["work"]["skip_bad"] is True


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_settings(path: Path) -> None:
    settings = load_settings(path.stem, path)
    assert settings.layout in FORMATS.row(settings.format).layouts


def test_faults_are_listed_together(tmp_path: Path) -> None:
    path = tmp_path / "sft.toml"
    path.write_text("[select]\nper_problem = 0\nstrateggy = 'first'\n[gates]\nloop_share = 2\n")
    with pytest.raises(ConfigError) as caught:
        load_settings("sft", path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and all(line.startswith(f"{path}: ") for line in lines)
    assert any("strateggy: unknown key" in line and "strategy" in line for line in lines)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("output.layout=verl", "no layout of sft"),
        ("rl.low=0.95", "above rl.high"),
        ("select.strategy=learning_potential", "--student"),
        ("select.low_quantile=0.99", "below select.high_quantile"),
    ],
)
def test_settings_that_contradict_each_other(override: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load_settings("sft", None, [override])


@pytest.mark.parametrize(
    ("format", "overrides"),
    [
        ("rl", ["select.tiers=['strict']"]),
        ("rl", ["select.variants=['plain']"]),
        ("sft", ["select.min_probability=0.9"]),
        ("sft", ["select.student=x"]),
        ("sft", ["select.low_quantile=0.2"]),
        ("sft", ["select.high_quantile=0.8", "select.labels=agreed"]),
        ("rl", ["select.audits=['kernel replay']"]),
        ("rl", ["select.strategy=shortest"]),
        ("preference", ["select.strategy=shortest"]),
        ("prm", ["select.strategy=learning_potential", "select.student=x"]),
    ],
)
def test_settings_without_effect_are_refused(format: Any, overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match=overrides[0].partition("=")[0].replace(".", r"\.")):
        load_settings(format, None, overrides)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nope"], "proofmill export: FORMAT: unknown export format 'nope'; known: sft,"),
        (["sft", "--layout", "nope"], "proofmill export: --layout: 'nope' is no layout of sft; known: "),
        (
            ["sft", "--min-probability", "0.95"],
            'proofmill export: --min-probability: has no effect without select.labels = "agreed" (--labels agreed)',
        ),
        (["sft", "--student", "x"], "proofmill export: --student: has no effect without select.strategy = "),
        (["sft", "--per-problem", "0"], "proofmill export: --per-problem: Input should be greater than"),
        (
            ["sft", "--layout", "nope", "--set", "output.layout=also"],
            "proofmill export: --set: output.layout: 'also' is",
        ),
        (["sft", "--set", "selct.tiers=[]"], "proofmill export: --set: selct: unknown key"),
    ],
)
def test_a_fault_is_told_in_the_words_of_the_command_line(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*words, "--run", str(tmp_path), "--out", str(tmp_path / "out")) == 2
    assert capsys.readouterr().err.startswith(told)


def test_unknown_scheme_and_missing_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("sft", "--run", "gs://x/y", "--out", str(tmp_path / "o")) == 2
    assert "expected a local path or s3://" in capsys.readouterr().err
    assert call("sft", "--run", str(tmp_path / "none"), "--out", str(tmp_path / "o")) == 2
    assert "no samples/ folder" in capsys.readouterr().err


def test_storage_that_fails_in_the_middle(
    tmp_path: Path, proxy: Any, s3: str, bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    proxy.faults = ["expired"] * 100
    assert call("sft", "--run", run, "--out", f"s3://{bucket}/out", "--processes", "1") == 3
    said = capsys.readouterr().err
    assert "ExpiredToken" in said and "the same command starts afresh" in said and "Traceback" not in said
    proxy.faults = []
    assert call("sft", "--run", run, "--out", f"s3://{bucket}/out", "--processes", "1") == 0
