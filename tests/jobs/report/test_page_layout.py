"""Both pages at a phone's and a laptop's width: nothing scrolls sideways, and no word is broken inside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up_run import sample_row, write_run
from page_layout import CHROMIUM, layout_faults

from jobs.report.compare import compare_runs
from jobs.report.page import write_report

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a Chromium")

RULE = {"policy": "fixed", "estimates": "unbiased", "num_samples": 8}
DOMAINS = ["modular_arithmetic", "quadratic_equations", "simultaneous_linear_equations", "multiple_choice"]


def run_with_long_names(folder: Path, name: str, every: int) -> str:
    rows = [
        sample_row(
            f"{domain}-{number}",
            index,
            "refuted" if (number + index) % every else "verified",
            RULE,
            run_id=name,
            domain=domain,
            kind="choice" if domain == "multiple_choice" else "math",
            checker="lean" if number % 2 else "math",
            checker_version="2+lean4.28.0-pre+wasm0.0.0r1",
            reference=json.dumps({"options": ["1", "2", "3", "4"], "answer": "ABCD"[number % 4]}),
            evidence=json.dumps({"answer": "ABCD"[index % 4], "steps": [{"text": "x" * 300, "ok": False}]}),
            reason=f"the_answer_differs_from_{every}",
        )
        for domain in DOMAINS
        for number in range(6)
        for index in range(8)
    ]
    run = {
        "config": {
            "model": {"path": "models/a_model_with_a_long_name"},
            "problems": {"files": ["problems/a/long/path/of_a_file_that_has_a_long_name.jsonl"]},
            "sampling": {"policy": "fixed", "num_samples": 8, "temperature": every / 10},
        },
        "code_revision": "0123456789abcdef" * 2 + str(every),
        "summary": {"wall_s": 240.0, "gpu_s": 7000.0, "usd": 0.02, "retries": {"replica_died_in_the_middle": 3}},
    }
    return write_run(str(folder / name), rows, run)


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_scrolls_sideways_and_no_word_is_broken(tmp_path: Path, width: int) -> None:
    first, second = (run_with_long_names(tmp_path, f"run_number_{every}", every) for every in (2, 3))
    for page in (write_report(first)[0], compare_runs(first, second, str(tmp_path / "compared"))):
        assert layout_faults(Path(page), width, tmp_path) == []


def test_a_page_that_scrolls_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    wide = "<div style='overflow-x:auto;width:80px'><table><tr><td style='white-space:nowrap'>one two three four five"
    page.write_text(
        f"<html><head></head><body>{wide}</td></tr></table></div>"
        "<p style='width:30px;word-break:break-all'>arithmetic</p></body></html>"
    )
    faults = layout_faults(page, 390, tmp_path)
    assert any(fault.startswith("scrolls: DIV") for fault in faults) and "broken: arithmetic" in faults
