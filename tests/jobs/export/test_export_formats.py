"""Each format through the whole export, read back as its consumer reads it."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_runs import mixed_samples, problem, sample, write_run

from jobs.export.dataset_card import EXAMPLE_CHARS, EXAMPLE_ITEMS, shortened
from jobs.export.formats.prm import lean_steps
from jobs.export.formats_table import FORMATS
from jobs.export.pipeline import export
from jobs.export.settings import load_settings
from jobs.export.summary import Summary, ranking_note
from jobs.report.problems_table import write_problems_table
from runstore.errors import StoredRunError
from runstore.parts import encode_part
from runstore.schema import PROBLEM_SCHEMA
from runstore.tokens import TOKEN_SCHEMA


def run_export(
    tmp_path: Path, format: Any, *overrides: str, samples: Any = None
) -> tuple[Summary, list[dict[str, Any]]]:
    run = write_run(tmp_path / "run", samples or mixed_samples())
    settings = load_settings(
        format, None, ["work.processes=1", f"work.directory={json.dumps(str(tmp_path))}", *overrides]
    )
    summary = export(settings, [run], str(tmp_path / "out"))
    return summary, read(tmp_path / "out")


def read(out: Path) -> list[dict[str, Any]]:
    return list(datasets.load_dataset(str(out), split="train", cache_dir=str(out.parent / "cache")))


def test_sft_prompt_completion(tmp_path: Path) -> None:
    summary, rows = run_export(tmp_path, "sft")
    assert rows and len(rows) == summary.num_rows
    truth = {(s["problem_id"], s["text"]): s["status"] for s in mixed_samples()}
    for row in rows:
        assert row["prompt"][-1]["role"] == "user"
        (turn,) = row["completion"]
        assert turn["role"] == "assistant"
        assert truth[row["problem_id"], turn["content"]] == "verified"


def test_sft_takes_every_verified_sample_when_there_is_room(tmp_path: Path) -> None:
    summary, rows = run_export(tmp_path, "sft", "select.per_problem=99")
    assert len(rows) == sum(s["status"] == "verified" for s in mixed_samples())
    assert summary.funnel["exported"] == len(rows)
    assert sum(summary.funnel.values()) == len(mixed_samples())


@pytest.mark.parametrize("layout", ["messages", "nemo_rl", "openthoughts"])
@pytest.mark.parametrize("files", ["parquet", "jsonl"])
def test_sft_layouts(tmp_path: Path, layout: str, files: str) -> None:
    _, rows = run_export(tmp_path, "sft", f"output.layout={layout}", f"output.files={files}")
    texts = {s["text"]: s for s in mixed_samples() if s["status"] == "verified"}
    for row in rows:
        if layout == "messages":
            assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]
            asked, answer = (turn["content"] for turn in row["messages"])
        elif layout == "nemo_rl":
            asked, answer = row["input"], row["output"]
        else:
            assert [turn["from"] for turn in row["conversations"]] == ["user", "assistant"]
            asked, answer = (turn["value"] for turn in row["conversations"])
        assert asked == json.loads(texts[answer]["messages"])[0]["content"]


def test_messages_keep_system_turns_and_their_order(tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What now?"}]
    short = sample("a", 0)
    long = sample(
        "b", 0, messages=json.dumps(chat), text="Before this there was nothing at all, and so we go on and on."
    )
    _, rows = run_export(tmp_path, "sft", "output.layout=messages", samples=[short, long])
    by_problem = {row["problem_id"]: row["messages"] for row in rows}
    assert by_problem["b"] == [*chat, {"role": "assistant", "content": long["text"]}]
    assert by_problem["a"][-1] == {"role": "assistant", "content": short["text"]}


@pytest.mark.parametrize("layout", ["trl", "open_instruct", "nemo_rl"])
def test_preference_layouts(tmp_path: Path, layout: str) -> None:
    summary, rows = run_export(tmp_path, "preference", f"output.layout={layout}")
    assert rows
    status = {s["text"]: s["status"] for s in mixed_samples()}
    owner = {s["text"]: s["problem_id"] for s in mixed_samples()}
    for row in rows:
        if layout == "nemo_rl":
            best, worst = sorted(row["completions"], key=lambda entry: entry["rank"])
            chosen, rejected = best["completion"][-1], worst["completion"][-1]
        else:
            chosen, rejected = row["chosen"][-1], row["rejected"][-1]
        assert status[chosen["content"]] == "verified"
        assert status[rejected["content"]] == "refuted"
        assert owner[chosen["content"]] == owner[rejected["content"]] == row["problem_id"]
        assert 0.5 <= row["tokens"] / row["rejected_tokens"] <= 2
    assert summary.funnel["exported"] == 2 * len(rows)
    assert sum(summary.funnel.values()) == len(mixed_samples())


@pytest.mark.parametrize("status", ["undecided", "error", "malformed", None])
def test_only_refuted_is_ever_rejected(tmp_path: Path, status: str | None) -> None:
    rows = [sample("p", 0), sample("p", 1, status=status), sample("p", 2, status="refuted")]
    _, pairs = run_export(tmp_path, "preference", samples=rows)
    assert [pair["rejected"][0]["content"] for pair in pairs] == [rows[2]["text"]]


@pytest.mark.parametrize("gate", ["true", "false"])
def test_truncated_text_is_never_rejected(tmp_path: Path, gate: str) -> None:
    rows = [
        sample("p", 0),
        sample("p", 1, status="refuted", finish_reason="length"),
        sample("p", 2, status="refuted"),
        sample("q", 0),
        sample("q", 1, status="refuted", text="<think>" + sample("q", 1)["text"]),
    ]
    _, pairs = run_export(tmp_path, "preference", f"gates.truncated={gate}", samples=rows)
    assert [(pair["problem_id"], pair["rejected_index"]) for pair in pairs] == [("p", 2)]


def test_pairs_share_their_prompt(tmp_path: Path) -> None:
    other = json.dumps([{"role": "user", "content": "Another way to ask."}])
    rows = [
        sample("p", 0),
        sample("p", 1, status="refuted", messages=other),
        sample("q", 0),
        sample("q", 1, status="refuted"),
    ]
    _, pairs = run_export(tmp_path, "preference", samples=rows)
    assert [pair["problem_id"] for pair in pairs] == ["q"]


def test_hard_negatives_come_first(tmp_path: Path) -> None:
    negatives = [sample("p", at, status="refuted", mean_logprob=value) for at, value in enumerate([-2.0, -0.1, -1.0])]
    _, pairs = run_export(tmp_path, "preference", samples=[*negatives, sample("p", 7)])
    assert [pair["rejected_index"] for pair in pairs] == [1]


def test_hard_negatives_come_first_whatever_was_asked(tmp_path: Path) -> None:
    other = json.dumps([{"role": "user", "content": "Another way to ask."}])
    rows = [
        sample("p", 0),
        sample("p", 1, status="refuted", mean_logprob=-0.1),
        sample("p", 2, messages=other),
        sample("p", 3, status="refuted", messages=other, mean_logprob=-5.0),
    ]
    _, pairs = run_export(tmp_path, "preference", "select.per_problem=1", samples=rows)
    assert [pair["rejected_index"] for pair in pairs] == [1]


@pytest.mark.parametrize(("format", "column"), [("preference", "rejected"), ("kto", "completion"), ("sft", "")])
def test_an_export_says_where_wrong_answers_cannot_be_ranked(tmp_path: Path, format: str, column: str) -> None:
    """As in every run without sampling.logprobs."""
    values = [None, -0.5, None]
    negatives = [sample("p", at, status="refuted", mean_logprob=value) for at, value in enumerate(values)]
    summary, rows = run_export(tmp_path, format, "select.per_problem=1", samples=[*negatives, sample("p", 7)])
    note = ranking_note(summary)
    card = (tmp_path / "out" / "README.md").read_text()
    if format == "sft":
        assert not note and "mean_logprob" not in card, "nothing is ranked by it"
        return
    kept = [row[column][0]["content"] for row in rows if not row.get("label")]
    assert kept == [negatives[1]["text"]], "a known value comes before an unknown one"
    assert note.startswith("2 refuted samples have no mean_logprob") and note in card
    assert "sampling.logprobs = true" in note


def test_kto(tmp_path: Path) -> None:
    _, rows = run_export(tmp_path, "kto")
    status = {s["text"]: s["status"] for s in mixed_samples()}
    assert {row["label"] for row in rows} == {True, False}
    for row in rows:
        assert row["label"] == (status[row["completion"][0]["content"]] == "verified")
        assert status[row["completion"][0]["content"]] in ("verified", "refuted")
        assert (row["long2short_reward"] is not None) == row["label"]


def rl_samples() -> list[dict[str, Any]]:
    """Problem p<i> has i of 10 samples right."""
    prompts = [
        "Find the sum of all odd primes below {}.",
        "How many roads lead to {} from here?",
        "Integrate x to the {}.",
    ]
    return [
        sample(
            f"p{right}",
            at,
            status="verified" if at < right else "refuted",
            prompt=prompts[right % 3].format(right * 11),
        )
        for right in range(11)
        for at in range(10)
    ]


def test_rl_band_weights_and_rewards(tmp_path: Path) -> None:
    summary, rows = run_export(tmp_path, "rl", "rl.low=0.2", "rl.high=0.8", samples=rl_samples())
    assert sorted(row["problem_id"] for row in rows) == [f"p{right}" for right in range(2, 9)]
    assert summary.funnel == {"exported": 7, "pass_rate_outside": 4}
    for row in rows:
        right = int(row["problem_id"][1:])
        assert row["pass_rate"] == right / 10
        assert row["pass_rate_low"] < row["pass_rate"] < row["pass_rate_high"]
        assert len(row["verified_lengths"]) == len(row["long2short_rewards"]) == right
        assert abs(sum(row["long2short_rewards"]) - right) < 1e-9
        assert row["mgpo_weight"] <= 1.0
    assert next(row for row in rows if row["problem_id"] == "p5")["mgpo_weight"] == 1.0
    assert sorted(row["extra_info"]["index"] for row in rows) == list(range(7))


def test_rl_without_an_unbiased_estimate(tmp_path: Path) -> None:
    rows = rl_samples()
    run = write_run(tmp_path / "run", rows)
    table = pq.read_table(Path(run) / "problems.parquet")
    facts = [
        {**row, "pass_rate": None, "estimator": "none"} if row["problem_id"] == "p5" else row
        for row in table.to_pylist()
    ]
    pq.write_table(type(table).from_pylist(facts, schema=table.schema), Path(run) / "problems.parquet")
    summary = export(load_settings("rl", None, ["work.processes=1"]), [run], str(tmp_path / "out"))
    assert summary.funnel["no_pass_rate"] == 1
    assert "p5" not in {row["problem_id"] for row in read(tmp_path / "out")}


def test_rl_of_a_kind_that_this_version_does_not_know(tmp_path: Path) -> None:
    summary, rows = run_export(
        tmp_path, "rl", samples=[{**row, "kind": "proof"} for row in rl_samples()[:20]] + rl_samples()[20:]
    )
    assert summary.funnel["no_scorer"] == 1 and {row["kind"] for row in rows} == {"math"}


@pytest.mark.parametrize("layout", ["verl", "open_instruct", "trl"])
def test_rl_ground_truth(tmp_path: Path, layout: str) -> None:
    _, rows = run_export(tmp_path, "rl", f"output.layout={layout}", samples=rl_samples())
    for row in rows:
        if layout == "verl":
            assert row["data_source"] == "math_dapo"
            assert row["reward_model"] == {"style": "rule", "ground_truth": "1234567"}
            assert row["ability"] == "math"
        else:
            assert row["ground_truth"] == "1234567"
        assert row["messages" if layout == "open_instruct" else "prompt"][0]["role"] == "user"


def test_prm(tmp_path: Path) -> None:
    steps = [{"text": "3x = 15", "ok": True}, {"text": "x = 6", "ok": False}]
    rows = [sample("p", 0), sample("p", 1, status="refuted", evidence=json.dumps({"steps": steps}))]
    summary, labelled = run_export(tmp_path, "prm", samples=rows)
    (row,) = labelled
    assert row["completions"] == ["3x = 15", "x = 6"]
    assert row["labels"] == [True, False]
    assert summary.funnel == {"exported": 1, "no_step_evidence": 1}


def test_prm_drops_near_duplicates_and_follows_the_strategy(tmp_path: Path) -> None:
    evidence = json.dumps({"steps": [{"text": "3x = 15", "ok": True}]})
    text = sample("p", 0)["text"] + " " + " ".join(f"word{at}" for at in range(100))
    rows = [
        sample("p", 0, text=text, evidence=evidence),
        sample("p", 1, text=text + " Done.", evidence=evidence),
        sample("p", 2, completion_tokens=5, evidence=evidence),
        sample("p", 3, evidence='{"steps": [{"text": "half a character: \\ud835", "ok": true}]}'),
    ]
    summary, labelled = run_export(tmp_path, "prm", "select.per_problem=1", "select.strategy=shortest", samples=rows)
    assert [row["id"] for row in labelled] == ["run-a/p/2"]
    assert summary.funnel == {"exported": 1, "near_duplicate": 1, "not_chosen": 1, "no_step_evidence": 1}


PROOF = "We use simp.\n```lean4\ntheorem t : p := by\n  intro h\n  simp at h\n  exact g\n```\nDone."


@pytest.mark.parametrize(
    ("evidence", "labels"),
    [
        ({"error": {"line": 5, "column": 2, "message": "simp made no progress"}, "phase": "elaboration"}, [1, 1, 0]),
        ({"axioms": [], "replayed": 3}, [1, 1, 1, 1]),
        ({"error": {"line": 3, "column": 2, "message": "unsolved goals\n⊢ p"}, "phase": "elaboration"}, None),
        ({"error": {"line": 4, "column": 2, "message": "expected token"}, "phase": "parse"}, None),
        ({"error": {"line": 8, "column": 0, "message": "?"}, "phase": "elaboration"}, None),
        ({"detail": "kernel rejected"}, None),
        (None, None),
    ],
)
def test_lean_steps(evidence: dict[str, Any] | None, labels: list[int] | None) -> None:
    found = lean_steps(PROOF, json.dumps(evidence))
    lines = ["theorem t : p := by", "  intro h", "  simp at h", "  exact g"]
    assert found == (None if labels is None else (lines[: len(labels)], [bool(label) for label in labels]))


def test_card_and_manifest(tmp_path: Path) -> None:
    summary, rows = run_export(tmp_path, "sft", "output.name=My set", "output.licence=cc-by-4.0")
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\npretty_name: My set\nlicense: cc-by-4.0\n")
    assert "status_undecided" in card and "geometry" in card and "pass@1" in card and "█" in card
    manifest = json.loads((tmp_path / "out" / "export.json").read_text())
    assert manifest["rows"] == len(rows) and manifest["funnel"] == dict(summary.funnel)


def test_card_names_runs_whose_problems_are_not_in_it(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, [sample(name, 0, run_id=name)]) for name in ("done", "running")]
    (tmp_path / "running" / "problems.parquet").unlink()
    export(load_settings("sft", None, ["work.processes=1"]), runs, str(tmp_path / "out"))
    section = (tmp_path / "out" / "README.md").read_text().split("## pass@k")[1].split("##")[0]
    assert "not finished: `running`." in section


def test_card_keeps_its_tables_whatever_a_domain_is_called(tmp_path: Path) -> None:
    run_export(tmp_path, "sft", samples=[sample("p", 0, domain="a|b\r\n# c")])
    assert "| a\\|b # c | 1 |" in (tmp_path / "out" / "README.md").read_text()


def test_card_says_what_its_tables_leave_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.export.dataset_card.MAX_DOMAINS", 2)
    rows = [sample(f"{domain}{at}", 0, domain=domain) for domain in "abcd" for at in range(ord(domain) - 96)]
    run = write_run(tmp_path / "run", rows)
    problems = [problem([row], **({} if row["domain"] != "d" else NO_ESTIMATE)) for row in rows]
    table = pa.Table.from_pylist(problems, schema=PROBLEM_SCHEMA)
    pq.write_table(table, tmp_path / "run" / "problems.parquet")
    overrides = ["work.processes=1", "gates.foreign_share=0.005"]
    export(load_settings("sft", None, overrides), [run], str(tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    section = card.split("## pass@k")[1].split("##")[0]
    assert "| c | 3 | 0 | 1.000" in section and "| d | 0 | 4 |" in section and "| a |" not in section
    assert card.count("The 2 largest of 4 domains.") == 2
    assert "more than 0.5% foreign letters" in card


NO_ESTIMATE = {"settled_at_index": None, "settled_verified": None, "pass_rate": None}


def early_stopped_samples() -> list[dict[str, Any]]:
    """Stopped at the first verified sample, eight at most; a fourth sample of `a` had been under way."""
    rule = json.dumps({"policy": "until_verified", "estimates": "unbiased", "num_samples": 8, "num_verified": 1})
    statuses = {"a": "rrvv", "b": "v", "c": "rrrrrrrr"}
    return [
        sample(name, at, stopping_rule=rule, status={"v": "verified", "r": "refuted"}[letter])
        for name, letters in statuses.items()
        for at, letter in enumerate(letters)
    ]


def test_card_of_an_early_stopped_run(tmp_path: Path) -> None:
    samples = early_stopped_samples()
    run = write_run(tmp_path / "run", samples)
    write_problems_table(run)
    export(load_settings("sft", None, ["work.processes=1"]), [run], str(tmp_path / "out"))
    assert card_pass_rates(tmp_path / "out") == {
        "problems": "3",
        "no estimate": "0",
        1: 0.333,
        2: 0.333,
        4: 0.667,
        8: 0.667,
    }


def test_card_of_a_run_of_the_first_problem_schema(tmp_path: Path) -> None:
    """The plain counts serve, except where samples above the stop are among them."""
    run = write_run(tmp_path / "run", early_stopped_samples())
    write_problems_table(run)
    path = tmp_path / "run" / "problems.parquet"
    old = pq.read_table(path).drop(["settled_verified", "settled_first_try"])
    pq.write_table(old.replace_schema_metadata({"proofmill.schema_version": "1"}), path)
    export(load_settings("sft", None, ["work.processes=1"]), [run], str(tmp_path / "out"))
    assert card_pass_rates(tmp_path / "out") == {"problems": "2", "no estimate": "1", 1: 0.5, 2: 0.5, 4: 0.5, 8: 0.5}


def card_pass_rates(out: Path) -> dict[Any, Any]:
    """The card's pass@k table of its one domain."""
    section = (out / "README.md").read_text().split("## pass@k")[1].split("##")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    heads, cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], lines[2]))
    assert len(lines) == 3
    rates = {int(head[5:]): float(cell.split(" (")[0]) for head, cell in zip(heads, cells, strict=True) if "@" in head}
    return {head: cell for head, cell in zip(heads, cells, strict=True) if head in ("problems", "no estimate")} | rates


