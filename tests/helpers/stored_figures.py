"""Figures that the command line gives for the stored runs of tests/fixtures/before_redesign.

`python tests/helpers/stored_figures.py CHECKOUT` prints them as the code in CHECKOUT computes them; the output of
the commit that wrote the runs is kept as expected.json beside them, and test_old_runs.py compares with it.

Promise: nothing of the product is imported, since its modules move and the stored formats do not. Everything is asked
of `python -m jobs.cli` in a process of its own, and files are read with pyarrow and json alone.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "before_redesign"
RUNS = ("main", "other", "unfinished")
EXPORTS = ("sft", "preference", "rl")
FIRST_NIGHT, SECOND_NIGHT = "2026-11-27", "2026-11-28"

Figures = dict[str, Any]


class StoredRuns:
    """A copy of the fixture that a test may change, and the checkout whose code is asked about it."""

    def __init__(self, parent: Path, checkout: Path = ROOT) -> None:
        self.folder = parent / "stored_runs"
        self._checkout = checkout
        shutil.copytree(FIXTURE, self.folder)
        # The stored configs name the bundled model by a path relative to the folder that the runs were written in.
        (self.folder / "models").symlink_to(ROOT / "models")

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`proofmill WORDS` in the copy."""
        return subprocess.run(
            [sys.executable, "-m", "jobs.cli", *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self._checkout)},
            capture_output=True,
            text=True,
            check=False,
        )

    def run_folder(self, run: str) -> Path:
        return self.folder / "stored" / "runs" / run

    def samples(self, run: str) -> list[Figures]:
        """Every durable sample of a run."""
        files = sorted(self.run_folder(run).glob("samples/*.parquet"))
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def contents(self) -> dict[str, bytes]:
        """Every stored file by its name: what must not change where nothing is to be done."""
        files = [path for path in (self.folder / "stored").rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}


def sample_figures(runs: StoredRuns, run: str) -> Figures:
    """Counts of the rows themselves."""
    rows = runs.samples(run)
    return {
        "rows": len(rows),
        "problems": len({row["problem_id"] for row in rows}),
        "by_epoch": counts(row["epoch"] for row in rows),
        "by_kind": counts(row["kind"] for row in rows),
        "by_round": counts(row["round"] for row in rows),
        "by_status": counts(row["status"] or "aborted" for row in rows),
    }


def report_figures(runs: StoredRuns, run: str) -> Figures:
    """`proofmill report --run`: the table of problems that it writes anew, and the figures on its page."""
    for name in ("problems.parquet", "report.html"):
        (runs.run_folder(run) / name).unlink(missing_ok=True)
    done = runs.command("report", "--run", f"stored/runs/{run}")
    assert done.returncode == 0, done.stderr
    table = pq.read_table(runs.run_folder(run) / "problems.parquet").to_pylist()
    page = read_page(runs.run_folder(run) / "report.html")
    names = {"all", *(row["domain"] for row in table)}
    return {
        "problems": [rounded(row) for row in sorted(table, key=lambda row: str(row["problem_id"]))],
        "tiles": page.tiles,
        "domains": [row for row in page.rows if row[0] in names and len(row) > 1],
    }


def comparison_figures(runs: StoredRuns) -> Figures:
    """`proofmill report --compare`: the figures on its page."""
    done = runs.command("report", "--compare", "stored/runs/main", "stored/runs/other", "--out", "compared")
    assert done.returncode == 0, done.stderr
    page = read_page(runs.folder / "compared" / "compare.html")
    return {"tiles": page.tiles, "rows": [row for row in page.rows if row[0] in COMPARED and len(row) > 2]}


COMPARED = (
    "problems",
    "problems solved",
    "pass@1",
    "verified solutions",
    "samples",
    "tokens per verified solution",
    "tokens per solved problem",
    "malformed samples",
    "undecided and errors",
)
"""Rows of the table of figures whose numbers follow from the samples alone. Their labels may be reworded."""


def export_figures(runs: StoredRuns, format: str) -> Figures:
    """`proofmill export`: the rows that it writes, in no order."""
    out = f"exported_again/{format}"
    done = runs.command("export", format, "--run", "stored/runs/main", "--out", out, "--processes", "1")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((runs.folder / out / "export.json").read_text())
    return {**exported_rows(runs.folder / out), "funnel": manifest["funnel"]}


def exported_rows(folder: Path, columns: list[str] | None = None, with_model_paths: bool = True) -> Figures:
    """Number and hash of an export's rows; of `columns` alone where they are given. `with_model_paths` false: as if
    `model` had held the name of the model's folder alone, and as if the tests of functions had been written as verl
    reads them, one JSON value per line."""
    table = pq.read_table(folder / "data" / "train.parquet")
    columns = sorted(columns if columns is not None else table.column_names)
    found = table.select(columns).to_pylist()
    if not with_model_paths and "model" in columns:
        found = [{**row, "model": Path(row["model"]).name} for row in found]
    if not with_model_paths and "reward_model" in columns:
        found = [{**row, "reward_model": as_verl_reads(row["reward_model"])} for row in found]
    rows = sorted(map(canonical, found))
    return {"rows": len(rows), "columns": columns, "sha256": hashlib.sha256("\n".join(rows).encode()).hexdigest()}


def as_verl_reads(reward_model: Figures) -> Figures:
    """The reward fields of a row with inputs and outputs of a function as text."""
    try:
        truth = json.loads(reward_model["ground_truth"])
    except ValueError:
        return reward_model
    if not isinstance(truth, dict) or "fn_name" not in truth:
        return reward_model
    inputs = [text if isinstance(text, str) else "\n".join(map(json.dumps, text)) for text in truth["inputs"]]
    outputs = [value if isinstance(value, str) else json.dumps(value) for value in truth["outputs"]]
    return {**reward_model, "ground_truth": json.dumps({**truth, "inputs": inputs, "outputs": outputs})}


