"""What a newcomer types first: the reference, the schema, a first config, a run without a file, help from the shell."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import jsonschema
import pydantic
import pytest

from jobs.cli import COMMANDS, main
from jobs.config import SolveConfig, check_config, load_config
from jobs.configuration.command import TITLE
from jobs.configuration.describe import reference, sections
from jobs.configuration.starter import commented_toml, starter_table
from jobs.faults import told_faults
from runstore.code_revision import code_revision

ROOT = Path(__file__).resolve().parents[3]
TABLE = starter_table("models/tiny_reasoner", ["a.jsonl", "b/*.parquet"], "out")


def test_every_key_says_what_it_means() -> None:
    silent = [f"{part.path}.{key.name}" for part in sections(SolveConfig) for key in part.keys if not key.text]
    assert not silent
    assert not [part.path for part in sections(SolveConfig) if part.path and not part.text]


def test_the_reference_in_the_documents_is_of_this_code() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text()
    assert written == reference(SolveConfig, TITLE), "run: proofmill config reference > docs/configuration.md"


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "solve").glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_configs_hold_by_the_schema(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    table = tomllib.loads(path.read_text())
    jsonschema.validate(table, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**table, "smapling": {}}, schema)


def test_a_commented_config_means_what_its_table_means() -> None:
    text = commented_toml(TABLE)
    assert check_config(tomllib.loads(text), "made") == check_config(TABLE, "table")


def test_the_defaults_in_the_comments_are_the_defaults() -> None:
    """With the comment marks taken away, every key stands at the value that it has anyway."""
    uncommented = re.sub(r"^# (?=\w+ = )", "", commented_toml(TABLE), flags=re.MULTILINE)
    assert check_config(tomllib.loads(uncommented), "made") == check_config(TABLE, "table")


def test_init_never_writes_over_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["init", "--model", "m", "--problems", "p.jsonl", "--to", str(tmp_path / "new" / "c.toml")]
    assert main(words) == 0 and load_config(tmp_path / "new" / "c.toml").model.path == "m"
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_fault_in_a_flag_is_told_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["solve", "--model", "m", "--problems", "p.jsonl", "--out", str(tmp_path), "--num-samples", "0"]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("proofmill: --num-samples: ")
    assert main([*words, "--set", "sampling.num_samples=-1"]) == 2
    assert "sampling.num_samples: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_file_writes_the_one_it_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["solve", "--model", "m", "--problems", "p.jsonl", "--out", str(tmp_path), "--num-samples", "3"]
    assert main([*words, "--print-config"]) == 0
    path = tmp_path / "m-p.toml"
    config = load_config(path)
    assert (config.model.path, config.problems.files, config.sampling.num_samples) == ("m", ["p.jsonl"], 3)
    written = path.read_bytes()
    assert main([*words, "--print-config"]) == 0 and path.read_bytes() == written  # the same command, the same run
    capsys.readouterr()
    assert main([*words[:-1], "4", "--print-config"]) == 2
    assert f"{path}: is there already and says something else" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["solve"], ["solve", "--model", "m"], ["solve", "c.toml", "--model", "m"]])
def test_solve_needs_a_file_or_both_flags(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "give either a TOML file, or --model and --problems" in capsys.readouterr().err


def test_an_unknown_key_suggests_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.toml"
    path.write_text('run.id = "r"\nproblems.files = ["p"]\nmodel.path = "m"\nsampling.temprature = 1\n')
    assert main(["solve", str(path)]) == 2
    assert "sampling.temprature: unknown key (did you mean temperature?)" in capsys.readouterr().err


def test_a_rule_over_a_whole_file_is_told_without_the_file() -> None:
    class Pair(pydantic.BaseModel):
        low: int
        high: int

        @pydantic.model_validator(mode="after")
        def _in_order(self) -> Pair:
            if self.low > self.high:
                raise ValueError(f"low: is {self.low} and should be at most high, {self.high}")
            return self

    with pytest.raises(pydantic.ValidationError) as caught:
        Pair.model_validate({"low": 3, "high": 2})
    assert told_faults(caught.value, Pair) == ["low: is 3 and should be at most high, 2"]


def test_the_version_names_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(rf"proofmill \S+ \({code_revision()}\)\n", capsys.readouterr().out)


def test_the_completion_script_knows_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real bash reads the script and completes with it."""
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)
    typed = 'COMP_WORDS=(proofmill ""); COMP_CWORD=1; _shtab_proofmill; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", f"source {script}; {typed}"], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) >= set(COMMANDS)