def test_card_names_every_gate_and_the_licence_of_each_source(tmp_path: Path) -> None:
    rows = [
        sample("p", 0, source="gsm8k"),
        sample("q", 0, source="mine"),
        sample("r", 0, text="So \\boxed{1234567}"),
        sample("s", 0, finish_reason="length"),
    ]
    run_export(tmp_path, "sft", "output.licences={gsm8k = 'mit'}", "gates.loop_share=1.0", samples=rows)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| `gsm8k` | 1 | mit |" in card and "| `mine` | 1 | not stated |" in card
    assert "| `answer_without_work` | fewer than 12 tokens | 1 |" in card
    assert "| `truncated` | on | 1 |" in card
    assert "| `loop` | off | 0 |" in card
    assert "| `language_mixing` | more than 5% foreign letters | 0 |" in card


EVERY_LAYOUT = [(format, layout) for format in FORMATS for layout in FORMATS.row(format).layouts]


@pytest.mark.parametrize(("format", "layout"), EVERY_LAYOUT)
def test_the_card_says_what_every_column_means(tmp_path: Path, format: str, layout: str) -> None:
    samples = None
    if format == "prm":
        steps = json.dumps({"steps": [{"text": "first", "ok": True}]})
        samples = [sample("p", 0, evidence=steps)]
    _, rows = run_export(tmp_path, format, f"output.layout={layout}", samples=samples)
    section = (tmp_path / "out" / "README.md").read_text().split("## Columns")[1].split("##")[0]
    described = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE))
    assert list(described) == list(rows[0]), "every column, in its order"
    assert not [name for name, meaning in described.items() if "not described" in meaning]