def verify_figures(runs: StoredRuns) -> Figures:
    """`proofmill verify --run`: what is said of each row, and which rows leave no room for another verdict."""
    verdicts = verify_again(runs)
    rows = {(row["problem_id"], row["sample_index"]): row for row in runs.samples("main")}
    clear = [verdict for verdict in verdicts if is_clear_cut(rows[verdict["problem_id"], verdict["sample_index"]])]
    return {
        "checked": len(verdicts),
        "by_status": counts(verdict["status"] for verdict in verdicts),
        "stored": [[row["problem_id"], row["sample_index"], row["stored_status"]] for row in verdicts],
        "clear_cut": [[row["problem_id"], row["sample_index"], row["status"]] for row in clear],
    }


def verify_again(runs: StoredRuns) -> list[Figures]:
    done = runs.command("verify", "--run", "stored/runs/main", "--out", "verdicts.jsonl")
    # 3 says that a verdict changed, which a stricter or a more capable checker may do to rows that are not clear-cut.
    assert done.returncode in (0, 3), done.stderr
    return [json.loads(line) for line in (runs.folder / "verdicts.jsonl").read_text().splitlines()]


def is_clear_cut(row: Figures) -> bool:
    """Whether a stored row's verdict follows from its text without any policy: the model ended by itself, gave exactly
    one answer in the form that was asked for, outside code, and was verified or refuted for it."""
    text = row["text"] or ""
    if row["finish_reason"] != "stop" or row["status"] not in ("verified", "refuted"):
        return False
    if row["kind"] in ("math", "choice"):
        answers = re.findall(r"\\boxed\{([^{}]*)\}", text)
        plain = r"-?\d+" if row["kind"] == "math" else r"[A-D]"
        is_one = len(answers) == 1 and text.count("boxed") == 1 and "```" not in text
        return is_one and re.fullmatch(plain, answers[0]) is not None
    return text.count("```") == 2


def night_figures(runs: StoredRuns) -> Figures:
    """`proofmill nightly` of a night that is over, and of the same night once only its runs' results are left."""
    night = runs.folder / "stored" / "nightly" / "small" / "nights" / SECOND_NIGHT
    over = runs.command("nightly", "nightly.toml", "--date", SECOND_NIGHT)
    for path in [*night.glob("plan.json"), *night.glob("report.*"), *night.glob("problems/*")]:
        path.unlink()
    # The order of the problems is a later setting. Without it they are as the older version wrote them.
    as_before = "--set", "nightly.longest_first=false"
    again = runs.command("nightly", "nightly.toml", "--date", SECOND_NIGHT, *as_before)
    problems = {path.name: problem_ids(path) for path in sorted((night / "problems").iterdir())}
    return {
        "over": {"exit_code": over.returncode, "says_complete": "complete" in over.stdout},
        "exit_code": again.returncode,
        "drawn_again": "starting engines" in again.stdout,
        "plan": json.loads((night / "plan.json").read_text()),
        "problems": problems,
        "report": json.loads((night / "report.json").read_text()),
    }


def problem_ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


class Page(html.parser.HTMLParser):
    """The figures of a report: those of its tiles, and of each table row its first cell and its numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.tiles: list[str] = []
        self.rows: list[list[str]] = []
        self.numbers: set[str] = set()
        self._tile_depth = 0
        self._cells: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div":
            classes = (dict(attrs).get("class") or "").split()
            self._tile_depth += bool(self._tile_depth or "tile" in classes)
        elif tag == "tr":
            self._cells = []
        elif tag in ("td", "th") and self._cells is not None:
            self._cells.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._tile_depth:
            self._tile_depth -= 1
        elif tag == "tr" and self._cells:
            name, *others = self._cells
            self.rows.append([name.strip(), *numbers_in(" ".join(others))])
            self._cells = None

    def handle_data(self, data: str) -> None:
        numbers = numbers_in(data)
        self.numbers.update(numbers)
        if self._tile_depth:
            self.tiles.extend(numbers)
        if self._cells:
            self._cells[-1] += data


def read_page(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text())
    return page


def numbers_in(text: str) -> list[str]:
    """Numbers as they are shown, without a sign of percent. Money is left out: how it is shown may change."""
    return re.findall(r"(?<![-+−\w.$])[-+−]?\d+(?:,\d{3})*(?:\.\d+)?(?![\w$])", text)


def counts(values: Any) -> dict[str, int]:
    return dict(sorted(collections.Counter(str(value) for value in values).items()))


def rounded(value: Any) -> Any:
    """Floats to nine digits, so that another machine's last bit is no difference."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value


def canonical(row: Figures) -> str:
    return json.dumps(rounded(row), sort_keys=True, ensure_ascii=False, default=str)


def all_figures(checkout: Path) -> Figures:
    """Everything that test_old_runs.py compares and that needs no engine."""
    with tempfile.TemporaryDirectory() as folder:
        runs = StoredRuns(Path(folder), checkout)
        figures: Figures = {
            "samples": {run: sample_figures(runs, run) for run in RUNS},
            "report": {run: report_figures(runs, run) for run in RUNS},
            "comparison": comparison_figures(runs),
            "export": {format: export_figures(runs, format) for format in EXPORTS},
            "verify": verify_figures(runs),
            "night": night_figures(runs),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Prints the figures of the stored runs as JSON.")
    parser.add_argument("checkout", type=Path, help="the checkout whose code computes them")
    print(json.dumps(all_figures(parser.parse_args().checkout.resolve()), indent=1, sort_keys=True, ensure_ascii=False))


if __name__ == "__main__":
    main()
