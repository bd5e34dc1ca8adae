"""What an export says of the rows that it did not take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from made_up_runs import sample, write_run

from jobs.config import ConfigError
from jobs.export.outcomes import OUTCOMES, explained, told, value_at
from jobs.export.pipeline import export
from jobs.export.settings import load_settings

SOURCE = Path(__file__).resolve().parents[3] / "jobs" / "export"


def refused(tmp_path: Path, format: str, *overrides: str, finished: bool = True, **over: object) -> str:
    run = write_run(tmp_path / "run", [sample("p", index, **over) for index in range(2)])
    if not finished:
        (tmp_path / "run" / "problems.parquet").unlink()
    with pytest.raises(ConfigError) as error:
        export(load_settings(format, None, ["work.processes=1", *overrides]), [run], str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    return str(error.value)


def test_problems_out_of_the_band_name_its_keys(tmp_path: Path) -> None:
    text = refused(tmp_path, "rl")
    assert "pass_rate_outside 1, pass rate outside the band (rl.low = 0.1, rl.high = 0.9)" in text


def test_a_gate_names_its_keys_and_their_values(tmp_path: Path) -> None:
    text = refused(tmp_path, "sft", "gates.min_work_tokens=500")
    assert "answer_without_work 2, an answer and nothing else (gates.min_work_tokens = 500)" in text
    text = refused(tmp_path / "other", "sft", status="undecided", text="?")
    assert "status_undecided 2" in text and "proofmill verify --run" in text


def test_an_unfinished_run_names_the_command_that_mends_it(tmp_path: Path) -> None:
    text = refused(tmp_path, "rl", finished=False)
    assert "no problems.parquet there" in text and f"`proofmill report {tmp_path / 'run'}` writes it" in text


def test_every_key_that_is_named_is_one() -> None:
    settings = load_settings("sft", None).resolved()
    for name, outcome in OUTCOMES.items():
        for key in outcome.keys:
            value_at(settings, key)
        assert told(name, 3, settings).startswith(f"{name} 3, ")


def test_every_counter_of_the_funnel_is_explained() -> None:
    """Names as they stand in the source: in calls of `drop`, and where a counter is added to."""
    text = "".join(path.read_text() for path in sorted(SOURCE.rglob("*.py")))
    dropped = re.findall(r"""(?:drop|leave)\([^\n]*"([a-z_]+)"\)$""", text, re.MULTILINE)
    names = {*dropped, *re.findall(r"""funnel\["([a-z_]+)"\]""", text)}
    assert len(names) > 20
    unknown = {name for name in names if name not in OUTCOMES and explained(name).text == "counted by the format"}
    assert not unknown, unknown