@pytest.mark.parametrize("text", ["Two and two is 4. \\boxed{4}", "````\n# no heading\n````\n\\boxed{4}", "so " * 900])
def test_the_card_shows_the_first_row(tmp_path: Path, text: str) -> None:
    gates = ("gates.min_work_tokens=0", "gates.loop_share=1")
    _, rows = run_export(tmp_path, "sft", *gates, samples=[sample("p", 0, text=text)])
    card = (tmp_path / "out" / "README.md").read_text()
    shown = re.search(r"^(`{3,})json\n(.*?)\n\1$", card.split("## The first row")[1], re.MULTILINE | re.DOTALL)
    assert shown is not None
    row = json.loads(shown[2])
    if len(text) <= EXAMPLE_CHARS:
        assert row == rows[0]
        return
    (answer,) = row["completion"]
    left_out = len(rows[0]["completion"][0]["content"]) - EXAMPLE_CHARS
    assert f"[…{left_out:,} characters left out…]" in answer["content"]
    assert len(answer["content"]) < EXAMPLE_CHARS + 60


def test_a_long_list_of_the_first_row_is_cut() -> None:
    row = shortened({"prompt": "p", "lengths": list(range(20)), "deep": [{"text": "x" * 700}]})
    assert row["prompt"] == "p" and row["lengths"] == [*range(EXAMPLE_ITEMS), "[…12 more…]"]
    assert "100 characters left out" in row["deep"][0]["text"]


