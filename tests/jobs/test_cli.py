"""The command itself: help with examples everywhere, exit codes, a shadowed package told plainly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text and f"proofmill {name}" in text.split("examples:")[1]


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["polish"])
    assert ended.value.code == 2 and "invalid choice" in capsys.readouterr().err


def test_a_missing_config_names_file_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "nowhere.toml"]) == 2
    assert "nowhere.toml: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            "sampling.num_sample = 3",
            "sampling.num_sample: unknown key (did you mean num_samples?); known here: policy, num_samples",
        ),
        ('sampling.num_samples = "many"', "sampling.num_samples: Input should be a valid integer"),
        ("sampling.temperature = -1", "sampling.temperature: Input should be greater than or equal to 0"),
        ("sampling.temperature = 2.5", "sampling.temperature: Input should be less than or equal to 2"),
        ("sampling.temperature = ", "not valid TOML"),
        ('sampling.stop = [""]', "sampling.stop.0: String should have at least 1 character"),
        ('prompt.suffix_by_kind.maths = "x"', "prompt.suffix_by_kind.maths"),
        ("model.engine_args.max_num_seqs = 8", "max_num_seqs has a key of its own, model.max_num_seqs"),
        ("model.engine_args.pipeline_parallel_size = 2", "not planned for; set model.tensor_parallel_size"),
    ],
)
def test_a_bad_config_names_file_key_and_remedy(
    line: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f'run.id = "r"\nproblems.files = ["p.jsonl"]\nmodel.path = "m"\n{line}\n')
    assert main(["solve", str(path)]) == 2
    error = capsys.readouterr().err
    assert text in error and str(path) in error


def test_another_distributions_package_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "__init__.py").touch()
    code = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; from jobs.cli import main; sys.exit(main([]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "`workers` comes from" in done.stderr


def test_a_dry_run_starts_nothing_and_prints_the_plan(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is said of prompts needs vLLM; tests/workers/engines/test_preview.py has it.
    monkeypatch.setattr("jobs.solve.command.describe_prompts", lambda config: f"prompts of {config.run.id}")
    (tmp_path / "p.jsonl").write_text('{"id": "a", "kind": "math", "prompt": "1+1?", "reference": {"answer": "2"}}\n')
    config = tmp_path / "c.toml"
    config.write_text(
        f'run.id = "r"\nproblems.files = ["{tmp_path}/p.jsonl"]\nmodel.path = "{ROOT}/models/tiny_reasoner"\n'
        f'output.uri = "{tmp_path}/out"\nsampling.num_samples = 4\nresources.device = "cpu"\n'
    )
    assert main(["solve", str(config), "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "1 problems (1 math)" in text and "KV cache" in text and "4 samples" in text
    assert text.endswith("prompts of r\n")
    assert not (tmp_path / "out").exists()


def test_verify_answers_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    problems, solutions, out = tmp_path / "p.jsonl", tmp_path / "s.jsonl", tmp_path / "v.jsonl"
    problems.write_text(
        "".join(
            json.dumps({"id": f"p{i}", "kind": "math", "prompt": "?", "reference": {"answer": str(i)}}) + "\n"
            for i in range(20)
        )
    )
    solutions.write_text(
        "".join(
            json.dumps({"problem_id": f"p{i}", "text": f"So \\boxed{{{i if i % 2 else i + 1}}}"}) + "\n"
            for i in range(20)
        )
    )
    assert main(["verify", "--problems", str(problems), "--solutions", str(solutions), "--out", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["problem_id"] for row in rows] == [f"p{i}" for i in range(20)]
    assert [row["status"] for row in rows] == ["refuted", "verified"] * 10
    assert "20 checked: 10 verified, 10 refuted" in capsys.readouterr().err

    solutions.write_text('{"problem_id": "nobody", "text": "5"}\n')
    assert main(["verify", "--problems", str(problems), "--solutions", str(solutions), "--out", str(out)]) == 2
    assert "problem_id: 'nobody' is not in" in capsys.readouterr().err
    assert len(out.read_text().splitlines()) == 20, "a failed run must not touch the earlier output"
