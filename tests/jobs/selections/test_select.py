"""`selections.parquet` of stored runs, through the real clustering, and what the report and the commands say of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from made_up_run import sample_row, write_run

from jobs.cli import main
from jobs.selections.calibration import MIN_REFERENCES
from jobs.selections.select import AGREEMENT, SelectionCounts, select_run
from jobs.selections.suspects import read_suspects
from runstore.errors import NoSelectionsError
from runstore.reader import read_selections
from runstore.schema import SELECTION_SCHEMA
from runstore.storage import open_storage

FIXED = {"policy": "fixed", "estimates": "unbiased", "num_samples": 8}
TEMPERATURES = (0.6, 1.0)


def problem_rows(
    name: str, answers: Sequence[str | None], right: str | None, rule: dict[str, Any] = FIXED, **other: Any
) -> list[dict[str, Any]]:
    """The samples of one problem by their answers. Without a right one the problem has no answer key."""
    rows = []
    for at, answer in enumerate(answers):
        status = "unchecked" if right is None else "malformed" if answer is None else "refuted"
        if answer is not None and answer == right:
            status = "verified"
        about = {
            "reference": json.dumps({} if right is None else {"answer": right}),
            "prompt": f"What is {name}?",
            "extracted_answer": answer,
            "text": f"I worked on {name}. \\boxed{{{answer}}}",
            "sampling": json.dumps({"temperature": TEMPERATURES[at % 2]}),
        }
        rows.append(sample_row(name, at, status, rule, **{**about, **other}))
    return rows


def keyed(number: int, share_right: float, domain: str = "algebra", wrong_votes: int = 7) -> list[dict[str, Any]]:
    """Problems on which all samples agree on the right answer in this share of them, and on a wrong one, all or all but
    one of them, in the others."""
    rows = []
    for at in range(number):
        right = "5" if at < round(number * share_right) else "7"
        answers = ["5"] * 8 if right == "5" else ["5"] * wrong_votes + ["7"] * (8 - wrong_votes)
        rows += problem_rows(f"{domain}-{at}", answers, right, domain=domain)
    return rows


def selections(uri: str) -> dict[str, dict[str, Any]]:
    storage = open_storage(uri)
    names = SELECTION_SCHEMA.names
    return {row["problem_id"]: row for batch in read_selections(storage, names) for row in batch.to_pylist()}


def stored(tmp_path: Path, rows: list[dict[str, Any]]) -> str:
    return write_run(str(tmp_path / "run"), rows, {"config": {}, "summary": {}})


def test_a_row_of_a_problem_without_an_answer_key(tmp_path: Path) -> None:
    """Different spellings are one answer; what is cut off, unread or missing does not vote."""
    answers = ["1/2", "3", "0.5", None, "\\frac{1}{2}", "3", "2/4", "1/2"]
    hidden = problem_rows("hidden", answers, None, domain="algebra")
    hidden[7]["finish_reason"] = "length"
    uri = stored(tmp_path, [*keyed(80, 1.0), *hidden])
    assert select_run(open_storage(uri)) == SelectionCounts(81, 1, 80, 0, 0, 81)
    row = selections(uri)["hidden"]
    assert row == row | {
        **{"run_id": "made-up", "problem_id": "hidden", "method": AGREEMENT, "keyless": True, "domain": "algebra"},
        **{"winner": "1/2", "winner_sample_index": 0, "votes": 4, "runner_up": "3", "runner_up_votes": 2},
        **{"voters": 6, "samples": 8, "unplaced": 0, "tied": False, "winner_rows": [0, 2, 4, 6]},
        **{"rows_used": [0, 1, 2, 4, 5, 6], "cluster_sizes": [4, 2], "clusters_right": None, "winner_sources": 1},
        **{"score": pytest.approx(0.2), "margin": pytest.approx(1 / 3), "calibrates": False, "suspect": False},
    }
    assert row["calibrated_on"] == "domain" and row["num_references"] == 80
    assert row["probability_low"] <= row["probability"] <= row["probability_high"]


def test_the_same_votes_have_the_same_score_with_and_without_a_key(tmp_path: Path) -> None:
    answers = ["5", "6", "5", "5", None, "6", "5", "7"]
    uri = stored(tmp_path, [*problem_rows("shown", answers, "6"), *problem_rows("hidden", answers, None)])
    select_run(open_storage(uri))
    shown, hidden = selections(uri)["shown"], selections(uri)["hidden"]
    for name in ("winner", "score", "margin", "votes", "runner_up", "rows_used", "winner_rows", "cluster_sizes"):
        assert shown[name] == hidden[name], name
    assert shown["clusters_right"] == [False, True, False] and shown["calibrates"]


def test_models_that_agree_on_what_is_wrong_lower_the_probability(tmp_path: Path) -> None:
    """The same eight votes of eight in two domains; in one of them the models are wrong together in two problems of
    five, and nothing in the votes themselves shows it."""
    rows = [*keyed(100, 1.0, "algebra"), *keyed(100, 0.6, "traps", wrong_votes=8)]
    rows += problem_rows("sound", ["5"] * 8, None, domain="algebra")
    rows += problem_rows("trap", ["5"] * 8, None, domain="traps")
    uri = stored(tmp_path, rows)
    select_run(open_storage(uri))
    found = selections(uri)
    assert found["sound"]["score"] == found["trap"]["score"]
    assert found["sound"]["probability"] > 0.95
    assert found["trap"]["probability"] < 0.75 and found["trap"]["probability_high"] < 0.8


def test_no_probability_without_references(tmp_path: Path) -> None:
    uri = stored(tmp_path, [*keyed(MIN_REFERENCES - 5, 1.0), *problem_rows("hidden", ["5"] * 8, None)])
    select_run(open_storage(uri))
    row = selections(uri)["hidden"]
    assert row["winner"] == "5" and row["score"] is not None
    assert [row[name] for name in ("probability", "probability_low", "calibrated_on", "num_references")] == [None] * 4


def test_problems_whose_plans_looked_at_verdicts_say_nothing(tmp_path: Path, capsys: Any) -> None:
    """Under until_verified a problem with a reference ends at its first right sample, so that long votes are those of
    problems on which the models are wrong, and short ones are always right."""
    looked = {"policy": "until_verified", "estimates": "unbiased", "num_samples": 8, "num_verified": 1}
    rows = [row for at in range(100) for row in problem_rows(f"p{at}", ["5"], "5", looked, domain="algebra")]
    uri = stored(tmp_path, [*rows, *problem_rows("hidden", ["5"] * 8, None)])
    assert select_run(open_storage(uri)) == SelectionCounts(101, 1, 0, 100, 0)
    assert selections(uri)["hidden"]["probability"] is None
    assert main(["report", "--run", uri, "--select"]) == 0
    assert "the plans of 100 problems with one looked at verdicts" in capsys.readouterr().out
    page = (Path(uri) / "report.html").read_text()
    assert "Chosen without a proof" in page and "so there is no probability" in page


def test_early_ends_by_agreement_are_compared_with_votes_that_would_have_ended_as_early(tmp_path: Path) -> None:
    """Problems with references have eight samples, and one without ended after four that agree."""
    agreement = {"alpha": 0.05, "min_samples": 4, "max_samples": 8}
    rule = {**FIXED, "agreement": agreement}
    hidden = problem_rows("hidden", ["5"] * 4, None, rule, domain="algebra")
    uri = stored(tmp_path, [*keyed(80, 1.0), *hidden])
    select_run(open_storage(uri))
    found = selections(uri)
    assert found["hidden"]["score"] == pytest.approx(4 / 6) and found["algebra-0"]["score"] == pytest.approx(0.8)
    assert found["hidden"]["probability"] > 0.95


def test_a_problems_own_verdicts_do_not_move_its_probability(tmp_path: Path) -> None:
    base = keyed(200, 0.9)
    found = []
    for name, right in (("right", "5"), ("wrong", "7")):
        uri = stored(tmp_path / name, [*base, *problem_rows("mine", ["5"] * 8, right)])
        select_run(open_storage(uri))
        found.append(selections(uri)["mine"]["probability"])
    assert found[0] == found[1] is not None


def test_lean_has_no_row_and_a_problem_without_an_answer_has_no_winner(tmp_path: Path) -> None:
    rows = [*problem_rows("theorem", ["5"] * 8, "5", kind="lean"), *problem_rows("silent", [None] * 8, None)]
    rows += problem_rows("plugin", ["5"] * 8, "5", kind="of a plugin that is not loaded")
    uri = stored(tmp_path, rows)
    assert select_run(open_storage(uri)).problems == 1
    row = selections(uri)["silent"]
    assert row["winner"] is row["score"] is row["margin"] is row["winner_sample_index"] is None
    assert row["samples"] == 8 and row["votes"] == 0 and row["rows_used"] == []


def run_with_suspects(tmp_path: Path) -> str:
    rows = [*keyed(150, 1.0), *problem_rows("false", ["5"] * 8, "6", domain="algebra")]
    rows += problem_rows("once-right", [*["5"] * 8, "6"], "6", domain="algebra")
    rows += problem_rows("one-source", ["5"] * 8, "6", domain="algebra", sampling='{"temperature": 1.0}')
    rows += problem_rows("few", [*["5"] * 7, None], "6", domain="algebra")
    rows += problem_rows("hidden", ["5"] * 8, None, domain="algebra")
    return stored(tmp_path, rows)


def test_suspects_are_listed_and_no_verdict_is_changed(tmp_path: Path, capsys: Any) -> None:
    uri = run_with_suspects(tmp_path)
    before = {path: path.read_bytes() for path in Path(uri, "samples").iterdir()}
    assert main(["problems", "suspects", uri]) == 2
    assert "--select" in capsys.readouterr().err
    assert main(["report", uri, "--select"]) == 0
    (suspect,) = read_suspects(open_storage(uri))
    assert (suspect.reference, suspect.agreed, suspect.votes, suspect.sources) == ("6", "5", 8, 2)
    assert suspect.probability >= 0.9 and [text.sample_index for text in suspect.texts] == [0, 1]
    page = (Path(uri) / "report.html").read_text()
    assert "Probabilities are how often such winners were right among the 154 problems" in page
    assert "References that may be wrong" in page and "I worked on false" in page
    capsys.readouterr()
    assert main(["problems", "suspects", uri]) == 0
    shown = capsys.readouterr()
    assert "reference: 6" in shown.out and "agreed:    5" in shown.out and shown.out.count("I worked on false") == 2
    assert main(["problems", "suspects", uri, "--jsonl"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["problem_id"] == "false"
    assert {path: path.read_bytes() for path in Path(uri, "samples").iterdir()} == before


def test_what_a_terminal_would_act_upon_is_escaped(tmp_path: Path, capsys: Any) -> None:
    hostile = {"prompt": "What?\x1b]0;title\x07\nAnd?", "text": "\x9b2J\r\\boxed{5}\nsecond", "domain": "a\x1b[31m"}
    rows = [*keyed(80, 1.0), *problem_rows("false", ["5"] * 8, "6", **hostile)]
    uri = stored(tmp_path, rows)
    select_run(open_storage(uri))
    assert main(["problems", "suspects", uri]) == 0
    shown = capsys.readouterr().out
    assert not [char for char in shown if not char.isprintable() and char != "\n"]
    assert "What?\\x1b]0;title\\x07\n" in shown and "\\x9b2J\\r\\boxed{5}\n    second" in shown


def test_selections_are_written_beside_a_run_only(tmp_path: Path, capsys: Any) -> None:
    nowhere = tmp_path / "nowhere"
    assert main(["report", "--select", "--run", str(nowhere)]) == 2
    assert not nowhere.exists()
    shown = capsys.readouterr()
    assert not shown.out and "no committed samples" in shown.err
    (tmp_path / "empty").mkdir()
    assert main(["report", "--select", str(tmp_path / "empty")]) == 2
    assert list((tmp_path / "empty").iterdir()) == []


def test_the_table_is_the_same_whatever_the_size_of_a_bucket(tmp_path: Path) -> None:
    uri = run_with_suspects(tmp_path)
    select_run(open_storage(uri))
    whole = selections(uri)
    select_run(open_storage(uri), bucket_rows=100)
    assert selections(uri) == whole


def test_a_run_without_selections_says_how_to_make_them(tmp_path: Path) -> None:
    uri = stored(tmp_path, keyed(2, 1.0))
    with pytest.raises(NoSelectionsError, match="--select"):
        list(read_selections(open_storage(uri), ["problem_id"]))