def test_no_path_of_the_machine_is_in_card_or_rows(tmp_path: Path) -> None:
    private = "/home/someone/private/models/tiny_reasoner"
    samples = [{**row, "model": private} for row in mixed_samples()]
    decontaminate = tmp_path / "secret" / "evaluation.jsonl"
    decontaminate.parent.mkdir()
    line = {"id": "e", "kind": "math", "prompt": "What is the sum of two and two?", "reference": {"answer": "4"}}
    decontaminate.write_text(json.dumps(line) + "\n")
    overrides = [f"decontaminate.files={json.dumps([str(decontaminate)])}"]
    _, rows = run_export(tmp_path, "sft", *overrides, samples=samples)
    card = (tmp_path / "out" / "README.md").read_text()
    assert {row["model"] for row in rows} == {"tiny_reasoner"}
    assert "| tiny_reasoner |" in card and "`evaluation.jsonl`" in card
    assert "/home" not in card and str(tmp_path) not in card
    run_ids = sorted({row["run_id"] for row in rows})
    assert all(f"| `{run}` |" in card for run in run_ids)
    assert json.loads((tmp_path / "out" / "export.json").read_text())["run_ids"] == run_ids


def test_the_card_has_a_snippet_that_loads_the_rows(tmp_path: Path) -> None:
    _, rows = run_export(tmp_path, "sft")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license: other\n" in card and "license_name: per-source\n" in card
    snippet = card.split("```python\n")[1].split("```")[0].replace("PATH", str(tmp_path / "out"))
    (tmp_path / "snippet.py").write_text(snippet)
    assert len(runpy.run_path(str(tmp_path / "snippet.py"))["rows"]) == len(rows)


