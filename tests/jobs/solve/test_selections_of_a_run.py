"""The end of a run chooses answers for its problems, before its report is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_up_run import sample_row, write_run

from jobs.config import check_config
from jobs.solve.summary import close_run, summary_rows
from runstore.reader import read_selections
from runstore.storage import open_storage

FIXED = {"policy": "fixed", "estimates": "unbiased", "num_samples": 4}
SUMMARY = {
    **{"complete": True, "problems": 81, "problems_solved": 80, "samples": 324, "aborted_samples": 0, "usd": 0.0},
    **{"statuses": {"verified": 320, "unchecked": 4}, "prompt_tokens": 1, "completion_tokens": 1, "saved_tokens": 0},
    **{"gpu_s": 0.0, "cpu_s": 1.0, "wall_s": 1.0},
}


def rows_of(name: str, status: str, reference: dict[str, str]) -> list[dict[str, Any]]:
    about = {"reference": json.dumps(reference), "extracted_answer": "5", "prompt": f"What is {name}?"}
    return [sample_row(name, at, status, FIXED, **about) for at in range(4)]


@pytest.mark.parametrize("keyless", [True, False])
def test_the_end_of_a_run_writes_selections_and_its_page_shows_them(tmp_path: Path, keyless: bool) -> None:
    rows = [row for at in range(80) for row in rows_of(f"p{at}", "verified", {"answer": "5"})]
    rows += rows_of("hidden", "unchecked", {}) if keyless else []
    uri = write_run(str(tmp_path / "runs" / "made-up"), rows)
    sections: dict[str, Any] = {"run": {"id": "made-up"}, "output": {"uri": str(tmp_path)}}
    sections |= {"model": {"path": "somewhere"}, "problems": {"files": ["some.jsonl"]}}
    record: dict[str, Any] = {"config": {}, "starts": [{}], "summary": dict(SUMMARY)}
    chosen_by_none = check_config({**sections, "selection": {"methods": []}}, "test")
    assert "selections" not in dict(summary_rows(close_run(chosen_by_none, open_storage(uri), record)))
    assert not (Path(uri) / "selections.parquet").exists()
    shown = close_run(check_config(sections, "test"), open_storage(uri), record)
    found = [row for batch in read_selections(open_storage(uri), ["problem_id"]) for row in batch.to_pylist()]
    assert len(found) == 80 + keyless
    assert ("Chosen without a proof" in (Path(uri) / "report.html").read_text()) is keyless
    assert ("selections" in dict(summary_rows(shown))) is keyless