def test_pairs_and_their_samples_are_counted_apart(tmp_path: Path) -> None:
    summary, rows = run_export(tmp_path, "preference")
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"{len(rows)} pairs of format `preference`" in card
    assert f"| `exported` | {2 * len(rows)} | in this data set, in {len(rows)} pairs |" in card
    assert summary.funnel["exported"] == 2 * len(rows)


def test_rl_rows_carry_the_tokens_that_a_run_stored(tmp_path: Path) -> None:
    rows = [{**row, "round": int(row["sample_index"] == 9)} for row in rl_samples()]
    with pytest.raises(StoredRunError, match=r"tokens/.*a run stores tokens only with output\.tokens"):
        run_export(tmp_path, "rl", "rl.tokens=true", samples=rows)
    run = Path(write_run(tmp_path / "with_tokens", rows))
    for part in sorted((run / "samples").glob("*.parquet")):
        stored = [
            {
                **{name: row[name] for name in ("run_id", "problem_id", "sample_index")},
                **{"prompt_ids": [1, 2, 3], "opening_tokens": 1, "token_ids": [7, row["sample_index"], 2]},
                **{"logprobs": [-0.5, -0.25, -1.0]},
            }
            for row in pq.read_table(part, columns=["run_id", "problem_id", "sample_index"]).to_pylist()
        ]
        (run / "tokens").mkdir(exist_ok=True)
        data = encode_part(pa.Table.from_pylist(stored, TOKEN_SCHEMA), TOKEN_SCHEMA)
        (run / "tokens" / part.name).write_bytes(data)
    for layout in ("verl", "open_instruct", "trl"):
        out = tmp_path / layout
        overrides = ["work.processes=1", "rl.tokens=true", f'output.layout="{layout}"']
        export(load_settings("rl", None, overrides), [str(run)], str(out))
        exported = pq.read_table(out / "data" / "train.parquet").to_pylist()
        assert exported
        for row in exported:
            right = int(row["problem_id"][1:])
            drawn = {each["sample_index"]: each for each in row["rollouts"]}
            assert sorted(drawn) == list(range(9)), "repair rounds answer other messages"
            assert [index for index, each in drawn.items() if each["verified"]] == list(range(min(right, 9)))
            for index, each in drawn.items():
                assert each["prompt_ids"] == [1, 2, 3] and each["opening_tokens"] == 1
                assert each["token_ids"] == [7, index, 2] and each["logprobs"] == [-0.5, -0.25, -1.0]
